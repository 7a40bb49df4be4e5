# ruff: noqa: E501 (a statement reads best in one line)
"""What Athena refuses is refused: limits, and coercions where rows are written.

https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
"""

from __future__ import annotations

import pytest

from .conftest import Athena

NUMBERS = "select x as v, x as k from unnest(sequence(1, {})) as t(x)"


@pytest.mark.parametrize("kind", ["iceberg", "hive"])
def test_a_hundred_open_partitions_and_no_more(athena: Athena, kind: str) -> None:
    """https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html"""

    def create(name: str, rows: int) -> str:
        properties = {
            "iceberg": f"table_type='iceberg', is_external=false, location='{athena.location(name)}', partitioning=array['k']",
            "hive": f"external_location='{athena.location(name)}', partitioned_by=array['k']",
        }[kind]
        return f"create table {name} with ({properties}) as {NUMBERS.format(rows)}"

    reason = f"{kind.upper()}_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers"
    assert athena.fails(create("many", 101)).startswith(reason)
    assert "TABLE_NOT_FOUND" in athena.fails("select * from many")
    athena.ok(create("t", 100))
    assert athena.fails(f"insert into t {NUMBERS.format(101)}").startswith(reason)
    assert athena.rows("select count(*), count(distinct k) from t") == [["100", "100"]]
    athena.ok(f"insert into t {NUMBERS.format(100)}")
    assert athena.rows("select count(*) from t") == [["200"]]


def test_a_merge_and_an_update_open_a_hundred_partitions_and_no_more(athena: Athena) -> None:
    athena.iceberg("t", NUMBERS.format(100), "'k'")
    athena.ok("insert into t values (101, 101)")
    reason = "ICEBERG_TOO_MANY_OPEN_PARTITIONS"
    assert athena.fails("update t set v = 0").startswith(reason)
    merge = "merge into t using (select x from unnest(sequence({}, {})) as s(x)) s on t.k = s.x when not matched then insert values (x, x)"
    assert athena.fails(merge.format(200, 300)).startswith(reason)
    assert athena.rows("select count(*), sum(v) from t") == [["101", str(101 * 102 // 2)]]
    athena.ok(merge.format(200, 299))
    assert athena.rows("select count(*) from t") == [["201"]]


def test_a_query_has_at_most_262144_bytes(athena: Athena) -> None:
    """Bytes in UTF-8, not characters."""
    longest = "select length('{}')"
    room = 262_144 - len(longest.format(""))
    assert athena.rows(longest.format("x" * room)) == [[str(room)]]
    assert athena.fails(longest.format("x" * (room + 1))).startswith("INVALID_INPUT")
    assert athena.fails(longest.format("ü" * (room // 2 + 1))).startswith("INVALID_INPUT")


@pytest.fixture
def typed(athena: Athena) -> Athena:
    """One row of many types."""
    athena.iceberg(
        "t",
        "select 1 as i, cast(1 as bigint) as l, 1.5e0 as f, cast(1.5 as decimal(4,1)) as c, 'a' as s, date '2013-01-01' as d, "
        "cast(timestamp '2013-01-01 00:00:00' as timestamp(6)) as t, true as b, array[1] as a",
    )
    return athena


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        # Where a common type exists the value is cast to the column's, as an INSERT does (Trino 435).
        ("l", "2", "2"), ("f", "2", "2.0"), ("f", "2.5", "2.5"), ("c", "2", "2.0"), ("c", "2.25", "2.3"),
        ("t", "date '2014-01-01'", "2014-01-01 00:00:00.000000"), ("t", "timestamp '2014-01-01 10:00:00.123'", "2014-01-01 10:00:00.123000"),
        ("s", "null", None), ("a", "array[2]", "[2]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("statement", [
    "update t set {} = {}",
    "merge into t using (select 1 as x) s on t.i = s.x when matched then update set {} = {}",
    "insert into t ({}) values ({})",
])  # fmt: skip
def test_values_are_stored_as_the_column_has_them(
    typed: Athena, statement: str, column: str, value: str, stored: str | None
) -> None:
    typed.ok(statement.format(column, value))
    last = f"select {column} from t order by i nulls first limit 1"
    assert typed.rows(last) == [[stored]]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("i", "'1'"), ("i", "date '2013-01-01'"), ("i", "true"), ("s", "1"), ("s", "date '2013-01-01'"), ("s", "true"), ("d", "'2013-01-01'"),
        ("d", "1"), ("t", "'2013-01-01 00:00:00'"), ("b", "1"), ("b", "'true'"), ("f", "'1.5'"), ("c", "'1.5'"), ("a", "1"), ("a", "array['x']"), ("s", "X'61'"),
    ],
)  # fmt: skip
def test_values_of_another_type_are_refused(typed: Athena, column: str, value: str) -> None:
    for statement in (
        "insert into t ({}) values ({})", "update t set {} = {}",
        "merge into t using (select 1 as x) s on t.i = s.x when matched then update set {} = {}",
        "merge into t using (select 9 as x) s on t.i = s.x when not matched then insert ({}) values ({})",
    ):  # fmt: skip
        assert typed.fails(statement.format(column, value)).startswith("TYPE_MISMATCH: line 1:")
    assert typed.rows('select count(*) from "t$snapshots"') == [["1"]]


@pytest.mark.parametrize(
    ("value", "column"), [("bigint '3000000000'", "i"), ("decimal '99999.9'", "c"), ("1e300", "i")]
)
def test_values_out_of_range_fail(typed: Athena, value: str, column: str) -> None:
    failed = typed.fails(f"insert into t ({column}) select {value}")
    assert failed.startswith(("INVALID_CAST_ARGUMENT", "NUMERIC_VALUE_OUT_OF_RANGE"))
    assert typed.rows("select count(*) from t") == [["1"]]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("create table u with (external_location='$at') as select cast(timestamp '2013-01-01 00:00:00' as timestamp(6)) as x", "timestamp(6)"),
        ("create table u with (table_type='iceberg', is_external=false, location='$at') as select timestamp '2013-01-01 00:00:00.000' as x", 'Use "timestamp(6)"'),
        ("create table u with (table_type='iceberg', is_external=false, location='$at') as select cast(1 as tinyint) as x", "tinyint"),
        ("create table u with (table_type='iceberg', is_external=false, location='$at') as select cast(1 as smallint) as x", "smallint"),
        ("create table u with (table_type='iceberg', is_external=false, location='$at') as select json '1' as x", "json"),
        ("create table u with (table_type='iceberg', is_external=false, location='$at') as select interval '1' day as x", "interval"),
        ("create table u with (external_location='$at') as select json '1' as x", "json"),
        ("create table u with (external_location='$at') as select null as x", "COLUMN_TYPE_UNKNOWN"),
        ("create table u with (external_location='$at') as select 1", "MISSING_COLUMN_NAME"),
        ("create table u with (external_location='$at') as select 1 as x, 2 as x", "DUPLICATE_COLUMN_NAME"),
        ("create table u with (table_type='iceberg', is_external=false) as select 1 as x", "location"),
    ],
)  # fmt: skip
def test_tables_that_athena_does_not_create(athena: Athena, sql: str, reason: str) -> None:
    assert reason in athena.fails(sql.replace("$at", athena.location("u")))
    assert "TABLE_NOT_FOUND" in athena.fails("select * from u")
