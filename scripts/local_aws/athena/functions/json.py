"""JSON functions: https://trino.io/docs/current/functions/json.html

A value of type json is canonical text: no blanks, the keys of json_parse() sorted.
"""

from __future__ import annotations

import re

from ..expression import Expr, bind
from ..failure import QueryFailed, not_supported
from ..types import BIGINT, BOOLEAN, JSON, UNKNOWN, VARCHAR, literal
from .registry import bounded, constant_text, define, mismatch, simple

_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\"((?:[^\"\\]|\\.)*)\"\]")


def _path(arg: Expr, keyed: bool = False) -> str:
    """A JSON path as DuckDB writes it; `keyed` reads `[1]` as the key "1" of an object.

    Raises QueryFailed for what the classic paths do not have.
    """
    path = constant_text("JSON extraction", "a path", arg)
    out, at = "$", 1
    if not path.startswith("$"):
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{path}'")
    while at < len(path):
        step = _STEP.match(path, at)
        if not step:
            raise _bad_path(path)
        if step[2] is not None and not keyed:
            out += f"[{step[2]}]"
        else:
            if (step[1] or "").isdigit() and not keyed:
                raise not_supported("a number after a dot in a JSON path")
            key = step[1] or step[2] or step[3] or ""
            if '"' in key or "\\" in key:
                raise not_supported("a quoted key with quotes in a JSON path")
            out += f'."{key}"'
        at = step.end()
    return literal(out)


def _bad_path(path: str) -> QueryFailed:
    return QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{path}'")


def _document(name: str, args: list[Expr]) -> tuple[str, str]:
    """The SQL of a JSON argument and the condition under which it is one."""
    arg = args[0]
    if arg.type == JSON or arg.type == UNKNOWN:
        return f"CAST({arg.sql} AS JSON)", f"{arg.sql} IS NOT NULL"
    if arg.type.name != "varchar":
        raise mismatch(name, args)
    # Trino reads the first value of a text and does not look at what follows it.
    first = f"CASE WHEN json_valid({arg.sql}) THEN {arg.sql} ELSE strata_json_first({arg.sql}) END"
    return first, f"({first}) IS NOT NULL"


@define("json_extract_scalar", 2)
def _extract_scalar(args: list[Expr]) -> Expr:
    if args[0].type == UNKNOWN:
        raise QueryFailed("AMBIGUOUS_FUNCTION_CALL", "Could not choose a json_extract_scalar")
    if args[0].type == JSON:
        return Expr(bind(args[0].sql, lambda value: _scalar(value, args[1]), "strata_doc"), VARCHAR)
    if args[0].type.name != "varchar":
        raise mismatch("json_extract_scalar", args)
    kind = bounded(args[0].type, lambda n: n)
    return Expr(bind(args[0].sql, lambda v: _of_text(v, args[1]), "strata_doc"), kind)


def _of_text(text: str, path: Expr) -> str:
    """Trino reads a text up to what it looks for: what is broken behind that does not matter."""
    streamed = f"CAST(strata_json_streamed({text}, {_path(path)}) AS JSON)"
    found = bind(streamed, lambda value: _scalar_at(value, "'$'"), "strata_part")
    return f"CASE WHEN json_valid({text}) THEN {_scalar(text, path)} ELSE {found} END"


def _scalar(value: str, arg: Expr) -> str:
    path, keyed = _path(arg), _path(arg, keyed=True)
    if path == keyed:
        return _scalar_at(value, path)
    return f"CASE WHEN json_exists({value}, {path}) THEN {_scalar_at(value, path)} " \
           f"ELSE {_scalar_at(value, keyed)} END"  # fmt: skip


def _scalar_at(value: str, path: str) -> str:
    found = f"json_extract_string({value}, {path})"
    # DuckDB prints a fraction anew; the text of the document is what counts.
    number = f"strata_json_number(CAST({value} AS VARCHAR), {path})"
    zero = f"CASE WHEN {found} = '0' AND contains(CAST({value} AS VARCHAR), '-0') THEN {number}"
    return (
        f"CASE json_type({value}, {path}) WHEN 'OBJECT' THEN NULL WHEN 'ARRAY' THEN NULL "
        f"WHEN 'DOUBLE' THEN {number} ELSE {zero} ELSE {found} END END"
    )


@define("json_extract", 2)
def _extract(args: list[Expr]) -> Expr:
    if args[1].type == UNKNOWN:
        return Expr("CAST(NULL AS JSON)", JSON, None)
    path = _path(args[1])
    if args[0].type in (JSON, UNKNOWN):
        found = f"strata_json_extract(CAST({args[0].sql} AS VARCHAR), {path})"
        return Expr(f"CAST({found} AS JSON)", JSON)
    if args[0].type.name != "varchar":
        raise mismatch("json_extract", args)
    text = args[0].sql
    found = f"strata_json_extract({text}, {path})"
    streamed = f"strata_json_streamed({text}, {path})"
    return Expr(
        f"CAST(CASE WHEN json_valid({text}) THEN {found} ELSE {streamed} END AS JSON)", JSON
    )


@define("json_parse", 1)
def _parse(args: list[Expr]) -> Expr:
    if args[0].type.name not in ("varchar", "unknown"):
        raise mismatch("json_parse", args)
    return Expr(f"CAST(strata_json_parse(CAST({args[0].sql} AS VARCHAR)) AS JSON)", JSON)


@define("json_size", 2)
def _size(args: list[Expr]) -> Expr:
    value, valid = _document("json_size", args)
    path = _path(args[1])
    return Expr(
        f"CASE WHEN {valid} THEN CASE json_type({value}, {path}) "
        f"WHEN 'ARRAY' THEN CAST(json_array_length({value}, {path}) AS BIGINT) "
        f"WHEN 'OBJECT' THEN len(json_keys({value}, {path})) "
        f"WHEN NULL THEN NULL ELSE CASE WHEN json_exists({value}, {path}) THEN 0 END END END",
        BIGINT,
    )


@define("json_array_length", 1)
def _array_length(args: list[Expr]) -> Expr:
    value, valid = _document("json_array_length", args)
    return Expr(
        f"CASE WHEN {valid} THEN CASE WHEN json_type({value}) = 'ARRAY' "
        f"THEN CAST(json_array_length({value}) AS BIGINT) END END",
        BIGINT,
    )


@define("is_json_scalar", 1)
def _is_scalar(args: list[Expr]) -> Expr:
    value = args[0].sql
    if args[0].type.name not in ("varchar", "json", "unknown"):
        raise mismatch("is_json_scalar", args)
    return Expr(f"strata_json_is_scalar(CAST({value} AS VARCHAR))", BOOLEAN)


@define("json_array_contains", 2)
def _array_contains(args: list[Expr]) -> Expr:
    value, valid = _document("json_array_contains", args)
    wanted = args[1]
    kinds: dict[str, tuple[str, str]] = {
        "boolean": ("'BOOLEAN'", "BOOLEAN"), "varchar": ("'VARCHAR'", "VARCHAR"),
        "double": ("'DOUBLE'", "DOUBLE"), "bigint": ("'BIGINT', 'UBIGINT'", "BIGINT"),
    }  # fmt: skip
    name = "bigint" if wanted.type.is_integer else wanted.type.name
    if name not in kinds:
        raise mismatch("json_array_contains", args)
    tags, duck = kinds[name]
    items = f"CAST({value} AS JSON[])"
    cast = (
        "json_extract_string(strata_j, '$')" if duck == "VARCHAR" else f"CAST(strata_j AS {duck})"
    )
    test = f"CASE WHEN json_type(strata_j) IN ({tags}) THEN {cast} = {wanted.sql} ELSE false END"
    found = f"len(list_filter({items}, lambda strata_j: {test})) > 0"
    return Expr(
        f"CASE WHEN {valid} AND {wanted.sql} IS NOT NULL THEN "
        f"CASE WHEN json_type({value}) = 'ARRAY' THEN {found} END END",
        BOOLEAN,
    )


simple("json_format", "j", VARCHAR, "CAST({0} AS VARCHAR)")
