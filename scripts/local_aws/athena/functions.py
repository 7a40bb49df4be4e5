"""The allow-list of scalar functions: for each, its Trino type rule and its DuckDB SQL.

A function that is not here is refused by name (see translate.py).
Reference: https://trino.io/docs/current/functions.html (Athena engine v3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from . import casts, dates
from .expression import LOST, NOT_CONSTANT, Expr, fail, fail_text
from .failure import QueryFailed, not_supported
from .types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    JSON,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    common,
    decimal,
    literal,
    map_of,
    row,
    timestamp,
    timestamptz,
    to_duckdb,
)

Build = Callable[[list[Expr]], Expr]


@dataclass(frozen=True)
class Function:
    """A scalar function: how many arguments it takes and how it is built."""

    low: int
    high: int
    build: Build


SCALARS: dict[str, Function] = {}


def define(names: str, low: int, high: int | None = None) -> Callable[[Build], Build]:
    """Register a function under its names (separated by blanks)."""

    def register(build: Build) -> Build:
        for name in names.split():
            SCALARS[name] = Function(low, low if high is None else high, build)
        return build

    return register


def mismatch(name: str, args: list[Expr]) -> QueryFailed:
    """The error for arguments of the wrong types."""
    given = ", ".join(str(a.type) for a in args)
    return QueryFailed("FUNCTION_NOT_FOUND", f"Unexpected parameters ({given}) for function {name}")


_CLASSES: dict[str, Callable[[Type], bool]] = {
    "s": lambda t: t.is_text,
    "i": lambda t: t.is_integer,
    "n": lambda t: t.is_numeric,
    "b": lambda t: t.name == "boolean",
    "x": lambda t: t.name == "varbinary",
    "t": lambda t: t.is_time,
    "a": lambda t: t.name == "array",
    "m": lambda t: t.name == "map",
    "j": lambda t: t.name == "json" or t.is_text,
    "*": lambda t: True,
}


def simple(names: str, signature: str, result: Type, template: str) -> None:
    """Functions that are one SQL template: `signature` has a letter an argument."""
    for name in names.split():

        def build(args: list[Expr], name: str = name) -> Expr:
            for arg, kind in zip(args, signature, strict=True):
                if arg.type != UNKNOWN and not _CLASSES[kind](arg.type):
                    raise mismatch(name, args)
            return Expr(template.format(*(a.sql for a in args)), result)

        SCALARS[name] = Function(len(signature), len(signature), build)


# --- strings: https://trino.io/docs/current/functions/string.html

_SPACE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"

simple("lower", "s", VARCHAR, "lower({0})")
simple("upper", "s", VARCHAR, "upper({0})")
simple("reverse", "s", VARCHAR, "reverse({0})")
simple("trim", "s", VARCHAR, f"trim({{0}}, {_SPACE})")
simple("ltrim", "s", VARCHAR, f"ltrim({{0}}, {_SPACE})")
simple("rtrim", "s", VARCHAR, f"rtrim({{0}}, {_SPACE})")
simple("strpos", "ss", BIGINT, "strpos({0}, {1})")
simple("starts_with", "ss", BOOLEAN, "starts_with({0}, {1})")
simple("split", "ss", array(VARCHAR), "string_split({0}, {1})")
simple("levenshtein_distance", "ss", BIGINT, "levenshtein({0}, {1})")
simple("hamming_distance", "ss", BIGINT, "hamming({0}, {1})")
simple("translate", "sss", VARCHAR, "translate({0}, {1}, {2})")
simple("chr", "i", Type("varchar", (1,)), "chr(CAST({0} AS INTEGER))")
simple("codepoint", "s", INTEGER, "unicode({0})")
simple("to_utf8", "s", VARBINARY, "encode({0})")
simple("from_utf8", "x", VARCHAR, "decode({0})")
simple("url_encode", "s", VARCHAR, "url_encode({0})")
simple("url_decode", "s", VARCHAR, "url_decode({0})")
simple("to_hex", "x", VARCHAR, "hex({0})")
simple("from_hex", "s", VARBINARY, "unhex({0})")
simple("to_base64", "x", VARCHAR, "to_base64({0})")
simple("from_base64", "s", VARBINARY, "from_base64({0})")
simple("md5", "x", VARBINARY, "unhex(md5({0}))")
simple("sha1", "x", VARBINARY, "unhex(sha1({0}))")
simple("sha256", "x", VARBINARY, "unhex(sha256({0}))")
simple("xxhash64", "x", VARBINARY, "strata_xxhash64({0})")
simple("regexp_like", "ss", BOOLEAN, "regexp_matches({0}, {1})")
simple("regexp_count", "ss", BIGINT, "len(regexp_extract_all({0}, {1}))")
simple("regexp_split", "ss", array(VARCHAR), "string_split_regex({0}, {1})")


@define("length", 1)
def _length(args: list[Expr]) -> Expr:
    if args[0].type.name == "varbinary":
        return Expr(f"octet_length({args[0].sql})", BIGINT)
    if not args[0].type.is_text:
        raise mismatch("length", args)
    return Expr(f"length({args[0].sql})", BIGINT)


@define("substr substring", 2, 3)
def _substr(args: list[Expr]) -> Expr:
    if not args[0].type.is_text or not all(a.type.is_integer for a in args[1:]):
        raise mismatch("substr", args)
    text, start = args[0].sql, args[1].sql
    more = f", {args[2].sql}" if len(args) == 3 else ""
    empty = f"{args[2].sql} <= 0 OR " if len(args) == 3 else ""
    value = args[1].constant
    if isinstance(value, int) and value > 0 and not more:
        return Expr(f"substr({text}, {start})", VARCHAR)
    outside = f"{empty}{start} = 0 OR abs({start}) > length({text})"
    return Expr(f"CASE WHEN {outside} THEN '' ELSE substr({text}, {start}{more}) END", VARCHAR)


@define("replace", 2, 3)
def _replace(args: list[Expr]) -> Expr:
    if not all(a.type.is_text for a in args):
        raise mismatch("replace", args)
    other = args[2].sql if len(args) == 3 else "''"
    return Expr(f"replace({args[0].sql}, {args[1].sql}, {other})", VARCHAR)


@define("split_part", 3)
def _split_part(args: list[Expr]) -> Expr:
    text, mark, index = (a.sql for a in args)
    count = f"len(string_split({text}, {mark}))"
    return Expr(
        f"CASE WHEN {index} > {count} THEN NULL ELSE split_part({text}, {mark}, {index}) END",
        VARCHAR,
    )


@define("lpad rpad", 3)
def _pad(args: list[Expr]) -> Expr:
    raise AssertionError("replaced below")


def _padding(name: str) -> Build:
    def build(args: list[Expr]) -> Expr:
        if not (args[0].type.is_text and args[1].type.is_integer and args[2].type.is_text):
            raise mismatch(name, args)
        text, size, fill = (a.sql for a in args)
        return Expr(f"{name}({text}, CAST({size} AS INTEGER), {fill})", VARCHAR)

    return build


for _name in ("lpad", "rpad"):
    SCALARS[_name] = Function(3, 3, _padding(_name))


@define("concat", 2, 255)
def _concat(args: list[Expr]) -> Expr:
    out = args[0]
    for arg in args[1:]:
        out = concatenation(out, arg)
    return out


def concatenation(a: Expr, b: Expr) -> Expr:
    """`a || b` for strings, binaries, and arrays with arrays or elements."""
    if a.type == UNKNOWN or b.type == UNKNOWN:
        return Expr(f"({a.sql} || {b.sql})", b.type if a.type == UNKNOWN else a.type)
    if (a.type.is_text and b.type.is_text) or a.type == b.type == VARBINARY:
        constant: object = NOT_CONSTANT
        if isinstance(a.constant, str) and isinstance(b.constant, str):
            constant = a.constant + b.constant
        kind = VARCHAR if a.type.is_text else VARBINARY
        return Expr(f"({a.sql} || {b.sql})", kind, constant)
    if a.type.name == b.type.name == "array":
        kind = common(a.type, b.type) or UNKNOWN
        if kind != UNKNOWN:
            left, right = casts.cast(a, kind).sql, casts.cast(b, kind).sql
            joined = f"list_concat({left}, {right})"
            return Expr(
                f"CASE WHEN {left} IS NULL OR {right} IS NULL THEN NULL ELSE {joined} END", kind
            )
    if a.type.name == "array" and (item := common(a.type.items[0], b.type)):
        return Expr(f"list_append({casts.cast(a, array(item)).sql}, {b.sql})", array(item))
    if b.type.name == "array" and (item := common(b.type.items[0], a.type)):
        return Expr(f"list_prepend({a.sql}, {casts.cast(b, array(item)).sql})", array(item))
    raise mismatch("concat", [a, b])


@define("concat_ws", 2, 255)
def _concat_ws(args: list[Expr]) -> Expr:
    if len(args) == 2 and args[1].type.name == "array":
        return Expr(f"array_to_string({args[1].sql}, {args[0].sql})", VARCHAR)
    if not all(a.type.is_text for a in args):
        raise mismatch("concat_ws", args)
    return Expr(f"concat_ws({', '.join(a.sql for a in args)})", VARCHAR)


@define("regexp_extract", 2, 3)
def _regexp_extract(args: list[Expr]) -> Expr:
    text, pattern = args[0].sql, args[1].sql
    group = args[2].sql if len(args) == 3 else "0"
    return Expr(
        f"CASE WHEN regexp_matches({text}, {pattern}) "
        f"THEN nullif(regexp_extract({text}, {pattern}, {group}), '') END"
        if group != "0"
        else f"CASE WHEN regexp_matches({text}, {pattern}) "
        f"THEN regexp_extract({text}, {pattern}) END",
        VARCHAR,
    )


@define("regexp_extract_all", 2, 3)
def _regexp_extract_all(args: list[Expr]) -> Expr:
    return Expr(f"regexp_extract_all({', '.join(a.sql for a in args)})", array(VARCHAR))


@define("regexp_replace", 2, 3)
def _regexp_replace(args: list[Expr]) -> Expr:
    if len(args) == 2:
        return Expr(f"regexp_replace({args[0].sql}, {args[1].sql}, '', 'g')", VARCHAR)
    if args[2].type.name != "varchar" or not isinstance(args[2].constant, str):
        raise not_supported("regexp_replace with a replacement that is not a constant string")
    text = args[2].constant.replace("\\\\", "\0").replace("\\$", "\1")
    for group in range(10):
        text = text.replace(f"${group}", f"\\{group}")
    text = text.replace("\0", "\\\\").replace("\1", "$")
    return Expr(f"regexp_replace({args[0].sql}, {args[1].sql}, {literal(text)}, 'g')", VARCHAR)


# --- conditions


@define("coalesce", 2, 255)
def _coalesce(args: list[Expr]) -> Expr:
    kind = unify("coalesce", args)
    sqls = [casts.cast(a, kind).sql for a in args]
    return Expr(f"coalesce({', '.join(sqls)})", kind, wall=_lost(kind, args))


def _lost(kind: Type, args: list[Expr]) -> str | None:
    return LOST if kind.name == "timestamptz" and any(a.wall for a in args) else None


def unify(name: str, args: list[Expr]) -> Type:
    """The common type of arguments. Raises QueryFailed(TYPE_MISMATCH)."""
    kind = UNKNOWN
    for arg in args:
        found = common(kind, arg.type)
        if found is None:
            raise QueryFailed(
                "TYPE_MISMATCH", f"All {name} operands must be the same type: {kind}, {arg.type}"
            )
        kind = found
    return kind


@define("nullif", 2)
def _nullif(args: list[Expr]) -> Expr:
    unify("NULLIF", args)
    return Expr(f"nullif({args[0].sql}, {args[1].sql})", args[0].type, wall=args[0].wall)


@define("if", 2, 3)
def _if(args: list[Expr]) -> Expr:
    if args[0].type not in (BOOLEAN, UNKNOWN):
        raise QueryFailed(
            "TYPE_MISMATCH", f"IF condition must evaluate to a boolean: actual: {args[0].type}"
        )
    values = args[1:]
    kind = unify("IF", values)
    sqls = [casts.cast(v, kind).sql for v in values]
    other = f" ELSE {sqls[1]}" if len(sqls) == 2 else ""
    sql = f"CASE WHEN {args[0].sql} THEN {sqls[0]}{other} END"
    return Expr(sql, kind, wall=_lost(kind, values))


@define("try", 1)
def _try(args: list[Expr]) -> Expr:
    wall = args[0].wall
    return replace(
        args[0],
        sql=f"TRY({args[0].sql})",
        wall=f"TRY({wall})" if wall and wall != LOST else wall,
        column=None,
    )


@define("typeof", 1)
def _typeof(args: list[Expr]) -> Expr:
    return Expr(literal(str(args[0].type)), VARCHAR)


@define("greatest least", 1, 255)
def _extreme(args: list[Expr]) -> Expr:
    raise AssertionError("replaced below")


def _greatest(name: str) -> Build:
    def build(args: list[Expr]) -> Expr:
        kind = unify(name, args)
        sqls = [casts.cast(a, kind).sql for a in args]
        any_null = " OR ".join(f"{s} IS NULL" for s in sqls)
        return Expr(
            f"CASE WHEN {any_null} THEN NULL ELSE {name}({', '.join(sqls)}) END",
            kind,
            wall=_lost(kind, args),
        )

    return build


for _name in ("greatest", "least"):
    SCALARS[_name] = Function(1, 255, _greatest(_name))


# --- numbers: https://trino.io/docs/current/functions/math.html

for _name in (
    "sqrt", "cbrt", "exp", "ln", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "degrees", "radians",
):  # fmt: skip
    simple(_name, "n", DOUBLE, f"{_name}(CAST({{0}} AS DOUBLE))")
simple("atan2", "nn", DOUBLE, "atan2(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE))")
simple("power pow", "nn", DOUBLE, "pow(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE))")
simple("log", "nn", DOUBLE, "(ln(CAST({1} AS DOUBLE)) / ln(CAST({0} AS DOUBLE)))")
simple("pi", "", DOUBLE, "pi()")
simple("e", "", DOUBLE, "exp(1.0)")
simple("random rand", "", DOUBLE, "random()")
simple("is_nan", "n", BOOLEAN, "isnan(CAST({0} AS DOUBLE))")
simple("is_finite", "n", BOOLEAN, "isfinite(CAST({0} AS DOUBLE))")
simple("is_infinite", "n", BOOLEAN, "isinf(CAST({0} AS DOUBLE))")
simple("nan", "", DOUBLE, "CAST('nan' AS DOUBLE)")
simple("infinity", "", DOUBLE, "CAST('infinity' AS DOUBLE)")
simple("bitwise_and", "ii", BIGINT, "(CAST({0} AS BIGINT) & CAST({1} AS BIGINT))")
simple("bitwise_or", "ii", BIGINT, "(CAST({0} AS BIGINT) | CAST({1} AS BIGINT))")
simple("bitwise_xor", "ii", BIGINT, "xor(CAST({0} AS BIGINT), CAST({1} AS BIGINT))")


@define("abs", 1)
def _abs(args: list[Expr]) -> Expr:
    if not args[0].type.is_numeric:
        raise mismatch("abs", args)
    return Expr(f"abs({args[0].sql})", args[0].type)


@define("sign", 1)
def _sign(args: list[Expr]) -> Expr:
    kind = decimal(1, 0) if args[0].type.name == "decimal" else args[0].type
    return Expr(f"CAST(sign({args[0].sql}) AS {to_duckdb(kind)})", kind)


@define("mod", 2)
def _mod(args: list[Expr]) -> Expr:
    return modulo(args[0], args[1])


def modulo(a: Expr, b: Expr) -> Expr:
    """`a % b`, failing on a zero divisor as Trino does."""
    from .types import arithmetic

    kind = arithmetic("%", a.type, b.type)
    if kind is None:
        raise mismatch("mod", [a, b])
    if kind.name in ("double", "real"):
        return Expr(f"({a.sql} % {b.sql})", kind)
    return Expr(f"CAST({a.sql} % {nonzero(b)} AS {to_duckdb(kind)})", kind)


def nonzero(b: Expr) -> str:
    """SQL of a divisor that fails with DIVISION_BY_ZERO when it is zero."""
    if isinstance(b.constant, int) and b.constant:
        return b.sql
    bad = fail_text("DIVISION_BY_ZERO", "Division by zero", to_duckdb(b.type))
    return f"CASE WHEN {b.sql} = 0 THEN {bad} ELSE {b.sql} END"


@define("ceil ceiling", 1)
def _ceil(args: list[Expr]) -> Expr:
    return _whole("ceil", args)


@define("floor", 1)
def _floor(args: list[Expr]) -> Expr:
    return _whole("floor", args)


def _whole(name: str, args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind.is_integer:
        return args[0]
    if kind.name == "decimal":
        precision, scale = kind.args
        kind = decimal(precision - scale + min(scale, 1), 0)
    elif kind.name not in ("double", "real"):
        raise mismatch(name, args)
    return Expr(f"CAST({name}({args[0].sql}) AS {to_duckdb(kind)})", kind)


@define("round", 1, 2)
def _round(args: list[Expr]) -> Expr:
    kind = args[0].type
    if not kind.is_numeric:
        raise mismatch("round", args)
    if kind.is_integer and len(args) == 1:
        return args[0]
    digits = args[1].sql if len(args) == 2 else "0"
    if kind.name == "decimal":
        if len(args) == 2 and not isinstance(args[1].constant, int):
            raise not_supported("round of a decimal to a number of digits that is not constant")
        precision, scale = kind.args
        grown = (
            decimal(min(38, precision + 1), scale)
            if len(args) == 2
            else decimal(min(38, precision - scale + min(1, scale)), 0)
        )
        return Expr(f"CAST(round({args[0].sql}, {digits}) AS {to_duckdb(grown)})", grown)
    return Expr(f"CAST(round({args[0].sql}, {digits}) AS {to_duckdb(kind)})", kind)


@define("truncate", 1)
def _truncate(args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind.name == "decimal":
        kind = decimal(max(1, kind.args[0] - kind.args[1]), 0)
    return Expr(f"CAST(trunc({args[0].sql}) AS {to_duckdb(kind)})", kind)


# --- dates: https://trino.io/docs/current/functions/datetime.html

_UNITS = (
    "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year",
)  # fmt: skip


def _unit(name: str, arg: Expr) -> str:
    unit = arg.constant
    if not isinstance(unit, str):
        raise not_supported(f"{name} with a unit that is not a constant string")
    if unit.lower() not in _UNITS:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid DATE field")
    return unit.lower()


def _need_time(name: str, args: list[Expr], *indexes: int) -> None:
    if not all(args[i].type.is_time or args[i].type == UNKNOWN for i in indexes):
        raise mismatch(name, args)


@define("date_trunc", 2)
def _date_trunc(args: list[Expr]) -> Expr:
    unit, value = _unit("date_trunc", args[0]), args[1]
    _need_time("date_trunc", args, 1)
    if value.type == DATE:
        return Expr(f"CAST(date_trunc('{unit}', {value.sql}) AS DATE)", DATE)
    if value.type.name == "timestamptz":
        if value.wall:
            raise not_supported("date_trunc of a timestamp in another zone than UTC")
        return Expr(f"date_trunc('{unit}', {value.sql})", value.type)
    return Expr(f"date_trunc('{unit}', {value.sql})", value.type)


@define("date_add", 3)
def _date_add(args: list[Expr]) -> Expr:
    unit, count, value = _unit("date_add", args[0]), args[1], args[2]
    _need_time("date_add", args, 2)
    if not count.type.is_integer:
        raise mismatch("date_add", args)
    if unit == "quarter":
        step = f"to_months(CAST(3 * ({count.sql}) AS INTEGER))"
    elif unit == "week":
        step = f"to_days(CAST(7 * ({count.sql}) AS INTEGER))"
    elif unit in ("day", "month", "year"):
        step = f"to_{unit}s(CAST({count.sql} AS INTEGER))"
    else:
        step = f"to_{unit}s(CAST({count.sql} AS BIGINT))"
    if value.type == DATE:
        if unit in _UNITS[:4]:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid DATE field")
        return Expr(f"CAST({value.sql} + {step} AS DATE)", DATE)
    return Expr(f"({value.sql} + {step})", value.type, wall=LOST if value.wall else None)


@define("date_diff", 3)
def _date_diff(args: list[Expr]) -> Expr:
    unit = _unit("date_diff", args[0])
    _need_time("date_diff", args, 1, 2)
    kind = common(args[1].type, args[2].type) or UNKNOWN
    if kind == DATE and unit in _UNITS[:4]:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid DATE field")
    if kind.name == "timestamptz" and any(a.wall for a in args) and unit not in _UNITS[:4]:
        raise not_supported(f"date_diff('{unit}', ...) in another zone than UTC")
    start, end = casts.cast(args[1], kind), casts.cast(args[2], kind)
    # DuckDB's date_sub counts whole units, its date_diff counts boundaries.
    return Expr(f"date_sub('{unit}', {start.sql}, {end.sql})", BIGINT)


_PARTS = {
    "year": "year", "month": "month", "day": "day", "day_of_month": "day", "hour": "hour",
    "minute": "minute", "second": "second", "quarter": "quarter", "week": "week",
    "week_of_year": "week", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "dayofyear",
    "doy": "dayofyear", "year_of_week": "isoyear", "yow": "isoyear",
}  # fmt: skip


def date_part(name: str, value: Expr) -> Expr:
    """`year(x)`, `extract(year from x)` and so on."""
    if value.type.name.startswith("interval"):
        raise not_supported(f"{name} of an interval")
    if not value.type.is_time:
        raise mismatch(name, [value])
    if name == "millisecond":
        return Expr(f"CAST(millisecond({value.local()}) % 1000 AS BIGINT)", BIGINT)
    return Expr(f"CAST({_PARTS[name]}({value.local()}) AS BIGINT)", BIGINT)


def _part(name: str) -> Build:
    return lambda args: date_part(name, args[0])


for _name in (*_PARTS, "millisecond"):
    SCALARS[_name] = Function(1, 1, _part(_name))


@define("date", 1)
def _date(args: list[Expr]) -> Expr:
    return casts.cast(args[0], DATE)


@define("last_day_of_month", 1)
def _last_day(args: list[Expr]) -> Expr:
    _need_time("last_day_of_month", args, 0)
    return Expr(f"last_day({args[0].local()})", DATE)


@define("date_parse", 2)
def _date_parse(args: list[Expr]) -> Expr:
    if not isinstance(args[1].constant, str):
        raise not_supported("date_parse with a pattern that is not constant")
    pattern = dates.mysql(args[1].constant)
    return Expr(f"strptime({args[0].sql}, {literal(pattern)})", timestamp(3))


@define("date_format", 2)
def _date_format(args: list[Expr]) -> Expr:
    _need_time("date_format", args, 0)
    if not isinstance(args[1].constant, str):
        raise not_supported("date_format with a pattern that is not constant")
    return Expr(f"strftime({args[0].local()}, {literal(dates.mysql(args[1].constant))})", VARCHAR)


@define("format_datetime", 2)
def _format_datetime(args: list[Expr]) -> Expr:
    _need_time("format_datetime", args, 0)
    if not isinstance(args[1].constant, str):
        raise not_supported("format_datetime with a pattern that is not constant")
    return Expr(f"strftime({args[0].local()}, {literal(dates.joda(args[1].constant))})", VARCHAR)


@define("parse_datetime", 2)
def _parse_datetime(args: list[Expr]) -> Expr:
    if not isinstance(args[1].constant, str):
        raise not_supported("parse_datetime with a pattern that is not constant")
    pattern = dates.joda(args[1].constant)
    return Expr(f"timezone('UTC', strptime({args[0].sql}, {literal(pattern)}))", timestamptz(3))


_ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


@define("from_iso8601_timestamp", 1)
def _from_iso(args: list[Expr]) -> Expr:
    return _iso_timestamp(args, 3)


@define("from_iso8601_timestamp_nanos", 1)
def _from_iso_nanos(args: list[Expr]) -> Expr:
    return _iso_timestamp(args, 9)


def _iso_timestamp(args: list[Expr], precision: int) -> Expr:
    if not args[0].type.is_text:
        raise mismatch("from_iso8601_timestamp", args)
    text = args[0].sql
    message = f"'Invalid format: \"' || {text} || '\"'"
    bad = fail("INVALID_FUNCTION_ARGUMENT", message, "TIMESTAMPTZ")
    clean = f"replace(replace({text}, 'T', ' '), ',', '.')"
    hours = f"regexp_replace({clean}, '^([0-9-]+ [0-9]{{2}})(Z|[+-].*)?$', '\\1:00\\2')"
    digits = min(precision, 6)
    micros = f"regexp_replace({hours}, '(\\.[0-9]{{{digits}}})[0-9]+', '\\1')"
    instant = f"CAST({micros} AS TIMESTAMPTZ)"
    sql = (
        f"CASE WHEN regexp_full_match({text}, {literal(_ISO)}) THEN {instant} "
        f"WHEN {text} IS NULL THEN NULL ELSE {bad} END"
    )
    naive = f"regexp_replace({micros}, '(Z|[+-][0-9:]+)$', '')"
    wall = (
        f"CASE WHEN regexp_full_match({text}, {literal(_ISO)}) "
        f"THEN CASE WHEN length({text}) <= 10 THEN CAST({text} AS TIMESTAMP) "
        f"ELSE CAST({naive} AS TIMESTAMP) END "
        f"WHEN {text} IS NULL THEN NULL ELSE CAST({bad} AS TIMESTAMP) END"
    )
    return Expr(sql, timestamptz(precision), wall=wall)


@define("from_iso8601_date", 1)
def _from_iso_date(args: list[Expr]) -> Expr:
    text = args[0].sql
    bad = fail("INVALID_FUNCTION_ARGUMENT", f"'Invalid format: \"' || {text} || '\"'", "DATE")
    pattern = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    return Expr(
        f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN CAST({text} AS DATE) "
        f"WHEN {text} IS NULL THEN NULL ELSE {bad} END",
        DATE,
    )


@define("to_iso8601", 1)
def _to_iso(args: list[Expr]) -> Expr:
    value = args[0]
    if value.type == DATE:
        return Expr(f"CAST({value.sql} AS VARCHAR)", VARCHAR)
    digits = value.type.args[0]
    text = f"replace({casts.stamp_text(value.local(), digits)}, ' ', 'T')"
    if value.type.name == "timestamptz":
        if value.wall:
            raise not_supported("to_iso8601 in another zone than UTC")
        text = f"({text} || 'Z')"
    return Expr(text, VARCHAR)


@define("at_timezone", 2)
def _at_timezone(args: list[Expr]) -> Expr:
    return at_timezone(args[0], args[1])


def at_timezone(value: Expr, zone: Expr) -> Expr:
    """The same instant, seen from a zone."""
    value = casts.cast(value, timestamptz(value.type.args[0] if value.type.args else 3))
    if zone.constant == "UTC":
        return replace(value, wall=None, column=None)
    return replace(value, wall=f"timezone({zone.sql}, {value.sql})", column=None)


@define("with_timezone", 2)
def _with_timezone(args: list[Expr]) -> Expr:
    value, zone = args
    if value.type.name != "timestamp":
        raise mismatch("with_timezone", args)
    sql = f"timezone({zone.sql}, {value.sql})"
    wall = None if zone.constant == "UTC" else value.sql
    return Expr(sql, timestamptz(value.type.args[0]), wall=wall)


@define("from_unixtime", 1)
def _from_unixtime(args: list[Expr]) -> Expr:
    if not args[0].type.is_numeric:
        raise mismatch("from_unixtime", args)
    millis = f"CAST(floor(CAST({args[0].sql} AS DOUBLE) * 1000 + 0.5) AS BIGINT)"
    return Expr(f"timezone('UTC', make_timestamp({millis} * 1000))", timestamptz(3))


@define("to_unixtime", 1)
def _to_unixtime(args: list[Expr]) -> Expr:
    _need_time("to_unixtime", args, 0)
    return Expr(f"(epoch_us({args[0].sql}) / CAST(1000000 AS DOUBLE))", DOUBLE)


@define("to_milliseconds", 1)
def _to_milliseconds(args: list[Expr]) -> Expr:
    if args[0].type != INTERVAL_DAY:
        raise mismatch("to_milliseconds", args)
    return Expr(f"(epoch_us({args[0].sql}) // 1000)", BIGINT)


def plus_interval(value: Expr, interval: Expr, operator: str) -> Expr:
    """`date ± interval`, `timestamp ± interval`."""
    if value.type == DATE:
        return Expr(f"CAST({value.sql} {operator} {interval.sql} AS DATE)", DATE)
    wall = LOST if value.wall else None
    return Expr(f"({value.sql} {operator} {interval.sql})", value.type, wall=wall)


def minus_time(a: Expr, b: Expr) -> Expr:
    """The interval between two dates or timestamps."""
    kind = common(a.type, b.type)
    if kind is None or not kind.is_time:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot apply operator: {a.type} - {b.type}")
    left, right = casts.cast(a, timestamp_of(kind)), casts.cast(b, timestamp_of(kind))
    return Expr(f"to_microseconds(epoch_us({left.sql}) - epoch_us({right.sql}))", INTERVAL_DAY)


def timestamp_of(kind: Type) -> Type:
    return timestamp(3) if kind == DATE else kind


def interval(amount: str, unit: str) -> Expr:
    """An interval literal."""
    kind = INTERVAL_MONTH if unit in ("month", "year") else INTERVAL_DAY
    return Expr(f"INTERVAL {literal(amount)} {unit.upper()}", kind)


# --- JSON: https://trino.io/docs/current/functions/json.html


def _json_path(arg: Expr) -> str:
    if not isinstance(arg.constant, str):
        raise not_supported("a JSON path that is not constant")
    return literal(arg.constant)


@define("json_extract_scalar", 2)
def _json_extract_scalar(args: list[Expr]) -> Expr:
    value, path = args[0].sql, _json_path(args[1])
    guard = f"json_valid({value})" if args[0].type.is_text else "true"
    scalar = f"json_type({value}, {path}) NOT IN ('OBJECT', 'ARRAY')"
    return Expr(
        f"CASE WHEN {guard} THEN CASE WHEN {scalar} "
        f"THEN json_extract_string({value}, {path}) END END",
        VARCHAR,
    )


@define("json_extract", 2)
def _json_extract(args: list[Expr]) -> Expr:
    value, path = args[0].sql, _json_path(args[1])
    guard = f"json_valid({value})" if args[0].type.is_text else "true"
    return Expr(f"CASE WHEN {guard} THEN json_extract({value}, {path}) END", JSON)


@define("json_parse", 1)
def _json_parse(args: list[Expr]) -> Expr:
    text = args[0].sql
    bad = fail("INVALID_FUNCTION_ARGUMENT", f"'Cannot convert value to JSON: ''' || {text} || ''''",
               "INTEGER")  # fmt: skip
    return Expr(
        f"CASE WHEN {text} IS NULL THEN NULL WHEN json_valid({text}) THEN CAST({text} AS JSON) "
        f"ELSE CAST({bad} AS JSON) END",
        JSON,
    )


simple("json_format", "j", VARCHAR, "CAST({0} AS VARCHAR)")
simple("json_array_length", "j", BIGINT, "CAST(json_array_length({0}) AS BIGINT)")


# --- arrays: https://trino.io/docs/current/functions/array.html


def _items(name: str, args: list[Expr], index: int = 0) -> Type:
    if args[index].type.name != "array":
        raise mismatch(name, args)
    return args[index].type.items[0]


@define("cardinality", 1)
def _cardinality(args: list[Expr]) -> Expr:
    if args[0].type.name not in ("array", "map"):
        raise mismatch("cardinality", args)
    return Expr(f"CAST(len({args[0].sql}) AS BIGINT)"
                if args[0].type.name == "array"
                else f"CAST(cardinality({args[0].sql}) AS BIGINT)", BIGINT)  # fmt: skip


@define("contains", 2)
def _contains(args: list[Expr]) -> Expr:
    _items("contains", args)
    items, value = args[0].sql, args[1].sql
    return Expr(
        f"CASE WHEN {items} IS NULL OR {value} IS NULL THEN NULL "
        f"WHEN list_contains({items}, {value}) THEN true "
        f"WHEN list_count({items}) < len({items}) THEN NULL ELSE false END",
        BOOLEAN,
    )


@define("element_at", 2)
def _element_at(args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind.name == "map":
        return Expr(f"map_extract_value({args[0].sql}, {args[1].sql})", kind.items[1])
    item = _items("element_at", args)
    return Expr(f"list_extract({args[0].sql}, {args[1].sql})", item, wall=_array_wall(item))


def _array_wall(item: Type) -> str | None:
    return LOST if item.name == "timestamptz" else None


def subscript(base: Expr, index: Expr) -> Expr:
    """`a[i]`: fails outside of the array or without the key, unlike element_at."""
    kind = base.type
    if kind.name == "array":
        out = to_duckdb(kind.items[0])
        reason = "Array subscript must be less than or equal to array length"
        bad = fail_text("INVALID_FUNCTION_ARGUMENT", reason, "INTEGER")
        checked = (
            f"CASE WHEN {index.sql} < 1 OR {index.sql} > len({base.sql}) THEN {bad} "
            f"ELSE {index.sql} END"
        )
        del out
        return Expr(f"list_extract({base.sql}, {checked})", kind.items[0],
                    wall=_array_wall(kind.items[0]))  # fmt: skip
    if kind.name == "map":
        found = f"map_contains({base.sql}, {index.sql})"
        value = f"map_extract_value({base.sql}, {index.sql})"
        reason = f"'Key not present in map: ' || CAST({index.sql} AS VARCHAR)"
        bad = fail("INVALID_FUNCTION_ARGUMENT", reason, "INTEGER")
        return Expr(
            f"CASE WHEN {base.sql} IS NULL THEN NULL WHEN {found} THEN {value} "
            f"WHEN {bad} = 0 THEN NULL END",
            kind.items[1],
        )
    if kind.name == "row" and isinstance(index.constant, int):
        if not 1 <= index.constant <= len(kind.items):
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "ROW index out of range")
        return Expr(f"struct_extract_at({base.sql}, {index.constant})",
                    kind.items[index.constant - 1])  # fmt: skip
    raise mismatch("subscript", [base, index])


@define("array_join", 2, 3)
def _array_join(args: list[Expr]) -> Expr:
    item = _items("array_join", args)
    text = casts.cast(Expr("strata_j", item), VARCHAR).sql
    if len(args) == 3:
        text = f"coalesce({text}, {args[2].sql})"
    items = f"list_transform({args[0].sql}, lambda strata_j: {text})"
    kept = f"list_filter({items}, lambda strata_k: strata_k IS NOT NULL)"
    return Expr(f"array_to_string({kept}, {args[1].sql})", VARCHAR)


def _same_array(name: str, low: int, template: str, high: int | None = None) -> None:
    def build(args: list[Expr]) -> Expr:
        _items(name, args)
        kind = unify(name, [a for a in args if a.type.name == "array"])
        sqls = [casts.cast(a, kind).sql if a.type.name == "array" else a.sql for a in args]
        return Expr(template.format(*sqls), kind)

    SCALARS[name] = Function(low, low if high is None else high, build)


_FIRST = "list_filter({0}, lambda strata_d, strata_i: list_position({0}, strata_d) = strata_i)"
_same_array("array_distinct", 1, _FIRST)
_same_array("array_sort", 1, "list_sort({0}, 'ASC', 'NULLS LAST')")
_same_array("array_remove", 2, "list_filter({0}, lambda strata_d: strata_d <> {1})")
_same_array(
    "array_intersect",
    2,
    "list_sort(list_filter(list_distinct({0}), lambda strata_d: list_contains({1}, strata_d)))",
)
_same_array(
    "array_except",
    2,
    "list_filter(list_distinct({0}), lambda strata_d: NOT list_contains({1}, strata_d))",
)
_same_array("array_union", 2, "list_distinct(list_concat({0}, {1}))")
_same_array("trim_array", 2, "list_slice({0}, 1, len({0}) - {1})")
_same_array(
    "slice",
    3,
    "list_slice({0}, CASE WHEN {1} < 0 THEN len({0}) + {1} + 1 ELSE {1} END, "
    "CASE WHEN {1} < 0 THEN len({0}) + {1} + {2} ELSE {1} + {2} - 1 END)",
)


@define("arrays_overlap", 2)
def _arrays_overlap(args: list[Expr]) -> Expr:
    _items("arrays_overlap", args)
    return Expr(f"list_has_any({args[0].sql}, {args[1].sql})", BOOLEAN)


@define("array_position", 2)
def _array_position(args: list[Expr]) -> Expr:
    _items("array_position", args)
    return Expr(f"CAST(coalesce(list_position({args[0].sql}, {args[1].sql}), 0) AS BIGINT)", BIGINT)


def _array_extreme(name: str, function: str) -> None:
    def build(args: list[Expr]) -> Expr:
        item = _items(name, args)
        items = args[0].sql
        return Expr(
            f"CASE WHEN list_count({items}) < len({items}) THEN NULL ELSE {function}({items}) END",
            item,
        )

    SCALARS[name] = Function(1, 1, build)


_array_extreme("array_max", "list_max")
_array_extreme("array_min", "list_min")


@define("flatten", 1)
def _flatten(args: list[Expr]) -> Expr:
    inner = _items("flatten", args)
    if inner.name != "array":
        raise mismatch("flatten", args)
    return Expr(f"flatten({args[0].sql})", inner)


@define("repeat", 2)
def _repeat(args: list[Expr]) -> Expr:
    items = f"list_transform(range(0, {args[1].sql}), lambda strata_r: {args[0].sql})"
    return Expr(items, array(args[0].type))


@define("sequence", 2, 3)
def _sequence(args: list[Expr]) -> Expr:
    kind = unify("sequence", args[:2])
    sqls = ", ".join(a.sql for a in args)
    if kind.is_integer:
        wide = ", ".join(f"CAST({a.sql} AS BIGINT)" for a in args)
        return Expr(f"generate_series({wide})", array(BIGINT if kind == BIGINT else kind))
    if kind == DATE:
        stop = sqls if len(args) == 3 else f"{sqls}, INTERVAL 1 DAY"
        series = f"generate_series({stop})"
        return Expr(
            f"list_transform({series}, lambda strata_s: CAST(strata_s AS DATE))", array(DATE)
        )
    if kind.name == "timestamp" and len(args) == 3:
        return Expr(f"generate_series({sqls})", array(kind))
    raise mismatch("sequence", args)


# --- maps: https://trino.io/docs/current/functions/map.html


@define("map_keys", 1)
def _map_keys(args: list[Expr]) -> Expr:
    return Expr(f"map_keys({args[0].sql})", array(_map("map_keys", args).items[0]))


@define("map_values", 1)
def _map_values(args: list[Expr]) -> Expr:
    return Expr(f"map_values({args[0].sql})", array(_map("map_values", args).items[1]))


def _map(name: str, args: list[Expr]) -> Type:
    if args[0].type.name != "map":
        raise mismatch(name, args)
    return args[0].type


@define("map_entries", 1)
def _map_entries(args: list[Expr]) -> Expr:
    kind = _map("map_entries", args)
    return Expr(f"map_entries({args[0].sql})", array(row(kind.items, (None, None))))


@define("map_from_entries", 1)
def _map_from_entries(args: list[Expr]) -> Expr:
    item = _items("map_from_entries", args)
    return Expr(f"map_from_entries({args[0].sql})", map_of(*item.items))


@define("map", 0, 2)
def _map_of(args: list[Expr]) -> Expr:
    if not args:
        return Expr("MAP {}", map_of(UNKNOWN, UNKNOWN))
    key, value = _items("map", args), _items("map", args, 1)
    return Expr(f"map({args[0].sql}, {args[1].sql})", map_of(key, value))


@define("map_concat", 2, 255)
def _map_concat(args: list[Expr]) -> Expr:
    kind = unify("map_concat", args)
    return Expr(f"map_concat({', '.join(a.sql for a in args)})", kind)
