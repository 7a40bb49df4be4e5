# ruff: noqa: E501 (a statement reads best in one line)
"""UNLOAD and the formats of Hive tables: other readers agree with what is written."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from .conftest import Athena

ROWS = (
    "select 1 as id, 'a' as name, decimal '1.50' as amount, date '2013-01-01' as day, "
    "timestamp '2013-01-01 10:00:00.123' as at, true as ok, 'p' as part "
    "union all select 2, null, null, null, null, null, 'q'"
)


def objects(athena: Athena, location: str) -> dict[str, bytes]:
    """The objects below a location."""
    s3 = athena.aws.client("s3")
    prefix = location.removeprefix(f"s3://{athena.bucket}/") + "/"
    listed = s3.list_objects_v2(Bucket=athena.bucket, Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix): s3.get_object(Bucket=athena.bucket, Key=item["Key"])["Body"].read()
        for item in listed
    }  # fmt: skip


def test_unload_names_its_files_in_a_manifest(athena: Athena) -> None:
    location = athena.location("u")
    execution = athena.ok(f"UNLOAD ({ROWS}) TO '{location}' WITH (format = 'PARQUET')")
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "UNLOAD")
    manifest = execution["Statistics"]["DataManifestLocation"]
    key = manifest.removeprefix(f"s3://{athena.bucket}/")
    named = athena.aws.client("s3").get_object(Bucket=athena.bucket, Key=key)["Body"].read()
    found = objects(athena, location)
    assert sorted(named.decode().split()) == sorted(f"{location}/{name}" for name in found)
    (body,) = found.values()
    table = pq.read_table(io.BytesIO(body)).sort_by("id")
    assert table["amount"].to_pylist() == [pytest.approx(1.5), None]
    assert pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0).compression == "GZIP"


@pytest.mark.parametrize("codec", ["ZLIB", "SNAPPY", "ZSTD", "NONE"])
def test_unload_orc(athena: Athena, codec: str) -> None:
    location = athena.location("u")
    athena.ok(f"unload ({ROWS}) to '{location}' with (format='orc', compression='{codec}')")
    (body,) = objects(athena, location).values()
    file = orc.ORCFile(pa.BufferReader(body))
    assert file.compression == {"NONE": "UNCOMPRESSED"}.get(codec, codec)
    assert sorted(file.read()["id"].to_pylist()) == [1, 2]


def test_unload_json_in_partitions(athena: Athena) -> None:
    location = athena.location("u")
    athena.ok(
        f"unload ({ROWS}) to '{location}/' with (format='json', partitioned_by=ARRAY['part'])"
    )
    found = objects(athena, location)
    assert sorted(name.split("/")[0] for name in found) == ["part=p", "part=q"]
    first = json.loads(gzip.decompress(next(b for n, b in found.items() if n.startswith("part=p"))))
    assert first["id"] == 1
    assert "part" not in first


def test_unload_text(athena: Athena) -> None:
    location = athena.location("u")
    athena.ok(
        f"unload (select id, name, day from ({ROWS})) to '{location}' with (format='textfile', compression='none', field_delimiter=',')"
    )
    (body,) = objects(athena, location).values()
    assert sorted(body.decode().splitlines()) == ["1,a,2013-01-01", "2,\\N,\\N"]
    athena.ok(f"unload (select 1, 2) to '{athena.location('v')}' with (format='textfile')")


def test_unload_of_no_rows_writes_nothing(athena: Athena) -> None:
    location = athena.location("u")
    execution = athena.ok(
        f"unload (select 1 as a where false) to '{location}' with (format='json')"
    )
    assert objects(athena, location) == {}
    assert execution["Statistics"]["DataManifestLocation"]


def refusal(athena: Athena, query: str, properties: str) -> str:
    return athena.fails(f"unload ({query}) to '{athena.location('u')}' with ({properties})")


@pytest.mark.parametrize(
    ("query", "properties", "reason"),
    [
        ("select 1 as a", "compression='gzip'", "INVALID_TABLE_PROPERTY: UNLOAD needs the property format"),
        ("select 1 as a", "format='ion'", "NOT_SUPPORTED: the format ion"),
        ("select 1 as a", "format='parquet', compression='lzo'", "NOT_SUPPORTED: write_compression lzo"),
        ("select 1 as a", "format='parquet', compression_level=3", "NOT_SUPPORTED: the property compression_level"),
        ("select 1 as a", "format='json', field_delimiter=','", "INVALID_TABLE_PROPERTY"),
        ("select array[1] as a", "format='textfile'", "NOT_SUPPORTED: writing a, a column of type array(integer), as text"),
        ("select map(array['a'], array[1]) as a", "format='avro'", "NOT_SUPPORTED: writing a"),
        ("select 1 as a, 2 as b", "format='json', partitioned_by=array['a']", "HIVE_COLUMN_ORDER_MISMATCH"),
        ("select 1 as a", "format='json', partitioned_by=array['a']", "INVALID_TABLE_PROPERTY"),
        ("select timestamp '2013-01-01 00:00:00.123456' as t", "format='parquet'", "NOT_SUPPORTED: Incorrect timestamp precision"),
        ("select x, x as p from unnest(sequence(1, 101)) as t(x)", "format='json', partitioned_by=array['p']", "HIVE_TOO_MANY_OPEN_PARTITIONS"),
    ],
)  # fmt: skip
def test_refusals_of_unload(athena: Athena, query: str, properties: str, reason: str) -> None:
    assert refusal(athena, query, properties).startswith(reason)


def test_unload_wants_an_empty_place(athena: Athena) -> None:
    athena.put("full/x", b"x")
    reason = athena.fails(
        f"unload (select 1 as a) to 's3://{athena.bucket}/full/' with (format='json')"
    )
    assert reason.startswith("HIVE_PATH_ALREADY_EXISTS")
    assert athena.fails("unload (select 1 as a) 's3://b/x'").startswith("SYNTAX_ERROR")


ROUND_TRIPS = [
    ("parquet", "gzip"), ("parquet", "zstd"), ("parquet", "none"), ("orc", "zlib"), ("orc", "snappy"),
    ("avro", "none"), ("json", "gzip"), ("json", "zstd"), ("json", "none"), ("textfile", "gzip"),
    ("textfile", "zstd"), ("textfile", "none"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "codec"), ROUND_TRIPS)
def test_a_table_of_each_format_is_made_extended_and_read(
    athena: Athena, form: str, codec: str
) -> None:
    athena.ok(
        f"create table t with (format='{form}', write_compression='{codec}', external_location='{athena.location('t')}', "
        f"partitioned_by=array['part']) as {ROWS}"
    )
    athena.ok("insert into t (id, name, part) values (3, 'c', 'q')")
    expected = [
        ["1", "a", "1.50", "2013-01-01", "2013-01-01 10:00:00.123", "true", "p"],
        ["2", None, None, None, None, None, "q"],
        ["3", "c", None, None, None, None, "q"],
    ]
    assert athena.rows("select * from t order by id") == expected
    assert athena.rows("select count(*) from t where part = 'q' and name is null") == [["1"]]
    assert athena.scanned("select name from t where part = 'p'") > 0


@pytest.mark.parametrize("form", ["parquet", "orc", "json"])
def test_nested_types_are_read_back(athena: Athena, form: str) -> None:
    athena.ok(
        f"create table t with (format='{form}', external_location='{athena.location('t')}') as "
        "select array[1, 2] as l, cast(row(1, 'x') as row(a integer, b varchar)) as r, map(array['k'], array[1]) as m"
    )
    assert athena.rows("select l, r, m, r.b, element_at(m, 'k') from t") == [
        ["[1, 2]", "{a=1, b=x}", "{k=1}", "x", "1"]
    ]


def test_orc_columns_are_found_by_place_and_by_name_when_asked(athena: Athena) -> None:
    body = pa.BufferOutputStream()
    orc.write_table(pa.table({"_col0": [1], "b": ["x"]}), body)
    athena.put("o/x.orc", body.getvalue().to_pybytes())
    where = f"location 's3://{athena.bucket}/o/'"
    athena.ok(f"create external table by_place (a bigint, c string, d int) stored as orc {where}")
    assert athena.rows("select a, c, d from by_place") == [["1", "x", None]]
    serde = "row format serde 'org.apache.hadoop.hive.ql.io.orc.OrcSerde' with serdeproperties ('orc.column.index.access'='false')"
    athena.ok(f"create external table by_name (a bigint, b string) {serde} stored as orc {where}")
    assert athena.rows("select a, b from by_name") == [[None, "x"]]


@pytest.mark.parametrize("form", ["orc", "avro", "parquet"])
def test_a_file_of_another_format_is_bad_data(athena: Athena, form: str) -> None:
    athena.put("bad/x", b"no such format")
    athena.ok(
        f"create external table t (a int) stored as {form} location 's3://{athena.bucket}/bad/'"
    )
    reason = athena.fails("select a from t")
    assert reason.startswith("HIVE_BAD_DATA: Malformed")
    assert f"s3://{athena.bucket}/bad/x" in reason


def test_an_insert_keeps_the_delimiter_of_a_text_table(athena: Athena) -> None:
    athena.put("csv/a", b"1|x\n2|NIL\n")
    athena.ok(
        "create external table t (id int, name string) row format delimited fields terminated by '|' "
        f"null defined as 'NIL' location 's3://{athena.bucket}/csv/'"
    )
    athena.ok("insert into t values (3, 'y'), (4, null)")
    assert athena.rows("select id, name from t order by id") == [
        ["1", "x"],
        ["2", None],
        ["3", "y"],
        ["4", None],
    ]


@pytest.mark.parametrize(
    ("clauses", "reason"),
    [
        ("row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'", "OpenCSVSerde"),
        ("tblproperties ('skip.header.line.count'='1')", "header lines"),
        ("row format delimited fields terminated by ',' escaped by '\\\\'", "escape character"),
    ],
)  # fmt: skip
def test_an_insert_that_would_not_be_read_back_is_refused(
    athena: Athena, clauses: str, reason: str
) -> None:
    place, _, properties = clauses.partition("tblproperties")
    end = f"tblproperties {properties}" if properties else ""
    athena.ok(f"create external table t (a string) {place} location '{athena.location('t')}' {end}")
    assert reason in athena.fails("insert into t values ('x')")


@pytest.mark.parametrize(
    "clauses",
    ["row format delimited fields terminated by ',' escaped by '\\\\'", "row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"],
)  # fmt: skip
def test_an_escape_in_a_text_file_is_refused_not_read_as_text(athena: Athena, clauses: str) -> None:
    athena.put("esc/a", b"1,x\n")
    athena.ok(
        f"create external table t (id string, name string) {clauses} location 's3://{athena.bucket}/esc/'"
    )
    assert athena.rows("select id from t") == [["1"]]
    athena.put("esc/b", b"2,x\\\\y\n")
    assert "escape character" in athena.fails("select id from t")


def test_a_truncated_zstandard_file_is_bad_data(athena: Athena) -> None:
    body: Any = pa.BufferOutputStream()
    with pa.CompressedOutputStream(body, "zstd") as stream:
        stream.write("".join(f'{{"a": {n}}}\n' for n in range(50_000)).encode())
    athena.put("z/x.json.zst", body.getvalue().to_pybytes()[:2000])
    athena.ok(
        f"create external table t (a int) row format serde 'org.openx.data.jsonserde.JsonSerDe' location 's3://{athena.bucket}/z/'"
    )
    assert athena.fails("select a from t").startswith("HIVE_BAD_DATA: Corrupt zstd file")
