"""format(): a constant pattern of Java's Formatter as SQL.

https://trino.io/docs/current/functions/conversion.html#format
"""

from __future__ import annotations

import re

from . import casts
from .expression import Expr
from .failure import QueryFailed, not_supported
from .types import UNKNOWN, VARCHAR, literal

_SPEC = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(<]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


def java(pattern: str, args: list[Expr]) -> str:
    """SQL of format(pattern, args). Raises QueryFailed for a wrong or an unsupported pattern."""
    parts, at, following = [], 0, 0
    for spec in _SPEC.finditer(pattern):
        parts.append(literal(pattern[at : spec.start()]))
        at = spec.end()
        if spec[5] == "%":
            parts.append("'%'")
            continue
        index = int(spec[1]) - 1 if spec[1] else following
        following += 0 if spec[1] else 1
        if not 0 <= index < len(args):
            raise _invalid(pattern)
        parts.append(_argument(pattern, spec, args[index]))
    rest = pattern[at:]
    if "%" in "".join(re.split(_SPEC, pattern)[::6]):
        raise _invalid(pattern)
    return f"({' || '.join([*parts, literal(rest)])})"


def _invalid(pattern: str) -> QueryFailed:
    return QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid format string: {pattern}")


def _argument(pattern: str, spec: re.Match[str], arg: Expr) -> str:
    flags, width, precision, letter = spec[2], spec[3], spec[4], spec[5]
    if letter in "sSb" and not set(flags) - {"-"}:
        text = _text(arg, letter)
        if precision:
            text = f"left({text}, {precision})"
        return _padded(text, flags, width)
    if arg.type == UNKNOWN:
        return _padded("'null'", flags, width)
    if letter in "dxX" and arg.type.is_integer and not precision:
        if letter != "d" and arg.type.name not in ("integer", "bigint"):
            raise not_supported(f"format %{letter} of {arg.type}")
        if letter != "d" and set(flags) - {"-", "0"}:
            raise not_supported(f"format {spec[0]}")
        return _number(spec, f"CAST({arg.sql} AS VARCHAR)")
    if letter in "feE" and arg.type.name in ("double", "decimal"):
        shown = f"strata_plain({arg.sql})" if arg.type.name == "double" else (
            f"CAST({arg.sql} AS VARCHAR)")  # fmt: skip
        return _number(spec, shown)
    if letter in "tTaAgGohHcCn" or "#" in flags or "<" in flags:
        if letter == "c" and arg.type.is_text:
            raise _invalid(pattern)
        raise not_supported(f"format {spec[0]}")
    raise _invalid(pattern)


def _number(spec: re.Match[str], text: str) -> str:
    flags, width, precision, letter = spec[2], spec[3], spec[4], spec[5]
    if not flags and not width and letter == "d":
        return f"coalesce({text}, 'null')"
    places = f".{precision}" if precision else ""
    shown = f"strata_number_format({literal(flags + width + places + letter)}, {text})"
    return f"coalesce({shown}, {_padded(literal('null'), flags.replace('0', ''), width)})"


def _text(arg: Expr, letter: str) -> str:
    kind = arg.type
    if kind == UNKNOWN:
        return "'null'" if letter != "b" else "'false'"
    if letter == "b" and kind.name != "boolean":
        raise not_supported(f"format %b of {kind}")
    if kind.items:
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported type for format: {kind}")
    if kind.name == "double":
        text = f"strata_plain({arg.sql})"
    elif kind.is_integer or kind.is_text or kind.name in ("boolean", "decimal", "date"):
        text = casts.cast(arg, VARCHAR).sql
    else:
        raise not_supported(f"format %s of {kind}")
    text = f"coalesce({text}, 'null')"
    return f"upper({text})" if letter == "S" else text


def _padded(text: str, flags: str, width: str) -> str:
    if not width:
        return text
    pad = "rpad" if "-" in flags else "lpad"
    return f"{pad}({text}, greatest({width}, length({text}))::INTEGER, ' ')"
