"""FROM: tables, views, subqueries, joins and UNNEST."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from .. import table_functions
from ..expression import Expr
from ..failure import QueryFailed
from ..relations import Column, Relation, Scan, Select, Source
from ..types import BIGINT, Type, quote
from .calls import Calls
from .scope import MARK, Scope, View, unique_names


class Sources(Calls):
    """Translates what FROM lists."""

    def from_item(self, node: exp.Expression, scope: Scope) -> str:
        """SQL of one relation of FROM; its source is added to `scope`."""
        if isinstance(node, exp.Table):
            if isinstance(node.this, exp.Anonymous):
                sql = self._table_function(node, scope)
            else:
                sql = self._table(node, scope)
        elif isinstance(node, exp.Subquery) and _is_relation(node.this):
            sql = self._parenthesis(node, scope)
        elif isinstance(node, exp.Subquery):
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

    def _parenthesis(self, node: exp.Subquery, scope: Scope) -> str:
        """A relation in parentheses, with its joins: what is inside sees nothing of what is not."""
        inner = node.this
        if alias := node.args.get("alias"):
            if inner.args.get("alias") or inner.args.get("joins"):
                raise self.refuse("an alias of joins in parentheses", node)
            inner = inner.copy()
            inner.set("alias", alias)
        outside, scope.sources = scope.sources, []
        sql = self.from_item(inner, scope)
        inside, scope.sources = scope.sources, [*outside, *scope.sources]
        return sql if len(inside) == 1 else f"({sql})"

    def _table_function(self, node: exp.Table, scope: Scope) -> str:
        try:
            body, columns = table_functions.rows(node.this)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None
        out = Select(columns, deps={c.sql_name: set() for c in columns})
        self.relations.append(out)
        return self._derived(body, out, node, scope)

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
        if lateral and not (isinstance(on, exp.Boolean) and on.this):
            raise self.error(
                "NOT_SUPPORTED", "JOIN involving UNNEST is only supported with ON TRUE", on
            )
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
                raise self.error(
                    "INVALID_FUNCTION_ARGUMENT", f"Cannot unnest type: {arg.type}", node
                )
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
        unique = unique_names(names)
        columns = [Column(n, u, t) for n, u, (_, t) in zip(names, unique, made, strict=True)]
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


def _is_relation(node: exp.Expression) -> bool:
    """Whether what stands in parentheses is a table or joins, no query."""
    if isinstance(node, exp.Subquery):
        named = node.args.get("alias") or node.args.get("joins")
        return bool(named) or _is_relation(node.this)
    return isinstance(node, exp.Table)


def _outer(scope: Scope, lateral: bool) -> Scope:
    """What a subquery in FROM sees: CTEs and outer queries, not its neighbours."""
    return Scope(parent=Scope(parent=scope.parent, ctes=scope.ctes))
