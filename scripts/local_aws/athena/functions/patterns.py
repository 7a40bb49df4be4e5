"""Trino's date patterns: MySQL's (date_format) and Joda's (format_datetime), as DuckDB SQL.

https://trino.io/docs/current/functions/datetime.html#mysql-date-functions
"""

from __future__ import annotations

import re

from ..failure import QueryFailed, not_supported
from ..types import literal

_MYSQL = {
    "%a": "%a", "%b": "%b", "%d": "%d", "%e": "%-d", "%f": "%f", "%H": "%H", "%k": "%-H",
    "%h": "%I", "%I": "%I", "%l": "%-I", "%i": "%M", "%j": "%j", "%M": "%B", "%m": "%m",
    "%c": "%-m", "%p": "%p", "%r": "%I:%M:%S %p", "%S": "%S", "%s": "%S", "%T": "%H:%M:%S",
    "%W": "%A", "%Y": "%Y", "%y": "%y", "%%": "%%", "%v": "%V", "%x": "%G",
}  # fmt: skip


def _invalid(message: str) -> QueryFailed:
    return QueryFailed("INVALID_FUNCTION_ARGUMENT", message)


def mysql(pattern: str) -> str:
    """The strftime pattern of a date_format/date_parse pattern.

    Raises QueryFailed for a specifier that Trino does not have either.
    """
    if not pattern:
        raise _invalid("Invalid date format: ''")

    def convert(match: re.Match[str]) -> str:
        if match[0] in ("%D", "%U", "%u", "%V", "%w", "%X"):
            raise _invalid(f"{match[0]} not supported in date format string")
        return _MYSQL.get(match[0], match[1])

    return re.sub(r"%(.?)", convert, pattern)


def mysql_parser(pattern: str) -> str:
    """The strptime pattern of date_parse."""
    if "%j" in pattern or "%x" in pattern or "%v" in pattern:
        raise not_supported("date_parse with a day or a week of the year")
    return mysql(pattern)


def _tokens(pattern: str) -> list[str]:
    if not pattern:
        raise _invalid("Invalid pattern specification")
    found = re.finditer(r"''|'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+", pattern)
    return [match[0] for match in found]


def _text_of(token: str) -> str:
    if token == "''":
        return "'"
    return token[1:-1].replace("''", "'") if token[0] == "'" else token


#: Joda's numbers: SQL of the value for the wall clock {t}; the letter's count is its width.
_NUMBERS = {
    "y": "year({t})", "Y": "year({t})", "x": "isoyear({t})", "w": "week({t})",
    "e": "isodow({t})", "D": "dayofyear({t})", "d": "day({t})", "M": "month({t})",
    "H": "hour({t})", "k": "((hour({t}) + 23) % 24 + 1)", "h": "((hour({t}) + 11) % 12 + 1)",
    "K": "(hour({t}) % 12)", "m": "minute({t})", "s": "second({t})",
}  # fmt: skip


def joda(pattern: str, wall: str, offset: str, zone: str) -> str:
    """SQL of format_datetime: `wall` clock, `offset` in minutes and `zone` are SQL."""
    _check_letters(pattern)
    parts = [
        _joda_part(token, wall, offset, zone) if token[0].isalpha() else literal(_text_of(token))
        for token in _tokens(pattern)
    ]
    return f"({' || '.join(parts)})"


def _check_letters(pattern: str) -> None:
    for token in _tokens(pattern):
        if token[0].isalpha() and token[0] not in "GCYxweEyDMdaKhHkmsSzZ":
            raise _invalid(f"Illegal pattern component: {token}")


def _joda_part(token: str, wall: str, offset: str, zone: str) -> str:
    letter, width = token[0], len(token)
    if letter in ("y", "Y", "x") and width == 2:
        return f"right({_number(letter, wall, 2)}, 2)"
    if letter == "M" and width >= 3:
        return f"strftime({wall}, '{'%b' if width == 3 else '%B'}')"
    if letter in _NUMBERS:
        return _number(letter, wall, width)
    if letter == "S":
        digits = f"lpad(CAST(millisecond({wall}) % 1000 AS VARCHAR), 3, '0')"
        return f"left({digits} || '{'0' * width}', {width})"
    if letter == "a":
        return f"strftime({wall}, '%p')"
    if letter == "E":
        return f"strftime({wall}, '{'%a' if width <= 3 else '%A'}')"
    if letter == "Z":
        return (
            zone
            if width >= 3
            else f"strata_offset_text({offset}, {'true' if width == 2 else 'false'})"
        )
    if letter == "z" and zone == "'UTC'" and width <= 3:
        return zone
    raise not_supported(f"date pattern {token}")


def _number(letter: str, wall: str, width: int) -> str:
    text = f"CAST({_NUMBERS[letter].format(t=wall)} AS VARCHAR)"
    size = f"greatest({width}, length({text}))::INTEGER"
    return f"lpad({text}, {size}, '0')" if width > 1 else text


_JODA_PARSED = {
    "y": "%Y", "yyyy": "%Y", "YYYY": "%Y", "MM": "%m", "M": "%m", "MMM": "%b", "MMMM": "%B",
    "dd": "%d", "d": "%d", "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "m": "%M",
    "ss": "%S", "s": "%S", "SSS": "%g", "a": "%p", "EEE": "%a", "EEEE": "%A",
}  # fmt: skip


def joda_parser(pattern: str) -> tuple[str, bool]:
    """The strptime pattern of parse_datetime, and whether an offset (Z, ZZ) ends the text.

    Raises QueryFailed: NOT_SUPPORTED for letters that strptime does not read as Joda does.
    """
    tokens = _tokens(pattern)
    zoned = tokens[-1] in ("Z", "ZZ")
    out = []
    for token in tokens[:-1] if zoned else tokens:
        if not token[0].isalpha():
            out.append(_text_of(token).replace("%", "%%"))
        elif token in _JODA_PARSED:
            out.append(_JODA_PARSED[token])
        else:
            raise not_supported(f"date pattern {token} in parse_datetime")
    return "".join(out), zoned
