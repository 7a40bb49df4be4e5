"""Trino's date patterns (MySQL and Joda) as strftime/strptime patterns."""

from __future__ import annotations

import re

from .failure import QueryFailed, not_supported

_MYSQL = {
    "%a": "%a", "%b": "%b", "%d": "%d", "%e": "%-d", "%f": "%f", "%H": "%H", "%k": "%-H",
    "%h": "%I", "%I": "%I", "%l": "%-I", "%i": "%M", "%j": "%j", "%M": "%B", "%m": "%m",
    "%c": "%-m", "%p": "%p", "%r": "%I:%M:%S %p", "%S": "%S", "%s": "%S", "%T": "%H:%M:%S",
    "%W": "%A", "%Y": "%Y", "%y": "%y", "%%": "%%", "%v": "%V", "%x": "%G",
}  # fmt: skip


def mysql(pattern: str) -> str:
    """The strftime pattern of a date_format/date_parse pattern.

    Raises QueryFailed for a specifier that has no counterpart.
    """

    def convert(match: re.Match[str]) -> str:
        if match[0] not in _MYSQL:
            raise not_supported(f"date pattern {match[0]}")
        return _MYSQL[match[0]]

    return re.sub(r"%.", convert, pattern)


_JODA = {
    "yyyy": "%Y", "yy": "%y", "YYYY": "%Y", "MM": "%m", "M": "%-m", "MMM": "%b", "MMMM": "%B",
    "dd": "%d", "d": "%-d", "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M",
    "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "SSSSSS": "%f", "a": "%p", "EEE": "%a",
    "EEEE": "%A", "DDD": "%j", "ww": "%V", "xxxx": "%G", "y": "%Y", "E": "%a", "e": "%u",
}  # fmt: skip


def joda(pattern: str) -> str:
    """The strftime pattern of a format_datetime/parse_datetime pattern."""
    out: list[str] = []
    for match in re.finditer(r"''|'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+", pattern):
        token = match[0]
        if token == "''":
            out.append("'")
        elif token[0] == "'":
            out.append(token[1:-1].replace("''", "'").replace("%", "%%"))
        elif token[0].isalpha():
            if token not in _JODA:
                raise not_supported(f"date pattern {token}")
            out.append(_JODA[token])
        else:
            out.append(token.replace("%", "%%"))
    if not out and pattern:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid date pattern: {pattern}")
    return "".join(out)
