# ruff: noqa: E501 (a statement reads best in one line)
"""Partitions of Hive tables: projection in each type, ALTER … PARTITION, what INSERT may write."""

from __future__ import annotations

import pytest

from .conftest import Athena

JSON = "row format serde 'org.openx.data.jsonserde.JsonSerDe'"


def projected(athena: Athena, keys: str, folders: list[str], **properties: str) -> None:
    """A projected table `t`, with a file that names its folder in each folder."""
    listed = ", ".join(f"'{k.replace('__', '.')}'='{v}'" for k, v in properties.items())
    athena.ok(
        f"create external table t (v string) partitioned by ({keys}) {JSON} location 's3://{athena.bucket}/t/' "
        f"tblproperties ('projection.enabled'='true', {listed})"
    )
    for folder in folders:
        athena.put(f"t/{folder}/x.json", f'{{"v": "{folder}"}}\n'.encode())


@pytest.mark.parametrize(
    ("kind", "properties", "folders", "where", "found"),
    [
        ("string", {"type": "date", "range": "2013/01/31,2013/04/30", "format": "yyyy/MM/dd", "interval": "1", "interval.unit": "MONTHS"},
         ["2013/01/31", "2013/02/28", "2013/03/31", "2013/02/27"], "k > '2013/02'", ["2013/02/28", "2013/03/31"]),
        ("string", {"type": "date", "range": "2013-01-01-00,2013-01-02-23", "format": "yyyy-MM-dd-HH", "interval": "6", "interval.unit": "HOURS"},
         ["2013-01-01-06", "2013-01-01-07"], "k < '2013-01-02'", ["2013-01-01-06"]),
        ("int", {"type": "date", "range": "20130101,20130105", "format": "yyyyMMdd"}, ["20130102", "20130106"], "k = 20130102", ["20130102"]),
        ("date", {"type": "date", "range": "2013-01-01,NOW", "format": "yyyy-MM-dd"}, ["2013-01-03"], "k = date '2013-01-03'", ["2013-01-03"]),
        ("string", {"type": "date", "range": "NOW-2MONTHS,NOW+1YEARS", "format": "'dt='yyyy"}, ["dt=1999"], "k > ''", "interval"),
        ("string", {"type": "date", "range": "2013-01,2013-12", "format": "yyyy-MM"}, ["2013-02", "2013-13"], "k > ''", ["2013-02"]),
        ("int", {"type": "integer", "range": "-2,10", "interval": "4"}, ["-2", "2", "3", "10"], "k > -3", ["-2", "10", "2"]),
        ("string", {"type": "integer", "range": "0,12", "digits": "3"}, ["007", "7"], "k >= '000'", ["007"]),
        ("string", {"type": "enum", "values": "a, b,c"}, ["a", "b", "d"], "k in ('a', 'b', 'd')", ["a", "b"]),
        ("int", {"type": "enum", "values": "1,3"}, ["1", "2", "3"], "k < 3", ["1"]),
        ("string", {"type": "injected"}, ["me", "you"], "k = 'me'", ["me"]),
        ("string", {"type": "injected"}, ["me", "you", "x"], "k in ('me', 'you') and v <> ''", ["me", "you"]),
        ("int", {"type": "injected"}, ["5"], "k = 5", ["5"]),
        ("string", {"type": "injected"}, ["me"], "k > 'a'", "CONSTRAINT_VIOLATION: For the injected projected partition column k"),
        ("string", {"type": "injected"}, ["me"], "k = 'me' or v = 'x'", "CONSTRAINT_VIOLATION"),
        ("string", {"type": "enum"}, [], "k = 'a'", "INVALID_TABLE_PROPERTY: Table"), ("string", {}, [], "k = 'a'", "INVALID_TABLE_PROPERTY"),
        ("string", {"type": "list"}, [], "k = 'a'", "INVALID_TABLE_PROPERTY: Unknown projection type: list"),
        ("string", {"type": "date", "range": "2013-01-01,NOW", "format": "yyyy-MM-dd", "interval": "1", "interval.unit": "AGES"}, [], "k > ''", "INVALID_TABLE_PROPERTY: Unknown interval unit"),
        ("string", {"type": "date", "range": "2013-001,NOW", "format": "yyyy-DDD"}, [], "k > ''", "NOT_SUPPORTED: the projection format yyyy-DDD"),
    ],
)  # fmt: skip
def test_projection(
    athena: Athena,
    kind: str,
    properties: dict[str, str],
    folders: list[str],
    where: str,
    found: list[str] | str,
) -> None:
    settings = {f"projection.k.{k}": v.replace("'", "''") for k, v in properties.items()}
    template = f"s3://{athena.bucket}/t/${{k}}/"
    projected(athena, f"k {kind}", folders, **settings, **{"storage.location.template": template})
    query = f"select v from t where {where} order by v"
    if isinstance(found, str):
        assert found in athena.fails(query)
    else:
        assert athena.rows(query) == [[folder] for folder in found]


def test_a_template_names_every_column(athena: Athena) -> None:
    enum = {"projection.k.type": "enum", "projection.k.values": "a,b"}
    projected(
        athena, "k string", [], **enum, **{"storage.location.template": f"s3://{athena.bucket}/t/"}
    )
    assert "storage.location.template lacks ${k}" in athena.fails("select v from t")


def test_an_insert_that_the_projection_would_not_read_is_refused(athena: Athena) -> None:
    integer = {"projection.k.type": "integer", "projection.k.range": "1,20"}
    projected(athena, "k int", [], **integer)
    athena.ok("insert into t values ('x', 3)")
    assert athena.rows("select v, k from t") == [["x", "3"]]
    assert "projection does not read" in athena.fails("insert into t values ('y', 21)")
    athena.ok("alter table t set tblproperties ('projection.k.digits'='2')")
    assert "projection does not read" in athena.fails("insert into t values ('z', 4)")
    athena.ok("insert into t values ('w', 12)")
    listed = athena.aws.client("s3").list_objects_v2(Bucket=athena.bucket, Prefix="t/")["Contents"]
    assert sorted(item["Key"].split("/")[1] for item in listed) == ["k=12", "k=3"]


def test_partitions_are_altered(athena: Athena) -> None:
    place = f"s3://{athena.bucket}"
    for folder in ("one", "two"):
        athena.put(f"{folder}/x.json", f'{{"v": "{folder}"}}\n'.encode())
    athena.ok(
        f"create external table t (v string) partitioned by (day string, n int) {JSON} location '{place}/t/'"
    )
    athena.ok(
        f"alter table t add if not exists partition (day='2013-01-01', n=1) location '{place}/one/' partition (day = '2013-01-02', n=2)"
    )
    athena.ok("alter table t add if not exists partition (day='2013-01-01', n=1)")
    assert "already exists" in athena.fails("alter table t add partition (day='2013-01-01', n=1)")
    assert athena.rows("select v, day, n from t") == [["one", "2013-01-01", "1"]]
    athena.ok(f"alter table t partition (day='2013-01-02', n=2) set location '{place}/two/'")
    athena.ok(
        "alter table t partition (day='2013-01-01', n=1) rename to partition (day='2013-01-09', n=9)"
    )
    assert athena.rows("select v, day, n from t order by v") == [
        ["one", "2013-01-09", "9"],
        ["two", "2013-01-02", "2"],
    ]
    athena.ok(
        "alter table t drop partition (day='2013-01-02', n=2), partition (day='2013-01-09', n=9)"
    )
    assert athena.rows("show partitions t") == []
    athena.ok("alter table t drop if exists partition (day='2013-01-02', n=2)")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("alter table t add partition (day='x')", "INVALID_PARTITION"), ("alter table t add partition (day='x', n=1, m=2)", "INVALID_PARTITION"),
        ("alter table t drop partition (day='x', n=1)", "INVALID_PARTITION"), ("alter table t drop partition (day < 'x', n=1)", "SYNTAX_ERROR"),
        ("alter table t partition (day='x', n=1) set location 's3://b/x/'", "INVALID_PARTITION"),
        ("alter table t add partition (day='x', n=1) locate 's3://b/x/'", "SYNTAX_ERROR"),
        ("alter table t rename to u", "NOT_SUPPORTED"), ("alter table t drop column v", "NOT_SUPPORTED: DROP COLUMN is supported for Iceberg tables only"),
        ("alter table t partition (day='x', n=1) compact 'major'", "NOT_SUPPORTED: the statement alter table t partition"),
        ("alter table t clustered by (v) into 4 buckets", "NOT_SUPPORTED"), ("alter table t not clustered", "NOT_SUPPORTED"),
        ("alter view t set tblproperties ('a'='b')", "NOT_SUPPORTED"), ("create view w (a, b) as select 1, 2", "NOT_SUPPORTED"),
        ("create external table u (a int) skewed by (a) on (1) location 's3://b/x/'", "SYNTAX_ERROR"),
        ("create external table u (a int) row format delimited lines terminated by '|' location 's3://b/x/'", "NOT_SUPPORTED: LINES TERMINATED BY"),
        ("create external table u (a int) stored as rcfile location 's3://b/x/'", "NOT_SUPPORTED: the format rcfile"),
    ],
)  # fmt: skip
def test_refusals(athena: Athena, statement: str, reason: str) -> None:
    athena.ok(
        f"create external table t (v string) partitioned by (day string, n int) {JSON} location '{athena.location('t')}'"
    )
    assert athena.fails(statement).startswith(reason)


def test_a_database_has_properties(athena: Athena) -> None:
    athena.ok(f"alter database {athena.database} set dbproperties ('owner'='ops', 'n'='1')")
    athena.ok(f"alter schema `{athena.database}` set dbproperties ('n'='2')")
    found = athena.aws.client("glue").get_database(Name=athena.database)["Database"]
    assert found["Parameters"] == {"owner": "ops", "n": "2"}


def test_a_view_is_shown_as_it_was_written(athena: Athena) -> None:
    athena.ok("create view v as select count(*) as n -- rows\nfrom (values 1, 2) as t(x)")
    assert athena.rows("show create view v") == [
        [f"CREATE VIEW {athena.database}.v AS"], ["select count(*) as n -- rows"], ["from (values 1, 2) as t(x)"],
    ]  # fmt: skip
