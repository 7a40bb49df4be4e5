"""Functions that take a lambda.

https://trino.io/docs/current/functions/lambda.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlglot import exp

from ..casts import cast
from ..expression import Expr, bind, fail_text
from ..types import BOOLEAN, INTEGER, INTEGERS, UNKNOWN, Type, array, common, map_of, to_duckdb
from .expressions import Expressions, as_type
from .scope import MARK, Scope


class Lambdas(Expressions):
    """Translates calls with lambdas."""

    @contextmanager
    def _lambda(
        self, node: exp.Expression, kinds: list[Type], scope: Scope
    ) -> Iterator[tuple[list[str], Expr]]:
        if not isinstance(node, exp.Lambda):
            raise self.error("FUNCTION_NOT_FOUND", "A lambda expression is expected", node)
        if len(node.expressions) != len(kinds):
            raise self.error(
                "INVALID_PARAMETER_USAGE",
                f"Expected a lambda that takes {len(kinds)} arguments, got {len(node.expressions)}",
                node,
            )
        inner = Scope(scope, deps=scope.deps)
        names = []
        for arg, kind in zip(node.expressions, kinds, strict=True):
            unique = self.fresh("l")
            names.append(unique)
            inner.lambdas[arg.name.lower()] = Expr(unique, kind)
        inner.lambdas = {**_lambdas(scope), **inner.lambdas}
        inner.sources, inner.parent = scope.sources, scope.parent
        yield names, self.expr(node.this, inner)

    def _array_lambda(self, node: exp.Expression, scope: Scope) -> tuple[Expr, str, Expr]:
        args = _function_args(node)
        items = self._items(args[0], node, scope)
        if len(args) != 2:
            raise self.error("FUNCTION_NOT_FOUND", "Unexpected parameters for a function", node)
        with self._lambda(args[1], [items.type.items[0]], scope) as (names, body):
            if body.zone:
                raise self.refuse("a lambda that gives a timestamp in another zone than UTC", node)
            return items, names[0], body

    def _items(self, arg: exp.Expression, node: exp.Expression, scope: Scope) -> Expr:
        """An array argument of a function with lambdas."""
        items = self.expr(arg, scope)
        if items.type == UNKNOWN:
            return Expr("CAST(NULL AS INTEGER[])", array(UNKNOWN), None)
        if items.type.name != "array":
            raise self.error("FUNCTION_NOT_FOUND", f"Unexpected parameters ({items.type})", node)
        return items

    def _predicate(self, body: Expr, node: exp.Expression) -> None:
        if body.type != BOOLEAN:
            raise self.error(
                "FUNCTION_NOT_FOUND", f"The lambda must give boolean: {body.type}", node
            )

    def filter_(self, node: exp.Expression, scope: Scope) -> Expr:
        items, name, body = self._array_lambda(node, scope)
        self._predicate(body, node)
        return Expr(f"list_filter({items.sql}, lambda {name}: {body.sql})", items.type)

    def transform(self, node: exp.Expression, scope: Scope) -> Expr:
        items, name, body = self._array_lambda(node, scope)
        value = as_type(body, body.type)
        return Expr(f"list_transform({items.sql}, lambda {name}: {value})", array(body.type))

    def match(self, node: exp.Expression, scope: Scope) -> Expr:
        """any_match, all_match, none_match: a NULL among the answers may leave it open."""
        which = str(node.this).lower().removeprefix(MARK)
        items, name, body = self._array_lambda(node, scope)
        self._predicate(body, node)
        tests = f"list_transform({items.sql}, lambda {name}: {body.sql})"
        decisive = "false" if which == "all_match" else "true"
        found, none = ("true", "false") if which == "any_match" else ("false", "true")

        def answer(t: str) -> str:
            return (
                f"CASE WHEN {t} IS NULL THEN NULL WHEN list_contains({t}, {decisive}) THEN {found} "
                f"WHEN list_count({t}) < len({t}) THEN NULL ELSE {none} END"
            )

        return Expr(bind(tests, answer, "strata_t"), BOOLEAN)

    def reduce(self, node: exp.Expression, scope: Scope) -> Expr:
        """reduce(array, state, step, result)."""
        args = _function_args(node)
        if len(args) != 4:
            raise self.error(
                "FUNCTION_NOT_FOUND", "Unexpected parameters for function reduce", node
            )
        items, state = self._items(args[0], node, scope), self.expr(args[1], scope)
        item = items.type.items[0]
        with self._lambda(args[2], [state.type, item], scope) as (_, body):
            kind = common(state.type, body.type)
        if kind is None:
            raise self.error("FUNCTION_NOT_FOUND", "The step of reduce gives another type", node)
        with self._lambda(args[2], [kind, item], scope) as (names, body):
            step = as_type(body, kind) if body.type == kind else cast(body, kind).sql
        folded = _folded(items.sql, item, cast(state, kind), names, step)
        folded = f"CASE WHEN {items.sql} IS NULL THEN NULL ELSE {folded} END"
        with self._lambda(args[3], [kind], scope) as (last, result):
            pass
        if result.sql == last[0]:
            return Expr(folded, result.type)
        return Expr(f"list_transform([{folded}], lambda {last[0]}: {result.sql})[1]", result.type)

    def zip_with(self, node: exp.Expression, scope: Scope) -> Expr:
        args = _function_args(node)
        if len(args) != 3:
            raise self.error("FUNCTION_NOT_FOUND", "Unexpected parameters for zip_with", node)
        left, right = (self._items(a, node, scope) for a in args[:2])
        with self._lambda(args[2], [left.type.items[0], right.type.items[0]], scope) as (
            names,
            body,
        ):
            pair = self.fresh("z")
            text = _named(as_type(body, body.type), names, [f"{pair}[1]", f"{pair}[2]"])
        zipped = f"list_zip({left.sql}, {right.sql})"
        missing = f"{left.sql} IS NULL OR {right.sql} IS NULL"
        made = f"list_transform({zipped}, lambda {pair}: {text})"
        return Expr(f"CASE WHEN {missing} THEN NULL ELSE {made} END", array(body.type))

    def array_sort(self, node: exp.Expression, scope: Scope) -> Expr:
        """array_sort(array, comparator): items are put one by one behind those not greater."""
        args = _function_args(node)
        if len(args) != 2:
            return self._call("array_sort", [self.expr(a, scope) for a in args], node)
        items = self._items(args[0], node, scope)
        item = items.type.items[0]
        with self._lambda(args[1], [item, item], scope) as (names, body):
            pass
        if common(body.type, INTEGER) != INTEGER or body.type == UNKNOWN:
            raise self.error(
                "FUNCTION_NOT_FOUND", f"The comparator must give integer: {body.type}", node
            )
        bad = fail_text(
            "INVALID_FUNCTION_ARGUMENT",
            "Lambda comparator must return either -1, 0, or 1",
            "INTEGER",
        )
        placed, new, old = self.fresh("s"), self.fresh("s"), self.fresh("s")
        order = bind(
            _named(body.sql, names, [old, f"{new}.i"]),
            lambda found: f"CASE WHEN {found} IN (-1, 0, 1) THEN {found} ELSE {bad} END",
        )
        before = f"len(list_filter({placed}.s, lambda {old}: {order} <= 0))"
        sorted_, none = to_duckdb(items.type), f"CAST(NULL AS {to_duckdb(item)})"
        behind = bind(
            before,
            lambda n: f"{placed}.s[1:{n}] || [{new}.i] || {placed}.s[{n} + 1:]",
            "strata_n",
        )
        first = f"{{'s': CAST([] AS {sorted_}), 'i': {none}}}"
        each = self.fresh("s")
        rest = (
            f"list_transform({items.sql}, lambda {each}: "
            f"{{'s': CAST(NULL AS {sorted_}), 'i': {each}}})"
        )
        folded = (
            f"list_reduce(list_prepend({first}, {rest}), lambda {placed}, {new}: "
            f"{{'s': CAST({behind} AS {sorted_}), 'i': {none}}}).s"
        )
        return Expr(f"CASE WHEN {items.sql} IS NOT NULL THEN {folded} END", items.type)

    def map_zip_with(self, node: exp.Expression, scope: Scope) -> Expr:
        """map_zip_with(map, map, f): f of each key of both, with NULL where one has no value."""
        args = _function_args(node)
        if len(args) != 3:
            raise self.error("FUNCTION_NOT_FOUND", "Unexpected parameters for map_zip_with", node)
        maps = [self.expr(a, scope) for a in args[:2]]
        kinds = [m.type for m in maps]
        key = common(*(k.items[0] for k in kinds)) if all(k.name == "map" for k in kinds) else None
        if key is None:
            raise self.error("FUNCTION_NOT_FOUND", "Unexpected parameters for map_zip_with", node)
        left, right = (cast(m, map_of(key, m.type.items[1])) for m in maps)
        with self._lambda(args[2], [key, *(k.items[1] for k in kinds)], scope) as (names, body):
            if body.zone:
                raise self.refuse("a lambda that gives a timestamp in another zone than UTC", node)
        pair, each = self.fresh("z"), self.fresh("k")
        values = [each, f"{pair}.l[{each}]", f"{pair}.r[{each}]"]
        text = _named(as_type(body, body.type), names, values)
        keys = f"list_distinct(map_keys({pair}.l) || map_keys({pair}.r))"
        made = f"list_transform({keys}, lambda {each}: {{'key': {each}, 'value': {text}}})"
        both = f"{{'l': {left.sql}, 'r': {right.sql}}}"
        zipped = bind(both, lambda b: f"map_from_entries({made})", pair)
        missing = f"{left.sql} IS NULL OR {right.sql} IS NULL"
        return Expr(f"CASE WHEN {missing} THEN NULL ELSE {zipped} END", map_of(key, body.type))

    def reduce_agg(
        self, nodes: list[exp.Expression], node: exp.Expression, scope: Scope
    ) -> list[Expr]:
        """The arguments of reduce_agg(value, state, step, combine): the value, and a folding of the
        list of all values, which stands for `{}`.

        All rows are one list: there are no states to combine, so `combine` is checked only.
        """
        if len(nodes) != 4:
            raise self.error("FUNCTION_NOT_FOUND", "Unexpected parameters for reduce_agg", node)
        value, state = self.expr(nodes[0], scope), self.expr(nodes[1], scope)
        kind = state.type
        if kind.name not in ("boolean", "real", "double", *INTEGERS):
            raise self.error(
                "NOT_SUPPORTED", f"State type not enabled for reduce_agg: {kind}", node
            )
        with self._lambda(nodes[2], [kind, value.type], scope) as (names, step):
            pass
        with self._lambda(nodes[3], [kind, kind], scope) as (_, combined):
            pass
        if any(common(body.type, kind) != kind for body in (step, combined)):
            raise self.error(
                "FUNCTION_NOT_FOUND", f"The lambdas of reduce_agg must give {kind}", node
            )
        folded = _folded("strata_v", value.type, state, names, cast(step, kind).sql)
        folded = f"CASE WHEN len(strata_v) > 0 THEN {folded} END"
        # Braces are doubled: the aggregate's wrap is a template.
        braced = folded.replace("{", "{{").replace("}", "}}")
        kept = "list_filter({}, lambda strata_w: strata_w IS NOT NULL)"
        return [value, Expr(bind(kept, lambda _: braced, "strata_v"), kind)]

    def _entries(self, node: exp.Expression, scope: Scope) -> tuple[Expr, str, Expr, str]:
        """The map, the name of an entry, the lambda's body and its SQL over the entry."""
        args = _function_args(node)
        entries = self.expr(args[0], scope)
        if entries.type.name != "map" or len(args) != 2:
            raise self.error("FUNCTION_NOT_FOUND", f"Unexpected parameters ({entries.type})", node)
        with self._lambda(args[1], list(entries.type.items), scope) as (names, body):
            if body.zone:
                raise self.refuse("a lambda that gives a timestamp in another zone than UTC", node)
        entry = self.fresh("m")
        text = _named(as_type(body, body.type), names, [f"{entry}.key", f"{entry}.value"])
        return entries, entry, body, text

    def map_filter(self, node: exp.Expression, scope: Scope) -> Expr:
        entries, entry, body, text = self._entries(node, scope)
        self._predicate(body, node)
        kept = f"list_filter(map_entries({entries.sql}), lambda {entry}: {text})"
        return Expr(f"map_from_entries({kept})", entries.type)

    def transform_values(self, node: exp.Expression, scope: Scope) -> Expr:
        entries, entry, body, text = self._entries(node, scope)
        made = f"{{'key': {entry}.key, 'value': {text}}}"
        changed = f"list_transform(map_entries({entries.sql}), lambda {entry}: {made})"
        return Expr(f"map_from_entries({changed})", map_of(entries.type.items[0], body.type))

    def transform_keys(self, node: exp.Expression, scope: Scope) -> Expr:
        entries, entry, body, text = self._entries(node, scope)
        bad = fail_text("INVALID_FUNCTION_ARGUMENT", "map key cannot be null", to_duckdb(body.type))
        made = (
            f"{{'key': CASE WHEN {text} IS NULL THEN {bad} ELSE {text} END, "
            f"'value': {entry}.value}}"
        )
        changed = f"list_transform(map_entries({entries.sql}), lambda {entry}: {made})"
        return Expr(f"map_from_entries({changed})", map_of(body.type, entries.type.items[1]))


def _folded(items: str, item: Type, state: Expr, names: list[str], step: str) -> str:
    """SQL of a list folded into a state, by a step from state and item.

    DuckDB wants one type for items and state: a pair.
    """
    kind, none = to_duckdb(state.type), f"CAST(NULL AS {to_duckdb(item)})"
    pairs = (
        f"list_prepend({{'s': CAST({state.sql} AS {kind}), 'i': {none}}}, "
        f"list_transform({items}, lambda strata_i: "
        f"{{'s': CAST(NULL AS {kind}), 'i': strata_i}}))"
    )
    text = _named(step, names, ["strata_a.s", "strata_b.i"])
    return (
        f"list_reduce({pairs}, lambda strata_a, strata_b: "
        f"{{'s': CAST({text} AS {kind}), 'i': {none}}}).s"
    )


def _named(sql: str, names: list[str], values: list[str]) -> str:
    """SQL of a lambda's body with its (unique) parameters replaced."""
    for name, value in zip(names, values, strict=True):
        sql = re.sub(rf"\b{name}\b", value, sql)
    return sql


def _lambdas(scope: Scope | None) -> dict[str, Expr]:
    return dict(scope.lambdas) if scope else {}


def _function_args(node: exp.Expression) -> list[exp.Expression]:
    return list(node.expressions)


LAMBDA_FUNCTIONS: dict[str, Callable[[Lambdas, Any, Scope], Expr]] = {
    "filter": Lambdas.filter_,
    "transform": Lambdas.transform,
    "any_match": Lambdas.match,
    "all_match": Lambdas.match,
    "none_match": Lambdas.match,
    "reduce": Lambdas.reduce,
    "zip_with": Lambdas.zip_with,
    "map_zip_with": Lambdas.map_zip_with,
    "array_sort": Lambdas.array_sort,
    "map_filter": Lambdas.map_filter,
    "transform_values": Lambdas.transform_values,
    "transform_keys": Lambdas.transform_keys,
}
