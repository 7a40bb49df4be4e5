"""The record of golden answers: files of tab-separated values below tests/athena/golden.

A line is a case: its SQL (an expression or a query), the types of the result, the answer, and why
the embedded Athena refuses it, if it does. `# trap: <name>` and `# topic: <name>` head the cases
that follow. The answer is JSON (a value, or the rows of a query), or an error's name after the
type `error`. Cases and reasons are written by hand, types and answers by `make golden` alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from local_aws.athena import addresses
from local_aws.athena.types import Type

FOLDER = Path(__file__).parents[1] / "athena" / "golden"
#: The engine that answered, with its version.
ENGINE = FOLDER / "engine.txt"
#: The time at which every query starts: what now() gives.
START = "2013-01-15T12:30:45.123456Z"
_ERROR = "error"
#: A number with a point and no exponent, or a text or a name that may hold one.
_DECIMAL = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|(?<![\w.'\"$])(?P<number>\d+\.\d*|\.\d+)(?![\w.])"
)


@dataclass(frozen=True)
class Case:
    """One question and Trino's answer: `types` and `answer`, or `error`."""

    sql: str
    heading: str
    types: tuple[str, ...] = ()
    answer: Any = field(default=None, compare=False)
    error: str = ""
    refused: str = ""

    @property
    def trap(self) -> str:
        """The trap that the case belongs to, or nothing."""
        kind, _, name = self.heading.partition(": ")
        return name if kind == "trap" else ""

    @property
    def is_answered(self) -> bool:
        return bool(self.types or self.error)

    @property
    def is_query(self) -> bool:
        return self.sql.split(maxsplit=1)[0] in ("select", "with", "values", "table")

    @property
    def query(self) -> str:
        return self.sql if self.is_query else f"select {self.sql}"

    @property
    def asked(self) -> str:
        """The query for Trino, which reads 1.5 as a decimal where Athena reads a double."""
        return _DECIMAL.sub(lambda m: f"{m[0]}e0" if m["number"] else m[0], self.query)

    @property
    def rows(self) -> list[list[Any]]:
        return self.answer if self.is_query else [[self.answer]]

    def answered(self, answer: dict[str, Any]) -> Case:
        """The case with what Golden.java says."""
        if error := answer.get("error"):
            return replace(self, types=(), answer=None, error=error)
        rows = answer["rows"] if self.is_query else answer["rows"][0][0]
        return replace(self, types=tuple(answer["types"]), answer=rows, error="")


def read(path: Path) -> Iterator[Case]:
    """The cases of one file, in order."""
    heading = ""
    for line in path.read_text().rstrip("\n").split("\n"):
        if line.startswith("# "):
            heading = line[2:]
            continue
        sql, types, answer, refused = (line.split("\t") + ["", "", ""])[:4]
        case = Case(sql, heading, refused=refused)
        if types == _ERROR:
            case = replace(case, error=answer)
        elif types:
            case = replace(case, types=tuple(types.split("; ")), answer=json.loads(answer))
        yield case


def write(path: Path, cases: list[Case]) -> None:
    """Write the cases of one file, with their headings."""
    lines: list[str] = []
    heading = ""
    for case in cases:
        if case.heading != heading:
            heading = case.heading
            lines.append(f"# {heading}")
        if case.error:
            fields = [case.sql, _ERROR, case.error]
        else:
            answer = json.dumps(case.answer, ensure_ascii=False)
            fields = [case.sql, "; ".join(case.types), answer]
        lines.append("\t".join([*fields, case.refused] if case.refused else fields))
    path.write_text("\n".join(lines) + "\n")


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.tsv"))


def load() -> list[Case]:
    """Every case of the record."""
    return [case for path in files() for case in read(path)]


def value(found: Any, kind: Type) -> Any:
    """A value of the record as DuckDB gives it to Python."""
    if found is None:
        return None
    if kind.name in ("real", "double"):
        return float(found.replace("Infinity", "inf"))
    if kind.name == "varbinary":
        return bytes.fromhex(found)
    if kind.name == "date":
        return date.fromisoformat(found) if len(found) == 10 else found.removeprefix("+")
    if kind.name == "timestamp":
        return datetime.fromisoformat(found)
    if kind.name == "ipaddress":
        return addresses.parse(found)
    if kind.name == "time":
        return time.fromisoformat(found)
    if kind.name == "timestamptz":
        return _milliseconds(found)
    if kind.name.startswith("interval"):
        return _units(found)
    if kind.name == "array":
        return [value(item, kind.items[0]) for item in found]
    if kind.name == "row":
        return [value(item, t) for item, t in zip(found, kind.items, strict=True)]
    if kind.name == "map":
        return [(value(k, kind.items[0]), value(v, kind.items[1])) for k, v in found]
    return found


def _milliseconds(stamp: str) -> str:
    """A timestamp with time zone with three digits of fraction at least: Athena prints these."""
    day, clock, zone = stamp.split(" ", 2)
    whole, _, fraction = clock.partition(".")
    return f"{day} {whole}.{fraction.ljust(3, '0')} {zone}"


def _units(interval: str) -> int:
    """The milliseconds or the months of an interval as Trino prints it."""
    match = re.fullmatch(r"(-?)(?:(\d+)-(\d+)|(\d+) (\d+):(\d+):(\d+)\.(\d+))", interval)
    assert match
    sign = -1 if match[1] else 1
    if match[2]:
        return sign * (int(match[2]) * 12 + int(match[3]))
    days, hours, minutes, seconds, millis = (int(g) for g in match.groups()[3:])
    return sign * ((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + millis)
