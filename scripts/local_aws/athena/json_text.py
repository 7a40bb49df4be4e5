"""JSON as Trino writes it: no blanks, doubles as Java prints them."""

from __future__ import annotations

import json
import math
import re
from typing import Any


def java_double(value: float) -> str:
    """A number in the scientific form of Java and Trino: 1.5E10."""
    text = repr(value) if abs(value) >= 1e-300 or value == 0 else f"{value:.17g}"
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0") or "0"
    if stripped == "0":
        return f"{sign}0.0E0"
    return f"{sign}{stripped[0]}.{stripped[1:] or '0'}E{power}"


class Number(str):
    """A number as the document writes it."""


def raw(text: str) -> Any:
    """A document whose numbers stay as they are written."""
    return json.loads(text, parse_float=Number, parse_int=Number, strict=False)


def dump(value: Any, sort: bool) -> str:
    """JSON without blanks; numbers as they are kept."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        keys = sorted(value) if sort else value
        return "{" + ",".join(f"{dump(k, sort)}:{dump(value[k], sort)}" for k in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump(v, sort) for v in value) + "]"
    # Beyond the first plane of Unicode, Trino writes escapes.
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[\U00010000-\U0010ffff]", lambda m: _escaped(m[0]), text)


def _escaped(char: str) -> str:
    high, low = divmod(ord(char) - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04X}\\u{0xDC00 + low:04X}"


def no_constant(name: str) -> Any:
    """Refuses NaN and the infinities, which Python reads. Raises ValueError."""
    raise ValueError(name)


def plain_double(text: str) -> Number:
    """A double as Java writes it; raises ValueError for one that is too large."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return Number(repr(value))
    return Number(java_double(value))
