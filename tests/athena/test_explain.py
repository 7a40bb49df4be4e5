# ruff: noqa: E501 (a statement reads best in one line)
"""EXPLAIN: the plan names what is read and what is pruned, and reads nothing."""

from __future__ import annotations

import json

import pytest

from .conftest import Athena


@pytest.fixture
def days(athena: Athena) -> Athena:
    """A partitioned Hive table and an Iceberg one."""
    athena.ok(
        f"create table days with (table_type='hive', external_location='{athena.location('p')}', "
        "partitioned_by=array['day']) as select * from (values (1, 'x', '2013-01-01'), (2, 'y', '2013-01-02')) as t(a, b, day)"
    )
    athena.iceberg("names", "select 1 as a, 'one' as name")
    return athena


def plan(athena: Athena, sql: str) -> str:
    """The lines of a plan, its header first."""
    execution = athena.ok(sql)
    assert (execution["StatementType"], execution["SubstatementType"]) == ("UTILITY", "EXPLAIN")
    assert execution["Statistics"]["DataScannedInBytes"] == 0
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(".txt")
    answer = athena.aws.client("athena").get_query_results(
        QueryExecutionId=execution["QueryExecutionId"]
    )
    lines = [row["Data"][0]["VarCharValue"] for row in answer["ResultSet"]["Rows"]]
    return "\n".join(lines)


def test_a_plan_shows_scans_with_what_is_left_to_read(days: Athena) -> None:
    found = plan(
        days,
        "explain select name, count(*) from days join names using (a) where day = '2013-01-02' group by name",
    )
    assert found.startswith("Query Plan\n")
    scans = found.split("TableScan[")[1:]
    assert scans[0].startswith(f"awsdatacatalog.{days.database}.days]\n    columns: a, day\n")
    assert "pruned by: day = '2013-01-02'\n    partitions: 1\n    files: 1" in scans[0]
    assert f"{days.database}.names]\n    columns: a, name\n    files: 1" in scans[1]
    assert "HASH_JOIN" in found
    assert "/" not in found.replace("//", "")  # nothing of this machine's disk


def test_a_plan_as_json(days: Athena) -> None:
    body = plan(days, "explain (format json) select a from days").removeprefix("Query Plan\n")
    found = json.loads(body)
    assert [(s["columns"], s["partitions"], s["files"]) for s in found["scans"]] == [(["a"], 2, 2)]
    assert found["plan"]


def test_a_query_is_validated(days: Athena) -> None:
    assert plan(days, "EXPLAIN (TYPE VALIDATE) select a from days") == "Valid\ntrue"
    assert "COLUMN_NOT_FOUND" in days.fails("explain (type validate) select nope from days")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("explain analyze select 1", "NOT_SUPPORTED: EXPLAIN ANALYZE"),
        ("explain (type io, format json) select 1", "NOT_SUPPORTED: EXPLAIN (TYPE IO"),
        ("explain (format graphviz) select 1", "NOT_SUPPORTED: EXPLAIN (TYPE LOGICAL, FORMAT GRAPHVIZ)"),
        ("explain (format x y) select 1", "NOT_SUPPORTED: EXPLAIN"),
        ("explain insert into days select 1, '', ''", "NOT_SUPPORTED: EXPLAIN of INSERT"),
        ("explain selec 1", "SYNTAX_ERROR"), ("explain", "SYNTAX_ERROR"),
    ],
)  # fmt: skip
def test_refusals(athena: Athena, sql: str, reason: str) -> None:
    assert athena.fails(sql).startswith(reason)
