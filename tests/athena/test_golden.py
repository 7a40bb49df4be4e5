"""The embedded Athena gives the answers that Trino gave (the record below golden/)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.athena import results, types
from local_aws.athena.failure import QueryFailed
from tests.golden import cases

CASES = cases.load()
Rows = list[list[Any]]
Typed = Callable[[str], tuple[list[types.Type], Rows]]
#: Java and C round the last digit of some functions differently.
CLOSE = 1e-15


def printed(value: Any, kind: types.Type) -> Any:
    """A value as Athena prints it; a double stays one, and a map's entries are sorted."""
    if value is None:
        return None
    if kind.name == "double":
        return pytest.approx(float(value), rel=CLOSE, abs=0, nan_ok=True)
    if kind.name == "map":
        pairs = results.pairs(value, kind)
        return sorted([results.text(k, kind.items[0]), str(printed(v, kind.items[1]))]
                      for k, v in pairs)  # fmt: skip
    return results.text(value, kind)


def answer(case: cases.Case) -> tuple[list[str], Rows]:
    """Trino's types, and its rows as Athena prints them."""
    kinds = [types.parse(text) for text in case.types]
    rows = [[cases.value(v, t) for v, t in zip(row, kinds, strict=True)] for row in case.rows]
    return list(case.types), _printed(rows, kinds)


def _printed(rows: Rows, kinds: list[types.Type]) -> Rows:
    return [[printed(v, t) for v, t in zip(row, kinds, strict=True)] for row in rows]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql)
def test_answer(typed: Typed, case: cases.Case) -> None:
    assert case.is_answered, "not asked yet: run `make golden`"
    if case.refused or case.error:
        with pytest.raises(QueryFailed) as raised:
            typed(case.query)
        if not case.refused:
            assert raised.value.code == case.error
        return
    kinds, rows = typed(case.query)
    assert ([str(kind) for kind in kinds], _printed(rows, kinds)) == answer(case)


#: Literals that can stand in a column; those of intervals, binaries and char have no type there.
_LITERAL = re.compile(
    r"(?P<fixed>\b(?:interval|char|x|u&|varchar|decimal|timestamp)\s*(?:'(?:[^']|'')*'|\([\d, ]+\))"
    r"|\b(?:local)?time\s*\(\d\))"
    r"|(?:\b(?:date|timestamp|time|decimal|json|real|uuid|ipaddress)\s*)?'(?:[^']|'')*'"
    r"|(?<![\w.'$\[])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.'])",
    re.IGNORECASE,
)
#: What needs a constant says so.
_NEEDS_CONSTANTS = ("NOT_SUPPORTED", "SYNTAX_ERROR", "COLUMN_NOT_FOUND", "EXPRESSION_NOT_CONSTANT")
#: Aggregates, precisions and a subquery that would be correlated are no functions of columns.
_OF_ITSELF = re.compile(r"(sum|avg|current_timestamp|localtimestamp)\(|\(1, 2\) in \(select")


def in_columns(case: cases.Case) -> str:
    """The expression over two equal rows of its literals: DuckDB must not compute it beforehand."""
    found: list[str] = []

    def name(match: re.Match[str]) -> str:
        if match["fixed"]:
            return match[0]
        found.append(match[0])
        return f"c{len(found)}"

    body = _LITERAL.sub(name, case.sql)
    row = f"({', '.join(found)})"
    names = ", ".join(f"c{i + 1}" for i in range(len(found)))
    return f"select {body} from (values {row}, {row}) as t({names})" if found else ""


#: One case a test would take longer than the queries do.
@pytest.mark.parametrize("heading", sorted({case.heading for case in CASES}))
def test_answers_hold_for_columns(typed: Typed, heading: str) -> None:
    wrong = []
    for case in CASES:
        query = "" if case.is_query or case.refused or case.heading != heading else in_columns(case)
        if not query or _OF_ITSELF.match(case.sql):
            continue
        expected: Any = case.error or [row[0] for row in answer(case)[1]] * 2
        try:
            kinds, rows = typed(query)
            got: Any = [row[0] for row in _printed(rows, kinds)]
        except QueryFailed as failure:
            got = failure.code
        if got != expected and got not in _NEEDS_CONSTANTS:
            wrong.append((query, got, expected))
    assert not wrong
