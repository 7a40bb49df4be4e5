"""The record of golden answers is complete, and what is written about it is its own."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from local_aws.athena.aggregates import AGGREGATES, WINDOWS
from local_aws.athena.functions import SCALARS
from tests.golden import cases, table

CASES = cases.load()
TRAPS = (
    "date_diff in whole units", "try", "integer division", "decimals and their scale", "slice",
    "format", "typeof", "joda date patterns", "mysql date patterns",
    "at_timezone and zone-carrying values", "cast(timestamptz as timestamp)", "null ordering",
    "array bounds", "row access", "JSON casts", "lambdas", "map_agg and friends", "approx_*",
    "unnest with ordinality", "grouping sets", "match_recognize", "regexp flavours",
    "cast(' 12 ' as integer)", "case folding", "char(n)", "hashes", "substr",
)  # fmt: skip


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 800
    assert len({case.sql for case in CASES}) == len(CASES)


def test_a_fifth_of_the_cases_are_errors() -> None:
    assert sum(bool(case.error) for case in CASES) * 5 >= len(CASES)


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_has_ten_cases(trap: str) -> None:
    assert Counter(case.trap for case in CASES)[trap] >= 10


@pytest.mark.parametrize("name", sorted({*SCALARS, *AGGREGATES, *WINDOWS, *table.SPECIAL}))
def test_an_allowed_function_has_two_cases(name: str) -> None:
    assert table.supported(CASES)[name] >= 2


def test_no_answer_names_a_place_of_this_machine() -> None:
    text = "".join(path.read_text() for path in cases.files())
    assert not re.search(r"/(home|root|tmp|work)/", text)


def test_the_table_is_that_of_the_record() -> None:
    assert table.PAGE.read_text() == table.page(CASES), "run `make golden`"
