# ruff: noqa: E501 (a statement reads best in one line)
"""What the record of golden answers cannot say: statements refused as a whole, error positions.

The meaning of functions and expressions is tested in test_golden.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_aws.athena.failure import QueryFailed

Evaluate = Callable[[str], Any]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')", "select * from '/etc/passwd'", "with recursive a(x) as (select 1) select * from a",
        "select * from (values 1) as t(x) tablesample bernoulli (10)", "select * from nosuch", "table nosuch",
    ],
)  # fmt: skip
def test_refused(evaluate: Evaluate, sql: str) -> None:
    with pytest.raises(QueryFailed):
        evaluate(sql)


def test_errors_say_where(evaluate: Evaluate) -> None:
    with pytest.raises(QueryFailed, match="line 2:8: Column 'nope' cannot be resolved"):
        evaluate("select 1,\n       nope")


def test_blanks_in_a_binary_move_no_error(evaluate: Evaluate) -> None:
    with pytest.raises(QueryFailed, match="line 1:19: Column 'nope' cannot be resolved"):
        evaluate("select X'68 6 5', nope")
    with pytest.raises(QueryFailed, match="line 2:2: Column 'nope' cannot be resolved"):
        evaluate("select json_value('{}', 'lax $.a' default 'x' on empty),\n nope")


def test_a_zone_lost_in_a_column_is_refused_where_its_wall_clock_is_needed(
    evaluate: Evaluate,
) -> None:
    inner = "(select at_timezone(timestamp '2013-07-01 12:00:00 UTC', 'America/New_York') as x)"
    assert evaluate(f"select cast(at_timezone(x, 'UTC') as timestamp) from {inner}") == [
        ["2013-07-01 12:00:00.000"]
    ]
    with pytest.raises(QueryFailed, match="at_timezone"):
        evaluate(f"select cast(x as timestamp) from {inner}")


@pytest.mark.parametrize("sql", ["select random()", "select uuid()", "select shuffle(array[1, 2])"])
def test_what_is_random_is_of_its_type(evaluate: Evaluate, sql: str) -> None:
    assert len(evaluate(sql)) == 1


def test_texts_that_python_makes_stay_whole(evaluate: Evaluate) -> None:
    text = "cast(x as varchar) || '|' || cast(-x as varchar)"
    careful = "coalesce(cast(x as varchar), '~') || '|' || coalesce(cast(-x as varchar), '~')"
    numbers = "select n / 7e0 as x from unnest(sequence(1, 3000)) as s(n)"
    hashes = f"select x, md5(to_utf8({careful})) as hash from ({numbers})"
    assert evaluate(f"select count(*) from ({hashes}) where hash <> md5(to_utf8({text}))") == [
        ["0"]
    ]
