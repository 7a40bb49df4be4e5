"""`PREPARE`, `EXECUTE … USING` and `DEALLOCATE PREPARE`.

https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .failure import QueryFailed
from .parser import parse
from .query_parser import parse_query

_COMMENTS = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_FLAGS = re.IGNORECASE | re.DOTALL
_NAME = r'"?([A-Za-z_][A-Za-z0-9_@:]*)"?'
_PREPARE = re.compile(rf"{_COMMENTS}prepare\s+{_NAME}\s+from\s+(.+)", _FLAGS)
_EXECUTE = re.compile(rf"{_COMMENTS}execute\s+{_NAME}(?:\s+using\s+(.+?))?\s*;?\s*", _FLAGS)
_DEALLOCATE = re.compile(rf"{_COMMENTS}deallocate\s+prepare\s+{_NAME}\s*;?\s*", _FLAGS)
_IMMEDIATE = re.compile(rf"{_COMMENTS}execute\s+immediate\b", _FLAGS)


@dataclass(frozen=True)
class Prepare:
    """`PREPARE name FROM sql`."""

    name: str
    sql: str


@dataclass(frozen=True)
class Execute:
    """`EXECUTE name USING parameters`; each parameter is SQL."""

    name: str
    parameters: list[str]


@dataclass(frozen=True)
class Deallocate:
    """`DEALLOCATE PREPARE name`."""

    name: str


def command(text: str) -> Prepare | Execute | Deallocate | None:
    """What a query string says of prepared statements; None for any other statement.

    Raises QueryFailed for a statement to prepare, or a parameter, that does not parse.
    """
    if found := _PREPARE.fullmatch(text):
        parse(found[2])
        return Prepare(found[1], found[2].strip())
    if _IMMEDIATE.match(text):
        raise QueryFailed("NOT_SUPPORTED", "EXECUTE IMMEDIATE is not supported: use parameters")
    if found := _EXECUTE.fullmatch(text):
        return Execute(found[1], _parameters(found[2]))
    if found := _DEALLOCATE.fullmatch(text):
        return Deallocate(found[1])
    return None


def _parameters(using: str | None) -> list[str]:
    if not using:
        return []
    select = parse_query(f"select {using}")
    clauses = {name for name, value in select.args.items() if value}
    if clauses != {"expressions"}:
        raise QueryFailed("SYNTAX_ERROR", "line 1:1: USING takes a list of literals")
    return [value.sql(dialect="trino") for value in select.expressions]
