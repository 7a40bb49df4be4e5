"""CAST and TRY_CAST with Trino's rules, which are stricter than DuckDB's."""

from __future__ import annotations

from .expression import LOST, Expr, fail
from .failure import QueryFailed
from .types import INTEGERS, UNKNOWN, Type, common, literal, to_duckdb

_INTEGER = r"[+-]?[0-9]+"
_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_DOUBLE = rf"\s*([+-]?(NaN|Infinity)|{_DECIMAL})\s*"
_DATE = r"\s*-?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}\s*"
_STAMP = (
    r"-?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}"
    r"( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]{1,12})?)?)?"
)
_ZONE = r"( ?(UTC|Z|[+-][0-9]{2}:?[0-9]{2}|[A-Za-z]+(/[A-Za-z_]+)+))?"


def cast(value: Expr, target: Type, safe: bool = False) -> Expr:
    """`cast(value as target)`, or `try_cast` when `safe`. Raises QueryFailed for a cast that Trino
    does not have (TYPE_MISMATCH)."""
    source = value.type
    if source == target:
        return value
    sql = _sql(value, target)
    if safe:
        sql = f"TRY({sql})"
    wall = value.wall if source.name == target.name == "timestamptz" else None
    return Expr(sql, target, value.constant, wall)


def _sql(value: Expr, target: Type) -> str:
    source, sql, duck = value.type, value.sql, to_duckdb(target)
    plain = f"CAST({sql} AS {duck})"
    if source == UNKNOWN:
        return plain
    if source.is_text:
        return _from_text(sql, target)
    if target.is_text:
        return _to_text(value, target)
    if target.is_integer and source.name in ("double", "real"):
        return f"CAST(floor(CAST({sql} AS DOUBLE) + 0.5) AS {duck})"
    numeric = source.is_numeric or source.name == "boolean"
    if numeric and (target.is_numeric or target.name == "boolean"):
        return plain
    if source.name == "timestamptz" and target.name in ("date", "timestamp"):
        return _rounded(f"CAST({value.local()} AS {duck})", source, target)
    if source.is_time and target.is_time:
        return _rounded(plain, source, target)
    if source.name == "json" and _json_castable(target):
        return f"CAST({sql} AS {duck})"
    if target.name == "json":
        return f"to_json({sql})"
    if source.name == target.name and source.items and len(source.items) == len(target.items):
        return _nested(sql, source, target)
    if common(source, target) == target:
        return plain
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to {target}")


def _json_castable(target: Type) -> bool:
    return target.is_numeric or target.name in ("boolean", "array", "map", "row")


def _guarded(sql: str, pattern: str, duck: str, target: Type, good: str) -> str:
    name = "INT" if target.name == "integer" else str(target).upper()
    message = f"'Cannot cast ''' || {sql} || ''' to {name}'"
    bad = fail("INVALID_CAST_ARGUMENT", message, duck)
    return f"CASE WHEN regexp_full_match({sql}, {literal(pattern)}) THEN {good} " \
           f"WHEN {sql} IS NULL THEN NULL ELSE {bad} END"  # fmt: skip


def _from_text(sql: str, target: Type) -> str:
    duck = to_duckdb(target)
    good = f"CAST({sql} AS {duck})"
    if target.is_text:
        return f"left({sql}, {target.args[0]})" if target.args else sql
    if target.name in INTEGERS:
        return _guarded(sql, _INTEGER, duck, target, good)
    if target.name in ("double", "real"):
        return _guarded(sql, _DOUBLE, duck, target, good)
    if target.name == "decimal":
        return _guarded(sql, _DECIMAL, duck, target, good)
    if target.name == "boolean":
        return _guarded(sql, "(?i)(t|true|1|f|false|0)", duck, target, good)
    if target.name == "date":
        return _guarded(sql, _DATE, duck, target, f"CAST(trim({sql}) AS DATE)")
    if target.name == "timestamp":
        good = f"CAST(regexp_replace({sql}, '(\\.[0-9]{{6}})[0-9]+', '\\1') AS TIMESTAMP)"
        rounded = _round_to(good, target.args[0])
        return _guarded(sql, _STAMP, duck, target, rounded)
    if target.name == "timestamptz":
        return _guarded(sql, _STAMP + _ZONE, duck, target, good)
    if target.name == "varbinary":
        return f"encode({sql})"
    if target.name == "json":
        return f"to_json({sql})"
    if target.name == "uuid":
        return good
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast varchar to {target}")


def _to_text(value: Expr, target: Type) -> str:
    text = text_of(value)
    return f"left({text}, {target.args[0]})" if target.args else text


def text_of(value: Expr) -> str:
    """SQL of `cast(value as varchar)`."""
    source, sql = value.type, value.sql
    if source.is_integer or source.name in ("date", "decimal", "uuid"):
        return f"CAST({sql} AS VARCHAR)"
    if source.name == "boolean":
        return f"CAST({sql} AS VARCHAR)"
    if source.name in ("double", "real"):
        return f"strata_scientific({sql})"
    if source.name == "timestamp":
        return stamp_text(sql, source.args[0])
    if source.name == "timestamptz" and value.wall is None:
        return f"({stamp_text(value.local(), source.args[0])} || ' UTC')"
    if source.name == "json":
        message = f"'Cannot cast ''' || CAST({sql} AS VARCHAR) || ''' to varchar'"
        bad = fail("INVALID_CAST_ARGUMENT", message, "VARCHAR")
        nested = f"json_type({sql}) IN ('OBJECT', 'ARRAY')"
        return f"CASE WHEN {nested} THEN {bad} ELSE json_extract_string({sql}, '$') END"
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {source} to varchar")


def stamp_text(sql: str, precision: int) -> str:
    """SQL of a timestamp as Trino prints it, with `precision` digits of fraction."""
    text = f"strftime({sql}, '%Y-%m-%d %H:%M:%S.%f')"
    if precision == 6:
        return text
    if precision > 6:
        return f"({text} || '{'0' * (precision - 6)}')"
    return f"left({text}, {20 + precision if precision else 19})"


def _rounded(sql: str, source: Type, target: Type) -> str:
    if target.name == "date" or source.name == "date" or source.args[0] <= target.args[0]:
        return sql
    return _round_to(sql, target.args[0], zoned=target.name == "timestamptz")


def _round_to(sql: str, precision: int, zoned: bool = False) -> str:
    """A timestamp rounded half up to `precision` digits of a second."""
    if precision >= 6:
        return sql
    unit = 10 ** (6 - precision)
    micros = f"((epoch_us({sql}) + {unit // 2}) // {unit}) * {unit}"
    stamp = f"make_timestamp({micros})"
    return f"timezone('UTC', {stamp})" if zoned else stamp


def _nested(sql: str, source: Type, target: Type) -> str:
    """Array, map and row casts, element by element where the rules differ from DuckDB's."""
    if source.name == "array":
        item = cast(Expr("strata_e", source.items[0], wall=LOST), target.items[0])
        return f"list_transform({sql}, lambda strata_e: {item.sql})"
    if source.name == "map":
        entry = "strata_m"
        key = cast(Expr(f"{entry}.key", source.items[0]), target.items[0]).sql
        value = cast(Expr(f"{entry}.value", source.items[1]), target.items[1]).sql
        made = f"{{'key': {key}, 'value': {value}}}"
        pairs = f"list_transform(map_entries({sql}), lambda {entry}: {made})"
        return f"map_from_entries({pairs})"
    parts = []
    for index, (old, new) in enumerate(zip(source.items, target.items, strict=True)):
        name = target.fields[index] or f"field{index}"
        item = cast(Expr(f"struct_extract_at({sql}, {index + 1})", old), new)
        parts.append(f"{literal(name)}: {item.sql}")
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE {{{', '.join(parts)}}} END"
