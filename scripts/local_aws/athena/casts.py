"""CAST and TRY_CAST with Trino's rules, which are stricter than DuckDB's."""

from __future__ import annotations

from . import casts_json as json
from . import clocks, literals, zones
from .expression import Expr, bind, fail, fail_text
from .failure import QueryFailed, not_supported
from .types import DOUBLE, INTEGERS, UNKNOWN, Type, common, literal, to_duckdb

_INTEGER = r"[+-]?[0-9]+"
_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_DOUBLE = rf"\s*([+-]?(NaN|Infinity)|{_DECIMAL}[dDfF]?)\s*"
_DATE = r"\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\s*"
_CLOCK = r"([01]?[0-9]|2[0-3]):[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]{1,12})?)?"
_ZONE = r"UTC|Z|GMT|[+-][0-9]{2}:?[0-9]{2}|[A-Za-z]+(?:/[A-Za-z_]+)+"
_STAMP = rf"\s*[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}( {_CLOCK})?( ?({_ZONE}))?\s*"
#: The wall clock and the zone of a text.
_ZONED = rf"^\s*([0-9-]{{8,}}(?: [0-9:.]+)?) ?({_ZONE})?\s*$"


def cast(value: Expr, target: Type, safe: bool = False) -> Expr:
    """`cast(value as target)`, or `try_cast` when `safe`. Raises QueryFailed for a cast that Trino
    does not have (TYPE_MISMATCH)."""
    source = value.type
    if source == target:
        return value
    sql = _sql(value, target)
    if safe:
        sql = f"TRY({sql})"
    zone = value.zone if source.name == target.name == "timestamptz" else None
    if source.name == "varchar" and target.name == "timestamptz":
        zone = _zone_of(value.sql)
        if not safe:
            bad = fail_text("INVALID_CAST_ARGUMENT", "Unknown time zone", "VARCHAR")
            zone = bind(
                zone,
                lambda z: (
                    f"CASE WHEN {z} IS NOT NULL THEN {z} WHEN {value.sql} IS NOT NULL "
                    f"THEN {bad} END"
                ),
                "strata_z",
            )
    return Expr(sql, target, value.constant, zone)


def _zone_of(text: str) -> str:
    return f"TRY(strata_zone(regexp_extract({text}, {literal(_ZONED)}, 2)))"


def _sql(value: Expr, target: Type) -> str:
    source, sql, duck = value.type, value.sql, to_duckdb(target)
    plain = f"CAST({sql} AS {duck})"
    if source == UNKNOWN:
        return plain
    if "timetz" in (source.name, target.name):
        if target == Type("varchar"):
            return sql
        raise not_supported("a cast of a time with time zone")
    if "varbinary" in (source.name, target.name) and source != target:
        return _bytes(value, target)
    if source.name == "char":
        return _from_char(value, target)
    if source.is_text:
        return _from_text(sql, target)
    if target.is_text:
        return _to_text(value, target)
    if source.name in ("double", "real"):
        return _from_floating(value, target)
    if "time" in (source.name, target.name):
        return _clock(value, target)
    numeric = source.is_numeric or source.name == "boolean"
    if numeric and (target.is_numeric or target.name == "boolean"):
        return _from_number(value, target)
    if source.name == "timestamptz" and target.name in ("date", "timestamp"):
        return _rounded(f"CAST({value.local()} AS {duck})", source, target)
    if source.is_time and target.is_time:
        return _rounded(plain, source, target)
    if source.name == "json" and json.castable(target):
        return json.from_json(sql, target)
    if target.name == "json":
        return json.to_json(value)
    if source.name == target.name and source.items and len(source.items) == len(target.items):
        return _nested(sql, source, target)
    if common(source, target) == target:
        return plain
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to {target}")


def _clock(value: Expr, target: Type) -> str:
    """A time of another precision, or the time of a timestamp."""
    if target.name == "timestamp" and value.type.name == "time":
        raise not_supported("a cast of a time of day to a timestamp")
    if target.name != "time" or value.type.name not in ("time", "timestamp", "timestamptz"):
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}")
    stamp = clocks.stamp(value.sql) if value.type.name == "time" else value.local()
    return clocks.time(_round_to(stamp, target.args[0]))


def _bytes(value: Expr, target: Type) -> str:
    """A UUID or an IP address of its bytes, or its bytes; the bytes of a text."""
    sql, kinds = value.sql, (value.type.name, target.name)
    if kinds == ("uuid", "varbinary"):
        return f"unhex(replace(CAST({sql} AS VARCHAR), '-', ''))"
    if kinds == ("ipaddress", "varbinary"):
        return sql
    if kinds == ("varchar", "varbinary"):
        return f"encode({sql})"
    made = {
        "uuid": f"CASE WHEN octet_length({sql}) = 16 THEN CAST(hex({sql}) AS UUID) END",
        "ipaddress": f"strata_ip_widened({sql})",
    }.get(target.name)
    if made is None:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}")
    bad = fail_text("INVALID_CAST_ARGUMENT", f"Invalid {target} binary length", to_duckdb(target))
    return f"CASE WHEN {made} IS NULL AND {sql} IS NOT NULL THEN {bad} ELSE {made} END"


def _from_number(value: Expr, target: Type) -> str:
    sql, duck = value.sql, to_duckdb(target)
    if target.name != "decimal":
        return f"CAST({sql} AS {duck})"
    shown = f"CAST({sql} AS VARCHAR) || ' of type {value.type} to {target}'"
    bad = fail("INVALID_CAST_ARGUMENT", f"'Cannot cast ' || {shown}", duck)
    made = f"TRY_CAST({sql} AS {duck})"
    if common(value.type, target) == target:
        return f"CAST({sql} AS {duck})"
    return f"CASE WHEN {sql} IS NOT NULL AND {made} IS NULL THEN {bad} ELSE {made} END"


def _from_floating(value: Expr, target: Type) -> str:
    return bind(
        value.sql, lambda sql: _from_floating_value(Expr(sql, value.type), target), "strata_f"
    )


def _from_floating_value(value: Expr, target: Type) -> str:
    sql, duck = value.sql, to_duckdb(target)
    bad = fail_text("INVALID_CAST_ARGUMENT", f"Cannot cast this number to {target}", duck)
    if target.is_integer:
        # Half away from zero.
        whole = f"TRY_CAST(floor(abs(CAST({sql} AS DOUBLE)) + 0.5) * sign({sql}) AS {duck})"
        wrong = f"NOT isfinite({sql}) OR {whole} IS NULL"
        return f"CASE WHEN {sql} IS NULL THEN NULL WHEN {wrong} THEN {bad} ELSE {whole} END"
    if target.name == "decimal":
        text = f"strata_number_format('.{target.args[1]}f', CAST({sql} AS VARCHAR))"
        made = f"TRY_CAST({text} AS {duck})"
        wrong = f"NOT isfinite({sql}) OR {made} IS NULL"
        return f"CASE WHEN {sql} IS NULL THEN NULL WHEN {wrong} THEN {bad} ELSE {made} END"
    if target.name == "real":
        huge = f"isfinite({sql}) AND abs({sql}) >= 3.4028235677973366e38"
        infinite = f"CASE WHEN {sql} > 0 THEN 'infinity'::FLOAT ELSE '-infinity'::FLOAT END"
        return f"CASE WHEN {huge} THEN {infinite} ELSE CAST({sql} AS FLOAT) END"
    if target.is_numeric or target.name == "boolean":
        return f"CAST({sql} AS {duck})"
    if target.name == "json":
        return json.to_json(value)
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}")


def _from_char(value: Expr, target: Type) -> str:
    """char(n) is kept without its trailing blanks; as varchar it has all of them."""
    size = value.type.args[0]
    if target.name == "char":
        return f"rtrim(left({value.sql}, {target.args[0]}), ' ')"
    if target.name != "varchar":
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}")
    text = f"rpad({value.sql}, {size}, ' ')"
    return f"left({text}, {target.args[0]})" if target.args and target.args[0] < size else text


def _guarded(sql: str, pattern: str, target: Type, good: str) -> str:
    """`good` where the text is of the pattern and `good` is not NULL; else the cast fails."""
    duck = to_duckdb(target)
    name = "INT" if target.name == "integer" else str(target).upper()
    message = f"'Cannot cast ''' || {sql} || ''' to {name}'"
    bad = fail("INVALID_CAST_ARGUMENT", message, duck)
    checked = f"CASE WHEN regexp_full_match({sql}, {literal(pattern)}) THEN {good} END"

    def result(made: str) -> str:
        return f"CASE WHEN {made} IS NOT NULL THEN {made} WHEN {sql} IS NOT NULL THEN {bad} END"

    return bind(checked, result, "strata_made")


def _from_text(sql: str, target: Type) -> str:
    return bind(sql, lambda text: _from_text_value(text, target), "strata_text")


def _from_text_value(sql: str, target: Type) -> str:
    duck = to_duckdb(target)
    tried = f"TRY_CAST({sql} AS {duck})"
    if target.name == "char":
        return f"rtrim(left({sql}, {target.args[0]}), ' ')"
    if target.is_text:
        return f"left({sql}, {target.args[0]})" if target.args else sql
    if target.name in INTEGERS:
        return _guarded(sql, _INTEGER, target, tried)
    if target.name in ("double", "real"):
        return _guarded(sql, _DOUBLE, target, _floating_text(sql, target))
    if target.name == "decimal":
        return _guarded(sql, _DECIMAL, target, tried)
    if target.name == "boolean":
        return _guarded(sql, "(?i)(t|true|1|f|false|0)", target, f"CAST({sql} AS BOOLEAN)")
    if target.name == "date":
        return _guarded(sql, _DATE, target, f"TRY_CAST(trim({sql}) AS DATE)")
    if target.name == "time":
        stamp = _stamp_text(f"('1970-01-01 ' || {sql})", Type("timestamp", target.args))
        return _guarded(sql, clocks.PATTERN, target, clocks.time(stamp))
    if target.name in ("timestamp", "timestamptz"):
        return _guarded(sql, _STAMP, target, _stamp_text(sql, target))
    if target.name == "json":
        return f"CAST(to_json({sql}) AS JSON)"
    if target.name == "uuid":
        return _guarded(sql, literals.UUID, target, tried)
    if target.name == "ipaddress":
        return _guarded(sql, ".*", target, f"strata_ip_parse({sql})")
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast varchar to {target}")


def _floating_text(sql: str, target: Type) -> str:
    """Java reads `1d`, and infinity where a number is too large."""
    number = f"TRY_CAST(regexp_replace({sql}, '[dDfF]\\s*$', '') AS DOUBLE)"
    huge = f"CASE WHEN trim({sql}) LIKE '-%' THEN '-infinity'::DOUBLE ELSE 'infinity'::DOUBLE END"
    made = f"coalesce({number}, {huge})"
    return made if target == DOUBLE else _from_floating(Expr(made, DOUBLE), target)


def _stamp_text(sql: str, target: Type) -> str:
    """The timestamp of a text, rounded; with its zone, or in UTC."""
    wall = f"regexp_replace({sql}, {literal(_ZONED)}, '\\1')"
    micros = f"regexp_replace({wall}, '(\\.[0-9]{{6}})[0-9]+', '\\1')"
    half = f"CASE WHEN regexp_matches({wall}, '\\.[0-9]{{6}}[5-9]') THEN 1 ELSE 0 END"
    stamp = f"(TRY_CAST({micros} AS TIMESTAMP) + to_microseconds({half}))"
    stamp = _round_to(stamp, target.args[0])
    if target.name == "timestamp":
        return stamp
    return f"TRY({zones.instant(stamp, _zone_of(sql))})"


def _to_text(value: Expr, target: Type) -> str:
    if target.name == "char":
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}")
    text = text_of(value)
    if not target.args:
        return text
    if value.type.name in ("uuid", "ipaddress"):
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}")
    return bind(text, lambda made: _fitting(made, target), "strata_t")


def _fitting(text: str, target: Type) -> str:
    message = f"'Value ' || {text} || ' cannot be represented as {target}'"
    bad = fail("INVALID_CAST_ARGUMENT", message, "VARCHAR")
    return f"CASE WHEN length({text}) > {target.args[0]} THEN {bad} ELSE {text} END"


def text_of(value: Expr) -> str:
    """SQL of `cast(value as varchar)`."""
    source, sql = value.type, value.sql
    if source.is_integer or source.name in ("date", "decimal", "uuid", "boolean"):
        return f"CAST({sql} AS VARCHAR)"
    if source.name in ("double", "real"):
        return f"strata_scientific({sql})"
    if source.name == "timestamp":
        return stamp_text(sql, source.args[0])
    if source.name == "ipaddress":
        return f"strata_ip_text({sql})"
    if source.name == "time":
        return f"({stamp_text(clocks.stamp(sql), source.args[0])})[12:]"
    if source.name == "timestamptz":
        return zoned_text(value)
    if source.name == "json":
        return json.from_json(sql, Type("varchar"))
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to varchar")


def stamp_text(sql: str, precision: int) -> str:
    """SQL of a timestamp as Trino prints it, with `precision` digits of fraction."""
    text = f"strftime({sql}, '%Y-%m-%d %H:%M:%S.%f')"
    if precision == 6:
        return text
    if precision > 6:
        return f"({text} || '{'0' * (precision - 6)}')"
    return f"left({text}, {20 + precision if precision else 19})"


def zoned_text(value: Expr, precision: int | None = None) -> str:
    """SQL of a timestamp with time zone as Trino prints it, in its own zone."""
    digits = value.type.args[0] if precision is None else precision
    zone = value.zone or literal("UTC")
    return f"({stamp_text(value.local(), digits)} || ' ' || {zone})"


def rounded(sql: str, kind: Type) -> str:
    """A timestamp rounded to its type's precision."""
    return _round_to(sql, kind.args[0], zoned=kind.name == "timestamptz")


def _rounded(sql: str, source: Type, target: Type) -> str:
    if target.name == "date" or source.name == "date" or source.args[0] <= target.args[0]:
        return sql
    return _round_to(sql, target.args[0], zoned=target.name == "timestamptz")


def _round_to(sql: str, precision: int, zoned: bool = False) -> str:
    """A timestamp rounded half up to `precision` digits of a second."""
    if precision >= 6:
        return sql
    unit = 10 ** (6 - precision)
    micros = f"floor((epoch_us({sql}) + {unit // 2}) / {unit})::BIGINT * {unit}"
    stamp = f"make_timestamp({micros})"
    return f"timezone('UTC', {stamp})" if zoned else stamp


def _nested(sql: str, source: Type, target: Type) -> str:
    """Array, map and row casts, element by element where the rules differ from DuckDB's."""
    if source.name == "array":
        item = cast(Expr("strata_e", source.items[0]), target.items[0])
        return f"list_transform({sql}, lambda strata_e: {item.sql})"
    if source.name == "map":
        key = cast(Expr("strata_m.key", source.items[0]), target.items[0]).sql
        value = cast(Expr("strata_m.value", source.items[1]), target.items[1]).sql
        entries = f"map_entries({sql})"
        keys = f"list_transform({entries}, lambda strata_m: {key})"
        values = f"list_transform({entries}, lambda strata_m: {value})"
        # The message has the value: DuckDB computes a condition that is constant beforehand.
        shown = f"'Duplicate keys: ' || CAST({sql} AS VARCHAR)"
        bad = fail("INVALID_CAST_ARGUMENT", shown, "INTEGER")
        made = f"CASE WHEN len(list_distinct({keys})) = len({keys}) THEN map({keys}, {values}) "
        return f"CASE WHEN {sql} IS NOT NULL THEN {made} WHEN {bad} = 0 THEN NULL END END"
    parts = []
    for index, (old, new) in enumerate(zip(source.items, target.items, strict=True)):
        name = target.fields[index] or f"field{index}"
        item = cast(Expr(f"struct_extract_at({sql}, {index + 1})", old), new)
        parts.append(f"{literal(name)}: {item.sql}")
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE {{{', '.join(parts)}}} END"
