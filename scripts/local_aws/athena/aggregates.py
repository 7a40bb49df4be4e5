"""The allow-list of aggregate and window functions, with their Trino types.

https://trino.io/docs/current/functions/aggregate.html and window.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from . import casts, checksum, comparison
from .expression import LOST, Expr, fail_text
from .failure import QueryFailed, not_supported
from .functions import mismatch
from .types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    REAL,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    common,
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
    zone: str | None = None
    #: The arguments for a second try where the first gives NULL.
    whole: str = ""


Build = Callable[[list[Expr], bool], Call]
AGGREGATES: dict[str, Build] = {}
WINDOWS: dict[str, Callable[[list[Expr]], Call]] = {}


def _sqls(args: list[Expr]) -> str:
    return ", ".join(a.sql for a in args)


def _count(args: list[Expr], distinct: bool) -> Call:
    if len(args) > 1 and not distinct:
        raise mismatch("count", args)
    if distinct and len(args) > 1:
        return Call("count", f"({_sqls(args)})", BIGINT)
    return Call("count", _sqls(args) or "*", BIGINT)


def _one(name: str, args: list[Expr]) -> Type:
    if len(args) != 1:
        raise mismatch(name, args)
    return args[0].type


def _sum(args: list[Expr], distinct: bool) -> Call:
    kind = _one("sum", args)
    if kind in (INTERVAL_DAY, INTERVAL_MONTH):
        return Call("sum", args[0].sql, kind, f"CAST({{}} AS {to_duckdb(kind)})")
    if kind.is_integer:
        return Call("sum", args[0].sql, BIGINT, "CAST({} AS BIGINT)")
    if kind.name == "decimal":
        return Call("sum", args[0].sql, decimal(38, kind.args[1]), "strata_sum({})")
    if kind == REAL:
        return Call("sum", args[0].sql, REAL, "CAST({} AS FLOAT)")
    if kind == DOUBLE:
        return Call("sum", args[0].sql, DOUBLE)
    raise mismatch("sum", args)


def _avg(args: list[Expr], distinct: bool) -> Call:
    kind = _one("avg", args)
    if kind in (INTERVAL_DAY, INTERVAL_MONTH):
        return Call("avg", args[0].sql, kind, f"CAST(round({{}}) AS {to_duckdb(kind)})")
    if not kind.is_numeric:
        raise mismatch("avg", args)
    if kind.name == "decimal":
        return Call("avg", args[0].sql, kind, "AVG_DECIMAL")
    if kind == REAL:
        return Call("avg", args[0].sql, REAL, "CAST({} AS FLOAT)")
    return Call("avg", args[0].sql, DOUBLE)


def _extreme(function: str) -> Build:
    """min and max: NaN counts only where there is nothing else."""

    def build(args: list[Expr], distinct: bool) -> Call:
        if len(args) == 2:
            return _several(function, args)
        kind = _one(function, args)
        if not comparison.orderable(kind):
            raise mismatch(function, args)
        zone = LOST if args[0].zone else None
        if kind in (DOUBLE, REAL):
            value = args[0].sql
            filtered = f"CASE WHEN NOT isnan({value}) THEN {value} END"
            return Call(function, filtered, kind, whole=value)
        return Call(function, args[0].sql, kind, zone=zone)

    return build


def _several(function: str, args: list[Expr]) -> Call:
    if args[0].type in (DOUBLE, REAL) or args[0].zone or not args[1].type.is_integer:
        raise not_supported(f"{function} of several {args[0].type}")
    return Call(function, _sqls(args), array(args[0].type))


def _same(function: str) -> Build:
    def build(args: list[Expr], distinct: bool) -> Call:
        kind = _one(function, args)
        zone = LOST if args[0].zone else None
        return Call(function, args[0].sql, kind, zone=zone)

    return build


def _by(name: str, function: str) -> Build:
    def build(args: list[Expr], distinct: bool) -> Call:
        if not 2 <= len(args) <= 3:
            raise mismatch(name, args)
        if len(args) == 3 and args[0].zone:
            raise not_supported(f"{name} of several timestamps in another zone than UTC")
        if args[1].type in (DOUBLE, REAL):
            nan = fail_text("NOT_SUPPORTED", f"{name} by NaN is not supported here", "DOUBLE")
            by = f"CASE WHEN isnan({args[1].sql}) THEN {nan} ELSE {args[1].sql} END"
            args = [args[0], replace(args[1], sql=by), *args[2:]]
        if not comparison.orderable(args[1].type):
            raise mismatch(name, args)
        if len(args) == 3:
            return Call(function.removesuffix("_null"), _sqls(args), array(args[0].type))
        zone = LOST if args[0].zone else None
        return Call(function, _sqls(args), args[0].type, zone=zone)

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
    if not 1 <= len(args) <= 2:
        raise mismatch("approx_distinct", args)
    if len(args) == 2:
        error = args[1].constant
        if not isinstance(error, int | float):
            raise not_supported("approx_distinct with an error that is not constant")
        if not 0.0040625 <= error <= 0.26:
            raise QueryFailed(
                "INVALID_FUNCTION_ARGUMENT", "Standard error must be in [0.0040625, 0.26]"
            )
    return Call("count", f"DISTINCT {args[0].sql}", BIGINT)


def _approx_percentile(args: list[Expr], distinct: bool) -> Call:
    """The element at floor(p * n), counted from 0: what a digest of few values gives too."""
    if len(args) != 2:
        raise not_supported("approx_percentile with weights")
    kind = args[0].type
    if not kind.is_numeric:
        raise mismatch("approx_percentile", args)
    kind = BIGINT if kind.is_integer else REAL if kind == REAL else DOUBLE
    share = args[1].constant
    if isinstance(share, int | float) and not 0 <= share <= 1:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "Percentile must be between 0 and 1")
    value = f"CAST({args[0].sql} AS {to_duckdb(kind)})"
    shifted = "least({}::DOUBLE + 1e-12, 1.0::DOUBLE)".format
    if args[1].type.name == "array":
        shares = f"list_transform({args[1].sql}, lambda strata_p: {shifted('strata_p')})"
        return Call("quantile_disc", f"{value}, {shares}", array(kind))
    return Call("quantile_disc", f"{value}, {shifted(args[1].sql)}", kind)


def _pairs(args: list[Expr]) -> str:
    """Entries of keys that are not NULL, for a list that wraps take apart."""
    key, value = args
    entry = f"{{'k': {key.sql}, 'v': CAST({value.sql} AS {to_duckdb(value.type)})}}"
    return f"CASE WHEN {key.sql} IS NOT NULL THEN {entry} END"


def _map_agg(args: list[Expr], distinct: bool) -> Call:
    """Of a key's values, one is kept: the first here, any of them in Trino."""
    if len(args) != 2:
        raise mismatch("map_agg", args)
    kind = map_of(args[0].type, args[1].type)
    return Call("list", _pairs(args), kind, "strata_map_agg({})")


def _multimap_agg(args: list[Expr], distinct: bool) -> Call:
    if len(args) != 2:
        raise mismatch("multimap_agg", args)
    kind = map_of(args[0].type, array(args[1].type))
    return Call("list", _pairs(args), kind, "strata_multimap_agg({})")


def _map_union(args: list[Expr], distinct: bool) -> Call:
    kind = _one("map_union", args)
    if kind.name != "map":
        raise mismatch("map_union", args)
    return Call("list", f"map_entries({args[0].sql})", kind, "strata_map_union({})")


def _histogram(args: list[Expr], distinct: bool) -> Call:
    kind = map_of(_one("histogram", args), BIGINT)
    return Call("histogram", args[0].sql, kind, f"CAST({{}} AS {to_duckdb(kind)})")


def _reduce_agg(args: list[Expr], distinct: bool) -> Call:
    """The list of all values, folded; rows whose value is NULL do not count."""
    value, folding = args
    return Call("list", value.sql, folding.type, folding.sql)


def _checksum(args: list[Expr], distinct: bool) -> Call:
    kind = _one("checksum", args)
    return Call("sum", checksum.summand(args[0].sql, kind), VARBINARY, checksum.result("{}"))


def _listagg(args: list[Expr], distinct: bool) -> Call:
    if args[0].type.name not in ("varchar", "unknown"):
        raise QueryFailed("TYPE_MISMATCH", "listagg: Cannot use a value that is not varchar")
    separator = args[1].sql if len(args) > 1 else "''"
    return Call("string_agg", f"{args[0].sql}, {separator}", VARCHAR)


def _geometric_mean(args: list[Expr], distinct: bool) -> Call:
    kind = _one("geometric_mean", args)
    if not kind.is_numeric:
        raise mismatch("geometric_mean", args)
    return Call("avg", f"strata_ln(CAST({args[0].sql} AS DOUBLE))", DOUBLE, "exp({})")


def _moment(function: str, wrap: str) -> Build:
    def build(args: list[Expr], distinct: bool) -> Call:
        if not _one(function, args).is_numeric:
            raise mismatch(function, args)
        return Call(function, f"CAST({args[0].sql} AS DOUBLE)", DOUBLE, wrap)

    return build


def _paired(function: str) -> Build:
    """corr and friends: real for reals and whole numbers, as Trino resolves them."""

    def build(args: list[Expr], distinct: bool) -> Call:
        if len(args) != 2 or not all(a.type.is_numeric for a in args):
            raise mismatch(function, args)
        wide = any(a.type == DOUBLE or a.type.name == "decimal" for a in args)
        kind = DOUBLE if wide else REAL
        sqls = ", ".join(f"CAST({a.sql} AS DOUBLE)" for a in args)
        return Call(function, sqls, kind, f"CAST(strata_number({{}}) AS {to_duckdb(kind)})")

    return build


def _bitwise(function: str) -> Build:
    def build(args: list[Expr], distinct: bool) -> Call:
        if not _one(function, args).is_integer:
            raise mismatch(function, args)
        return Call(function, f"CAST({args[0].sql} AS BIGINT)", BIGINT)

    return build


AGGREGATES.update(
    {
        "count": _count,
        "sum": _sum,
        "avg": _avg,
        "min": _extreme("min"),
        "max": _extreme("max"),
        "min_by": _by("min_by", "arg_min_null"),
        "max_by": _by("max_by", "arg_max_null"),
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
        "multimap_agg": _multimap_agg,
        "map_union": _map_union,
        "geometric_mean": _geometric_mean,
        "skewness": _moment("skewness", "SKEWNESS"),
        "kurtosis": _moment("kurtosis", "{}"),
        "histogram": _histogram,
        "listagg": _listagg,
        "reduce_agg": _reduce_agg,
        "checksum": _checksum,
    }
)
for _name, _duck in {
    "stddev": "stddev_samp", "stddev_samp": "stddev_samp", "stddev_pop": "stddev_pop",
    "variance": "var_samp", "var_samp": "var_samp", "var_pop": "var_pop",
}.items():  # fmt: skip
    AGGREGATES[_name] = _typed(_duck, DOUBLE, check="n")
for _name in ("corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept"):
    AGGREGATES[_name] = _paired(_name)
for _name, _duck in (("and", "bit_and"), ("or", "bit_or")):
    AGGREGATES[f"bitwise_{_name}_agg"] = _bitwise(_duck)


def _ranking(function: str, kind: Type = BIGINT) -> Callable[[list[Expr]], Call]:
    return lambda args: Call(function, _sqls(args), kind)


def _shift(function: str) -> Callable[[list[Expr]], Call]:
    def build(args: list[Expr]) -> Call:
        if len(args) not in _COUNTS[function]:
            raise mismatch(function, args)
        sqls = [args[0].sql]
        for offset in args[1:2]:
            lowest = 1 if function == "nth_value" else 0
            if not isinstance(offset.constant, int):
                raise not_supported(f"{function} with an offset that is not constant")
            if offset.constant < lowest:
                raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Offset must be at least {lowest}")
            sqls.append(offset.sql)
        for default in args[2:3]:
            if common(default.type, args[0].type) != args[0].type:
                raise mismatch(function, args)
            sqls.append(casts.cast(default, args[0].type).sql)
        zone = LOST if args[0].zone else None
        return Call(function, ", ".join(sqls), args[0].type, zone=zone)

    return build


_COUNTS = {
    "lag": (1, 2, 3), "lead": (1, 2, 3), "first_value": (1,), "last_value": (1,), "nth_value": (2,),
}  # fmt: skip
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
