"""The embedded Athena gives the answers that Trino gave (the record below golden/)."""

from __future__ import annotations

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
