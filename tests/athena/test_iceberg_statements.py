# ruff: noqa: E501 (a statement reads best in one line)
"""Iceberg tables: properties, maintenance by partition, time travel, hidden columns, refusals."""

from __future__ import annotations

import io
import time

import pyarrow.parquet as pq
import pytest

from .conftest import Athena
from .test_iceberg import pyiceberg_rows


@pytest.fixture
def parts(athena: Athena) -> Athena:
    """A table in two identity partitions and a hidden one, of several small files with deletes."""
    rows = "select * from (values (1, 1, timestamp '2013-01-01 00:00:00'), (2, 2, timestamp '2013-01-02 00:00:00'), (null, 3, null)) as t(k, n, at)"
    athena.iceberg(
        "parts",
        f"select cast(k as integer) as k, cast(n as bigint) as n, cast(at as timestamp(6)) as at from ({rows})",
        "'k', 'day(at)'",
    )
    for number in (10, 20):
        athena.ok(
            f"insert into parts select cast(k as integer), cast(n + {number} as bigint), cast(at as timestamp(6)) from ({rows})"
        )
    athena.ok("delete from parts where n in (11, 22)")
    return athena


def test_optimize_where_rewrites_the_partitions_that_it_names(parts: Athena) -> None:
    before = parts.rows("select k, n from parts order by n")
    files = 'select count(*), sum(case when content = 1 then 1 else 0 end) from "parts$files"'
    assert parts.rows(files) == [["11", "2"]]
    parts.ok("optimize parts rewrite data using bin_pack where k = 1")
    assert parts.rows(files) == [["8", "1"]]
    assert parts.rows("select k, n from parts order by n") == before
    parts.ok("optimize parts rewrite data using bin_pack where k is null or k > 5")
    assert parts.rows(files) == [["6", "1"]]
    parts.ok("optimize parts rewrite data using bin_pack")
    assert parts.rows(files) == [["3", "0"]]
    assert parts.rows("select k, n from parts order by n") == before
    assert len(pyiceberg_rows(parts, "parts")) == len(before)
    assert parts.ok("optimize parts rewrite data using bin_pack where k = 1")


@pytest.mark.parametrize("where", ["n = 1", "at > timestamp '2013-01-01 00:00:00'", "k = 1 and n = 1", "1 = 1", "nope = 1"])  # fmt: skip
def test_optimize_where_on_what_is_no_partition_is_refused(parts: Athena, where: str) -> None:
    reason = parts.fails(f"optimize parts rewrite data using bin_pack where {where}")
    assert reason.startswith("NOT_SUPPORTED: Unexpected FilterNode")


def test_time_travel_by_an_expression(parts: Athena) -> None:
    count = "select count(*) from parts for timestamp as of"
    assert parts.rows(f"{count} (current_timestamp + interval '1' minute)") == [["7"]]
    assert "No version history" in parts.fails(f"{count} (current_timestamp - interval '1' day)")
    first = parts.rows(
        'select snapshot_id, committed_at from "parts$snapshots" order by committed_at limit 1'
    )[0]
    assert parts.rows(f"select count(*) from parts for version as of {first[0]}") == [["3"]]
    assert parts.rows(f"select count(*) from parts for system_version as of {first[0]}") == [["3"]]
    assert parts.rows(f"{count} timestamp '{first[1]}'") == [["3"]]
    shifted = f"timestamp '{str(first[1]).removesuffix(' UTC')} Europe/Berlin'"
    assert "No version history" in parts.fails(f"{count} {shifted}")
    assert "INVALID_ARGUMENTS" in parts.fails("select 1 from parts for version as of 1")
    assert "INVALID_ARGUMENTS" in parts.fails("select 1 from parts for timestamp as of 5")


def test_the_path_of_a_row_and_the_references(parts: Athena) -> None:
    paths = parts.rows('select distinct "$path" from parts where k = 2')
    listed = parts.rows("""select file_path from "parts$files" where content = 0""")
    assert len(paths) == 2 and all(path in listed for path in paths)
    assert len(parts.rows("select * from parts")[0]) == 3
    assert parts.rows('select name, type from "parts$refs"') == [["main", "BRANCH"]]
    for kind in ("all_entries", "metadata_log_entries", "properties"):
        assert "NOT_SUPPORTED" in parts.fails(f'select * from "parts${kind}"')


@pytest.mark.parametrize(("asked", "written"), [("SNAPPY", "SNAPPY"), ("gzip", "GZIP"), ("none", "UNCOMPRESSED")])  # fmt: skip
def test_files_have_the_tables_compression(athena: Athena, asked: str, written: str) -> None:
    athena.ok(
        f"create table t with (table_type='iceberg', is_external=false, location='{athena.location('t')}', "
        f"write_compression='{asked}', vacuum_min_snapshots_to_keep=3) as select 1 as a"
    )
    assert compression(athena) == {written}
    athena.ok("alter table t set tblproperties ('write_compression'='zstd')")
    athena.ok("insert into t select 2")
    assert compression(athena) == {written, "ZSTD"}
    assert "'vacuum_min_snapshots_to_keep'='3'" in str(athena.rows("show create table t"))


def compression(athena: Athena) -> set[str]:
    """The codecs of a table's files."""
    found = set()
    for (path,) in athena.rows('select file_path from "t$files"'):
        key = str(path).removeprefix(f"s3://{athena.bucket}/")
        body = athena.aws.client("s3").get_object(Bucket=athena.bucket, Key=key)["Body"].read()
        found.add(pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0).compression)
    return found


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("create table u (a int) location '$at' tblproperties ('table_type'='iceberg', 'format'='orc')", "NOT_SUPPORTED: the Iceberg format orc"),
        ("create table u (a int) location '$at' tblproperties ('table_type'='iceberg', 'nope'='1')", "NOT_SUPPORTED: Unsupported table property key: nope"),
        ("create table u (a int) location '$at' tblproperties ('table_type'='iceberg', 'write_compression'='lz4')", "NOT_SUPPORTED: write_compression lz4"),
        ("create table u (a tinyint) location '$at' tblproperties ('table_type'='iceberg')", "NOT_SUPPORTED: Type not supported for Iceberg: tinyint"),
        ("create external table u (a int) location '$at' tblproperties ('table_type'='iceberg')", "NOT_SUPPORTED: External keyword not supported for table type ICEBERG"),
        ("create table u (a int) partitioned by (b string) location '$at' tblproperties ('table_type'='iceberg')", "NOT_SUPPORTED: the partition columns"),
        ("create table u (a int) comment 'x' location '$at' tblproperties ('table_type'='iceberg')", "NOT_SUPPORTED"),
        ("create table u (a int) stored as parquet location '$at' tblproperties ('table_type'='iceberg')", "NOT_SUPPORTED"),
        ("create table u (a int) location '$at'", "NOT_SUPPORTED: CREATE TABLE without EXTERNAL"),
        ("create table u with (table_type='iceberg', location='$at', format='avro') as select 1 as a", "NOT_SUPPORTED: the Iceberg format avro"),
        ("create table u with (table_type='iceberg', location='$at', partitioned_by=array['a']) as select 1 as a", "NOT_SUPPORTED: the table property partitioned_by"),
        ("create table u with (table_type='iceberg', location='$at', bucketed_by=array['a'], bucket_count=2) as select 1 as a", "NOT_SUPPORTED: the table property bucket_count"),
        ("create table u with (table_type='iceberg', location='$at') as select time '01:02:03' as t", "NOT_SUPPORTED: Type not supported for Iceberg: time(0)"),
        ("create table u with (external_location='$at') as select time '01:02:03' as t", "NOT_SUPPORTED: Unsupported Hive type: time(0)"),
        ("create table u with (external_location='$at') as select ipaddress '10.0.0.1' as t", "NOT_SUPPORTED: Unsupported Hive type: ipaddress"),
        ("create table u with (external_location='$at') as select current_time as t", "FUNCTION_NOT_FOUND"),
        ("alter table parts set tblproperties ('nope'='1')", "NOT_SUPPORTED: Unsupported table property key: nope"),
        ("alter table parts drop column k", "NOT_SUPPORTED: Cannot drop partition field: k"),
        ("alter table parts replace columns (n bigint)", "NOT_SUPPORTED: REPLACE COLUMNS is not supported for Iceberg tables"),
        ("alter table parts change column n k bigint", "COLUMN_ALREADY_EXISTS"), ("alter table parts change column n n bigint after nope", "COLUMN_NOT_FOUND"),
        ("alter table parts change column n n int", "NOT_SUPPORTED: Cannot change column type"),
        ("alter table parts change column k k struct<a:int>", "NOT_SUPPORTED: Cannot change column type"),
        ("alter table parts add partition (k=1)", "NOT_SUPPORTED"), ("alter table parts set location 's3://b/x'", "NOT_SUPPORTED"),
        ("alter table parts rename column n to m", "NOT_SUPPORTED: the statement alter table parts rename"),
        ("delete from h where a = 1", "NOT_SUPPORTED: Modifying Hive table rows"), ("update h set a = 1", "NOT_SUPPORTED: Modifying Hive table rows"),
        ("merge into parts t using (select 1 as n) s on t.n = s.n when not matched by source then delete", "NOT_SUPPORTED: WHEN NOT MATCHED BY SOURCE"),
        ("merge into parts t using (select 1 as n) s on t.n = s.n when not matched then delete", "SYNTAX_ERROR"),
        ("merge into parts t using (select 1 as n) s on t.n = s.n when not matched then update set n = 1", "SYNTAX_ERROR"),
        ("merge into parts t using (select 1 as n) s on t.n = s.n when matched then insert (n) values (1)", "SYNTAX_ERROR"),
        ("merge into h t using (select 1 as a) s on t.a = s.a when matched then delete", "NOT_SUPPORTED: Modifying Hive table rows"),
        ("vacuum h", "NOT_SUPPORTED"), ("optimize h rewrite data using bin_pack", "NOT_SUPPORTED"), ("insert overwrite parts select 1, 2, null", ""),
    ],
)  # fmt: skip
def test_refusals(parts: Athena, statement: str, reason: str) -> None:
    parts.ok(f"create external table h (a int) stored as parquet location '{parts.location('h')}'")
    assert parts.fails(statement.replace("$at", parts.location("u"))).startswith(reason)


def test_a_nested_type_is_not_changed_in_silence(athena: Athena) -> None:
    athena.iceberg("t", "select cast(row(1) as row(a integer)) as r")
    assert "Cannot change column type" in athena.fails(
        "alter table t change column r r struct<a:bigint>"
    )
    athena.ok("alter table t change column r s struct<a:int>")
    assert athena.rows("select s.a from t") == [["1"]]


def test_vacuum_keeps_what_its_properties_say(athena: Athena) -> None:
    athena.ok(
        f"create table t (a int) location '{athena.location('t')}' tblproperties ('table_type'='iceberg', "
        "'vacuum_max_snapshot_age_seconds'='1', 'vacuum_min_snapshots_to_keep'='2')"
    )
    for number in range(4):
        athena.ok(f"insert into t values {number}")
    time.sleep(1.5)
    assert athena.ok("vacuum t")["SubstatementType"] == "VACUUM_TABLE"
    assert athena.rows('select count(*) from "t$snapshots"') == [["2"]]
    assert athena.rows("select count(*) from t") == [["4"]]
