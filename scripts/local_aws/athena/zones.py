"""Time zones: the wall clock of an instant, and the instant of a wall clock, as DuckDB SQL.

A zone is SQL of its name, or of an offset (`+05:30`) that ICU does not know. What is constant is
worked out here; columns go through macros (engine.py).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from .expression import fail_text
from .types import literal

_UTC = {"UTC", "Z", "GMT", "UT", "Zulu", "Etc/UTC", "Etc/GMT", "Etc/UCT", "Etc/Zulu"}


@cache
def names() -> frozenset[str]:
    """The names that Trino knows: areas and places."""
    return frozenset(n for n in available_timezones() if "/" in n)


def known(name: str) -> str | None:
    """The zone's name as Trino prints it, or None for one that it does not know."""
    if name in _UTC or re.fullmatch(r"[+-]00(:?00)?", name):
        return "UTC"
    if match := re.fullmatch(r"([+-])(\d{1,2})(?::?(\d{2}))?", name):
        return f"{match[1]}{int(match[2]):02}:{match[3] or '00'}"
    return name if name in names() else None


def constant(name: str) -> str | None:
    """SQL of a constant zone: None for UTC; it fails for a name that is none."""
    found = known(name)
    if found is None:
        return fail_text(
            "INVALID_FUNCTION_ARGUMENT", f"'{name}' is not a valid time zone", "VARCHAR"
        )
    return None if found == "UTC" else literal(found)


def _offset(zone: str) -> str | None:
    """The minutes of a constant offset."""
    match = re.fullmatch(r"'([+-])(\d\d):(\d\d)'", zone)
    return f"{match[1]}{int(match[2]) * 60 + int(match[3])}" if match else None


def wall(instant: str, zone: str) -> str:
    """SQL of the wall clock (TIMESTAMP) of an instant."""
    if minutes := _offset(zone):
        return f"(timezone('UTC', {instant}) + to_minutes({minutes}))"
    return f"strata_wall({instant}, {zone})"


def instant(clock: str, zone: str | None) -> str:
    """SQL of the instant (TIMESTAMPTZ) of a wall clock."""
    if zone is None:
        return f"timezone('UTC', {clock})"
    if minutes := _offset(zone):
        return f"(timezone('UTC', {clock}) - to_minutes({minutes}))"
    return f"strata_instant({clock}, {zone})"


def literal_instant(text: str, precision: int) -> tuple[str, str | None] | None:
    """SQL of the instant and of the zone of `timestamp '... zone'`; None for what it is not."""
    match = re.fullmatch(
        r"\s*(\d{4}-\d{1,2}-\d{1,2})(?: (\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?)? ?([A-Z+-]\S*)\s*",
        text,
    )
    name = known(match[6]) if match else None
    if match is None or name is None:
        return None
    year, month, day = (int(p) for p in match[1].split("-"))
    hour, minute, second = (int(g or 0) for g in match.groups()[1:4])
    clock = datetime(year, month, day, hour, minute, second, int((match[5] or "0").ljust(6, "0")))
    if name[0] in "+-":
        shift = timedelta(hours=int(name[1:3]), minutes=int(name[4:]))
        moment = clock - shift if name[0] == "+" else clock + shift
    else:
        zoned = clock.replace(tzinfo=ZoneInfo(name))
        moment = zoned.astimezone(UTC).replace(tzinfo=None)
        if moment.replace(tzinfo=UTC).astimezone(ZoneInfo(name)).replace(tzinfo=None) != clock:
            return None  # an hour that a clock change leaves out
    return f"timezone('UTC', TIMESTAMP '{moment}')", None if name == "UTC" else literal(name)
