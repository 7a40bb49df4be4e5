"""Partition projection: partitions computed from a table's properties.

https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
"""

from __future__ import annotations

import calendar
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .failure import QueryFailed, not_supported
from .predicates import Pred, may_match
from .types import Type

if TYPE_CHECKING:
    from .hive import Table

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Partition:
    """A partition: its values (typed) and its location, ending in `/`."""

    values: tuple[Any, ...]
    location: str


def typed(text: str, kind: Type) -> Any:
    if text == NULL_PARTITION:
        return None
    try:
        if kind.is_integer:
            return int(text)
        if kind.name == "date":
            return date.fromisoformat(text)
        if kind.name == "boolean":
            return text.lower() == "true"
        if kind.name in ("double", "real"):
            return float(text)
    except ValueError:
        raise QueryFailed(
            "HIVE_INVALID_PARTITION_VALUE", f"Invalid partition value '{text}' for {kind}"
        ) from None
    return text


class Projected:
    """The partitions of a projected table that may hold rows of a predicate.

    `root` is what the locations of all of them begin with. Raises QueryFailed for a bad property.
    """

    def __init__(self, table: Table, pred: Pred, now: datetime) -> None:
        self._pred = pred
        #: Each partition key's values by their text in a location.
        self._choices = {
            name: {
                text: value
                for value, text in _projection(table, name, kind, pred, now)
                if may_match(pred, {name: value})
            }
            for name, kind in table.keys
        }
        usual = table.location + "/".join(f"{name}=${{{name}}}" for name in self._choices)
        template = table.parameters.get("storage.location.template", usual).rstrip("/") + "/"
        #: Fixed parts of a location, and between them the keys.
        self._parts = re.split(r"\$\{(\w+)\}", template)
        self._parts[1::2] = [name.lower() for name in self._parts[1::2]]
        self.root = self._parts[0]
        if missing := self._choices.keys() - set(self._parts[1::2]):
            mark = f"${{{min(missing)}}}"
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"storage.location.template lacks {mark}")
        if unknown := set(self._parts[1::2]) - self._choices.keys():
            mark = f"${{{min(unknown)}}}"
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"storage.location.template has {mark}")

    def __len__(self) -> int:
        """How many there are at most."""
        return math.prod(len(texts) for texts in self._choices.values())

    def __iter__(self) -> Iterator[Partition]:
        for texts in itertools.product(*self._choices.values()):
            if found := self._partition(dict(zip(self._choices, texts, strict=True))):
                yield found

    def finder(self) -> Callable[[str], Partition | None] | None:
        """Finds the partition of an object's address; None where an address does not tell it."""
        if any("/" in text for texts in self._choices.values() for text in texts):
            return None
        names = self._parts[1::2]
        if len(set(names)) < len(names):
            return None
        parts = [re.escape(part) for part in self._parts]
        parts[1::2] = ["([^/]*)"] * len(names)
        pattern = re.compile("".join(parts))

        def find(uri: str) -> Partition | None:
            match = pattern.match(uri)
            return self._partition(dict(zip(names, match.groups(), strict=True))) if match else None

        return find

    def _partition(self, texts: dict[str, str]) -> Partition | None:
        """The partition of these texts, if it is projected and may match."""
        if any(texts[name] not in choices for name, choices in self._choices.items()):
            return None
        values = {name: choices[texts[name]] for name, choices in self._choices.items()}
        if not may_match(self._pred, values):
            return None
        parts = list(self._parts)
        parts[1::2] = [texts[name] for name in parts[1::2]]
        return Partition(tuple(values.values()), "".join(parts))


def _projection(
    table: Table, name: str, kind: Type, pred: Pred, now: datetime
) -> Iterable[tuple[Any, str]]:
    """The values of one projected column, typed and as text."""

    def setting(key: str, default: str | None = None) -> str:
        value = table.parameters.get(f"projection.{name}.{key}", default)
        if value is None:
            raise QueryFailed(
                "INVALID_TABLE_PROPERTY",
                f"Table {table.database}.{table.name} lacks projection.{name}.{key}",
            )
        return value

    which = setting("type").lower()
    if which == "integer":
        first, last = (int(v) for v in setting("range").split(","))
        digits = int(setting("digits", "0"))
        step = int(setting("interval", "1"))
        for number in range(first, last + 1, step):
            text = str(number).zfill(digits)
            yield (number if kind.is_integer else text), text
    elif which == "enum":
        for text in setting("values").split(","):
            yield typed(text.strip(), kind), text.strip()
    elif which == "date":
        yield from _projected_dates(setting, kind, now)
    elif which == "injected":
        found = _equalities(pred, name)
        if not found:
            raise QueryFailed(
                "CONSTRAINT_VIOLATION",
                f"For the injected projected partition column {name}, the WHERE clause must "
                "contain only static equality conditions, and at least one such condition must "
                "be present.",
            )
        for value in found:
            yield value, str(value)
    else:
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"Unknown projection type: {which}")


_UNITS = ("YEARS", "MONTHS", "WEEKS", "DAYS", "HOURS", "MINUTES", "SECONDS")


def _projected_dates(setting: Any, kind: Type, now: datetime) -> Iterator[tuple[Any, str]]:
    """https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html"""
    pattern = setting("format")
    python = _python_format(pattern)
    first, last = (_range_end(v.strip(), python, now) for v in setting("range").split(","))
    # A step is needed unless the format ends at the day or the month.
    smallest = "DAYS" if "%d" in python else "MONTHS" if "%m" in python else None
    implied = smallest if not re.search("%[HMS]", python) else None
    unit = setting("interval.unit", implied).upper()
    if unit not in _UNITS:
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"Unknown interval unit: {unit}")
    step = int(setting("interval", "1" if implied else None))
    for number in itertools.count():
        current = _plus(first, unit, number * step)
        if current > last:
            return
        text = current.strftime(python)
        yield (current.date() if kind.name == "date" else typed(text, kind)), text


def _python_format(pattern: str) -> str:
    """A Java date pattern as strftime's; raises QueryFailed for a letter that is not known."""
    codes = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    made = ""
    for token in re.findall(r"'[^']*'|yyyy|MM|dd|HH|mm|ss|.", pattern):
        if token in codes:
            made += codes[token]
        elif token.isalpha():
            raise not_supported(f"the projection format {pattern}")
        else:
            made += token.strip("'").replace("%", "%%")
    return made


def _plus(moment: datetime, unit: str, count: int) -> datetime:
    if unit not in ("YEARS", "MONTHS"):
        return moment + timedelta(**{unit.lower(): count})
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "YEARS" else 1)
    year, month = months // 12, months % 12 + 1
    return moment.replace(
        year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1])
    )


def _range_end(text: str, pattern: str, now: datetime) -> datetime:
    match = re.fullmatch(r"NOW(?:([+-]\d+)(YEARS?|MONTHS?|WEEKS?|DAYS?|HOURS?|MINUTES?))?", text)
    if not match:
        return datetime.strptime(text, pattern)
    moment = now.replace(tzinfo=None)
    if match[1]:
        count, unit = int(match[1]), match[2].lower().rstrip("s") + "s"
        days = {"years": 365, "months": 30}.get(unit)
        moment += timedelta(days=count * days) if days else timedelta(**{unit: count})
    return datetime.strptime(moment.strftime(pattern), pattern)


def _equalities(pred: Pred, name: str) -> list[Any]:
    if pred[0] == "=" and pred[1] == name:
        return [pred[2]]
    if pred[0] == "and":
        return next((found for p in pred[1] if (found := _equalities(p, name))), [])
    if pred[0] == "or":
        parts = [_equalities(p, name) for p in pred[1]]
        return sum(parts, []) if all(parts) else []
    return []
