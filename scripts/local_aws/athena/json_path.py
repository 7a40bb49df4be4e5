"""SQL/JSON paths of the simple kind, and what json_exists, json_value and json_query find by them.

https://trino.io/docs/current/functions/json.html#json-path-language
Supported are `lax` and `strict`, keys, `.*`, indexes, `last`, `[*]`; an answer begins with a letter
that tells its kind, so that SQL can take it apart.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from typing import Any

from .failure import QueryFailed, not_supported
from .json_text import Number, dump, no_constant, plain_double

#: What an answer begins with: an error's name, nothing found, a JSON null, a value of a kind.
ERROR, EMPTY, NULL, TEXT, WHOLE, DOUBLE, BOOLEAN = "!", "0", "n", "s", "i", "d", "b"
_INPUT, _PATH = "JSON_INPUT_CONVERSION_ERROR", "PATH_EVALUATION_ERROR"
#: What fails where there are several values or the wrong ones.
VALUE_ERROR, QUERY_ERROR = "JSON_VALUE_RESULT_ERROR", "JSON_OUTPUT_CONVERSION_ERROR"
_STEP = re.compile(
    r'\s*(?:\.\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<key>[A-Za-z_][A-Za-z0-9_]*)|(?P<members>\*))'
    r"|\[\s*(?:(?P<index>\d+)|(?P<last>last)|(?P<items>\*))\s*\])"
)
_LARGEST = 2**63

Step = tuple[str, Any]


class _Whole(Number):
    """A whole number."""


class _Failed(Exception):
    """An error of SQL/JSON, by its name."""


@functools.lru_cache(1024)
def parse(text: str) -> tuple[bool, tuple[Step, ...]]:
    """Whether a path is strict, and its steps.

    Raises QueryFailed: SYNTAX_ERROR for what is no path, NOT_SUPPORTED for another kind of it.
    """
    head = re.match(r"\s*(lax|strict)\s*\$", text)
    if not head:
        raise QueryFailed("SYNTAX_ERROR", f"'{text}' is no JSON path")
    steps: list[Step] = []
    at, end = head.end(), len(text.rstrip())
    while at < end:
        match = _STEP.match(text, at)
        if re.match(r'\s*\.\s*[^\s\w"*]|\s*\.\s*[^\x00-\x7f]|\s*\.\s*\d', text[at:]):
            raise QueryFailed("SYNTAX_ERROR", f"'{text}' is no JSON path")
        if not match or re.match(r"\s*\(", text[match.end() :]):
            raise not_supported(f"{text[at:].strip()} in a JSON path")
        steps.append(_step(match))
        at = match.end()
    return head[1] == "strict", tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["members"]:
        return "members", None
    if match["items"]:
        return "items", None
    if match["last"]:
        return "index", -1
    if match["index"]:
        return "index", int(match["index"])
    return "key", match["key"] or match["quoted"].replace('""', '"')


def exists(text: str, path: str) -> str:
    """Whether a path finds something: `true` or `false`, or an error."""
    try:
        return "true" if _found(text, path) else "false"
    except _Failed as error:
        return f"{ERROR}{error}"


def value(text: str, path: str) -> str:
    """The one scalar that a path finds, with its kind."""
    try:
        found = _found(text, path)
    except _Failed as error:
        return f"{ERROR}{error}"
    if not found:
        return EMPTY
    if len(found) > 1 or isinstance(found[0], dict | list):
        return ERROR + VALUE_ERROR
    return _scalar(found[0])


def _scalar(item: Any) -> str:
    if item is None:
        return NULL
    if isinstance(item, bool):
        return f"{BOOLEAN}{str(item).lower()}"
    if isinstance(item, _Whole):
        fits = -_LARGEST <= int(item) < _LARGEST
        return f"{WHOLE}{item}" if fits else ERROR + VALUE_ERROR
    if isinstance(item, Number):
        return DOUBLE + item.strip('"')
    return f"{TEXT}{item}"


def query(text: str, path: str, wrapper: str, quotes: str) -> str:
    """The JSON that a path finds; `wrapper` is WITHOUT, CONDITIONAL or UNCONDITIONAL, `quotes` KEEP
    or OMIT."""
    try:
        found = _found(text, path)
    except _Failed as error:
        return f"{ERROR}{error}"
    if not found:
        return EMPTY
    is_nested = len(found) == 1 and isinstance(found[0], dict | list)
    if wrapper == "UNCONDITIONAL" or wrapper == "CONDITIONAL" and not is_nested:
        return TEXT + dump(found, sort=False)
    if len(found) > 1:
        return ERROR + QUERY_ERROR
    if quotes == "OMIT" and type(found[0]) is str:
        return TEXT + found[0]
    return TEXT + dump(found[0], sort=False)


def _found(text: str, path: str) -> list[Any]:
    strict, steps = parse(path)
    items = [_document(text)]
    for kind, wanted in steps:
        items = [inner for item in items for inner in _walk(item, kind, wanted, strict)]
    return items


def _document(text: str) -> Any:
    """The first value of a text, and null where there is none: Trino reads no further."""
    if not (begun := text.strip(" \t\r\n")):
        return None
    try:
        found, end = _DECODER.raw_decode(begun)
    except (ValueError, RecursionError):
        raise _Failed(_INPUT) from None
    is_open = found is None or isinstance(found, bool | Number)
    if is_open and begun[end : end + 1].strip(" \t\r\n,]}"):
        raise _Failed(_INPUT)
    return found


def _double(text: str) -> Number:
    """A double; one that is too large is written in quotes, as Trino does."""
    try:
        return plain_double(text)
    except ValueError:
        return Number('"-Infinity"' if text.startswith("-") else '"Infinity"')


_DECODER = json.JSONDecoder(
    parse_float=_double, parse_int=_Whole, parse_constant=no_constant, strict=False
)


def _walk(item: Any, kind: str, wanted: Any, strict: bool) -> Iterable[Any]:
    """What a step finds in an item: in lax paths an array is its items, and an item an array."""
    if kind in ("key", "members"):
        holders = item if isinstance(item, list) and not strict else [item]
        for holder in holders:
            yield from _members(holder, kind, wanted, strict)
        return
    if not isinstance(item, list):
        if strict:
            raise _Failed(_PATH)
        item = [item]
    if kind == "items":
        yield from item
    elif -1 <= wanted < len(item) and item:
        yield item[wanted]
    elif strict:
        raise _Failed(_PATH)


def _members(holder: Any, kind: str, wanted: Any, strict: bool) -> Iterable[Any]:
    if isinstance(holder, dict) and kind == "members":
        yield from holder.values()
    elif isinstance(holder, dict) and wanted in holder:
        yield holder[wanted]
    elif strict:
        raise _Failed(_PATH)
