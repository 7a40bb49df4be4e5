"""Casts from and to json: https://trino.io/docs/current/functions/json.html#cast-to-json"""

from __future__ import annotations

import re

from . import casts
from .expression import Expr, bind, fail
from .failure import QueryFailed, not_supported
from .types import DOUBLE, Type, literal, to_duckdb


def castable(target: Type) -> bool:
    """Whether json casts to the type."""
    if target.name in ("array", "map", "row"):
        return all(castable(i) for i in target.items)
    return target.is_numeric or target.name in ("boolean", "json") or target.name == "varchar"


def from_json(sql: str, target: Type) -> str:
    """SQL of `cast(json as target)`: JSON's null is NULL, what does not fit fails."""
    if target.name == "json":
        return sql
    if not re.fullmatch(r"[\w.\"]+", sql):
        return bind(sql, lambda value: from_json(value, target), "strata_doc")
    if target.name == "array":
        item = from_json("strata_j", target.items[0])
        made = f"list_transform(CAST({sql} AS JSON[]), lambda strata_j: {item})"
        return _of_kind(sql, "ARRAY", made, target)
    if target.name == "map":
        return _of_kind(sql, "OBJECT", _map(sql, target), target)
    if target.name == "row":
        return _row(sql, target)
    return _scalar(sql, target)


def _failing(sql: str, target: Type) -> str:
    message = f"'Cannot cast to {target}. ' || CAST({sql} AS VARCHAR)"
    return fail("INVALID_CAST_ARGUMENT", message, "INTEGER")


def _of_kind(sql: str, kind: str, made: str, target: Type) -> str:
    return (
        f"CASE WHEN {sql} IS NULL OR json_type({sql}) = 'NULL' THEN NULL "
        f"WHEN json_type({sql}) = '{kind}' THEN {made} "
        f"WHEN {_failing(sql, target)} = 0 THEN NULL END"
    )


def _map(sql: str, target: Type) -> str:
    key, value = target.items
    name = casts.cast(Expr("strata_n", Type("varchar")), key).sql
    entry = from_json("strata_o", value)
    keys = f"list_transform(json_keys({sql}), lambda strata_n: {name})"
    values = (
        f"list_transform(list_transform(json_keys({sql}), "
        f"lambda strata_n: json_extract({sql}, '$.\"' || strata_n || '\"')), "
        f"lambda strata_o: {entry})"
    )
    return f"map({keys}, {values})"


def _row(sql: str, target: Type) -> str:
    """By name (of any case) from an object, by position from an array."""
    if any(n is None for n in target.fields):
        raise not_supported("a cast of json to a row without names")
    by_name, by_place = [], []
    for index, (name, kind) in enumerate(zip(target.fields, target.items, strict=True)):
        key = literal(str(name))
        found = f"list_filter(json_keys({sql}), lambda strata_n: lower(strata_n) = {key})"
        named = f"json_extract({sql}, '$.\"' || ({found})[1] || '\"')"
        placed = f"json_extract({sql}, '$[{index}]')"
        by_name.append(f"{key}: {from_json(named, kind)}")
        by_place.append(f"{key}: {from_json(placed, kind)}")
    return (
        f"CASE WHEN {sql} IS NULL OR json_type({sql}) = 'NULL' THEN NULL "
        f"WHEN json_type({sql}) = 'OBJECT' THEN {{{', '.join(by_name)}}} "
        f"WHEN json_type({sql}) = 'ARRAY' THEN {{{', '.join(by_place)}}} "
        f"WHEN {_failing(sql, target)} = 0 THEN NULL END"
    )


def _scalar(sql: str, target: Type) -> str:
    duck = to_duckdb(target)
    text = f"json_extract_string({sql}, '$')"
    kind = f"json_type({sql})"
    if target.name == "varchar":
        number = f"strata_scientific(CAST({text} AS DOUBLE))"
        good = f"CASE {kind} WHEN 'DOUBLE' THEN {number} ELSE {text} END"
    elif target.name == "boolean":
        good = f"CASE {kind} WHEN 'VARCHAR' THEN " \
               f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END " \
               f"WHEN 'BOOLEAN' THEN {text} = 'true' ELSE TRY_CAST({text} AS DOUBLE) <> 0 END"  # fmt: skip
    elif target.is_integer:
        rounded = casts.cast(Expr(f"CAST({text} AS DOUBLE)", DOUBLE), target).sql
        good = f"CASE {kind} WHEN 'DOUBLE' THEN {rounded} WHEN 'BOOLEAN' " \
               f"THEN CAST({text} = 'true' AS {duck}) ELSE TRY_CAST({text} AS {duck}) END"  # fmt: skip
    elif target.is_numeric:
        good = f"CASE {kind} WHEN 'BOOLEAN' THEN CAST({text} = 'true' AS {duck}) " \
               f"ELSE TRY_CAST({text} AS {duck}) END"  # fmt: skip
    else:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast json to {target}")
    bad = _failing(sql, target)
    out = f"CASE WHEN {bad} = 0 THEN CAST(NULL AS {duck}) END"
    made = f"CASE WHEN {kind} NOT IN ('ARRAY', 'OBJECT') THEN {good} END"

    def result(value: str) -> str:
        return f"CASE WHEN {value} IS NOT NULL THEN {value} WHEN {kind} <> 'NULL' THEN {out} END"

    return bind(made, result, "strata_made")


def to_json(value: Expr) -> str:
    """SQL of `cast(value as json)`."""
    return f"CAST({_text(value)} AS JSON)"


def _text(value: Expr) -> str:
    """SQL of the JSON text of a value; NULL stays NULL."""
    kind, sql = value.type, value.sql
    if kind.is_integer or kind.name in ("boolean", "decimal"):
        return f"CAST({sql} AS VARCHAR)"
    if kind.name == "double":
        return f"CASE WHEN isfinite({sql}) THEN strata_plain({sql}) " \
               f"ELSE '\"' || strata_plain({sql}) || '\"' END"  # fmt: skip
    if kind.name == "varchar":
        return f"CAST(to_json({sql}) AS VARCHAR)"
    if kind.name == "json":
        return f"CAST({sql} AS VARCHAR)"
    if kind.name in ("date", "timestamp", "timestamptz"):
        return f"'\"' || {casts.text_of(value)} || '\"'"
    if kind.name == "array":
        item = _text(Expr("strata_a", kind.items[0]))
        items = f"list_transform({sql}, lambda strata_a: coalesce({item}, 'null'))"
        return f"'[' || array_to_string({items}, ',') || ']'"
    if kind.name == "map":
        return _map_text(value)
    if kind.name == "row":
        return _row_text(value)
    raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {kind} to json")


def _map_text(value: Expr) -> str:
    key, item = value.type.items
    if key.name not in ("varchar", "boolean", "double") and not key.is_integer:
        raise QueryFailed("TYPE_MISMATCH", f"Cannot cast {value.type} to json")
    name = casts.cast(Expr("strata_e.key", key), Type("varchar")).sql
    text = _text(Expr("strata_e.value", item))
    entry = f"{{'k': {name}, 't': to_json({name}) || ':' || coalesce({text}, 'null')}}"
    entries = f"list_sort(list_transform(map_entries({value.sql}), lambda strata_e: {entry}))"
    texts = f"list_transform({entries}, lambda strata_t: strata_t.t)"
    return f"'{{' || array_to_string({texts}, ',') || '}}'"


def _row_text(value: Expr) -> str:
    parts = []
    for index, (name, kind) in enumerate(zip(value.type.fields, value.type.items, strict=True)):
        text = _text(Expr(f"struct_extract_at({value.sql}, {index + 1})", kind))
        key = literal(f'"{name or ""}":')
        parts.append(f"{key} || coalesce({text}, 'null')")
    joined = " || ',' || ".join(parts)
    return f"CASE WHEN {value.sql} IS NOT NULL THEN '{{' || {joined} || '}}' END"
