# ruff: noqa: E501 (a statement reads best in one line)
"""Expressions mean what they mean in Trino: results as Athena prints them, errors by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_aws.athena.failure import QueryFailed

Evaluate = Callable[[str], Any]


def cases(name: str) -> list[tuple[str, str]]:
    """The lines of a file of cases: SQL, a tab, the answer."""
    lines = (Path(__file__).parent / name).read_text().splitlines()
    pairs = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(sql, answer) for sql, answer in pairs]


@pytest.mark.parametrize(("sql", "expected"), cases("expressions.tsv"))
def test_value(evaluate: Evaluate, sql: str, expected: str) -> None:
    assert evaluate(f"select {sql}") == [[None if expected == "\\N" else expected]]


@pytest.mark.parametrize(("sql", "code"), cases("failures.tsv"))
def test_failure(evaluate: Evaluate, sql: str, code: str) -> None:
    with pytest.raises(QueryFailed) as raised:
        evaluate(f"select {sql}")
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select sum(x), avg(x), count(*), count(x) from (values 1, 2, null) as t(x)", [["3", "1.5", "3", "2"]]),
        ("select avg(x) from (values decimal '1.00', decimal '2.01') as t(x)", [["1.51"]]),
        ("select count_if(x), bool_or(x) from (values cast(null as boolean)) as t(x)", [["0", None]]),
        ("select sum(x) filter (where x > 1), count(distinct x) from (values 1, 2, 2) as t(x)", [["4", "2"]]),
        ("select array_agg(x order by x desc) from (values 1, 3, 2) as t(x)", [["[3, 2, 1]"]]),
        ("select max_by(a, b), min_by(a, b) from (values ('x', 1), ('y', 2)) as t(a, b)", [["y", "x"]]),
        ("select listagg(a, ',') within group (order by a) from (values 'b', 'a') as t(a)", [["a,b"]]),
        ("select a, count(*) from (values 1, 1, 2) as t(a) group by 1 having count(*) > 1", [["1", "2"]]),
        ("select a, sum(b) from (values (1, 1), (2, 2)) as t(a, b) group by rollup(a) order by a",
         [["1", "1"], ["2", "2"], [None, "3"]]),
        ("select x, row_number() over (order by x desc) from (values 1, 2) as t(x) order by x",
         [["1", "2"], ["2", "1"]]),
        ("select lag(x) over (order by x), lead(x, 1, 0) over (order by x) from (values 1, 2) as t(x) order by x",
         [[None, "2"], ["1", "0"]]),
        ("select last_value(x) ignore nulls over (order by o rows between unbounded preceding and current row) "
         "from (values (1, 5), (2, null)) as t(o, x) order by o", [["5"], ["5"]]),
        ("select sum(x) over (partition by g order by x rows between 1 preceding and current row) "
         "from (values (1, 1), (1, 2), (1, 3)) as t(g, x) order by x", [["1"], ["3"], ["5"]]),
        ("select x from (values 2, null, 1) as t(x) order by x desc", [["2"], ["1"], [None]]),
        ("select u.v, u.o from (values array['a', 'b']) as t(l) cross join unnest(l) with ordinality as u(v, o)",
         [["a", "1"], ["b", "2"]]),
        ("select t.a, u.v from (values (1, cast(null as array(integer)))) as t(a, l) left join unnest(l) as u(v) on true",
         [["1", None]]),
        ("select u.k, u.v from unnest(map(array['a'], array[1])) as u(k, v)", [["a", "1"]]),
        ("select d from unnest(sequence(date '2013-01-01', date '2013-01-03', interval '1' day)) as s(d)",
         [["2013-01-01"], ["2013-01-02"], ["2013-01-03"]]),
        ("select * from (values (1, 'a')) as a(id, x) join (values (1, 'b')) as b(id, y) using (id)", [["1", "a", "b"]]),
        ("select a.id from (values 1, 2) as a(id) where not exists (select 1 from (values 1) as b(id) where b.id = a.id)",
         [["2"]]),
        ("select 1 union select 1 union all select 2 order by 1", [["1"], ["2"]]),
        ("select x from (values 1, 2) as t(x) intersect select 2", [["2"]]),
        ("select x from (values 1, 2) as t(x) except select 2", [["1"]]),
        ("with a as (select 1 as x), b as (select x + 1 as y from a) select y, x from a, b", [["2", "1"]]),
        ("select x as y from (values 3, 1) as t(x) order by y limit 1", [["1"]]),
        ("select approx_distinct(x) from (values 1, 1, 2) as t(x)", [["2"]]),
        ("select x, X from (values 1) as t(x)", [["1", "1"]]),
        ("select map_agg(k, v) from (values ('a', 1)) as t(k, v)", [["{a=1}"]]),
        ("select x from (values 1, 2) as t(x) offset 1 limit 1", [["2"]]),
    ],
)  # fmt: skip
def test_query(evaluate: Evaluate, sql: str, expected: list[list[str | None]]) -> None:
    assert evaluate(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')", "select * from '/etc/passwd'", "with recursive a(x) as (select 1) select * from a",
        "select x from (values 1) as t(x) qualify row_number() over () = 1", "select distinct on (x) x from (values 1) as t(x)",
        "select * from (values 1) as t(x) tablesample bernoulli (10)", "select x from (values 1) as t(x) limit 1 + 1",
        "select a.x from (values 1) as a(x), (values 1) as b(x) where x = 1", "select y from (values 1) as t(x)",
        "select sum(x), y from (values (1, 2)) as t(x, y)", "select format('%s', 1)",
    ],
)  # fmt: skip
def test_refused(evaluate: Evaluate, sql: str) -> None:
    with pytest.raises(QueryFailed):
        evaluate(sql)


def test_errors_say_where(evaluate: Evaluate) -> None:
    with pytest.raises(QueryFailed, match="line 2:8: Column 'nope' cannot be resolved"):
        evaluate("select 1,\n       nope")


def test_a_zone_lost_in_a_column_is_refused_where_its_wall_clock_is_needed(
    evaluate: Evaluate,
) -> None:
    inner = "(select at_timezone(timestamp '2013-07-01 12:00:00 UTC', 'America/New_York') as x)"
    assert evaluate(f"select cast(at_timezone(x, 'UTC') as timestamp) from {inner}") == [
        ["2013-07-01 12:00:00.000"]
    ]
    with pytest.raises(QueryFailed, match="at_timezone"):
        evaluate(f"select cast(x as timestamp) from {inner}")
