"""Date and time functions: https://trino.io/docs/current/functions/datetime.html

An interval is a whole number in DuckDB: milliseconds (day to second) or months (year to month).
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from .. import casts, clocks, zones
from ..expression import NOT_CONSTANT, Expr, bind, fail, fail_text
from ..failure import QueryFailed, not_supported
from ..types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    UNKNOWN,
    VARCHAR,
    Type,
    common,
    literal,
    timestamp,
    timestamptz,
    to_duckdb,
)
from . import patterns
from .registry import SCALARS, Build, accept, constant_text, define, mismatch

_UNITS = (
    "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year",
)  # fmt: skip
_BELOW_DAY = _UNITS[:4]
_MILLIS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000,
           "day": 86_400_000, "week": 604_800_000}  # fmt: skip
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def _unit(name: str, arg: Expr, kind: Type) -> str:
    unit = constant_text(name, "a unit", arg).lower()
    is_other = kind == DATE and unit in _BELOW_DAY or kind.name == "time" and unit not in _BELOW_DAY
    if unit not in _UNITS or is_other:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid field")
    return unit


def _need_time(name: str, args: list[Expr], *indexes: int) -> None:
    if not all(args[i].type.is_time or args[i].type == UNKNOWN for i in indexes):
        raise mismatch(name, args)


def _need_clock(name: str, args: list[Expr], *indexes: int) -> None:
    """Dates, timestamps or times of day."""
    if not all(args[i].type.name == "time" for i in indexes):
        _need_time(name, args, *indexes)


def _at(wall: str, value: Expr) -> Expr:
    """A timestamp with time zone from its wall clock, in the zone of `value`."""
    return Expr(zones.instant(wall, value.zone), value.type, zone=value.zone)


@define("date_trunc", 2)
def _date_trunc(args: list[Expr]) -> Expr:
    value = args[1]
    _need_clock("date_trunc", args, 1)
    if value.type == UNKNOWN:
        raise QueryFailed("AMBIGUOUS_FUNCTION_CALL", "Could not choose a date_trunc for NULL")
    unit = _unit("date_trunc", args[0], value.type)
    if value.type.name == "time":
        cut = f"date_trunc('{unit}', {clocks.stamp(value.sql)})"
        return Expr(clocks.time(cut), value.type)
    if value.type == DATE:
        return Expr(f"CAST(date_trunc('{unit}', {value.sql}) AS DATE)", DATE)
    wall = value.local()
    if value.type.name == "timestamptz" and unit in _BELOW_DAY:
        # The instant moves back: the hour before a clock change keeps its offset.
        moved = f"({value.sql} - ({wall} - date_trunc('{unit}', {wall})))"
        return Expr(moved, value.type, zone=value.zone)
    if value.type.name == "timestamptz":
        return _at(f"date_trunc('{unit}', {wall})", value)
    return Expr(f"date_trunc('{unit}', {value.sql})", value.type)


@define("date_add", 3)
def _date_add(args: list[Expr]) -> Expr:
    value = args[2]
    _need_clock("date_add", args, 2)
    unit = _unit("date_add", args[0], value.type)
    (count,) = accept("date_add", "i", args[1:2])
    if value.type == UNKNOWN:
        raise not_supported("date_add to NULL")
    if unit in _MONTHS:
        step = f"to_months(CAST({_MONTHS[unit]} * ({count}) AS INTEGER))"
    elif unit in ("day", "week"):
        step = f"to_days(CAST({7 if unit == 'week' else 1} * ({count}) AS INTEGER))"
    else:
        step = f"to_milliseconds({_MILLIS[unit]} * CAST({count} AS BIGINT))"
    if value.type == DATE:
        return Expr(f"CAST({value.sql} + {step} AS DATE)", DATE)
    if value.type.name == "time":
        moved = casts.rounded(f"({clocks.stamp(value.sql)} + {step})", value.type)
        return Expr(clocks.time(moved), value.type)
    if value.type.name == "timestamptz" and unit not in _BELOW_DAY:
        return _at(f"({value.local()} + {step})", value)
    sql = casts.rounded(f"({value.sql} + {step})", value.type)
    return Expr(sql, value.type, zone=value.zone)


@define("date_diff", 3)
def _date_diff(args: list[Expr]) -> Expr:
    _need_clock("date_diff", args, 1, 2)
    kind = common(args[1].type, args[2].type) or UNKNOWN
    unit = _unit("date_diff", args[0], kind)
    if kind == UNKNOWN:
        raise not_supported("date_diff of NULLs")
    start, end = casts.cast(args[1], kind), casts.cast(args[2], kind)
    if kind.name == "time":
        start, end = (replace(s, sql=clocks.stamp(s.sql)) for s in (start, end))
    if kind.name == "timestamptz" and unit not in _BELOW_DAY:
        # Days and more are counted on the clock of the first value's zone.
        start, end = replace(start, sql=start.local()), replace(end, sql=replace(
            end, zone=start.zone).local())  # fmt: skip
    left, right = (f"date_trunc('millisecond', {s.sql})" for s in (start, end))
    if kind == DATE:
        left, right = start.sql, end.sql
    # DuckDB's date_sub counts whole units, its date_diff counts boundaries.
    return Expr(f"date_sub('{unit}', {left}, {right})", BIGINT)


_PARTS = {
    "year": "year", "month": "month", "day": "day", "day_of_month": "day", "hour": "hour",
    "minute": "minute", "second": "second", "quarter": "quarter", "week": "week",
    "week_of_year": "week", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "dayofyear",
    "doy": "dayofyear", "year_of_week": "isoyear", "yow": "isoyear",
}  # fmt: skip
_OF_DAY = ("hour", "minute", "second", "millisecond")
#: Parts of intervals: the divisor, and the modulus of what is left.
_OF_INTERVAL = {
    "day": (86_400_000, None), "hour": (3_600_000, 24), "minute": (60_000, 60),
    "second": (1000, 60), "millisecond": (1, 1000), "year": (12, None), "month": (1, 12),
}  # fmt: skip


def date_part(name: str, value: Expr) -> Expr:
    """`year(x)`, `extract(year from x)` and so on."""
    if name.startswith("timezone"):
        return SCALARS[name].build([value])
    if value.type in (INTERVAL_DAY, INTERVAL_MONTH):
        return _interval_part(name, value)
    if value.type == UNKNOWN:
        return Expr("CAST(NULL AS BIGINT)", BIGINT, None)
    if value.type.name == "time" and name in _OF_DAY:
        value = Expr(clocks.stamp(value.sql), timestamp(6))
    if not value.type.is_time:
        raise mismatch(name, [value])
    if value.type == DATE and name in _OF_DAY:
        value = casts.cast(value, timestamp(3))
    if name == "millisecond":
        return Expr(f"CAST(millisecond({value.local()}) % 1000 AS BIGINT)", BIGINT)
    return Expr(f"CAST({_PARTS[name]}({value.local()}) AS BIGINT)", BIGINT)


def _interval_part(name: str, value: Expr) -> Expr:
    months = name in ("year", "month")
    if name not in _OF_INTERVAL or months != (value.type == INTERVAL_MONTH):
        raise mismatch(name, [value])
    divisor, modulus = _OF_INTERVAL[name]
    sql = f"({value.sql} // {divisor})"
    return Expr(f"CAST({sql} % {modulus} AS BIGINT)" if modulus else f"CAST({sql} AS BIGINT)",
                BIGINT)  # fmt: skip


def _part(name: str) -> Build:
    return lambda args: date_part(name, args[0])


for _name in (*_PARTS, "millisecond"):
    define(_name, 1)(_part(_name))


def _offset(value: Expr) -> str:
    """SQL of the minutes that the wall clock is ahead of UTC."""
    return f"(epoch({value.local()} - timezone('UTC', {value.sql})) / 60)::BIGINT"


def _zone_part(name: str, template: str) -> None:
    def build(args: list[Expr]) -> Expr:
        if args[0].type.name != "timestamptz":
            raise mismatch(name, args)
        return Expr(template.format(_offset(args[0])), BIGINT)

    define(name, 1)(build)


_zone_part("timezone_hour", "({} // 60)")
_zone_part("timezone_minute", "({} % 60)")


@define("date", 1)
def _date(args: list[Expr]) -> Expr:
    kind = args[0].type
    if not (kind.is_time or kind.name in ("varchar", "unknown")):
        raise mismatch("date", args)
    return casts.cast(args[0], DATE)


@define("last_day_of_month", 1)
def _last_day(args: list[Expr]) -> Expr:
    _need_time("last_day_of_month", args, 0)
    return Expr(f"last_day({args[0].local()})", DATE)


# --- patterns


def _parsed(text: str, pattern: str) -> str:
    """SQL of strptime with Trino's error and its default year."""
    bad = fail("INVALID_FUNCTION_ARGUMENT", f"'Invalid format: \"' || {text} || '\"'", "TIMESTAMP")
    wanted = literal(pattern)
    given = text
    if "%Y" not in pattern and "%y" not in pattern:
        year = "2000" if re.search("%[mdbB]", pattern) else "1970"
        given, wanted = f"'{year} ' || {text}", literal(f"%Y {pattern}")
    found = f"try_strptime({given}, {wanted})"
    if "%y" in pattern:
        # Two digits mean 1970 to 2069 in Trino, 1969 to 2068 in DuckDB.
        found = bind(
            found,
            lambda f: f"CASE WHEN year({f}) = 1969 THEN {f} + to_years(100) ELSE {f} END",
            "strata_y",
        )
    # strptime skips blanks that the pattern does not have.
    trimmed = "rtrim" if pattern.startswith(" ") else "ltrim" if pattern.endswith(" ") else "trim"
    blank = f"({text}) <> {trimmed}({text})"
    made = f"CASE WHEN {blank} THEN NULL ELSE date_trunc('millisecond', {found}) END"
    return bind(
        made,
        lambda m: f"CASE WHEN {m} IS NOT NULL THEN {m} WHEN {text} IS NOT NULL THEN {bad} END",
        "strata_made",
    )


@define("date_parse", 2)
def _date_parse(args: list[Expr]) -> Expr:
    (text,) = accept("date_parse", "s", args[:1])
    pattern = patterns.mysql_parser(constant_text("date_parse", "a pattern", args[1]))
    return Expr(_parsed(text, pattern), timestamp(3))


@define("date_format", 2)
def _date_format(args: list[Expr]) -> Expr:
    _need_time("date_format", args, 0)
    if args[0].type == UNKNOWN:
        return Expr("CAST(NULL AS VARCHAR)", VARCHAR, None)
    pattern = patterns.mysql(constant_text("date_format", "a pattern", args[1]))
    wall = _to_millis(args[0])
    return Expr(f"strftime({wall}, {literal(pattern)})", VARCHAR)


def _to_millis(value: Expr) -> str:
    """SQL of the wall clock, rounded to milliseconds: all that patterns know."""
    wall = f"CAST({value.local()} AS TIMESTAMP)"
    fine = value.type != DATE and value.type.args[0] > 3
    return casts.rounded(wall, timestamp(3)) if fine else wall


@define("format_datetime", 2)
def _format_datetime(args: list[Expr]) -> Expr:
    _need_time("format_datetime", args, 0)
    value = args[0]
    if value.type == UNKNOWN:
        return Expr("CAST(NULL AS VARCHAR)", VARCHAR, None)
    zoned = value.type.name == "timestamptz"
    pattern = constant_text("format_datetime", "a pattern", args[1])
    offset, zone = (_offset(value), value.zone or "'UTC'") if zoned else ("0", "'UTC'")
    wall = _to_millis(value)
    return Expr(patterns.joda(pattern, wall, offset, zone), VARCHAR)


@define("parse_datetime", 2)
def _parse_datetime(args: list[Expr]) -> Expr:
    (text,) = accept("parse_datetime", "s", args[:1])
    pattern, zoned = patterns.joda_parser(constant_text("parse_datetime", "a pattern", args[1]))
    if not zoned:
        return Expr(f"timezone('UTC', {_parsed(text, pattern)})", timestamptz(3))
    offset = "(Z|[+-][0-9][0-9]:?[0-9][0-9])$"
    head = f"regexp_replace({text}, '{offset}', '')"
    tail = f"regexp_extract({text}, '{offset}')"
    bad = fail_text("INVALID_FUNCTION_ARGUMENT", "Invalid format: an offset is missing", "VARCHAR")
    zone = f"CASE WHEN {tail} = '' THEN {bad} ELSE strata_offset({tail}) END"
    return Expr(zones.instant(_parsed(head, pattern), zone), timestamptz(3), zone=zone)


# --- ISO 8601


_ISO = (
    r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?(T[0-9]{2}(:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_ISO_USUAL = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_ISO_ZONE = "T.*(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"


@define("from_iso8601_timestamp", 1)
def _from_iso(args: list[Expr]) -> Expr:
    return _iso_timestamp(args, 3)


@define("from_iso8601_timestamp_nanos", 1)
def _from_iso_nanos(args: list[Expr]) -> Expr:
    return _iso_timestamp(args, 9)


def _iso_timestamp(args: list[Expr], precision: int) -> Expr:
    (text,) = accept("from_iso8601_timestamp", "s", args)
    zone = f"strata_offset(regexp_extract({text}, {literal(_ISO_ZONE)}, 1))"
    instant = bind(text, lambda bound: _iso_instant(bound, precision), "strata_iso")
    return Expr(instant, timestamptz(precision), zone=zone)


def _iso_instant(text: str, precision: int) -> str:
    """SQL of the instant of an ISO 8601 text; most are written in the one way that is tried first."""
    bad = fail("INVALID_FUNCTION_ARGUMENT", f"'Invalid format: \"' || {text} || '\"'", "TIMESTAMP")
    fine = fail_text(
        "NOT_SUPPORTED", "Nanoseconds are not supported by the local Athena", "TIMESTAMP"
    )
    wall = bind(
        f"CASE WHEN regexp_full_match({text}, {literal(_ISO)}) "
        f"THEN strata_iso_wall({text}, {min(precision, 6)}) END",
        lambda made: f"CASE WHEN {made} IS NULL THEN {bad} ELSE {made} END",
        "strata_iso_w",
    )
    if precision > 6:
        wall = f"CASE WHEN regexp_matches({text}, '[.,][0-9]{{6}}[0-9]*[1-9]') THEN {fine} ELSE {wall} END"
    zone = f"strata_offset(regexp_extract({text}, {literal(_ISO_ZONE)}, 1))"
    usual = f"CASE WHEN regexp_full_match({text}, {literal(_ISO_USUAL)}) THEN TRY_CAST({text} AS TIMESTAMPTZ) END"
    return f"CASE WHEN {text} IS NOT NULL THEN coalesce({usual}, {zones.instant(wall, zone)}) END"


@define("from_iso8601_date", 1)
def _from_iso_date(args: list[Expr]) -> Expr:
    (text,) = accept("from_iso8601_date", "s", args)
    bad = fail("INVALID_FUNCTION_ARGUMENT", f"'Invalid format: \"' || {text} || '\"'", "DATE")
    other = fail_text(
        "NOT_SUPPORTED", "This ISO 8601 date is not supported by the local Athena", "DATE"
    )
    found = f"TRY_CAST({text} AS DATE)"
    return Expr(
        f"CASE WHEN {text} IS NULL THEN NULL "
        f"WHEN regexp_full_match({text}, '[0-9]{{4}}-([0-9]{{3}}|W.*)') THEN {other} "
        f"WHEN NOT regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}') "
        f"OR {found} IS NULL THEN {bad} ELSE {found} END",
        DATE,
    )


@define("to_iso8601", 1)
def _to_iso(args: list[Expr]) -> Expr:
    value = args[0]
    if value.type == DATE:
        return Expr(f"CAST({value.sql} AS VARCHAR)", Type("varchar", (16,)))
    if not value.type.is_time:
        raise mismatch("to_iso8601", args)
    digits = value.type.args[0]
    text = f"replace({casts.stamp_text(value.local(), digits)}, ' ', 'T')"
    size = 22 + (digits + 1 if digits else 0)
    if value.type.name == "timestamptz":
        zone = f"strata_offset_text({_offset(value)}, true)" if value.zone else "'Z'"
        zone = f"CASE WHEN {zone} = '+00:00' THEN 'Z' ELSE {zone} END" if value.zone else zone
        text, size = f"({text} || {zone})", size + 6
    return Expr(text, Type("varchar", (size,)))


# --- zones


@define("at_timezone", 2)
def _at_timezone(args: list[Expr]) -> Expr:
    return at_timezone(args[0], args[1])


def zone_name(zone: Expr) -> str | None:
    """SQL of a checked zone name; None for UTC."""
    if isinstance(zone.constant, str):
        return zones.constant(zone.constant)
    if zone.type == INTERVAL_DAY and isinstance(zone.constant, int):
        return zones.constant(_offset_name(zone.constant // 60_000))
    if zone.type == INTERVAL_DAY:
        return f"strata_offset_text({zone.sql} // 60000, true)"
    if zone.type.name not in ("varchar", "unknown"):
        raise QueryFailed("TYPE_MISMATCH", f"Cannot use {zone.type} as a time zone")
    return f"strata_zone({zone.sql})" if zone.type != UNKNOWN else "CAST(NULL AS VARCHAR)"


def at_timezone(value: Expr, zone: Expr) -> Expr:
    """The same instant, seen from a zone."""
    if value.type == UNKNOWN:
        return Expr("CAST(NULL AS TIMESTAMPTZ)", timestamptz(3), None)
    if value.type.name not in ("timestamp", "timestamptz"):
        raise QueryFailed("TYPE_MISMATCH", f"Type of value must be a timestamp: {value.type}")
    value = casts.cast(value, timestamptz(value.type.args[0]))
    name = zone_name(zone)
    if name is None:
        return replace(value, zone=None, column=None)
    if zone.constant is NOT_CONSTANT or name.startswith("CASE"):
        # A zone that is NULL or none must be noticed even where nobody looks at it.
        sql = f"CASE WHEN {name} IS NOT NULL THEN {value.sql} END"
        return Expr(sql, value.type, zone=name)
    return Expr(value.sql, value.type, zone=name)


def _offset_name(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


@define("with_timezone", 2)
def _with_timezone(args: list[Expr]) -> Expr:
    value, zone = args
    if value.type == DATE:
        value = casts.cast(value, timestamp(0))
    if value.type.name != "timestamp":
        raise mismatch("with_timezone", args)
    name = zone_name(zone)
    kind = timestamptz(value.type.args[0])
    if name is None:
        return Expr(f"timezone('UTC', {value.sql})", kind)
    return Expr(f"strata_with_zone({value.sql}, {name})", kind, zone=name)


# --- Unix time


@define("from_unixtime", 1, 3)
def _from_unixtime(args: list[Expr]) -> Expr:
    (seconds,) = accept("from_unixtime", "n", args[:1])
    zone = None
    if len(args) == 2:
        zone = zone_name(args[1])
    elif len(args) == 3:
        hours, minutes = accept("from_unixtime", "ii", args[1:])
        zone = f"strata_offset_text({hours} * 60 + {minutes}, true)"
    millis = f"CAST(floor({seconds} * 1000 + 0.5) AS BIGINT)"
    checked = f"CASE WHEN isnan({seconds}) THEN 0 ELSE {millis} END"
    return Expr(f"timezone('UTC', make_timestamp({checked} * 1000))", timestamptz(3), zone=zone)


@define("from_unixtime_nanos", 1)
def _from_unixtime_nanos(args: list[Expr]) -> Expr:
    (nanos,) = accept("from_unixtime_nanos", "i", args)
    fine = fail_text("NOT_SUPPORTED", "Nanoseconds are not supported by the local Athena", "BIGINT")
    micros = f"CASE WHEN {nanos} % 1000 <> 0 THEN {fine} ELSE {nanos} // 1000 END"
    return Expr(f"timezone('UTC', make_timestamp({micros}))", timestamptz(9))


@define("to_unixtime", 1)
def _to_unixtime(args: list[Expr]) -> Expr:
    _need_time("to_unixtime", args, 0)
    return Expr(f"(epoch_us({args[0].sql}) / CAST(1000000 AS DOUBLE))", DOUBLE)


@define("current_timezone", 0)
def _current_timezone(args: list[Expr]) -> Expr:
    return Expr("'UTC'", VARCHAR, "UTC")


# --- intervals


@define("to_milliseconds", 1)
def _to_milliseconds(args: list[Expr]) -> Expr:
    if args[0].type != INTERVAL_DAY:
        raise mismatch("to_milliseconds", args)
    return Expr(args[0].sql, BIGINT)


_DURATION = {"ns": "1e-6", "us": "1e-3", "ms": "1", "s": "1e3", "m": "6e4", "h": "36e5",
             "d": "864e5"}  # fmt: skip


@define("parse_duration", 1)
def _parse_duration(args: list[Expr]) -> Expr:
    (text,) = accept("parse_duration", "s", args)
    pattern = r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d)\s*"
    bad = fail("INVALID_FUNCTION_ARGUMENT", f"'duration is not valid: ' || {text}", "BIGINT")
    number = f"CAST(regexp_extract({text}, {literal(pattern)}, 1) AS DOUBLE)"
    cases = " ".join(f"WHEN '{unit}' THEN {size}" for unit, size in _DURATION.items())
    unit = f"CASE regexp_extract({text}, {literal(pattern)}, 2) {cases} END"
    return Expr(
        f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) "
        f"THEN CAST(floor({number} * {unit} + 0.5) AS BIGINT) WHEN {text} IS NOT NULL THEN {bad} "
        "END",
        INTERVAL_DAY,
    )


def plus_interval(value: Expr, interval: Expr, operator: str) -> Expr:
    """`date ± interval`, `timestamp ± interval`."""
    if value.type == DATE and interval.type == INTERVAL_DAY:
        bad = fail_text(
            "INVALID_FUNCTION_ARGUMENT", "Cannot add hour, minutes or seconds to a date", "BIGINT"
        )
        days = f"CASE WHEN {interval.sql} % 86400000 <> 0 THEN {bad} ELSE {interval.sql} // 86400000 END"
        return Expr(f"CAST({value.sql} {operator} CAST({days} AS INTEGER) AS DATE)", DATE)
    months = interval.type == INTERVAL_MONTH
    step = f"{'to_months' if months else 'to_milliseconds'}({interval.sql})"
    if value.type == DATE:
        return Expr(f"CAST({value.sql} {operator} {step} AS DATE)", DATE)
    kind = value.type if months else Type(value.type.name, (max(3, value.type.args[0]),))
    if value.type.name == "timestamptz" and months:
        return _at(f"({value.local()} {operator} {step})", value)
    return Expr(f"({value.sql} {operator} {step})", kind, zone=value.zone)


def minus_time(a: Expr, b: Expr) -> Expr:
    """The interval between two dates or timestamps."""
    kind = common(a.type, b.type)
    if kind is None or not kind.is_time:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot apply operator: {a.type} - {b.type}")
    target = timestamp(3) if kind == DATE else kind
    left, right = casts.cast(a, target), casts.cast(b, target)
    return Expr(f"(epoch_ms({left.sql}) - epoch_ms({right.sql}))", INTERVAL_DAY)


def clock_arithmetic(operator: str, a: Expr, b: Expr) -> Expr:
    """`time ± interval`, which goes round at midnight, and `time - time`."""
    if a.type == INTERVAL_DAY and operator == "+":
        a, b = b, a
    if a.type.name == "time" and b.type == INTERVAL_DAY:
        moved = f"({clocks.stamp(a.sql)} {operator} to_milliseconds({b.sql}))"
        return Expr(clocks.time(moved), Type("time", (max(3, a.type.args[0]),)))
    if a.type.name != b.type.name or operator != "-":
        raise QueryFailed("TYPE_MISMATCH", f"Cannot apply operator: {a.type} {operator} {b.type}")
    left, right = (f"epoch_ms({clocks.stamp(s.sql)})" for s in (a, b))
    return Expr(f"({left} - {right})", INTERVAL_DAY)


def combined(a: Expr, b: Expr, operator: str) -> Expr | None:
    """Arithmetic of intervals: with one another, with numbers. None where there is none."""
    if a.type == b.type and operator in "+-":
        return Expr(f"({a.sql} {operator} {b.sql})", a.type)
    if operator == "*" and b.type in (INTERVAL_DAY, INTERVAL_MONTH):
        a, b = b, a
    if operator in "*/" and b.type.is_numeric:
        factor = f"CAST({b.sql} AS DOUBLE)" if operator == "/" or not b.type.is_integer else b.sql
        return Expr(f"CAST(trunc({a.sql} {operator} {factor}) AS {to_duckdb(a.type)})", a.type)
    return None


def interval(amount: str, unit: str) -> Expr:
    """An interval literal: `interval '2' day`."""
    if not re.fullmatch(r"[+-]?\d+(\.\d{1,3})?" if unit == "second" else r"[+-]?\d+", amount):
        raise QueryFailed("INVALID_LITERAL", f"'{amount}' is not a valid interval literal")
    if unit in _MONTHS:
        months = int(amount) * _MONTHS[unit]
        return Expr(f"({months})", INTERVAL_MONTH, months)
    millis = int(Fraction(amount) * _MILLIS[unit])
    return Expr(f"CAST({millis} AS BIGINT)", INTERVAL_DAY, millis)
