"""Times of day: Trino's `time(p)`, kept as DuckDB's TIME of microseconds.

A day is put before the time where DuckDB has functions of timestamps only. A time with time zone is
kept as the text that is printed: it can be a literal and a result, and nothing else.
"""

from __future__ import annotations

import re

#: A time of day as text.
PATTERN = r"([01]?[0-9]|2[0-3]):[0-5]?[0-9](:[0-5]?[0-9](\.[0-9]{1,12})?)?"


_ZONED = re.compile(rf"(?P<clock>{PATTERN}) ?(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>[0-5]\d)")


def stamp(sql: str) -> str:
    """SQL of the timestamp at a time on some day."""
    return f"(DATE '1970-01-01' + {sql})"


def time(stamp_sql: str) -> str:
    """SQL of the time of a timestamp."""
    return f"CAST({stamp_sql} AS TIME)"


def zoned(text: str) -> str | None:
    """A time with an offset as Trino prints it, or None for a text that is none."""
    match = _ZONED.fullmatch(text)
    if not match or int(match["hours"]) * 60 + int(match["minutes"]) > 14 * 60:
        return None
    hours, minutes, *rest = match["clock"].split(":")
    seconds, _, fraction = (rest[0] if rest else "0").partition(".")
    clock = f"{int(hours):02}:{int(minutes):02}:{int(seconds):02}"
    clock += f".{fraction}" if fraction else ""
    return f"{clock}{match['sign']}{int(match['hours']):02}:{match['minutes']}"


def is_literal(text: str) -> bool:
    """Whether a text is a time of day without zone."""
    return re.fullmatch(PATTERN, text) is not None
