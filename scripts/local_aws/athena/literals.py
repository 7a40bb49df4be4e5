"""Literals: `date '2013-01-01'`, `1.50`."""

from __future__ import annotations

import re
from datetime import date, datetime

from . import addresses, clocks, zones
from .expression import Expr
from .types import INTEGERS, Type, decimal, to_duckdb

_WORDS = (
    "date|timestamp|time|decimal|char|varchar|boolean|tinyint|smallint|integer|int|bigint|real|"
    "double|uuid|ipaddress"
)
#: A UUID as text.
UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_BITS = dict(zip(INTEGERS, (8, 16, 32, 64), strict=True))


def is_typed(statement: str, text: str) -> bool:
    """Whether a statement has the text as a typed literal (and not only in a cast)."""
    quoted = re.escape("'" + text.replace("'", "''") + "'")
    return re.search(rf"\b({_WORDS})\s*{quoted}", statement, re.IGNORECASE) is not None


def is_valid(text: str, kind: Type) -> bool:
    """Whether the text of a typed literal is one of its type, as far as that is checked early."""
    if kind.name in INTEGERS:
        limit = 2 ** (_BITS[kind.name] - 1)
        return bool(re.fullmatch(r"[+-]?\d+", text)) and -limit <= int(text) < limit
    if kind.name == "decimal":
        return re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text) is not None
    if kind.name == "date":
        return _is_date(text.strip())
    if kind.name == "time":
        return clocks.is_literal(text)
    if kind.name == "timetz":
        return clocks.zoned(text) is not None
    if kind.name == "ipaddress":
        return addresses.parse(text) is not None
    if kind.name == "uuid":
        return re.fullmatch(UUID, text) is not None
    if kind.name in ("timestamp", "timestamptz"):
        return _is_timestamp(text.strip())
    return True


def _is_date(text: str) -> bool:
    match = re.fullmatch(r"([+-]?)(\d{4,})-(\d{1,2})-(\d{1,2})", text)
    if not match:
        return False
    try:
        date(min(9999, max(4, int(match[2]))), int(match[3]), int(match[4]))
    except ValueError:
        return False
    return True


def _is_timestamp(text: str) -> bool:
    match = re.fullmatch(
        r"(\S+)(?: (\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d{1,12})?)?)?(?: ?([A-Z+-].*))?", text
    )
    if not match or not _is_date(match[1]):
        return False
    try:
        datetime(2000, 1, 1, int(match[2] or 0), int(match[3] or 0), int(match[4] or 0))
    except ValueError:
        return False
    zone = match[5]
    return not zone or zones.literal_instant(text, 6) is not None


def decimal_number(text: str) -> Expr:
    """The decimal of a literal: its scale is the digits that are written."""
    whole, _, fraction = text.lstrip("+-").partition(".")
    digits = len(whole.lstrip("0") + fraction)
    kind = decimal(max(digits, 1), len(fraction))
    return Expr(f"CAST('{text}' AS {to_duckdb(kind)})", kind, float(text))
