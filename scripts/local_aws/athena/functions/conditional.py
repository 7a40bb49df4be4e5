"""Conditional functions and comparisons that are called by name.

https://trino.io/docs/current/functions/conditional.html and comparison.html
"""

from __future__ import annotations

from dataclasses import replace

from ..comparison import equal
from ..expression import LOST, NOT_CONSTANT, Expr, bind
from ..failure import QueryFailed
from ..types import BOOLEAN, UNKNOWN, VARCHAR, literal
from .registry import Build, cast_all, define, unify, zone_of


@define("coalesce", 0, 255)
def _coalesce(args: list[Expr]) -> Expr:
    if len(args) < 2:
        raise QueryFailed("SYNTAX_ERROR", "The 'coalesce' function must have two arguments or more")
    kind = unify("coalesce", args)
    return Expr(f"coalesce({', '.join(cast_all(args, kind))})", kind, zone=zone_of(kind, args))


@define("nullif", 1, 2)
def _nullif(args: list[Expr]) -> Expr:
    if len(args) < 2:
        raise QueryFailed("SYNTAX_ERROR", "Invalid number of arguments for 'nullif' function")
    unify("NULLIF", args)
    value, other = args

    def unless_same(sql: str) -> str:
        return f"CASE WHEN {equal(replace(value, sql=sql), other)} THEN NULL ELSE {sql} END"

    # A lambda holds no aggregate, which `other` may be.
    is_constant = other.constant is not NOT_CONSTANT
    sql = bind(value.sql, unless_same, "strata_value") if is_constant else unless_same(value.sql)
    return Expr(sql, value.type, zone=value.zone)


@define("if", 2, 3)
def _if(args: list[Expr]) -> Expr:
    if args[0].type not in (BOOLEAN, UNKNOWN):
        raise QueryFailed(
            "TYPE_MISMATCH", f"IF condition must evaluate to a boolean: actual: {args[0].type}"
        )
    values = args[1:]
    kind = unify("IF", values)
    sqls = cast_all(values, kind)
    other = f" ELSE {sqls[1]}" if len(sqls) == 2 else ""
    sql = f"CASE WHEN {args[0].sql} THEN {sqls[0]}{other} END"
    return Expr(sql, kind, zone=zone_of(kind, values))


@define("try", 0, 1)
def _try(args: list[Expr]) -> Expr:
    if not args:
        raise QueryFailed("SYNTAX_ERROR", "The 'try' function must have exactly one argument")
    zone = args[0].zone
    return replace(
        args[0],
        sql=f"TRY({args[0].sql})",
        zone=f"TRY({zone})" if zone and zone != LOST else zone,
        column=None,
    )


@define("typeof", 1)
def _typeof(args: list[Expr]) -> Expr:
    return Expr(literal(str(args[0].type)), VARCHAR)


def _extreme(name: str, aggregate: str) -> Build:
    def build(args: list[Expr]) -> Expr:
        kind = unify(name, args, "FUNCTION_NOT_FOUND")
        sqls = cast_all(args, kind)
        any_null = " OR ".join(f"{s} IS NULL" for s in sqls)
        values = f"[{', '.join(sqls)}]"
        found = f"{name}({', '.join(sqls)})"
        if kind.name in ("double", "real"):
            found = f"strata_{aggregate}({values})"
        sql = f"CASE WHEN {any_null} THEN NULL ELSE {found} END"
        return Expr(sql, kind, zone=zone_of(kind, args))

    return build


for _name, _aggregate in (("greatest", "list_max"), ("least", "list_min")):
    define(_name, 1, 255)(_extreme(_name, _aggregate))
