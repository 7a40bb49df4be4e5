# ruff: noqa: E501 (a statement reads best in one line)
"""SHOW, DESCRIBE and MSCK REPAIR TABLE."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Athena

DROPPED = ("CreateTime", "UpdateTime", "VersionId", "CatalogId", "CreatedBy", "LastAccessTime")


def glue_table(athena: Athena, name: str) -> dict[str, Any]:
    """A table in Glue without what differs between two of the same."""
    found = athena.aws.client("glue").get_table(DatabaseName=athena.database, Name=name)["Table"]
    return {k: v for k, v in found.items() if k not in DROPPED}


@pytest.mark.parametrize(
    "clauses",
    [
        "comment 'it''s' partitioned by (day date comment 'of arrival', kind string) row format serde 'org.openx.data.jsonserde.JsonSerDe' with serdeproperties ('case.insensitive'='TRUE')",
        r"row format delimited fields terminated by '\t' escaped by '\\' null defined as '\\N'",
        "stored as parquet",
        "partitioned by (day string) stored as orc",
    ],
)  # fmt: skip
def test_show_create_table_makes_the_same_hive_table(athena: Athena, clauses: str) -> None:
    head = "create external table t (a int comment 'first', b struct<c:string,d:array<int>>)"
    athena.ok(
        f"{head} {clauses} location '{athena.location('t')}' tblproperties ('projection.enabled'='false')"
    )
    before = glue_table(athena, "t")
    statement = "\n".join(str(row[0]) for row in athena.rows("show create table t"))
    assert statement.startswith("CREATE EXTERNAL TABLE `t`(\n  `a` int COMMENT 'first', \n")
    athena.ok("drop table t")
    athena.ok(statement)
    assert glue_table(athena, "t") == before


def test_show_create_table_makes_the_same_iceberg_table(athena: Athena) -> None:
    athena.ok(
        "create table t (a int, at timestamp, name string comment 'n') partitioned by (day(at), bucket(4, name), truncate(2, name), a) "
        f"location '{athena.location('t')}' tblproperties ('table_type'='iceberg', 'vacuum_min_snapshots_to_keep'='2')"
    )
    statement = "\n".join(str(row[0]) for row in athena.rows("show create table t"))
    assert "PARTITIONED BY (day(`at`), bucket(4, `name`), truncate(2, `name`), `a`)" in statement
    athena.ok("drop table t")
    athena.ok(statement)
    assert "\n".join(str(row[0]) for row in athena.rows("show create table t")) == statement


def test_describe_names_partition_keys_twice(athena: Athena) -> None:
    athena.ok(
        f"create external table t (a int) partitioned by (day string) stored as parquet location '{athena.location('t')}'"
    )
    lines = [str(row[0]) for row in athena.rows("describe t")]
    assert [line.split("\t")[0].strip() for line in lines] == [
        "a", "day", "", "# Partition Information", "# col_name", "", "day",
    ]  # fmt: skip


def test_repair_adds_the_folders_that_are_partitions(athena: Athena) -> None:
    place = f"s3://{athena.bucket}/t"
    athena.ok(
        f"create external table t (a string) partitioned by (day string, kind string) row format serde 'org.openx.data.jsonserde.JsonSerDe' location '{place}/'"
    )
    for folder in ("day=2013-01-01/kind=a%2Fb", "day=2013-01-02/kind=c", "Day=2013-01-03/kind=c", "day=2013-01-04", "2013/01/05"):  # fmt: skip
        athena.put(f"t/{folder}/x.json", b'{"a": "x"}\n')
    athena.ok(
        f"alter table t add partition (day='2013-01-02', kind='c') location '{place}/day=2013-01-02/kind=c/'"
    )
    execution = athena.ok("MSCK REPAIR TABLE t")
    assert execution["StatementType"] == "DDL"
    assert athena.rows("select day, kind from t order by day") == [
        ["2013-01-01", "a/b"],
        ["2013-01-02", "c"],
    ]
    assert athena.rows("msck repair table t") == []
    athena.put("t/day=2013-01-06/kind=c/x.json", b'{"a": "x"}\n')
    assert athena.rows("msck repair table t")[1] == [
        "Repair: Added partition to metastore t:day=2013-01-06/kind=c"
    ]


def test_more_partitions_than_a_page_are_shown(athena: Athena) -> None:
    for start in (0, 100, 200):
        query = f"select 'x' as a, cast(n as varchar) as k from unnest(sequence({start}, {start + 99})) as t(n)"
        if start:
            athena.ok(f"insert into t {query}")
        else:
            athena.ok(
                f"create table t with (external_location='{athena.location('t')}', partitioned_by=array['k']) as {query}"
            )
    assert len(athena.rows("show partitions t")) == 300


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("show create table v", "NOT_SUPPORTED: v is a view"), ("show create table nope", "TABLE_NOT_FOUND"),
        ("show create view i", "NOT_SUPPORTED: i is not a view"), ("describe formatted i", "NOT_SUPPORTED: the statement describe formatted"),
        ("msck repair table i", "NOT_SUPPORTED: Table i is not a partitioned Hive table"),
        ("show partitions h", "NOT_SUPPORTED"), ("show functions", "NOT_SUPPORTED: the statement show functions"),
        ("analyze i compute statistics", "NOT_SUPPORTED: the statement analyze"), ("truncate table i", "NOT_SUPPORTED: the statement truncate"),
        ("call system.x()", "NOT_SUPPORTED: the statement call"), ("grant select on i to x", "NOT_SUPPORTED: the statement grant"),
    ],
)  # fmt: skip
def test_refusals(athena: Athena, sql: str, reason: str) -> None:
    athena.iceberg("i", "select 1 as a")
    athena.ok("create view v as select 1 as a")
    athena.ok(
        f"create external table h (a int) stored as parquet location '{athena.location('h')}'"
    )
    assert athena.fails(sql).startswith(reason)


def test_a_bucketed_table_is_shown_as_it_was_made(athena: Athena) -> None:
    where = athena.location("t")
    athena.ok(
        f"create external table t (a int, b string) partitioned by (d date) clustered by (a, `b`) "
        f"into 4 buckets stored as parquet location '{where}'"
    )
    shown = [line for (line,) in athena.rows("show create table t")]
    at = shown.index("CLUSTERED BY ( ")
    assert shown[at : at + 4] == ["CLUSTERED BY ( ", "  a, ", "  b) ", "INTO 4 BUCKETS"]
    athena.ok("drop table t")
    athena.ok("\n".join(str(line) for line in shown))
    assert [line for (line,) in athena.rows("show create table t")] == shown
    glue = athena.aws.client("glue")
    found = glue.get_table(DatabaseName=athena.database, Name="t")["Table"]
    storage = {**found["StorageDescriptor"], "SortColumns": [{"Column": "a", "SortOrder": 1}]}
    table = {"Name": "t", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage}
    glue.update_table(DatabaseName=athena.database, TableInput=table)
    assert "sorted buckets" in athena.fails("show create table t")
