"""The allow-list of aggregate and window functions, with their Trino types.

https://trino.io/docs/current/functions/aggregate.html and window.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import casts
from .expression import LOST, Expr
from .failure import not_supported
from .functions import mismatch
from .types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    REAL,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    decimal,
    map_of,
    to_duckdb,
)


@dataclass(frozen=True)
class Call:
    """An aggregate call: SQL function and argument text, and how the result is wrapped.

    `{}` in `wrap` stands for the whole call with its FILTER and OVER.
    """

    function: str
    arguments: str
    type: Type
    wrap: str = "{}"
    wall: str | None = None


Build = Callable[[list[Expr], bool], Call]
AGGREGATES: dict[str, Build] = {}
WINDOWS: dict[str, Callable[[list[Expr]], Call]] = {}


def _sqls(args: list[Expr]) -> str:
    return ", ".join(a.sql for a in args)


def _count(args: list[Expr], distinct: bool) -> Call:
    if distinct and len(args) > 1:
        return Call("count", f"({_sqls(args)})", BIGINT)
    return Call("count", _sqls(args) or "*", BIGINT)


def _sum(args: list[Expr], distinct: bool) -> Call:
    kind = args[0].type
    if kind.is_integer:
        return Call("sum", args[0].sql, BIGINT, "CAST({} AS BIGINT)")
    if kind.name == "decimal":
        return Call("sum", args[0].sql, decimal(38, kind.args[1]))
    if kind == REAL:
        return Call("sum", args[0].sql, REAL, "CAST({} AS FLOAT)")
    if kind == DOUBLE:
        return Call("sum", args[0].sql, DOUBLE)
    raise mismatch("sum", args)


def _avg(args: list[Expr], distinct: bool) -> Call:
    kind = args[0].type
    if not kind.is_numeric:
        raise mismatch("avg", args)
    if kind.name == "decimal":
        return Call("avg", args[0].sql, kind, "AVG_DECIMAL")
    if kind == REAL:
        return Call("avg", args[0].sql, REAL, "CAST({} AS FLOAT)")
    return Call("avg", args[0].sql, DOUBLE)


def _same(function: str) -> Build:
    def build(args: list[Expr], distinct: bool) -> Call:
        if len(args) != 1:
            raise not_supported(f"{function} with {len(args)} arguments")
        wall = LOST if args[0].wall else None
        return Call(function, args[0].sql, args[0].type, wall=wall)

    return build


def _by(function: str) -> Build:
    def build(args: list[Expr], distinct: bool) -> Call:
        if len(args) != 2:
            raise not_supported(f"{function} with {len(args)} arguments")
        wall = LOST if args[0].wall else None
        return Call(function, _sqls(args), args[0].type, wall=wall)

    return build


def _typed(function: str, kind: Type, wrap: str = "{}", check: str = "") -> Build:
    def build(args: list[Expr], distinct: bool) -> Call:
        if check == "n" and not all(a.type.is_numeric for a in args):
            raise mismatch(function, args)
        if check == "b" and args[0].type not in (BOOLEAN, UNKNOWN):
            raise mismatch(function, args)
        return Call(function, _sqls(args), kind, wrap)

    return build


def _array_agg(args: list[Expr], distinct: bool) -> Call:
    return Call("list", args[0].sql, array(args[0].type))


def _approx_distinct(args: list[Expr], distinct: bool) -> Call:
    return Call("count", f"DISTINCT {args[0].sql}", BIGINT)


def _approx_percentile(args: list[Expr], distinct: bool) -> Call:
    if len(args) != 2:
        raise not_supported("approx_percentile with weights")
    kind = args[0].type
    out = array(kind) if args[1].type.name == "array" else kind
    return Call("quantile_disc", _sqls(args), out)


def _map_agg(args: list[Expr], distinct: bool) -> Call:
    key, value = args
    entry = f"CASE WHEN {key.sql} IS NOT NULL THEN {{'k': {key.sql}, 'v': {value.sql}}} END"
    wrap = "map_from_entries(list_filter({}, lambda strata_e: strata_e IS NOT NULL))"
    return Call("list", entry, map_of(key.type, value.type), wrap)


def _histogram(args: list[Expr], distinct: bool) -> Call:
    kind = map_of(args[0].type, BIGINT)
    return Call("histogram", args[0].sql, kind, f"CAST({{}} AS {to_duckdb(kind)})")


def _listagg(args: list[Expr], distinct: bool) -> Call:
    value = casts.cast(args[0], VARCHAR)
    separator = args[1].sql if len(args) > 1 else "''"
    return Call("string_agg", f"{value.sql}, {separator}", VARCHAR)


AGGREGATES.update(
    {
        "count": _count,
        "sum": _sum,
        "avg": _avg,
        "min": _same("min"),
        "max": _same("max"),
        "min_by": _by("arg_min_null"),
        "max_by": _by("arg_max_null"),
        "arbitrary": _same("any_value"),
        "any_value": _same("any_value"),
        "bool_and": _typed("bool_and", BOOLEAN, check="b"),
        "every": _typed("bool_and", BOOLEAN, check="b"),
        "bool_or": _typed("bool_or", BOOLEAN, check="b"),
        "count_if": _typed("count_if", BIGINT, "CAST(coalesce({}, 0) AS BIGINT)", check="b"),
        "array_agg": _array_agg,
        "approx_distinct": _approx_distinct,
        "approx_percentile": _approx_percentile,
        "map_agg": _map_agg,
        "histogram": _histogram,
        "listagg": _listagg,
    }
)
for _name, _duck in {
    "stddev": "stddev_samp", "stddev_samp": "stddev_samp", "stddev_pop": "stddev_pop",
    "variance": "var_samp", "var_samp": "var_samp", "var_pop": "var_pop", "corr": "corr",
    "covar_pop": "covar_pop", "covar_samp": "covar_samp", "regr_slope": "regr_slope",
    "regr_intercept": "regr_intercept",
}.items():  # fmt: skip
    AGGREGATES[_name] = _typed(_duck, DOUBLE, check="n")


def _ranking(function: str, kind: Type = BIGINT) -> Callable[[list[Expr]], Call]:
    return lambda args: Call(function, _sqls(args), kind)


def _shift(function: str) -> Callable[[list[Expr]], Call]:
    def build(args: list[Expr]) -> Call:
        sqls = [args[0].sql, *(a.sql for a in args[1:2]), *(
            casts.cast(a, args[0].type).sql for a in args[2:3])]  # fmt: skip
        wall = LOST if args[0].wall else None
        return Call(function, ", ".join(sqls), args[0].type, wall=wall)

    return build


WINDOWS.update(
    {
        "row_number": _ranking("row_number"),
        "rank": _ranking("rank"),
        "dense_rank": _ranking("dense_rank"),
        "ntile": _ranking("ntile"),
        "percent_rank": _ranking("percent_rank", DOUBLE),
        "cume_dist": _ranking("cume_dist", DOUBLE),
        "lag": _shift("lag"),
        "lead": _shift("lead"),
        "first_value": _shift("first_value"),
        "last_value": _shift("last_value"),
        "nth_value": _shift("nth_value"),
    }
)
