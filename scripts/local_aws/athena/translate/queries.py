"""Queries: WITH, set operations, VALUES, SELECT with its grouping and order."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from .. import functions
from ..casts import cast, zoned_text
from ..expression import LOST, Expr
from ..relations import Column, Combined, Relation, Select, Source
from ..types import Type, common, quote
from .scope import MARK, Scope, holds_aggregate, unique_names
from .sources import Sources

_REFUSED_CLAUSES = (
    "qualify", "laterals", "pivots", "cluster", "sort", "distribute", "sample", "into", "match",
    "connect", "prewhere", "kind", "hint", "settings",
)  # fmt: skip


class Queries(Sources):
    """Translates queries."""

    def result(self, node: exp.Expression) -> tuple[str, Relation]:
        """As `query`, for a result that is printed: each timestamp with time zone in its own zone.

        Raises QueryFailed(NOT_SUPPORTED) for a zone that is not known any more.
        """
        self._printed = node if isinstance(node, exp.Select) else None
        sql, relation = self.query(node)
        for column in relation.columns:
            if column.zone and column.sql_name not in self._texts:
                Expr(column.sql_name, column.type, zone=LOST).local()
        return sql, relation

    def query(self, node: exp.Expression, parent: Scope | None = None) -> tuple[str, Relation]:
        """DuckDB SQL of a query, and its relation."""
        if isinstance(node, exp.Subquery):
            if node.args.get("alias") or node.args.get("joins"):
                raise self.refuse("an aliased query here", node)
            scope = Scope(parent)
            prefix = self.with_(node, scope)
            if not any(node.args.get(k) for k in ("order", "limit", "offset")):
                sql, relation = self.query(node.this, scope)
                return f"{prefix}({sql})", relation
            return self._ordered_subquery(node, scope, prefix)
        if isinstance(node, exp.Select):
            return self.select(node, parent)
        if isinstance(node, exp.SetOperation):
            return self.set_operation(node, parent)
        if isinstance(node, exp.Values):
            return self.values(node, Scope(parent))
        raise self.refuse(f"a query of the form {type(node).__name__}", node)

    def _ordered_subquery(
        self, node: exp.Subquery, scope: Scope, prefix: str
    ) -> tuple[str, Relation]:
        sql, relation = self.query(node.this, scope)
        source = self._source("q", relation)
        out = Select(relation.columns, sources=[source])
        for column in relation.columns:
            out.deps[column.sql_name] = {(source, column.sql_name)}
        scope.sources.append(source)
        tail = self._tail(node, scope)
        out.base |= scope.deps
        out.subqueries = scope.subqueries
        self.relations.append(out)
        return f"{prefix}SELECT * FROM ({sql}) AS {quote(source.alias)}{tail}", out

    def with_(self, node: exp.Expression, scope: Scope) -> str:
        """The WITH clause of a query, registered in `scope`."""
        clause = node.args.get("with_") or node.args.get("with")
        if not clause:
            return ""
        if clause.args.get("recursive"):
            raise self.refuse("WITH RECURSIVE", node)
        parts = []
        for item in clause.expressions:
            name = item.alias.lower().removeprefix(MARK)
            sql, relation = self.query(item.this, scope)
            names = [c.name.lower() for c in item.args["alias"].columns]
            if names:
                relation = self._renamed(relation, names, item)
            unique = self.fresh(name)
            scope.ctes[name] = (unique, relation)
            aliases = ", ".join(quote(c.sql_name) for c in relation.columns)
            parts.append(f"{quote(unique)}({aliases}) AS ({sql})")
        return f"WITH {', '.join(parts)} "

    def _renamed(self, relation: Relation, names: list[str], node: exp.Expression) -> Relation:
        columns = relation.columns
        if len(columns) != len(names):
            raise self.error(
                "MISMATCHED_COLUMN_ALIASES",
                f"Column alias list has {len(names)} entries but relation has {len(columns)} "
                "columns",
                node,
            )
        source = self._source("r", relation)
        renamed = [
            replace(c, name=n, sql_name=u)
            for c, n, u in zip(columns, names, unique_names(names), strict=True)
        ]
        out = Select(renamed, sources=[source])
        for new, old in zip(renamed, columns, strict=True):
            out.deps[new.sql_name] = {(source, old.sql_name)}
            out.passes[new.sql_name] = (source, old.sql_name)
        self.relations.append(out)
        return out

    def set_operation(self, node: exp.SetOperation, parent: Scope | None) -> tuple[str, Relation]:
        scope = Scope(parent)
        prefix = self.with_(node, scope)
        left_sql, left = self.query(node.left, scope)
        right_sql, right = self.query(node.right, scope)
        if len(left.columns) != len(right.columns):
            raise self.error(
                "TYPE_MISMATCH",
                f"{type(node).__name__.upper()} query has different number of fields: "
                f"{len(left.columns)}, {len(right.columns)}",
                node,
            )
        names = unique_names([c.name for c in left.columns])
        columns: list[Column] = []
        for name, a, b in zip(names, left.columns, right.columns, strict=True):
            kind = common(a.type, b.type)
            if kind is None:
                raise self.error(
                    "TYPE_MISMATCH",
                    f"column {len(columns) + 1} in {type(node).__name__.upper()} query has "
                    f"incompatible types: {a.type}, {b.type}",
                    node,
                )
            zone = LOST if a.zone or b.zone else None
            columns.append(Column(a.name, name, kind, zone))
        whole = bool(node.args.get("distinct", True)) or not isinstance(node, exp.Union)
        word = type(node).__name__.upper() + ("" if node.args.get("distinct", True) else " ALL")
        out = Combined(columns, branches=[left, right], whole=whole)
        body = (
            f"{self._typed(left_sql, left, columns)} {word} "
            f"{self._typed(right_sql, right, columns)}"
        )
        self.relations.append(out)
        if not any(node.args.get(k) for k in ("order", "limit", "offset")):
            return prefix + body, out
        source = self._source("u", out)
        scope.sources.append(source)
        outer = Select(columns, sources=[source])
        for column in columns:
            outer.deps[column.sql_name] = {(source, column.sql_name)}
            scope.outputs[column.name] = Expr(quote(column.sql_name), column.type)
        tail = self._tail(node, scope)
        outer.base |= scope.deps
        outer.subqueries = scope.subqueries
        self.relations.append(outer)
        return f"{prefix}SELECT * FROM ({body}) AS {quote(source.alias)}{tail}", outer

    def _typed(self, sql: str, relation: Relation, columns: list[Column]) -> str:
        alias = self.fresh("b")
        items = []
        for old, new in zip(relation.columns, columns, strict=True):
            kept = old.zone if new.type == old.type else None
            value = cast(
                Expr(f"{quote(alias)}.{quote(old.sql_name)}", old.type, zone=kept), new.type
            )
            items.append(f"{value.sql} AS {quote(new.sql_name)}")
        return f"(SELECT {', '.join(items)} FROM ({sql}) AS {quote(alias)})"

    def values(self, node: exp.Values, scope: Scope) -> tuple[str, Relation]:
        rows: list[list[Expr]] = []
        for item in node.expressions:
            cells = item.expressions if isinstance(item, exp.Tuple) else [item]
            if len(cells) == 1 and isinstance(cells[0], exp.Struct | exp.Tuple):
                cells = cells[0].expressions  # a row is a row of the table
            rows.append([self.expr(c, scope) for c in cells])
        width = len(rows[0])
        if any(len(r) != width for r in rows):
            raise self.error("TYPE_MISMATCH", "Values rows have mismatched sizes", node)
        kinds = [functions.unify("VALUES", [r[i] for r in rows]) for i in range(width)]
        self._refuse_zoned_clocks(kinds, node)
        body = ", ".join(
            "(" + ", ".join(cast(c, k).sql for c, k in zip(r, kinds, strict=True)) + ")"
            for r in rows
        )
        names = [f"_col{i}" for i in range(width)]
        zones = [LOST if any(r[i].zone for r in rows) else None for i in range(width)]
        out = Select([Column(n, n, k, z) for n, k, z in zip(names, kinds, zones, strict=True)])
        out.base |= scope.deps
        out.subqueries = scope.subqueries
        for name in names:
            out.deps[name] = set()
        self.relations.append(out)
        aliases = ", ".join(map(quote, names))
        return f"SELECT * FROM (VALUES {body}) AS {quote(self.fresh('v'))}({aliases})", out

    def select(self, node: exp.Select, parent: Scope | None) -> tuple[str, Relation]:
        for key in _REFUSED_CLAUSES:
            if node.args.get(key):
                raise self.refuse(key.upper(), node)
        scope = Scope(parent)
        prefix = self.with_(node, scope)
        out = Select([])
        from_sql = self._from(node, scope)
        out.sources = scope.sources
        where = self._where(node, scope)
        for window in node.args.get("windows") or []:
            scope.windows[window.this.name.lower()] = window
        items = self._outputs(node, scope, out)
        group = self._group(node, scope, items, out)
        having = ""
        if clause := node.args.get("having"):
            having = f" HAVING {self.boolean(clause.this, scope).sql}"
            scope.has_aggregate = True
        distinct = ""
        if node.args.get("distinct"):
            if node.args["distinct"].args.get("on"):
                raise self.error("SYNTAX_ERROR", "mismatched input 'ON'", node)
            distinct, out.distinct = "DISTINCT ", True
        for (name, value), column in zip(items, out.columns, strict=True):
            # A printed timestamp is text: order by the value itself.
            sql = value.sql if value.zone else quote(column.sql_name)
            scope.outputs.setdefault(name, replace(value, sql=sql, column=None))
            scope.ordinals.append(value.sql if value.zone else "")
        tail = self._tail(node, scope)
        self._restrict_passes(node, scope, out)
        out.base |= scope.deps
        out.subqueries = scope.subqueries
        self.relations.append(out)
        if node is self._printed and not distinct:
            items = self._print_zones(items, out)
        listed = ", ".join(
            f"{v.sql} AS {quote(c.sql_name)}" for (_, v), c in zip(items, out.columns, strict=True)
        )
        return f"{prefix}SELECT {distinct}{listed}{from_sql}{where}{group}{having}{tail}", out

    def _refuse_zoned_clocks(self, kinds: list[Type], node: exp.Expression) -> None:
        """Two texts can be one time: what a column holds would be compared."""
        if any(kind.name == "timetz" for kind in kinds):
            raise self.refuse("a time with time zone in a column", node)

    def _print_zones(self, items: list[tuple[str, Expr]], out: Select) -> list[tuple[str, Expr]]:
        printed = []
        for (name, value), column in zip(items, out.columns, strict=True):
            if value.zone and value.zone != LOST:
                self._texts.add(column.sql_name)
                value = replace(value, sql=zoned_text(value, max(3, value.type.args[0])))
            printed.append((name, value))
        return printed

    def _from(self, node: exp.Select, scope: Scope) -> str:
        clause = node.args.get("from_") or node.args.get("from")
        if not clause:
            return ""
        sql = self.from_item(clause.this, scope)
        for join in node.args.get("joins") or []:
            sql += self._join(join, scope)
        return f" FROM {sql}"

    def _where(self, node: exp.Expression, scope: Scope) -> str:
        clause = node.args.get("where")
        if not clause:
            return ""
        if holds_aggregate(clause.this, windows=True):
            raise self.error(
                "EXPRESSION_NOT_SCALAR",
                "WHERE clause cannot contain aggregations, window functions or grouping operations",
                clause.this,
            )
        value = self.boolean(clause.this, scope)
        self.push(clause.this, scope, scope.sources)
        return f" WHERE {value.sql}"

    def _outputs(self, node: exp.Select, scope: Scope, out: Select) -> list[tuple[str, Expr]]:
        items: list[tuple[str, Expr]] = []
        touched: list[set[tuple[Source, str]]] = []
        for item in node.expressions:
            starred = self._star(item, scope)
            if starred is not None:
                for name, value in starred:
                    items.append((name, value))
                    touched.append(_own(value))
                continue
            scope.deps, saved = set(), scope.deps
            value = self.expr(item.this if isinstance(item, exp.Alias) else item, scope)
            touched.append(scope.deps)
            scope.deps = saved
            items.append((_output_name(item, len(items)), value))
        if node is not self._printed:
            self._refuse_zoned_clocks([v.type for _, v in items], node)
        names = unique_names([name for name, _ in items])
        for unique, (name, value), used in zip(names, items, touched, strict=True):
            zone = LOST if value.zone else None
            out.columns.append(Column(name, unique, value.type, zone))
            out.deps[unique] = used
            if value.column and value.column[0] in scope.sources:
                out.passes[unique] = value.column
        return items

    def _star(self, item: exp.Expression, scope: Scope) -> list[tuple[str, Expr]] | None:
        if isinstance(item, exp.Star):
            if item.args.get("except_") or item.args.get("except") or item.args.get("replace"):
                raise self.refuse("SELECT * EXCEPT", item)
            sources, merged = scope.sources, True
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            alias = item.table.lower()
            sources = [s for s in scope.sources if s.alias == alias]
            merged = False
            if not sources:
                raise self.error("TABLE_NOT_FOUND", f"Unable to resolve reference {alias}", item)
        else:
            return None
        if not sources:
            raise self.error(
                "COLUMN_NOT_FOUND", "SELECT * not allowed in queries without FROM clause", item
            )
        using = [s.merged for s in sources if s.merged] if merged else []
        first: list[tuple[str, Expr]] = []
        names: set[str] = set().union(*using) if using else set()
        for name in [c.name for s in sources for c in s.columns if c.name in names]:
            if name not in [n for n, _ in first]:
                first.append((name, self._merged(name, scope)))
        rest = [
            (c.name, self._column(s, c))
            for s in sources
            for c in s.columns
            if not c.hidden and c.name not in names
        ]
        return first + rest

    def _merged(self, name: str, scope: Scope) -> Expr:
        parts = [self._column(s, c) for s in scope.sources for c in s.columns if c.name == name]
        kind = functions.unify("USING", parts)
        return Expr(f"coalesce({', '.join(p.sql for p in parts)})", kind,
                    column=parts[0].column)  # fmt: skip

    def _column(self, source: Source, column: Column) -> Expr:
        sql = f"{quote(source.alias)}.{quote(column.sql_name)}"
        return Expr(sql, column.type, zone=column.zone, column=(source, column.sql_name))

    def _group(
        self, node: exp.Select, scope: Scope, items: list[tuple[str, Expr]], out: Select
    ) -> str:
        clause = node.args.get("group")
        if not clause:
            return ""
        scope.has_aggregate = True
        keys: list[str] = []
        plain: set[tuple[int, str]] = set()
        simple = True
        for item in clause.expressions:
            if isinstance(item, exp.GroupingSets | exp.Cube | exp.Rollup):
                simple = False
                keys.append(self._grouping_element(item, scope, items))
                continue
            if isinstance(item, exp.Tuple) and not item.expressions:
                keys.append("()")
                continue
            value = self._group_key(item, scope, items)
            keys.append(value.sql)
            if value.column:
                plain.add((id(value.column[0]), value.column[1]))
        if clause.args.get("all"):
            raise self.refuse("GROUP BY ALL", node)
        scope.window_keys.append(plain if simple else set())
        return f" GROUP BY {', '.join(keys)}"

    def _grouping_element(
        self, item: exp.Expression, scope: Scope, items: list[tuple[str, Expr]]
    ) -> str:
        words = {exp.GroupingSets: "GROUPING SETS", exp.Cube: "CUBE", exp.Rollup: "ROLLUP"}
        inner = ", ".join(self._grouping(e, scope, items) for e in item.expressions)
        return f"{words[type(item)]} ({inner})"

    def _group_key(self, item: exp.Expression, scope: Scope, items: list[tuple[str, Expr]]) -> Expr:
        if isinstance(item, exp.Literal) and not item.is_string:
            index = int(item.this)
            if not 1 <= index <= len(items):
                raise self.error(
                    "INVALID_COLUMN_REFERENCE",
                    f"GROUP BY position {index} is not in select list",
                    item,
                )
            value = items[index - 1][1]
            self._use(value, scope)
            return value
        return self.expr(item, scope)

    def _grouping(self, item: exp.Expression, scope: Scope, items: list[tuple[str, Expr]]) -> str:
        if isinstance(item, exp.Tuple):
            return f"({', '.join(self._grouping(e, scope, items) for e in item.expressions)})"
        if isinstance(item, exp.Paren):
            return f"({self._grouping(item.this, scope, items)})"
        return self._group_key(item, scope, items).sql

    def _restrict_passes(self, node: exp.Select, scope: Scope, out: Select) -> None:
        """Forget pass-through columns that a filter must not be pushed through."""
        if node.args.get("limit") or node.args.get("offset"):
            out.passes.clear()
        if scope.has_aggregate and not node.args.get("group"):
            out.passes.clear()
        for keys in scope.window_keys:
            out.passes = {name: (s, c) for name, (s, c) in out.passes.items() if (id(s), c) in keys}

    def _tail(self, node: exp.Expression, scope: Scope) -> str:
        sql = ""
        if order := node.args.get("order"):
            sql += f" ORDER BY {self._order(order.expressions, scope, by_output=True)}"
        if limit := node.args.get("limit"):
            count = limit.args.get("count") or limit.args.get("expression")
            options = isinstance(limit, exp.Fetch) and limit.args.get("limit_options")
            if options and (options.args.get("with_ties") or options.args.get("percent")):
                raise self.refuse("FETCH FIRST ... WITH TIES", node)
            if not (isinstance(count, exp.Var) and count.name.upper() == "ALL"):
                sql += f" LIMIT {self._row_count(count)}"
        if offset := node.args.get("offset"):
            sql += f" OFFSET {self._row_count(offset.expression)}"
        return sql

    def _row_count(self, node: exp.Expression) -> int:
        if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
            return int(node.this)
        raise self.error("SYNTAX_ERROR", "LIMIT and OFFSET need a whole number", node)

    def _order(self, items: list[exp.Expression], scope: Scope, by_output: bool = False) -> str:
        parts = []
        for item in items:
            key, desc, nulls = item, False, "LAST"
            if isinstance(item, exp.Ordered):
                key, desc = item.this, bool(item.args.get("desc"))
                nulls = "FIRST" if item.args.get("nulls_first") else "LAST"
            sql = self._order_key(key, scope, by_output)
            parts.append(f"{sql} {'DESC' if desc else 'ASC'} NULLS {nulls}")
        return ", ".join(parts)

    def _order_key(self, key: exp.Expression, scope: Scope, by_output: bool) -> str:
        if by_output and holds_aggregate(key):
            for column in key.find_all(exp.Column):
                if not column.table and column.name.lower() in scope.outputs:
                    raise self.error(
                        "COLUMN_NOT_FOUND",
                        "Invalid reference to output projection attribute from ORDER BY aggregation",
                        column,
                    )
        if by_output and isinstance(key, exp.Literal) and not key.is_string:
            return self._ordinal(key, scope)
        if by_output and isinstance(key, exp.Column) and not key.table:
            name = key.name.lower()
            if name in scope.outputs:
                return scope.outputs[name].sql
        return self.expr(key, scope).sql

    def _ordinal(self, key: exp.Literal, scope: Scope) -> str:
        index = int(key.this)
        if scope.ordinals and not 1 <= index <= len(scope.ordinals):
            raise self.error(
                "INVALID_COLUMN_REFERENCE", f"ORDER BY position {index} is not in select list", key
            )
        return (scope.ordinals[index - 1] if scope.ordinals else "") or str(index)


def _own(value: Expr) -> set[tuple[Source, str]]:
    return {value.column} if value.column else set()


def _output_name(item: exp.Expression, index: int) -> str:
    if isinstance(item, exp.Alias):
        return item.alias.lower().removeprefix(MARK)
    if isinstance(item, exp.Column):
        return item.name.lower()
    if isinstance(item, exp.Dot):
        return item.expression.name.lower()
    return f"_col{index}"
