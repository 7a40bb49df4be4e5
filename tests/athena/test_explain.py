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
        ("explain (type distributed) select 1", "NOT_SUPPORTED: EXPLAIN (TYPE DISTRIBUTED"),
        ("explain drop table days", "NOT_SUPPORTED: EXPLAIN of DROP_TABLE"),
        ("explain unload (select 1 as a) to 's3://b/x/' with (format='json')", "NOT_SUPPORTED: EXPLAIN of UNLOAD"),
        ("explain selec 1", "SYNTAX_ERROR"), ("explain", "SYNTAX_ERROR"),
    ],
)  # fmt: skip
def test_refusals(athena: Athena, sql: str, reason: str) -> None:
    assert athena.fails(sql).startswith(reason)


WRITES = {
    "create table made with (external_location='{at}') as select a, day from days where day = '2013-01-02'": ("TableWriter", "made", "a, day"),
    "insert into days select a + 1, b, day from days where day = '2013-01-02'": ("TableWriter", "days", "a, b, day"),
    "insert into names (name) select b from days where day = '2013-01-02'": ("TableWriter", "names", "a, name"),
    "merge into names n using (select a, b from days where day = '2013-01-02') d on n.a = d.a when matched then delete when not matched then insert values (d.a, d.b)": ("MergeWriter", "names", "a, name"),
    "update names set name = 'x' where a in (select a from days where day = '2013-01-02')": ("MergeWriter", "names", "a, name"),
    "delete from names where a in (select a from days where day = '2013-01-02')": ("MergeWriter", "names", "a, name"),
}  # fmt: skip


@pytest.mark.parametrize("statement", WRITES)
def test_a_statement_that_writes_is_planned_and_writes_nothing(
    days: Athena, statement: str
) -> None:
    """The nodes are those of Trino's plans: TableCommit above TableWriter or MergeWriter."""
    writer, table, columns = WRITES[statement]
    sql = statement.format(at=days.location("made"))
    before = state(days)
    lines = plan(days, f"explain {sql}").split("\n")
    target = f"awsdatacatalog.{days.database}.{table}"
    at = lines.index(f"- TableCommit[target: {target}]")
    assert lines[at + 1] == f"    - {writer}[columns: {columns}]"
    assert lines[at + 2].startswith("        - ")
    read = "\n".join(lines[:at]).split("TableScan[")
    (source,) = [s for s in read if s.startswith(f"awsdatacatalog.{days.database}.days]")]
    assert "pruned by: day = '2013-01-02'\n    partitions: 1\n    files: 1" in source
    body = json.loads(plan(days, f"explain (format json) {sql}").removeprefix("Query Plan\n"))
    (commit,) = body["plan"]
    assert (commit["name"], commit["details"]) == ("TableCommit", {"target": target})
    assert [child["name"] for child in commit["children"]] == [writer]
    assert plan(days, f"explain (type validate) {sql}") == "Valid\ntrue"
    assert state(days) == before


def state(athena: Athena) -> tuple[object, ...]:
    """The rows, the tables and the objects that there are."""
    s3 = athena.aws.client("s3").list_objects_v2(Bucket=athena.bucket)["Contents"]
    objects = {o["Key"] for o in s3 if not o["Key"].startswith("results/")}
    rows = [athena.rows(f"select * from {t} order by 1") for t in ("days", "names")]
    return *rows, athena.rows("show tables"), objects


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("explain create table days as select 1 as a", "TABLE_ALREADY_EXISTS"),
        ("explain create table made as select 1", "MISSING_COLUMN_NAME"),
        ("explain create table made with (nope=1) as select 1 as a", "NOT_SUPPORTED: the table property nope"),
        ("explain insert into days select 1, 2, 'x'", "TYPE_MISMATCH"), ("explain insert into nope select 1", "TABLE_NOT_FOUND"),
        ("explain (type validate) insert into days select nope from days", "COLUMN_NOT_FOUND"),
        ("explain delete from days", "NOT_SUPPORTED: Modifying Hive table rows"),
        ("explain update names set nope = 1", "COLUMN_NOT_FOUND"), ("explain (type validate) update names set a = 'x'", "TYPE_MISMATCH"),
        ("explain merge into names n using days d on n.a = d.a when matched then update set nope = 1", "COLUMN_NOT_FOUND"),
    ],
)  # fmt: skip
def test_a_statement_that_would_fail_is_not_planned(days: Athena, sql: str, reason: str) -> None:
    assert days.fails(sql).startswith(reason)


def test_parameters_and_tables_that_are_there(days: Athena) -> None:
    made = days.run("explain delete from names where a = ?", ExecutionParameters=["1"])
    assert made["Status"]["State"] == "SUCCEEDED", made["Status"]
    assert days.rows("select a from names") == [["1"]]
    found = plan(days, "explain create table if not exists days as select a from names")
    assert "TableWriter" not in found
    assert "TableScan" not in found
