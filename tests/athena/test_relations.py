# ruff: noqa: E501 (a statement reads best in one line)
"""What FROM takes: relations in parentheses and table functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_aws.athena.failure import QueryFailed

from .conftest import Athena


def test_a_table_in_parentheses(athena: Athena) -> None:
    name = athena.database
    athena.iceberg("t", "select 1 as a")
    assert athena.rows(f'select a from ("awsdatacatalog"."{name}"."t")') == [["1"]]
    assert athena.rows(f"select x.a from ({name}.t) as x join (t) on true") == [["1"]]
    athena.ok(f'merge into t using (select distinct a from ("{name}"."t")) s on t.a = s.a when matched then update set a = 2')  # fmt: skip
    assert athena.rows("select * from ((t))") == [["2"]]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select * from ((select 1 as a) x join (select 1 as a, 2 as b) y using (a)) cross join (values 3) z(c)",
         [["1", "2", "3"]]),
        ("select x.a, c.b from (values 1, 2) x(a) left join ((select 2 as a) y join (select 2 as a, 5 as b) c on y.a = c.a) on x.a = y.a order by 1",
         [["1", None], ["2", "5"]]),
        ("select sum(sequential_number), count(*) from table(sequence(start => 0, stop => 1000))", [["500500", "1001"]]),
        ("select n from TABLE(sequence(5, 1, -2)) as s(n) order by n", [["1"], ["3"], ["5"]]),
        ("select * from table(sequence(stop => 0))", [["0"]]),
    ],
)  # fmt: skip
def test_relations(evaluate: Callable[[str], Any], sql: str, rows: list[list[str | None]]) -> None:
    assert evaluate(sql) == rows


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select not_a_column from table(sequence(start => 0, stop => 1))",
         "COLUMN_NOT_FOUND: line 1:8: Column 'not_a_column' cannot be resolved"),
        ("select * from table(sequence(5, 1))",
         "INVALID_FUNCTION_ARGUMENT: line 1:15: Step must be negative for sequence [5, 1]"),
        ("select * from table(sequence(start => 1))", "MISSING_ARGUMENT: line 1:15: Missing argument: STOP"),
        ("select * from table(sequence(begin => 1))", "INVALID_FUNCTION_ARGUMENT: line 1:15: Unexpected argument name: begin"),
        ("select * from table(sequence(1, 2, 3, 4))", "INVALID_FUNCTION_ARGUMENT"),
        ("select * from table(sequence(0, 'x'))", "NOT_SUPPORTED"),
        ("select * from table(range(0, 5))", "FUNCTION_NOT_FOUND: line 1:15: Table function 'range' not registered"),
        ("select * from read_csv('/etc/passwd')", "FUNCTION_NOT_FOUND: line 1:15: Table function 'read_csv' not registered"),
        ("select * from table(exclude_columns(input => table(t), columns => descriptor(a)))",
         "NOT_SUPPORTED: line 1:15: the table function exclude_columns is not supported by the local Athena"),
        ("select x.a from (select 1 as a) x left join ((select 1 as a) y join (select 1 as a) z on x.a = z.a) on true", "COLUMN_NOT_FOUND"),
        ("select * from ((values 1) x(a) cross join (values 2) y(b)) as z", "NOT_SUPPORTED"),
    ],
)  # fmt: skip
def test_refusals(evaluate: Callable[[str], Any], sql: str, reason: str) -> None:
    with pytest.raises(QueryFailed) as caught:
        evaluate(sql)
    assert caught.value.reason.startswith(reason)
