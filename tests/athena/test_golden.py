"""The embedded Athena gives the answers that Trino gave (the record below golden/)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_aws.athena import results, types
from local_aws.athena.failure import QueryFailed
from tests.golden import cases

CASES = cases.load()
Evaluate = Callable[[str], tuple[list[types.Type], list[list[str | None]]]]


def answer(case: cases.Case) -> tuple[list[str], list[list[str | None]]]:
    """Trino's types, and its rows as Athena prints them."""
    kinds = [types.parse(text) for text in case.types]
    printed = [
        [results.text(cases.value(v, t), t) for v, t in zip(row, kinds, strict=True)]
        for row in case.rows
    ]
    return list(case.types), printed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql)
def test_answer(typed: Evaluate, case: cases.Case) -> None:
    if case.refused or case.error:
        with pytest.raises(QueryFailed) as raised:
            typed(case.query)
        if not case.refused:
            assert raised.value.code == case.error
        return
    kinds, rows = typed(case.query)
    assert ([str(kind) for kind in kinds], rows) == answer(case)
