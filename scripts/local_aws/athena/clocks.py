"""Times of day: Trino's `time(p)`, kept as DuckDB's TIME of microseconds.

A day is put before the time where DuckDB has functions of timestamps only.
"""

from __future__ import annotations

import re

#: A time of day as text.
PATTERN = r"([01]?[0-9]|2[0-3]):[0-5]?[0-9](:[0-5]?[0-9](\.[0-9]{1,12})?)?"


def stamp(sql: str) -> str:
    """SQL of the timestamp at a time on some day."""
    return f"(DATE '1970-01-01' + {sql})"


def time(stamp_sql: str) -> str:
    """SQL of the time of a timestamp."""
    return f"CAST({stamp_sql} AS TIME)"


def is_literal(text: str) -> bool:
    """Whether a text is a time of day without zone."""
    return re.fullmatch(PATTERN, text) is not None
