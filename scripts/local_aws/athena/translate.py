"""Athena SQL to DuckDB SQL: names and types are resolved, then the SQL is written anew.

Only what is named here passes: an AST node or a function without a rule is refused by name. Filters
and needed columns are collected on the way (relations.py) for the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Protocol

from sqlglot import exp

from . import aggregates, functions
from .casts import cast, stamp_text
from .expression import LOST, NOT_CONSTANT, Expr
from .failure import QueryFailed
from .predicates import TRUE, Pred, both, compare, either, flip
from .relations import Column, Combined, Relation, Scan, Select, Source
from .types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    JSON,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    arithmetic,
    array,
    common,
    decimal,
    from_ast,
    literal,
    map_of,
    quote,
    row,
    timestamp,
    timestamptz,
    to_duckdb,
)

#: Marks function names that the parser left alone (parser.py).
MARK = "fn$"


@dataclass
class Scope:
    """Names visible in one SELECT."""

    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    ctes: dict[str, tuple[str, Relation]] = field(default_factory=dict)
    outputs: dict[str, Expr] = field(default_factory=dict)
    lambdas: dict[str, Expr] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)
    deps: set[tuple[Relation, str]] = field(default_factory=set)
    has_aggregate: bool = False
    window_keys: list[set[tuple[int, str]]] = field(default_factory=list)

    def cte(self, name: str) -> tuple[str, Relation] | None:
        scope: Scope | None = self
        while scope:
            if name in scope.ctes:
                return scope.ctes[name]
            scope = scope.parent
        return None


class Names(Protocol):
    """Resolves table names; `database` is where a bare name is looked for."""

    database: str

    def resolve(
        self, parts: list[str], version: exp.Expression | None, position: str
    ) -> Scan | View: ...


@dataclass
class View:
    """A view: its query, parsed, and the database that its names are resolved in."""

    query: exp.Expression
    columns: list[tuple[str, Type]]
    name: str
    database: str


class Translator:
    """Translates the queries of one statement; `relations` are in order of completion."""

    def __init__(self, text: str, names: Names, now: datetime) -> None:
        self.text = text
        self.names = names
        self.now = now
        self.relations: list[Relation] = []
        self.scans: list[Scan] = []
        self._counter = 0
        self._views: list[str] = []

    # --- queries

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
            out.deps[column.sql_name] = {(relation, column.sql_name)}
        scope.sources.append(source)
        tail = self._tail(node, scope)
        out.base |= scope.deps
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
            for c, n, u in zip(columns, names, _unique(names), strict=True)
        ]
        out = Select(renamed, sources=[source])
        for new, old in zip(renamed, columns, strict=True):
            out.deps[new.sql_name] = {(relation, old.sql_name)}
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
        names = _unique([c.name for c in left.columns])
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
            wall = LOST if a.wall or b.wall else None
            columns.append(Column(a.name, name, kind, wall))
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
            outer.deps[column.sql_name] = {(out, column.sql_name)}
            scope.outputs[column.name] = Expr(quote(column.sql_name), column.type)
        tail = self._tail(node, scope)
        outer.base |= scope.deps
        self.relations.append(outer)
        return f"{prefix}SELECT * FROM ({body}) AS {quote(source.alias)}{tail}", outer

    def _typed(self, sql: str, relation: Relation, columns: list[Column]) -> str:
        alias = self.fresh("b")
        items = []
        for old, new in zip(relation.columns, columns, strict=True):
            kept = old.wall if new.type == old.type else None
            value = cast(
                Expr(f"{quote(alias)}.{quote(old.sql_name)}", old.type, wall=kept), new.type
            )
            items.append(f"{value.sql} AS {quote(new.sql_name)}")
        return f"(SELECT {', '.join(items)} FROM ({sql}) AS {quote(alias)})"

    def values(self, node: exp.Values, scope: Scope) -> tuple[str, Relation]:
        rows: list[list[Expr]] = []
        for item in node.expressions:
            cells = item.expressions if isinstance(item, exp.Tuple) else [item]
            rows.append([self.expr(c, scope) for c in cells])
        width = len(rows[0])
        if any(len(r) != width for r in rows):
            raise self.error("TYPE_MISMATCH", "Values rows have mismatched sizes", node)
        kinds = [functions.unify("VALUES", [r[i] for r in rows]) for i in range(width)]
        body = ", ".join(
            "(" + ", ".join(cast(c, k).sql for c, k in zip(r, kinds, strict=True)) + ")"
            for r in rows
        )
        names = [f"_col{i}" for i in range(width)]
        out = Select([Column(n, n, k) for n, k in zip(names, kinds, strict=True)])
        out.base |= scope.deps
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
                raise self.refuse("DISTINCT ON", node)
            distinct, out.distinct = "DISTINCT ", True
        for (name, value), column in zip(items, out.columns, strict=True):
            scope.outputs.setdefault(name, replace(value, sql=quote(column.sql_name), column=None))
        tail = self._tail(node, scope)
        self._restrict_passes(node, scope, out)
        out.base |= scope.deps
        self.relations.append(out)
        listed = ", ".join(
            f"{v.sql} AS {quote(c.sql_name)}" for (_, v), c in zip(items, out.columns, strict=True)
        )
        return f"{prefix}SELECT {distinct}{listed}{from_sql}{where}{group}{having}{tail}", out

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
        value = self.boolean(clause.this, scope)
        self.push(clause.this, scope, scope.sources)
        return f" WHERE {value.sql}"

    def _outputs(self, node: exp.Select, scope: Scope, out: Select) -> list[tuple[str, Expr]]:
        items: list[tuple[str, Expr]] = []
        touched: list[set[tuple[Relation, str]]] = []
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
        names = _unique([name for name, _ in items])
        for unique, (name, value), used in zip(names, items, touched, strict=True):
            wall = LOST if value.wall else None
            out.columns.append(Column(name, unique, value.type, wall))
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
        return Expr(sql, column.type, wall=column.wall, column=(source, column.sql_name))

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
        if by_output and isinstance(key, exp.Literal) and not key.is_string:
            return str(int(key.this))
        if by_output and isinstance(key, exp.Column) and not key.table:
            name = key.name.lower()
            if name in scope.outputs:
                return scope.outputs[name].sql
        return self.expr(key, scope).sql

    # --- FROM

    def from_item(self, node: exp.Expression, scope: Scope) -> str:
        """SQL of one relation of FROM; its source is added to `scope`."""
        if isinstance(node, exp.Table):
            if isinstance(node.this, exp.Anonymous):
                name = node.this.name.removeprefix(MARK)
                raise self.error(
                    "FUNCTION_NOT_FOUND", f"Table function '{name}' not registered", node
                )
            sql = self._table(node, scope)
        elif isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table):
                sql = f"({self.from_item(node.this, scope)})"
                for join in node.this.args.get("joins") or []:
                    raise self.refuse("a join in parentheses", join)
                return sql
            inner = exp.Subquery(**{k: v for k, v in node.args.items() if k != "alias"})
            inner.args.pop("joins", None)
            body, relation = self.query(inner, _outer(scope, lateral=False))
            sql = self._derived(body, relation, node, scope)
        elif isinstance(node, exp.Values):
            body, relation = self.values(node, Scope(_outer(scope, lateral=False)))
            sql = self._derived(body, relation, node, scope)
        elif isinstance(node, exp.Unnest):
            sql = self._unnest(node, scope)
        elif isinstance(node, exp.Lateral):
            raise self.refuse("LATERAL", node)
        else:
            raise self.refuse(f"FROM {type(node).__name__}", node)
        for join in node.args.get("joins") or []:
            sql += self._join(join, scope)
        if node.args.get("sample") or node.args.get("pivots"):
            raise self.refuse("TABLESAMPLE", node)
        return sql

    def _table(self, node: exp.Table, scope: Scope) -> str:
        parts = [p.name.lower().removeprefix(MARK) for p in node.parts]
        found = scope.cte(parts[0]) if len(parts) == 1 else None
        if found:
            sql, relation = quote(found[0]), found[1]
        else:
            version = node.args.get("version")
            resolved = self.names.resolve(parts, version, self.position(node))
            if isinstance(resolved, View):
                body, relation = self._view(resolved, parts)
                sql = f"({body})"
            else:
                relation, sql = resolved, quote(resolved.view)
                self.scans.append(resolved)
                self.relations.append(resolved)
        schema = tuple(parts[:-1])
        return sql + self._add_source(node, relation, scope, parts[-1], schema)

    def _view(self, view: View, parts: list[str]) -> tuple[str, Relation]:
        name = ".".join(parts)
        if view.name in self._views:
            raise QueryFailed("VIEW_IS_RECURSIVE", f"Statement stack contains view '{name}' twice")
        self._views.append(view.name)
        database, self.names.database = self.names.database, view.database
        sql, relation = self.query(view.query, None)
        self.names.database = database
        self._views.pop()
        if len(relation.columns) != len(view.columns):
            raise QueryFailed(
                "VIEW_IS_STALE",
                f"View '{view.name}' is stale or in invalid state: it has {len(view.columns)} "
                f"columns, its query gives {len(relation.columns)}",
            )
        return sql, self._renamed(relation, [n for n, _ in view.columns], view.query) if [
            c.name for c in relation.columns
        ] != [n for n, _ in view.columns] else relation

    def _derived(self, body: str, relation: Relation, node: exp.Expression, scope: Scope) -> str:
        return f"({body})" + self._add_source(node, relation, scope, self.fresh("t"), ())

    def _add_source(
        self,
        node: exp.Expression,
        relation: Relation,
        scope: Scope,
        default: str,
        schema: tuple[str, ...],
    ) -> str:
        alias = (node.alias or default).lower().removeprefix(MARK)
        if node.alias:
            schema = ()
        names = (
            [c.name.lower() for c in node.args["alias"].columns] if node.args.get("alias") else []
        )
        visible = [c for c in relation.columns if not c.hidden]
        columns = list(relation.columns)
        if names:
            if len(names) != len(visible):
                raise self.error(
                    "MISMATCHED_COLUMN_ALIASES",
                    f"Column alias list has {len(names)} entries but '{alias}' has "
                    f"{len(visible)} columns available",
                    node,
                )
            columns = [replace(c, name=n) for c, n in zip(visible, names, strict=True)]
        alias_sql = self.fresh(alias) if any(s.alias == alias for s in scope.sources) else alias
        scope.sources.append(Source(alias_sql, relation, columns, schema))
        listed = ", ".join(quote(c.sql_name) for c in relation.columns)
        if isinstance(relation, Scan) or relation is not None and default in scope.ctes:
            return f" AS {quote(alias_sql)}"
        return f" AS {quote(alias_sql)}({listed})"

    def _join(self, join: exp.Join, scope: Scope) -> str:
        if join.args.get("method") or join.args.get("match_condition"):
            raise self.refuse(f"{join.args.get('method')} JOIN".upper(), join)
        side = (join.side or "").upper()
        kind = (join.kind or "").upper()
        left = list(scope.sources)
        item = self.from_item(join.this, scope)
        right = scope.sources[len(left) :]
        lateral = "LATERAL " if isinstance(join.this, exp.Unnest) else ""
        if using := join.args.get("using"):
            return f" {side} JOIN {item} {self._using(using, left, right, scope)}"
        on = join.args.get("on")
        if on is None:
            if kind not in ("CROSS", "") or side:
                raise self.error("SYNTAX_ERROR", "JOIN without ON or USING", join)
            return f" CROSS JOIN {lateral}{item}"
        condition = self.boolean(on, scope)
        if side == "":
            self.push(on, scope, scope.sources)
        elif side == "LEFT":
            self.push(on, scope, right)
        elif side == "RIGHT":
            self.push(on, scope, left)
        return f" {side or 'INNER'} JOIN {lateral}{item} ON {condition.sql}"

    def _using(
        self, using: list[exp.Expression], left: list[Source], right: list[Source], scope: Scope
    ) -> str:
        conditions = []
        for item in using:
            name = item.name.lower()
            a = self._find(name, left, item)
            b = self._find(name, right, item)
            for source in (*left, *right):
                if any(c.name == name for c in source.columns):
                    source.merged.add(name)
            self._use(a, scope)
            self._use(b, scope)
            conditions.append(f"{a.sql} = {b.sql}")
        return f"ON {' AND '.join(conditions)}"

    def _find(self, name: str, sources: list[Source], node: exp.Expression) -> Expr:
        found = [self._column(s, c) for s in sources for c in s.columns if c.name == name]
        if not found:
            raise self.error("COLUMN_NOT_FOUND", f"Column '{name}' cannot be resolved", node)
        return found[0]

    def _unnest(self, node: exp.Unnest, scope: Scope) -> str:
        args = [self.expr(e, scope) for e in node.expressions]
        inner: list[str] = []
        lengths: list[str] = []
        made: list[tuple[str, Type]] = []
        for arg in args:
            if arg.type.name == "map":
                inner += [f"unnest(map_keys({arg.sql})) AS k{len(made)}",
                          f"unnest(map_values({arg.sql})) AS k{len(made) + 1}"]  # fmt: skip
                made += [(f"k{len(made)}", arg.type.items[0]),
                         (f"k{len(made) + 1}", arg.type.items[1])]  # fmt: skip
                lengths.append(f"cardinality({arg.sql})")
            elif arg.type.name == "array":
                item = arg.type.items[0]
                base = f"k{len(made)}"
                inner.append(f"unnest({arg.sql}) AS {base}")
                lengths.append(f"len({arg.sql})")
                if item.name == "row":
                    made += [
                        (f"struct_extract_at({base}, {i + 1})", t) for i, t in enumerate(item.items)
                    ]
                else:
                    made.append((base, item))
            else:
                raise self.error("TYPE_MISMATCH", f"Cannot unnest type: {arg.type}", node)
        alias = node.args.get("alias")
        names = [c.name.lower() for c in alias.columns] if alias else []
        offset = node.args.get("offset")
        if offset:
            longest = f"greatest({', '.join(lengths)})" if len(lengths) > 1 else lengths[0]
            inner.append(f"unnest(generate_series(1, CAST({longest} AS BIGINT))) AS ord")
            made.append(("ord", BIGINT))
            if isinstance(offset, exp.Identifier) and names:
                names.append(offset.name.lower())
        if names and len(names) != len(made):
            raise self.error(
                "MISMATCHED_COLUMN_ALIASES",
                f"Column alias list has {len(names)} entries but 'unnest' has {len(made)} columns",
                node,
            )
        names = names or [f"_col{i}" for i in range(len(made))]
        unique = _unique(names)
        columns = [
            Column(n, u, t, LOST if t.name == "timestamptz" else None)
            for n, u, (_, t) in zip(names, unique, made, strict=True)
        ]
        out = Select(columns)
        for column in columns:
            out.deps[column.sql_name] = set()
        self.relations.append(out)
        name = (alias.name.lower().removeprefix(MARK) if alias else "") or self.fresh("unnest")
        scope.sources.append(Source(name, out, columns))
        listed = ", ".join(f"{sql} AS {quote(u)}" for (sql, _), u in zip(made, unique, strict=True))
        return f"(SELECT {listed} FROM (SELECT {', '.join(inner)})) AS {quote(name)}"

    def _source(self, prefix: str, relation: Relation) -> Source:
        return Source(self.fresh(prefix), relation, list(relation.columns))

    # --- filters that prune

    def push(self, node: exp.Expression, scope: Scope, targets: list[Source]) -> None:
        """Give each source among `targets` the part of a condition that is static on it alone."""
        for source in targets:
            pred = self._static(node, scope, source)
            if pred != TRUE:
                source.local.append(pred)

    def _static(self, node: exp.Expression, scope: Scope, source: Source) -> Pred:
        if isinstance(node, exp.Paren):
            return self._static(node.this, scope, source)
        if isinstance(node, exp.And):
            return both([self._static(n, scope, source) for n in (node.left, node.right)])
        if isinstance(node, exp.Or):
            return either([self._static(n, scope, source) for n in (node.left, node.right)])
        if isinstance(node, exp.Between) and not node.args.get("symmetric"):
            low = self._comparison(">=", node.this, node.args["low"], scope, source)
            return both([low, self._comparison("<=", node.this, node.args["high"], scope, source)])
        if isinstance(node, exp.In) and node.expressions:
            return either(
                [self._comparison("=", node.this, e, scope, source) for e in node.expressions]
            )
        for kind, op in _COMPARISONS.items():
            if isinstance(node, exp.Binary) and type(node) is kind:
                left, right = node.args["this"], node.args["expression"]
                return self._comparison(op, left, right, scope, source)
        return TRUE

    def _comparison(
        self, op: str, a: exp.Expression, b: exp.Expression, scope: Scope, source: Source
    ) -> Pred:
        saved = scope.deps
        scope.deps = set()
        try:
            left, right = self.expr(a, scope), self.expr(b, scope)
        finally:
            scope.deps = saved
        if left.constant is not NOT_CONSTANT:
            left, right, op = right, left, flip(op)
        if left.column is None or left.column[0] is not source:
            return TRUE
        value = right.constant
        if value is NOT_CONSTANT or value is None or not _comparable(left.type, value):
            return TRUE
        return compare(op, left.column[1], value)

    # --- expressions

    def boolean(self, node: exp.Expression, scope: Scope) -> Expr:
        """A condition. Raises QueryFailed(TYPE_MISMATCH) when it is not boolean."""
        value = self.expr(node, scope)
        if value.type not in (BOOLEAN, UNKNOWN):
            raise self.error(
                "TYPE_MISMATCH", f"Expression must evaluate to a boolean: actual type {value.type}",
                node,
            )  # fmt: skip
        return value

    def expr(self, node: exp.Expression, scope: Scope) -> Expr:
        """DuckDB SQL and Trino type of an expression."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            if isinstance(node, exp.Query):
                return self._scalar_subquery(node, scope)
            if isinstance(node, exp.Func):
                name = node.sql_name().lower()
                raise self.error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", node)
            raise self.refuse(f"the expression {type(node).__name__}", node)
        return handler(self, node, scope)

    def _use(self, value: Expr, scope: Scope) -> None:
        if value.column:
            scope.deps.add((value.column[0].relation, value.column[1]))

    def column(self, node: exp.Column, scope: Scope) -> Expr:
        parts = [p.name.lower() for p in node.parts]
        return self.name(parts, node, scope)

    def name(self, parts: list[str], node: exp.Expression, scope: Scope) -> Expr:
        """A column, with its qualifiers, or a field of a row."""
        current: Scope | None = scope
        while current:
            if parts[0] in current.lambdas:
                return self._fields(current.lambdas[parts[0]], parts[1:], node)
            found = self._lookup(parts, node, current)
            if found:
                value, rest = found
                self._use(value, scope)
                if current is not scope:
                    self._use(value, current)
                return self._fields(value, rest, node)
            current = current.parent
        raise self.error("COLUMN_NOT_FOUND", f"Column '{'.'.join(parts)}' cannot be resolved", node)

    def _lookup(
        self, parts: list[str], node: exp.Expression, scope: Scope
    ) -> tuple[Expr, list[str]] | None:
        for size in range(min(3, len(parts) - 1), 0, -1):
            qualifier, name = parts[:size], parts[size]
            for source in scope.sources:
                own = [*source.schema, source.alias]
                if own[-size:] != qualifier:
                    continue
                match = [c for c in source.columns if c.name == name]
                if len(match) == 1:
                    return self._column(source, match[0]), parts[size + 1 :]
                if len(match) > 1:
                    raise self.error("AMBIGUOUS_NAME", f"Column '{name}' is ambiguous", node)
        matches = [(s, c) for s in scope.sources for c in s.columns if c.name == parts[0]]
        if len(matches) > 1:
            if all(parts[0] in s.merged for s, _ in matches):
                return self._merged(parts[0], scope), parts[1:]
            raise self.error("AMBIGUOUS_NAME", f"Column '{parts[0]}' is ambiguous", node)
        if matches:
            return self._column(*matches[0]), parts[1:]
        return None

    def _fields(self, value: Expr, names: list[str], node: exp.Expression) -> Expr:
        for name in names:
            value = self.field(value, name, node)
        return value

    def field(self, value: Expr, name: str, node: exp.Expression) -> Expr:
        """`row.field`."""
        if value.type.name != "row" or name not in value.type.fields:
            raise self.error("COLUMN_NOT_FOUND", f"Column '{name}' cannot be resolved", node)
        index = value.type.fields.index(name)
        kind = value.type.items[index]
        return Expr(
            f"struct_extract_at({value.sql}, {index + 1})",
            kind,
            wall=LOST if kind.name == "timestamptz" else None,
        )

    def literal(self, node: exp.Literal, scope: Scope) -> Expr:
        if node.is_string:
            return Expr(literal(node.this), Type("varchar"), node.this)
        text = node.this
        if "e" in text.lower():
            return Expr(f"CAST('{text}' AS DOUBLE)", DOUBLE, float(text))
        if "." in text:
            whole, _, fraction = text.partition(".")
            digits = len(whole.lstrip("+-0") + fraction)
            kind = decimal(max(digits, len(fraction), 1), len(fraction))
            return Expr(f"CAST('{text}' AS {to_duckdb(kind)})", kind, float(text))
        number = int(text)
        if number > 2**63 - 1:
            raise self.error("INVALID_LITERAL", f"Invalid numeric literal: {text}", node)
        if number > 2**31 - 1:
            return Expr(f"CAST({number} AS BIGINT)", BIGINT, number)
        return Expr(str(number), INTEGER, number)

    def cast_(self, node: exp.Cast, scope: Scope) -> Expr:
        if node.args.get("format"):
            raise self.refuse("CAST ... FORMAT", node)
        target = from_ast(node.to)
        value = self.expr(node.this, scope)
        safe = isinstance(node, exp.TryCast)
        constant = _constant_cast(value.constant, target)
        if isinstance(node.this, exp.Literal) and node.this.is_string and not safe:
            zoned = self._zoned_literal(node, target)
            if zoned:
                return zoned
        try:
            result = cast(value, target, safe)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None
        return replace(result, constant=constant, column=None)

    def _zoned_literal(self, node: exp.Cast, target: Type) -> Expr | None:
        if target.name in ("timestamp", "timestamptz"):
            text = node.this.this
            # sqlglot types `timestamp '...'` as TIMESTAMPTZ when the literal has a zone.
            fraction = re.search(r"\.(\d+)", text)
            digits = len(fraction[1]) if fraction else (0 if not node.to.expressions else 0)
            if isinstance(node.args.get("_literal"), bool):
                return Expr(f"CAST({literal(text)} AS TIMESTAMP)", timestamp(digits))
        return None

    def binary(self, node: exp.Binary, scope: Scope) -> Expr:
        """+ - * / % and ||."""
        a, b = self.expr(node.left, scope), self.expr(node.right, scope)
        op = _OPERATORS[type(node)]
        if op == "||":
            return self._guard(node, lambda: functions.concatenation(a, b))
        if op in "+-" and a.type.is_time and b.type.name.startswith("interval"):
            return functions.plus_interval(a, b, op)
        if op == "+" and b.type.is_time and a.type.name.startswith("interval"):
            return functions.plus_interval(b, a, op)
        if op == "-" and a.type.is_time and b.type.is_time:
            return self._guard(node, lambda: functions.minus_time(a, b))
        if op == "*" and INTERVAL_DAY in (a.type, b.type):
            return Expr(f"({a.sql} * {b.sql})", INTERVAL_DAY)
        if op == "%":
            return self._guard(node, lambda: functions.modulo(a, b))
        kind = arithmetic(op, a.type, b.type)
        if UNKNOWN in (a.type, b.type):
            kind = b.type if a.type == UNKNOWN else a.type
        if kind is None:
            raise self.error(
                "TYPE_MISMATCH", f"Cannot apply operator: {a.type} {op} {b.type}", node
            )
        if op == "/":
            return Expr(_divide(a, b, kind), kind)
        sql = f"({a.sql} {op} {b.sql})"
        if kind.name == "decimal":
            sql = f"CAST({sql} AS {to_duckdb(kind)})"
        return Expr(sql, kind)

    def _guard(self, node: exp.Expression, build: Callable[[], Expr]) -> Expr:
        try:
            return build()
        except QueryFailed as error:
            if error.code in ("FUNCTION_NOT_FOUND", "TYPE_MISMATCH", "INVALID_FUNCTION_ARGUMENT"):
                raise self.error(error.code, error.message, node) from None
            raise

    def comparison(self, node: exp.Binary, scope: Scope) -> Expr:
        op = _COMPARISONS[type(node)]
        right = node.right
        if isinstance(right, exp.Any | exp.All):
            a = self.expr(node.left, scope)
            quantifier = "ANY" if isinstance(right, exp.Any) else "ALL"
            query = right.this
            sql, relation = self.query(
                query.this if isinstance(query, exp.Subquery) else query, scope
            )
            self._root(relation)
            return Expr(f"({a.sql} {op} {quantifier} ({sql}))", BOOLEAN)
        a, b = self.expr(node.left, scope), self.expr(right, scope)
        self._check_comparable(op, a, b, node)
        return Expr(f"({a.sql} {op} {b.sql})", BOOLEAN)

    def _check_comparable(self, op: str, a: Expr, b: Expr, node: exp.Expression) -> None:
        if common(a.type, b.type) is None:
            raise self.error(
                "TYPE_MISMATCH", f"Cannot apply operator: {a.type} {op} {b.type}", node
            )

    def distinct_from(self, node: exp.Binary, scope: Scope) -> Expr:
        a, b = self.expr(node.left, scope), self.expr(node.right, scope)
        word = "NOT " if isinstance(node, exp.NullSafeEQ) else ""
        self._check_comparable("IS DISTINCT FROM", a, b, node)
        return Expr(f"({a.sql} IS {word}DISTINCT FROM {b.sql})", BOOLEAN)

    def logical(self, node: exp.Binary, scope: Scope) -> Expr:
        word = "AND" if isinstance(node, exp.And) else "OR"
        parts = [self.boolean(n, scope).sql for n in node.flatten()]
        return Expr(f"({f' {word} '.join(parts)})", BOOLEAN)

    def not_(self, node: exp.Not, scope: Scope) -> Expr:
        return Expr(f"(NOT {self.boolean(node.this, scope).sql})", BOOLEAN)

    def paren(self, node: exp.Paren, scope: Scope) -> Expr:
        value = self.expr(node.this, scope)
        return replace(value, sql=f"({value.sql})" if not value.column else value.sql)

    def negative(self, node: exp.Neg, scope: Scope) -> Expr:
        value = self.expr(node.this, scope)
        if not value.type.is_numeric:
            raise self.error("TYPE_MISMATCH", f"Cannot negate {value.type}", node)
        constant = value.constant
        if isinstance(constant, int | float) and not isinstance(constant, bool):
            constant = -constant
        return Expr(f"(-{value.sql})", value.type, constant)

    def is_(self, node: exp.Is, scope: Scope) -> Expr:
        if not isinstance(node.expression, exp.Null):
            raise self.refuse("IS with anything but NULL", node)
        return Expr(f"({self.expr(node.this, scope).sql} IS NULL)", BOOLEAN)

    def between(self, node: exp.Between, scope: Scope) -> Expr:
        value, low, high = (self.expr(node.args[k], scope) for k in ("this", "low", "high"))
        self._check_comparable("BETWEEN", value, low, node)
        self._check_comparable("BETWEEN", value, high, node)
        return Expr(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)

    def in_(self, node: exp.In, scope: Scope) -> Expr:
        if node.args.get("unnest") or node.args.get("field"):
            raise self.refuse("IN of this form", node)
        query = node.args.get("query")
        if query is not None:
            value = self.expr(node.this, scope)
            inner = query.this if isinstance(query, exp.Subquery) else query
            sql, relation = self.query(inner, scope)
            self._root(relation)
            width = len(relation.columns)
            if width == 1:
                self._check_comparable("IN", value, Expr("", relation.columns[0].type), node)
            return Expr(f"({value.sql} IN ({sql}))", BOOLEAN)
        value = self.expr(node.this, scope)
        items = [self.expr(e, scope) for e in node.expressions]
        for item in items:
            self._check_comparable("IN", value, item, node)
        return Expr(f"({value.sql} IN ({', '.join(i.sql for i in items)}))", BOOLEAN)

    def exists(self, node: exp.Exists, scope: Scope) -> Expr:
        inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        sql, relation = self.query(inner, scope)
        relation.uses.append(TRUE)
        return Expr(f"EXISTS ({sql})", BOOLEAN)

    def _scalar_subquery(self, node: exp.Expression, scope: Scope) -> Expr:
        inner = node.this if isinstance(node, exp.Subquery) else node
        sql, relation = self.query(inner, scope)
        self._root(relation)
        if len(relation.columns) != 1:
            raise self.error(
                "NOT_SUPPORTED",
                f"Multiple columns returned by subquery are not yet supported. "
                f"Found {len(relation.columns)}",
                node,
            )
        column = relation.columns[0]
        return Expr(f"({sql})", column.type, wall=column.wall)

    def _root(self, relation: Relation) -> None:
        relation.uses.append(TRUE)
        relation.required.update(c.sql_name for c in relation.columns)

    def like(self, node: exp.Expression, scope: Scope) -> Expr:
        escape = ""
        if isinstance(node, exp.Escape):
            escape = f" ESCAPE {self.expr(node.expression, scope).sql}"
            node = node.this
        if not isinstance(node, exp.Like):
            raise self.refuse(type(node).__name__.upper(), node)
        a, b = self.expr(node.this, scope), self.expr(node.expression, scope)
        if not ((a.type.is_text or a.type == UNKNOWN) and b.type.is_text):
            raise self.error("TYPE_MISMATCH", f"Left side of LIKE must be varchar: {a.type}", node)
        negated = "NOT " if node.args.get("negate") else ""
        return Expr(f"({a.sql} {negated}LIKE {b.sql}{escape})", BOOLEAN)

    def case(self, node: exp.Case, scope: Scope) -> Expr:
        subject = self.expr(node.this, scope) if node.this else None
        conditions, values = [], []
        for branch in node.args.get("ifs") or []:
            if subject:
                test = self.expr(branch.this, scope)
                self._check_comparable("=", subject, test, branch)
                conditions.append(f"({subject.sql} = {test.sql})")
            else:
                conditions.append(self.boolean(branch.this, scope).sql)
            values.append(self.expr(branch.args["true"], scope))
        default = node.args.get("default")
        if default is not None:
            values.append(self.expr(default, scope))
        kind = self._unify(values, node)
        sqls = [cast(v, kind).sql for v in values]
        whens = " ".join(f"WHEN {c} THEN {v}" for c, v in zip(conditions, sqls, strict=False))
        other = f" ELSE {sqls[-1]}" if default is not None else ""
        wall = LOST if kind.name == "timestamptz" and any(v.wall for v in values) else None
        return Expr(f"CASE {whens}{other} END", kind, wall=wall)

    def _unify(self, values: list[Expr], node: exp.Expression) -> Type:
        try:
            return functions.unify("CASE", values)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None

    def extract(self, node: exp.Extract, scope: Scope) -> Expr:
        part = node.name.lower()
        value = self.expr(node.expression, scope)
        if part not in functions.SCALARS:
            raise self.error("SYNTAX_ERROR", f"Invalid EXTRACT field: {part}", node)
        return self._guard(node, lambda: functions.date_part(part, value))

    def at_zone(self, node: exp.AtTimeZone, scope: Scope) -> Expr:
        value, zone = self.expr(node.this, scope), self.expr(node.args["zone"], scope)
        return functions.at_timezone(value, zone)

    def interval(self, node: exp.Interval, scope: Scope) -> Expr:
        amount = node.this
        unit = node.args.get("unit")
        sign = ""
        if isinstance(amount, exp.Neg):
            sign, amount = "-", amount.this
        if not isinstance(amount, exp.Literal) or unit is None:
            raise self.refuse("an interval of this form", node)
        name = unit.name.lower().rstrip("s")
        if name not in ("second", "minute", "hour", "day", "week", "month", "year"):
            raise self.refuse(f"INTERVAL {unit.name}", node)
        return functions.interval(sign + amount.this, name)

    def array_(self, node: exp.Array, scope: Scope) -> Expr:
        items = [self.expr(e, scope) for e in node.expressions]
        if not items:
            return Expr("[]", array(UNKNOWN))
        kind = self._unify(items, node)
        return Expr(f"[{', '.join(cast(i, kind).sql for i in items)}]", array(kind))

    def row_(self, node: exp.Expression, scope: Scope) -> Expr:
        items = [self.expr(e, scope) for e in node.expressions]
        kind = row(tuple(i.type for i in items), tuple(None for _ in items))
        inner = ", ".join(f"'field{n}': {i.sql}" for n, i in enumerate(items))
        return Expr(f"{{{inner}}}", kind)

    def tuple_(self, node: exp.Tuple, scope: Scope) -> Expr:
        items = [self.expr(e, scope) for e in node.expressions]
        kind = row(tuple(i.type for i in items), tuple(None for _ in items))
        return Expr(f"({', '.join(i.sql for i in items)})", kind)

    def map_(self, node: exp.Expression, scope: Scope) -> Expr:
        args = [node.args.get("keys"), node.args.get("values")]
        values = [self.expr(a, scope) for a in args if a is not None]
        return self._call("map", values, node)

    def bracket(self, node: exp.Bracket, scope: Scope) -> Expr:
        if len(node.expressions) != 1:
            raise self.refuse("a subscript of this form", node)
        base, index = self.expr(node.this, scope), self.expr(node.expressions[0], scope)
        return self._guard(node, lambda: functions.subscript(base, index))

    def dot(self, node: exp.Dot, scope: Scope) -> Expr:
        return self.field(self.expr(node.this, scope), node.expression.name.lower(), node)

    def now_(self, node: exp.Expression, scope: Scope) -> Expr:
        return self.now_expr(type(node).__name__)

    def now_expr(self, name: str, digits: int = 3) -> Expr:
        """current_date, current_timestamp, localtimestamp: the local AWS's clock at the start."""
        wall = self.now.replace(tzinfo=None, microsecond=self.now.microsecond // 1000 * 1000)
        if name == "CurrentDate":
            return Expr(f"DATE '{wall.date()}'", DATE, wall.date())
        if name == "Localtimestamp":
            return Expr(f"TIMESTAMP '{wall}'", timestamp(digits), wall)
        return Expr(f"timezone('UTC', TIMESTAMP '{wall}')", timestamptz(digits))

    def null(self, node: exp.Null, scope: Scope) -> Expr:
        return Expr("NULL", UNKNOWN, None)

    def truth(self, node: exp.Boolean, scope: Scope) -> Expr:
        return Expr("true" if node.this else "false", BOOLEAN, bool(node.this))

    def hex_string(self, node: exp.HexString, scope: Scope) -> Expr:
        text = node.this
        if isinstance(text, str) and re.fullmatch(r"([0-9a-fA-F]{2})*", text):
            return Expr(f"unhex('{text}')", VARBINARY)
        raise self.refuse("this binary literal", node)

    def json_literal(self, node: exp.ParseJSON, scope: Scope) -> Expr:
        return self._call("json_parse", [self.expr(node.this, scope)], node)

    def trim(self, node: exp.Trim, scope: Scope) -> Expr:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(
            str(node.args.get("position") or "").upper(), "trim"
        )
        value = self.expr(node.this, scope)
        if node.expression:
            chars = self.expr(node.expression, scope)
            return Expr(f"{name}({value.sql}, {chars.sql})", VARCHAR)
        return self._call(name, [value], node)

    def substring(self, node: exp.Substring, scope: Scope) -> Expr:
        parts = [node.this, node.args.get("start"), node.args.get("length")]
        return self._call("substr", [self.expr(p, scope) for p in parts if p is not None], node)

    def position_(self, node: exp.StrPosition, scope: Scope) -> Expr:
        args = [self.expr(node.this, scope), self.expr(node.args["substr"], scope)]
        return self._call("strpos", args, node)

    def date_(self, node: exp.Date, scope: Scope) -> Expr:
        return self._call("date", [self.expr(node.this, scope)], node)

    # --- functions

    def function(self, node: exp.Anonymous, scope: Scope) -> Expr:
        """A function call: scalar, lambda function or aggregate."""
        name = str(node.this).lower().removeprefix(MARK)
        if name in ("now", "current_timestamp"):
            return self.now_expr("CurrentTimestamp")
        if name in _LAMBDA_FUNCTIONS:
            return _LAMBDA_FUNCTIONS[name](self, node, scope)
        if name in aggregates.AGGREGATES:
            return self.aggregate(node, scope)
        if name in aggregates.WINDOWS:
            raise self.error("EXPRESSION_NOT_WINDOW", f"{name} needs an OVER clause", node)
        if name == "grouping":
            listed = ", ".join(self.expr(e, scope).sql for e in node.expressions)
            return Expr(f"CAST(grouping({listed}) AS INTEGER)", INTEGER)
        args = [self.expr(e, scope) for e in node.expressions]
        return self._call(name, args, node)

    def _call(self, name: str, args: list[Expr], node: exp.Expression) -> Expr:
        function = functions.SCALARS.get(name)
        if function is None:
            raise self.error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", node)
        if not function.low <= len(args) <= function.high:
            raise self.error("FUNCTION_NOT_FOUND", functions.mismatch(name, args).message, node)
        return self._guard(node, lambda: function.build(args))

    def aggregate(self, node: exp.Expression, scope: Scope) -> Expr:
        """An aggregate, with its DISTINCT, ORDER BY and FILTER."""
        scope.has_aggregate = True
        call, inside, condition = self._aggregate_call(node, scope)
        return self._wrapped(call, f"{call.function}({inside}){condition}")

    def _wrapped(self, call: aggregates.Call, sql: str) -> Expr:
        if call.wrap == "AVG_DECIMAL":
            total = sql.replace("avg(", "sum(", 1)
            count = sql.replace("avg(", "count(", 1)
            kind = call.type
            value = _divide(Expr(total, decimal(38, kind.args[1])), Expr(count, BIGINT), kind)
            return Expr(f"CASE WHEN {count} > 0 THEN {value} END", kind)
        return Expr(call.wrap.format(sql) if call.wrap != "{}" else sql, call.type, wall=call.wall)

    def _aggregate_call(
        self, node: exp.Expression, scope: Scope
    ) -> tuple[aggregates.Call, str, str]:
        condition = ""
        if isinstance(node, exp.Filter):
            test = self.boolean(node.expression.this, scope)
            condition = f" FILTER (WHERE {test.sql})"
            node = node.this
        nulls = ""
        if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
            nulls = " IGNORE NULLS" if isinstance(node, exp.IgnoreNulls) else ""
            node = node.this
        within = ""
        if isinstance(node, exp.WithinGroup):
            within = " ORDER BY " + self._order(node.expression.expressions, scope)
            node = node.this
        if not isinstance(node, exp.Anonymous):
            raise self.refuse(f"the aggregate {type(node).__name__}", node)
        name = str(node.this).lower().removeprefix(MARK)
        raw = list(node.expressions)
        distinct, order = False, within
        if raw and isinstance(raw[-1], exp.Order):
            order = " ORDER BY " + self._order(raw[-1].expressions, scope)
            inner = raw.pop().this
            raw += [inner] if inner is not None else []
        if raw and isinstance(raw[0], exp.Distinct):
            distinct, raw = True, list(raw[0].expressions) + raw[1:]
        args = [] if raw and isinstance(raw[0], exp.Star) else [self.expr(e, scope) for e in raw]
        if name in aggregates.WINDOWS:
            call = aggregates.WINDOWS[name](args)
        elif name in aggregates.AGGREGATES:
            if name != "count" and not args:
                raise self.error(
                    "FUNCTION_NOT_FOUND", f"Unexpected parameters () for function {name}", node
                )
            call = self._aggregate_build(name, args, distinct, node)
        else:
            raise self.error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", node)
        prefix = "DISTINCT " if distinct else ""
        return call, f"{prefix}{call.arguments}{order}{nulls}", condition

    def _aggregate_build(
        self, name: str, args: list[Expr], distinct: bool, node: exp.Expression
    ) -> aggregates.Call:
        try:
            return aggregates.AGGREGATES[name](args, distinct)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None
        except (IndexError, ValueError):
            raise self.error(
                "FUNCTION_NOT_FOUND", functions.mismatch(name, args).message, node
            ) from None

    def window(self, node: exp.Window, scope: Scope) -> Expr:
        """`f(...) OVER (...)`."""
        had = scope.has_aggregate
        call, inside, condition = self._aggregate_call(node.this, scope)
        scope.has_aggregate = had
        over = self._over(node, scope)
        return self._wrapped(call, f"{call.function}({inside}){condition} OVER ({over})")

    def _over(self, node: exp.Window, scope: Scope) -> str:
        name = node.args.get("alias")
        if name is not None and name.name:
            named = scope.windows.get(name.name.lower())
            if named is None:
                raise self.error("INVALID_WINDOW_REFERENCE", f"Window {name.name} not found", node)
            return self._over_parts(named, scope)
        return self._over_parts(node, scope)

    def _over_parts(self, node: exp.Window, scope: Scope) -> str:
        parts = []
        keys = [self.expr(e, scope) for e in node.args.get("partition_by") or []]
        scope.window_keys.append({(id(k.column[0]), k.column[1]) for k in keys if k.column})
        if keys:
            parts.append(f"PARTITION BY {', '.join(k.sql for k in keys)}")
        if order := node.args.get("order"):
            parts.append(f"ORDER BY {self._order(order.expressions, scope)}")
        if spec := node.args.get("spec"):
            parts.append(self._frame(spec, scope))
        return " ".join(parts)

    def _frame(self, spec: exp.WindowSpec, scope: Scope) -> str:
        def bound(value: Any, side: Any) -> str:
            text = value if isinstance(value, str) else self.expr(value, scope).sql
            return f"{text} {side or ''}".strip()

        kind = str(spec.args.get("kind") or "RANGE").upper()
        if spec.args.get("exclude"):
            raise self.refuse("EXCLUDE in a window frame", spec)
        start = bound(spec.args.get("start"), spec.args.get("start_side"))
        if spec.args.get("end") is None:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {bound(spec.args['end'], spec.args.get('end_side'))}"

    # --- lambdas

    @contextmanager
    def _lambda(
        self, node: exp.Expression, kinds: list[Type], scope: Scope
    ) -> Iterator[tuple[list[str], Expr]]:
        if not isinstance(node, exp.Lambda) or len(node.expressions) != len(kinds):
            raise self.error("TYPE_MISMATCH", "A lambda expression is expected", node)
        inner = Scope(scope, deps=scope.deps)
        names = []
        for arg, kind in zip(node.expressions, kinds, strict=True):
            unique = self.fresh("l")
            names.append(unique)
            wall = LOST if kind.name == "timestamptz" else None
            inner.lambdas[arg.name.lower()] = Expr(unique, kind, wall=wall)
        inner.lambdas = {**_lambdas(scope), **inner.lambdas}
        inner.sources, inner.parent = scope.sources, scope.parent
        yield names, self.expr(node.this, inner)

    def _array_lambda(self, node: exp.Expression, scope: Scope) -> tuple[Expr, str, Expr]:
        args = _function_args(node)
        items = self.expr(args[0], scope)
        if items.type.name != "array" or len(args) != 2:
            raise self.error("TYPE_MISMATCH", f"Unexpected parameters ({items.type})", node)
        with self._lambda(args[1], [items.type.items[0]], scope) as (names, body):
            return items, names[0], body

    def filter_(self, node: exp.Expression, scope: Scope) -> Expr:
        items, name, body = self._array_lambda(node, scope)
        return Expr(f"list_filter({items.sql}, lambda {name}: {body.sql})", items.type)

    def transform(self, node: exp.Expression, scope: Scope) -> Expr:
        items, name, body = self._array_lambda(node, scope)
        return Expr(f"list_transform({items.sql}, lambda {name}: {body.sql})", array(body.type))

    def match(self, node: exp.Expression, scope: Scope) -> Expr:
        which = str(node.this).lower().removeprefix(MARK)
        items, name, body = self._array_lambda(node, scope)
        tests = f"list_transform({items.sql}, lambda {name}: {body.sql})"
        function = "list_bool_and" if which == "all_match" else "list_bool_or"
        empty = "true" if which in ("all_match", "none_match") else "false"
        found = f"{function}({tests})"
        if which == "none_match":
            found = f"(NOT {found})"
        some = f"CASE WHEN {items.sql} IS NULL THEN NULL WHEN len({items.sql}) = 0 THEN {empty} "
        return Expr(some + f"ELSE {found} END", BOOLEAN)

    def reduce(self, node: exp.Expression, scope: Scope) -> Expr:
        args = _function_args(node)
        items, state = self.expr(args[0], scope), self.expr(args[1], scope)
        if items.type.name != "array" or len(args) != 4:
            raise self.error("TYPE_MISMATCH", f"Unexpected parameters ({items.type})", node)
        with self._lambda(args[2], [state.type, items.type.items[0]], scope) as (names, body):
            kind = common(state.type, body.type) or body.type
        with self._lambda(args[2], [kind, items.type.items[0]], scope) as (names, body):
            start = cast(state, kind).sql
            step = cast(body, kind).sql
        if kind != items.type.items[0]:
            raise self.refuse("reduce with a state of another type than the elements", node)
        listed = f"list_prepend({start}, {items.sql})"
        folded = f"list_reduce({listed}, lambda {names[0]}, {names[1]}: {step})"
        with self._lambda(args[3], [kind], scope) as (last, result):
            text = result.sql
        folded = f"CASE WHEN {items.sql} IS NULL THEN NULL ELSE {folded} END"
        if text == last[0]:
            return Expr(folded, result.type)
        return Expr(f"list_transform([{folded}], lambda {last[0]}: {text})[1]", result.type)

    def map_lambda(self, node: exp.Expression, scope: Scope) -> Expr:
        which = str(node.this).lower().removeprefix(MARK)
        args = _function_args(node)
        entries = self.expr(args[0], scope)
        if entries.type.name != "map" or len(args) != 2:
            raise self.error("TYPE_MISMATCH", f"Unexpected parameters ({entries.type})", node)
        key, value = entries.type.items
        with self._lambda(args[1], [key, value], scope) as (names, body):
            pass
        entry = self.fresh("m")
        text = re.sub(rf"\b{names[0]}\b", f"{entry}.key", body.sql)
        text = re.sub(rf"\b{names[1]}\b", f"{entry}.value", text)
        pairs = f"map_entries({entries.sql})"
        if which == "map_filter":
            kept = f"list_filter({pairs}, lambda {entry}: {text})"
            return Expr(f"map_from_entries({kept})", entries.type)
        if which == "transform_values":
            made, kind = f"{{'key': {entry}.key, 'value': {text}}}", map_of(key, body.type)
        else:
            made, kind = f"{{'key': {text}, 'value': {entry}.value}}", map_of(body.type, value)
        changed = f"list_transform({pairs}, lambda {entry}: {made})"
        return Expr(f"map_from_entries({changed})", kind)

    # --- errors and names

    def fresh(self, prefix: str) -> str:
        self._counter += 1
        clean = re.sub(r"\W", "_", prefix)
        return f"{clean}__{self._counter}"

    def position(self, node: exp.Expression) -> str:
        """`line 1:8: ` of a node, or nothing when it is not known (inside a view)."""
        if self._views:
            return ""
        first = node.parts[0] if isinstance(node, exp.Table | exp.Column) else node
        for item in first.walk():
            meta = item._meta or {}
            if "start" in meta:
                before = self.text[: meta["start"]]
                return f"line {before.count(chr(10)) + 1}:{meta['start'] - before.rfind(chr(10))}: "
        return ""

    def error(self, code: str, message: str, node: exp.Expression) -> QueryFailed:
        return QueryFailed(code, self.position(node) + message)

    def refuse(self, what: str, node: exp.Expression) -> QueryFailed:
        return QueryFailed(
            "NOT_SUPPORTED", f"{self.position(node)}{what} is not supported by the local Athena"
        )


def _outer(scope: Scope, lateral: bool) -> Scope:
    """What a subquery in FROM sees: CTEs and outer queries, not its neighbours."""
    return Scope(parent=Scope(parent=scope.parent, ctes=scope.ctes))


def _lambdas(scope: Scope | None) -> dict[str, Expr]:
    return dict(scope.lambdas) if scope else {}


def _own(value: Expr) -> set[tuple[Relation, str]]:
    return {(value.column[0].relation, value.column[1])} if value.column else set()


def _unique(names: list[str]) -> list[str]:
    """Names made unique by a suffix."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}__dup{seen[name]}")
    return out


def _output_name(item: exp.Expression, index: int) -> str:
    if isinstance(item, exp.Alias):
        return item.alias.lower().removeprefix(MARK)
    if isinstance(item, exp.Column):
        return item.name.lower()
    if isinstance(item, exp.Dot):
        return item.expression.name.lower()
    return f"_col{index}"


def _function_args(node: exp.Expression) -> list[exp.Expression]:
    return list(node.expressions)


def _comparable(kind: Type, value: Any) -> bool:
    """Whether a Python constant compares with values of a type as Trino does."""
    if isinstance(value, bool):
        return kind == BOOLEAN
    if isinstance(value, int):
        return kind.is_integer
    if isinstance(value, float):
        return kind.name == "double"
    if isinstance(value, str):
        return kind.name == "varchar"
    if isinstance(value, datetime):
        return kind.name == "timestamp"
    return isinstance(value, date) and kind == DATE


def _constant_cast(value: Any, target: Type) -> Any:
    """The constant after a cast, where that is simple; else NOT_CONSTANT."""
    try:
        if isinstance(value, str) and target == DATE:
            return date.fromisoformat(value.strip())
        if isinstance(value, str) and target.name == "timestamp":
            return datetime.fromisoformat(value)
        if isinstance(value, str) and target.is_integer and re.fullmatch(r"[+-]?\d+", value):
            return int(value)
        if isinstance(value, datetime) and target == DATE:
            return value.date()
        if type(value) is date and target.name == "timestamp":
            return datetime(value.year, value.month, value.day)
        if isinstance(value, datetime) and target.name == "timestamp" and target.args[0] >= 6:
            return value
        if isinstance(value, int) and target.is_integer:
            return value
        if isinstance(value, str) and target.is_text and not target.args:
            return value
    except ValueError:
        pass
    return None if value is None else NOT_CONSTANT


def _unscaled(value: Expr) -> str:
    """The unscaled whole number of a decimal or integer, as HUGEINT."""
    if value.type.name != "decimal" or value.type.args[1] == 0:
        return f"CAST({value.sql} AS HUGEINT)"
    scale = value.type.args[1]
    narrow = f"CAST({value.sql} AS DECIMAL({37 - scale},{scale}))"
    return f"CAST({narrow} * {10**scale} AS HUGEINT)"


def _divide(a: Expr, b: Expr, kind: Type) -> str:
    """`a / b` with Trino's meaning: whole numbers truncate, decimals round half up."""
    if kind.is_integer:
        return f"CAST({a.sql} // {functions.nonzero(b)} AS {to_duckdb(kind)})"
    if kind.name != "decimal":
        return f"(CAST({a.sql} AS {to_duckdb(kind)}) / CAST({b.sql} AS {to_duckdb(kind)}))"
    precision, scale = kind.args
    scale_a = a.type.args[1] if a.type.name == "decimal" else 0
    scale_b = b.type.args[1] if b.type.name == "decimal" else 0
    number = f"({_unscaled(a)} * {10 ** (scale - scale_a + scale_b)}::HUGEINT)"
    whole = f"strata_divide_round({number}, {functions.nonzero(Expr(_unscaled(b), BIGINT))})"
    if scale == 0:
        return f"CAST({whole} AS DECIMAL({precision},0))"
    unit = f"CAST('{10**-scale:.{scale}f}' AS DECIMAL({scale},{scale}))"
    return f"CAST(CAST({whole} AS DECIMAL({38 - scale},0)) * {unit} AS {to_duckdb(kind)})"


_REFUSED_CLAUSES = (
    "qualify", "laterals", "pivots", "cluster", "sort", "distribute", "sample", "into", "match",
    "connect", "prewhere", "kind", "hint", "settings",
)  # fmt: skip
_COMPARISONS: dict[type, str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_OPERATORS: dict[type, str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "||",
}  # fmt: skip
_LAMBDA_FUNCTIONS: dict[str, Callable[[Translator, Any, Scope], Expr]] = {
    "filter": Translator.filter_,
    "transform": Translator.transform,
    "any_match": Translator.match,
    "all_match": Translator.match,
    "none_match": Translator.match,
    "reduce": Translator.reduce,
    "map_filter": Translator.map_lambda,
    "transform_values": Translator.map_lambda,
    "transform_keys": Translator.map_lambda,
}
_HANDLERS: dict[type, Callable[[Translator, Any, Scope], Expr]] = {
    exp.Column: Translator.column,
    exp.Identifier: lambda t, n, s: t.name([n.name.lower()], n, s),
    exp.Literal: Translator.literal,
    exp.Null: Translator.null,
    exp.Boolean: Translator.truth,
    exp.Paren: Translator.paren,
    exp.Neg: Translator.negative,
    exp.Not: Translator.not_,
    exp.And: Translator.logical,
    exp.Or: Translator.logical,
    exp.NullSafeEQ: Translator.distinct_from,
    exp.NullSafeNEQ: Translator.distinct_from,
    exp.Is: Translator.is_,
    exp.Between: Translator.between,
    exp.In: Translator.in_,
    exp.Exists: Translator.exists,
    exp.Like: Translator.like,
    exp.Escape: Translator.like,
    exp.Case: Translator.case,
    exp.Cast: Translator.cast_,
    exp.TryCast: Translator.cast_,
    exp.Extract: Translator.extract,
    exp.AtTimeZone: Translator.at_zone,
    exp.Interval: Translator.interval,
    exp.Array: Translator.array_,
    exp.Struct: Translator.row_,
    exp.Tuple: Translator.tuple_,
    exp.Map: Translator.map_,
    exp.VarMap: Translator.map_,
    exp.Bracket: Translator.bracket,
    exp.Dot: Translator.dot,
    exp.CurrentDate: Translator.now_,
    exp.CurrentTimestamp: Translator.now_,
    exp.Localtimestamp: Translator.now_,
    exp.HexString: Translator.hex_string,
    exp.ParseJSON: Translator.json_literal,
    exp.Trim: Translator.trim,
    exp.Substring: Translator.substring,
    exp.StrPosition: Translator.position_,
    exp.Date: Translator.date_,
    exp.Anonymous: Translator.function,
    exp.Filter: Translator.aggregate,
    exp.WithinGroup: Translator.aggregate,
    exp.Window: Translator.window,
    **{kind: Translator.comparison for kind in _COMPARISONS},
    **{kind: Translator.binary for kind in _OPERATORS},
}
__all__ = ["JSON", "MARK", "Scope", "Translator", "View", "stamp_text"]
