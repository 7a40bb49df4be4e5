"""Mathematical and bitwise functions.

https://trino.io/docs/current/functions/math.html and bitwise.html
"""

from __future__ import annotations

from ..expression import Expr, fail_text
from ..failure import QueryFailed, not_supported
from ..types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    REAL,
    UNKNOWN,
    VARCHAR,
    Type,
    arithmetic,
    array,
    decimal,
    to_duckdb,
)
from .registry import Build, accept, bad_argument, define, mismatch, simple

for _name in ("sqrt", "ln", "log2", "log10"):
    # DuckDB fails outside of the domain, Trino gives NaN or -Infinity.
    simple(_name, "n", DOUBLE, f"strata_{_name}({{0}})")
for _name in ("exp", "sin", "cos", "tan", "atan", "sinh", "tanh", "degrees", "radians"):
    simple(_name, "n", DOUBLE, f"{_name}({{0}})")
simple("cbrt", "n", DOUBLE, "strata_cbrt({0})")
simple("cosh", "n", DOUBLE, "strata_cosh({0})")
simple("asin", "n", DOUBLE, "CASE WHEN abs({0}) > 1 THEN 'nan'::DOUBLE ELSE asin({0}) END")
simple("acos", "n", DOUBLE, "CASE WHEN abs({0}) > 1 THEN 'nan'::DOUBLE ELSE acos({0}) END")
simple("atan2", "nn", DOUBLE, "atan2({0}, {1})")
simple("power pow", "nn", DOUBLE, "pow({0}, {1})")
simple("log", "nn", DOUBLE, "(strata_ln({1}) / strata_ln({0}))")
simple("pi", "", DOUBLE, "pi()")
simple("e", "", DOUBLE, "exp(1.0)")
simple("is_nan", "n", BOOLEAN, "isnan({0})")
simple("is_finite", "n", BOOLEAN, "isfinite({0})")
simple("is_infinite", "n", BOOLEAN, "isinf({0})")
simple("nan", "", DOUBLE, "CAST('nan' AS DOUBLE)")
simple("infinity", "", DOUBLE, "CAST('infinity' AS DOUBLE)")
simple("normal_cdf", "nnn", DOUBLE, "strata_normal_cdf({0}, {1}, {2})")
simple("inverse_normal_cdf", "nnn", DOUBLE, "strata_inverse_normal_cdf({0}, {1}, {2})")
simple("from_base", "si", BIGINT, "strata_from_base({0}, {1})")
simple("to_base", "ii", Type("varchar", (64,)), "strata_to_base({0}, {1})")


def _wilson(name: str, sign: str) -> None:
    def build(args: list[Expr]) -> Expr:
        good, all_, z = accept(name, "iin", args)
        bad = bad_argument("number of successes must not be negative or above trials", DOUBLE)
        good = f"CAST({good} AS DOUBLE)"
        n = f"CAST({all_} AS DOUBLE)"
        p = f"({good} / {n})"
        root = f"sqrt({p} * (1 - {p}) / {n} + {z} * {z} / (4 * {n} * {n}))"
        sql = f"(({p} + {z} * {z} / (2 * {n}) {sign} {z} * {root}) / (1 + {z} * {z} / {n}))"
        wrong = f"{good} < 0 OR {n} <= 0 OR {good} > {n} OR {z} < 0"
        return Expr(f"CASE WHEN {wrong} THEN {bad} ELSE {sql} END", DOUBLE)

    define(name, 3)(build)


_wilson("wilson_interval_lower", "-")
_wilson("wilson_interval_upper", "+")


@define("random rand", 0, 2)
def _random(args: list[Expr]) -> Expr:
    if not args:
        return Expr("random()", DOUBLE)
    if not all(a.type.is_integer for a in args):
        raise mismatch("random", args)
    low, high = ("0", args[0].sql) if len(args) == 1 else (args[0].sql, args[1].sql)
    kind = BIGINT if any(a.type == BIGINT for a in args) else args[0].type
    bad = bad_argument("bound must be positive", kind)
    drawn = f"CAST(floor(random() * ({high} - {low})) AS {to_duckdb(kind)}) + {low}"
    sql = f"CASE WHEN {high} <= {low} THEN {bad} ELSE {drawn} END"
    return Expr(f"CAST({sql} AS {to_duckdb(kind)})", kind)


@define("uuid", 0)
def _uuid(args: list[Expr]) -> Expr:
    return Expr("uuid()", Type("uuid"))


@define("abs", 1)
def _abs(args: list[Expr]) -> Expr:
    kind = Type("tinyint") if args[0].type == UNKNOWN else args[0].type
    if not kind.is_numeric:
        raise mismatch("abs", args)
    return Expr(f"abs(CAST({args[0].sql} AS {to_duckdb(kind)}))", kind)


@define("sign", 1)
def _sign(args: list[Expr]) -> Expr:
    kind = args[0].type
    if not kind.is_numeric:
        raise mismatch("sign", args)
    if kind.name == "decimal":
        kind = decimal(1, 0)
    sql = f"CAST(sign({args[0].sql}) AS {to_duckdb(kind)})"
    if kind in (DOUBLE, REAL):
        sql = f"CASE WHEN isnan({args[0].sql}) THEN {args[0].sql} ELSE {sql} END"
    return Expr(sql, kind)


@define("mod", 2)
def _mod(args: list[Expr]) -> Expr:
    return modulo(args[0], args[1])


def modulo(a: Expr, b: Expr) -> Expr:
    """`a % b`, failing on a zero divisor as Trino does."""
    if UNKNOWN in (a.type, b.type):
        kind = b.type if a.type == UNKNOWN else a.type
        return Expr(f"CAST(NULL AS {to_duckdb(kind)})", kind, None)
    kind = arithmetic("%", a.type, b.type) or UNKNOWN
    if kind == UNKNOWN:
        raise mismatch("mod", [a, b])
    if kind in (DOUBLE, REAL):
        left, right = (f"CAST({v.sql} AS {to_duckdb(kind)})" for v in (a, b))
        return Expr(f"CASE WHEN {right} = 0 THEN 'nan'::DOUBLE ELSE {left} % {right} END", kind)
    return Expr(f"CAST({a.sql} % {nonzero(b)} AS {to_duckdb(kind)})", kind)


def nonzero(b: Expr) -> str:
    """SQL of a divisor that fails with DIVISION_BY_ZERO when it is zero."""
    if isinstance(b.constant, int) and b.constant:
        return b.sql
    bad = fail_text("DIVISION_BY_ZERO", "Division by zero", to_duckdb(b.type))
    return f"CASE WHEN {b.sql} = 0 THEN {bad} ELSE {b.sql} END"


def _whole(name: str) -> Build:
    def build(args: list[Expr]) -> Expr:
        kind = args[0].type
        if kind.is_integer:
            return Expr(args[0].sql, kind)
        if kind.name == "decimal":
            precision, scale = kind.args
            kind = decimal(precision - scale + min(scale, 1), 0)
        elif kind not in (DOUBLE, REAL):
            raise mismatch(name, args)
        return Expr(f"CAST({name}({args[0].sql}) AS {to_duckdb(kind)})", kind)

    return build


define("ceil ceiling", 1)(_whole("ceil"))
define("floor", 1)(_whole("floor"))


@define("round", 1, 2)
def _round(args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind == UNKNOWN:
        return Expr("CAST(NULL AS TINYINT)", Type("tinyint"), None)
    if not kind.is_numeric or (len(args) == 2 and not _whole_number(args[1])):
        raise mismatch("round", args)
    digits = args[1].sql if len(args) == 2 else "0"
    if kind.name == "decimal":
        return _round_decimal(args, digits)
    if kind.is_integer:
        if len(args) == 1:
            return Expr(args[0].sql, kind)
        if not isinstance(args[1].constant, int):
            raise not_supported("round of an integer to a number of digits that is not constant")
        unit = 10 ** max(0, -args[1].constant)
        rounded = f"strata_divide_round(CAST({args[0].sql} AS HUGEINT), {unit}::HUGEINT) * {unit}"
        return Expr(f"CAST({rounded} AS {to_duckdb(kind)})", kind)
    return Expr(f"CAST(strata_round({args[0].sql}, {digits}) AS {to_duckdb(kind)})", kind)


def _whole_number(arg: Expr) -> bool:
    return arg.type.is_integer or arg.type == UNKNOWN


def _round_decimal(args: list[Expr], digits: str) -> Expr:
    if len(args) == 2 and not isinstance(args[1].constant, int):
        raise not_supported("round of a decimal to a number of digits that is not constant")
    precision, scale = args[0].type.args
    grown = (
        decimal(min(38, precision + 1), scale)
        if len(args) == 2
        else decimal(min(38, precision - scale + min(1, scale)), 0)
    )
    return Expr(f"CAST(round({args[0].sql}, {digits}) AS {to_duckdb(grown)})", grown)


@define("truncate", 1, 2)
def _truncate(args: list[Expr]) -> Expr:
    kind = args[0].type
    if len(args) == 2:
        if kind.name != "decimal" or not isinstance(args[1].constant, int):
            raise not_supported(f"truncate of {kind} to a number of digits")
        places = args[1].constant
        if places >= kind.args[1]:
            return Expr(args[0].sql, kind)
        unit = decimal(38, max(0, places))
        if places < 0:
            sql = f"trunc({args[0].sql} / {10**-places}) * {10**-places}"
            return Expr(f"CAST({sql} AS {to_duckdb(kind)})", kind)
        whole = f"trunc(CAST({args[0].sql} AS DECIMAL(38,{kind.args[1]})) * {10**places})"
        return Expr(
            f"CAST(CAST({whole} AS HUGEINT) * CAST('1e-{places}' AS {to_duckdb(unit)}) "
            f"AS {to_duckdb(kind)})",
            kind,
        )
    if kind.is_integer:
        digits = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}[kind.name]
        kind = decimal(digits, 0)
    elif kind.name == "decimal":
        kind = decimal(max(1, kind.args[0] - kind.args[1]), 0)
    elif kind not in (DOUBLE, REAL):
        raise mismatch("truncate", args)
    return Expr(f"CAST(trunc({args[0].sql}) AS {to_duckdb(kind)})", kind)


@define("width_bucket", 2, 4)
def _width_bucket(args: list[Expr]) -> Expr:
    if len(args) == 2:
        return _width_bucket_bins(args)
    if len(args) != 4:
        raise mismatch("width_bucket", args)
    x, low, high, count = accept("width_bucket", "nnni", args)
    bad = bad_argument("bucketCount must be greater than 0 and bounds must differ", BIGINT)
    wrong = f"{count} <= 0 OR {low} = {high} OR NOT isfinite({low}) OR NOT isfinite({high})"
    wrong += f" OR isnan({x})"
    first, last = f"least({low}, {high})", f"greatest({low}, {high})"
    inside = f"CAST(floor({count} * (({x} - {first}) / ({last} - {first}))) AS BIGINT) + 1"
    bucket = f"CASE WHEN {x} < {first} THEN 0 WHEN {x} >= {last} THEN {count} + 1 ELSE {inside} END"
    return Expr(
        f"CASE WHEN {wrong} THEN {bad} WHEN {low} > {high} THEN {count} - ({bucket}) + 1 "
        f"ELSE {bucket} END",
        BIGINT,
    )


def _width_bucket_bins(args: list[Expr]) -> Expr:
    (x,) = accept("width_bucket", "n", args[:1])
    if args[1].type != array(DOUBLE):
        raise mismatch("width_bucket", args)
    bins = args[1].sql
    bad = bad_argument("Bins cannot be an empty array", BIGINT)
    below = f"len(list_filter({bins}, lambda strata_b: strata_b <= {x}))"
    return Expr(f"CASE WHEN len({bins}) = 0 THEN {bad} ELSE {below} END", BIGINT)


# --- bitwise


simple("bitwise_and", "ii", BIGINT, "(CAST({0} AS BIGINT) & CAST({1} AS BIGINT))")
simple("bitwise_or", "ii", BIGINT, "(CAST({0} AS BIGINT) | CAST({1} AS BIGINT))")
simple("bitwise_xor", "ii", BIGINT, "xor(CAST({0} AS BIGINT), CAST({1} AS BIGINT))")
simple("bitwise_not", "i", BIGINT, "(~CAST({0} AS BIGINT))")

_BITS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}


def _shifted(name: str) -> Build:
    """Shifts keep the type of the value; bits beyond it are lost, as in two's complement."""

    def build(args: list[Expr]) -> Expr:
        kind = args[0].type
        accept(name, "ii", args)
        if kind == UNKNOWN:
            raise not_supported(f"{name} of NULL")
        sql = f"strata_{name}({args[0].sql}, {args[1].sql}, {_BITS[kind.name]})"
        return Expr(f"CAST({sql} AS {to_duckdb(kind)})", kind)

    return build


for _name in ("bitwise_left_shift", "bitwise_right_shift", "bitwise_right_shift_arithmetic"):
    define(_name, 2)(_shifted(_name))


@define("bit_count", 2)
def _bit_count(args: list[Expr]) -> Expr:
    value, bits = accept("bit_count", "ii", args)
    bad = bad_argument("Bits specified in bit_count must be between 2 and 64", BIGINT)
    low = f"-(1::HUGEINT << ({bits} - 1)::INTEGER)"
    high = f"(1::HUGEINT << ({bits} - 1)::INTEGER)"
    outside = f"{bits} NOT BETWEEN 2 AND 64 OR {value} < {low} OR {value} >= {high}"
    masked = f"CAST({value} AS HUGEINT) & ((1::HUGEINT << {bits}::INTEGER) - 1)"
    return Expr(f"CASE WHEN {outside} THEN {bad} ELSE bit_count({masked})::BIGINT END", BIGINT)


# --- sizes and durations


@define("human_readable_seconds", 1)
def _human_readable(args: list[Expr]) -> Expr:
    (seconds,) = accept("human_readable_seconds", "n", args)
    return Expr(f"strata_readable_seconds({seconds})", VARCHAR)


@define("parse_data_size parse_presto_data_size", 1)
def _parse_data_size(args: list[Expr]) -> Expr:
    (text,) = accept("parse_data_size", "s", args)
    return Expr(f"CAST(strata_data_size({text}) AS DECIMAL(38,0))", decimal(38, 0))


@define("cosine_similarity", 2)
def _cosine(args: list[Expr]) -> Expr:
    for arg in args:
        if arg.type.name != "map" or arg.type.items[1] != DOUBLE:
            raise mismatch("cosine_similarity", args)
        if arg.type.items[0].name != "varchar":
            raise QueryFailed("NOT_SUPPORTED", "cosine_similarity of maps with other keys")
    return Expr(f"strata_cosine({args[0].sql}, {args[1].sql})", DOUBLE)
