# ruff: noqa: E501 (a statement reads best in one line)
"""Hive tables: JSON, CSV and Parquet files, partitions, bad files, seeds as dbt makes them."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import Athena

OPENX = "row format serde 'org.openx.data.jsonserde.JsonSerDe'"
PROJECTED = """tblproperties ('projection.enabled'='true',
    'projection.year.type'='integer', 'projection.year.range'='2012,2014',
    'projection.month.type'='integer', 'projection.month.range'='1,12', 'projection.month.digits'='2',
    'projection.day.type'='integer', 'projection.day.range'='1,31', 'projection.day.digits'='2')"""


def lines(*records: object) -> bytes:
    return gzip.compress("".join(json.dumps(r) + "\n" for r in records).encode(), mtime=0)


@pytest.fixture
def arrivals(athena: Athena) -> Athena:
    """A JSON table by arrival day, with partition projection, and three days of files."""
    athena.ok(
        f"create external table arrivals (id string, delay string, tags array<string>, "
        f"place struct<city:string,zip:string>) partitioned by (year int, month int, day int) "
        f"{OPENX} location 's3://{athena.bucket}/arrivals/' {PROJECTED}"
    )
    for day in (1, 2, 3):
        athena.put(
            f"arrivals/year=2013/month=01/day={day:02}/part.json.gz",
            lines(
                {
                    "id": f"a{day}",
                    "delay": day,
                    "tags": ["x", "y"],
                    "place": {"city": "NYC", "zip": 10001},
                },
                {"id": f"b{day}", "delay": 1.5, "unknown": {"deep": 1}},
            ),
        )
    return athena


def test_json_leaves_are_text_and_missing_ones_null(arrivals: Athena) -> None:
    assert arrivals.rows("select id, delay, tags, place.city, place.zip, year, month, day from arrivals where day = 1 order by id") == [
        ["a1", "1", "[x, y]", "NYC", "10001", "2013", "1", "1"],
        ["b1", "1.5", None, None, None, "2013", "1", "1"],
    ]  # fmt: skip


def test_static_predicates_prune_projected_partitions(arrivals: Athena) -> None:
    everything = arrivals.scanned("select count(*) from arrivals")
    one = arrivals.scanned(
        "select count(*) from arrivals where year = 2013 and month = 1 and day = 2"
    )
    two = arrivals.scanned(
        "select * from (select * from arrivals) where (year = 2013 and month = 1 and day between 1 and 1) "
        "or (year = 2013 and month = 1 and day between 2 and 2)"
    )
    assert 0 < one < two < everything
    assert arrivals.scanned("select * from arrivals where year = 2012") == 0
    assert arrivals.scanned("select * from arrivals where day = (select 2)") == everything
    assert arrivals.rows("select id from arrivals where year = 2013 and month = 1 and day in (2, 3) order by 1") == [
        ["a2"], ["a3"], ["b2"], ["b3"],
    ]  # fmt: skip


def test_no_objects_and_empty_objects_are_no_rows(arrivals: Athena) -> None:
    arrivals.put("arrivals/year=2013/month=01/day=04/empty.json.gz", b"")
    assert arrivals.rows("select count(*) from arrivals where day = 4") == [["0"]]
    arrivals.ok(
        f"create external table nothing (a string) {OPENX} location 's3://{arrivals.bucket}/nothing/'"
    )
    assert arrivals.rows("select * from nothing") == []


@pytest.mark.parametrize(
    "body",
    [lines({"id": "z"} | {"delay": "x" * 4000})[:40], gzip.compress(b'{"id": "a"}\n{"id": broken\n'), b"no gzip at all"],
    ids=["truncated", "malformed", "plain"],
)  # fmt: skip
def test_a_bad_file_fails_the_query_and_is_named(arrivals: Athena, body: bytes) -> None:
    key = "arrivals/year=2013/month=01/day=05/bad.json.gz"
    arrivals.put(key, body)
    reason = arrivals.fails(
        "select id, delay from arrivals where year = 2013 and month = 1 and day = 5"
    )
    assert reason.startswith("HIVE_BAD_DATA")
    assert f"s3://{arrivals.bucket}/{key}" in reason
    assert arrivals.rows(
        "select count(*) from arrivals where year = 2013 and month = 1 and day = 1"
    ) == [["2"]]


def test_keys_are_found_in_any_case(arrivals: Athena) -> None:
    arrivals.put(
        "arrivals/year=2013/month=01/day=06/x.json.gz",
        lines({"ID": "upper", "Place": {"City": "NYC", "zip": 1}}, {"ID": "b", "tags": ["A:"]}),
    )
    where = "where year = 2013 and month = 1 and day = 6"
    assert arrivals.rows(f"select id, place.city, place, tags from arrivals {where} order by id") == [
        ["b", None, None, "[A:]"], ["upper", "NYC", "{city=NYC, zip=1}", None],
    ]  # fmt: skip
    arrivals.put("arrivals/year=2013/month=01/day=06/y.json.gz", lines({"id": "lower"}))
    assert "'id' in two spellings" in arrivals.fails(f"select id from arrivals {where}")


def test_a_serde_property_that_would_be_lost_is_refused(athena: Athena) -> None:
    athena.put("m/x.json", b'{"ts": "1"}\n')
    athena.ok(
        f"create external table m (a string) {OPENX} with serdeproperties ('mapping.a'='ts') location 's3://{athena.bucket}/m/'"
    )
    assert "serde property mapping.a" in athena.fails("select a from m")


def test_path_pseudo_column_is_not_in_star(arrivals: Athena) -> None:
    where = "where year = 2013 and month = 1 and day = 1 and id = 'a1'"
    (path,) = arrivals.rows(f'select "$path" from arrivals {where}')[0]
    assert path == f"s3://{arrivals.bucket}/arrivals/year=2013/month=01/day=01/part.json.gz"
    assert len(arrivals.rows(f"select * from arrivals {where}")[0]) == 7


def test_a_dbt_seed(athena: Athena) -> None:
    athena.put("seed/s.csv", b'id,name,at\r\n1,"a, ""b""",2013-01-01 10:00:00\r\n2,,\r\n')
    athena.ok(
        f"create external table `{athena.database}`.`s__dbt_tmp` (`id` string, `name` string, `at` string) "
        f"row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde' location 's3://{athena.bucket}/seed/' "
        "tblproperties ('skip.header.line.count'='1')"
    )
    athena.iceberg(
        "s",
        "select cast(nullif(id, '') as integer) as id, cast(nullif(name, '') as varchar) as name, "
        "cast(coalesce(try(date_parse(at, '%Y/%m/%d')), try(date_parse(at, '%Y-%m-%d %H:%i:%s'))) as timestamp(6)) as at "
        "from s__dbt_tmp",
    )
    assert athena.rows("select * from s order by id") == [
        ["1", 'a, "b"', "2013-01-01 10:00:00.000000"], ["2", None, None],
    ]  # fmt: skip


def test_text_tables_are_written_and_read_back(athena: Athena) -> None:
    where = f"location 's3://{athena.bucket}/text/'"
    athena.ok(f"create external table texts (id int, name string, at date) {where}")
    athena.ok("insert into texts values (1, 'a', date '2013-01-01'), (2, null, null)")
    assert athena.rows("select * from texts order by id") == [
        ["1", "a", "2013-01-01"],
        ["2", None, None],
    ]


def test_parquet_ctas_with_partitions(athena: Athena) -> None:
    athena.ok(
        f"create table p with (table_type='hive', external_location='{athena.location('p')}', format='parquet', "
        "partitioned_by=array['day']) as select 1 as a, 'x' as b, '2013-01-01' as day union all select 2, 'y', '2013-01-02'"
    )
    athena.ok("insert into p select 3, 'z', '2013-01-03'")
    assert athena.rows("select a, day from p order by a") == [
        ["1", "2013-01-01"],
        ["2", "2013-01-02"],
        ["3", "2013-01-03"],
    ]
    assert athena.scanned("select a from p where day = '2013-01-01'") < athena.scanned(
        "select a from p"
    )
    assert athena.rows("show partitions p") == [
        ["day=2013-01-01"],
        ["day=2013-01-02"],
        ["day=2013-01-03"],
    ]


def test_parquet_files_of_different_shapes(athena: Athena) -> None:
    for name, columns in {"one": {"A": [1]}, "two": {"a": [2], "b": ["x"]}}.items():
        body = io.BytesIO()
        pq.write_table(pa.table(columns), body)
        athena.put(f"mixed/{name}.parquet", body.getvalue())
    athena.ok(
        f"create external table mixed (a bigint, b string, c int) stored as parquet location 's3://{athena.bucket}/mixed/'"
    )
    assert athena.rows("select a, b, c from mixed order by a") == [
        ["1", None, None],
        ["2", "x", None],
    ]


def test_projection_by_date_enum_and_injected(athena: Athena) -> None:
    athena.ok(
        f"create external table d (v string) partitioned by (kind string, day string, who string) {OPENX} "
        f"location 's3://{athena.bucket}/d/' tblproperties ('projection.enabled'='true', "
        "'projection.kind.type'='enum', 'projection.kind.values'='a,b', 'projection.day.type'='date', "
        "'projection.day.format'='yyyy-MM-dd', 'projection.day.range'='2013-01-01,2013-01-31', "
        f"'projection.who.type'='injected', 'storage.location.template'='s3://{athena.bucket}/d/${{kind}}/${{day}}/${{who}}/')"
    )
    athena.put("d/a/2013-01-02/me/x.json.gz", lines({"v": "found"}))
    assert athena.rows(
        "select v, day from d where kind = 'a' and day >= '2013-01-02' and who = 'me'"
    ) == [["found", "2013-01-02"]]
    assert "injected" in athena.fails("select v from d")


def test_views_are_expanded_and_pruned_through(arrivals: Athena) -> None:
    name = arrivals.database
    arrivals.ok(
        f'create or replace view "awsdatacatalog"."{name}"."v" as select id, day, cast(delay as double) as delay, year, month from arrivals'
    )
    assert arrivals.rows("select id from v where day = 1 and delay > 1") == [["b1"]]
    assert arrivals.scanned(
        "select id from v where year = 2013 and month = 1 and day = 1"
    ) < arrivals.scanned("select id from v")
    arrivals.ok(f"drop view if exists {name}.v")
    assert "TABLE_NOT_FOUND" in arrivals.fails("select * from v")


@pytest.mark.parametrize("extension", ["bz2", "snappy", "lz4", "deflate"])
def test_a_compression_that_would_be_read_as_text_is_refused(
    athena: Athena, extension: str
) -> None:
    athena.put(f"c/x.{extension}", b"no text\n")
    athena.ok(f"create external table t (a string) location 's3://{athena.bucket}/c/'")
    assert f"NOT_SUPPORTED: the compression {extension} of s3://" in athena.fails("select * from t")


@pytest.mark.parametrize(
    ("kind", "reader"),
    [("DELTA", "org.apache.hadoop.mapred.SequenceFileInputFormat"),
     ("EXTERNAL", "org.apache.hudi.hadoop.HoodieParquetInputFormat"),
     ("EXTERNAL", "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat")],
)  # fmt: skip
def test_tables_whose_files_are_not_their_rows_are_refused(
    athena: Athena, kind: str, reader: str
) -> None:
    athena.put("d/x", b"x\n")
    storage = {
        "Columns": [{"Name": "a", "Type": "string"}], "Location": f"s3://{athena.bucket}/d/", "InputFormat": reader,
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"},
    }  # fmt: skip
    athena.aws.client("glue").create_table(
        DatabaseName=athena.database,
        TableInput={"Name": "t", "Parameters": {"table_type": kind}, "StorageDescriptor": storage},
    )
    assert athena.fails("select * from t").startswith("NOT_SUPPORTED: the ")
