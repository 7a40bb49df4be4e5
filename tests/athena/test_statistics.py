# ruff: noqa: E501 (a statement reads best in one line)
"""DataScannedInBytes against the bytes that lie in S3, counted here from footers and sizes.

Athena bills the column chunks of Parquet and the whole files of text:
https://docs.aws.amazon.com/athena/latest/ug/columnar-storage.html
"""

from __future__ import annotations

import gzip
import io
import time
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record

from .conftest import Athena, Gateway, new_athena
from .test_iceberg import glue_catalog

OPENX = "row format serde 'org.openx.data.jsonserde.JsonSerDe'"


def objects(athena: Athena, prefix: str) -> dict[str, bytes]:
    """The objects whose keys begin with a prefix."""
    s3 = athena.aws.client("s3")
    listed = s3.list_objects_v2(Bucket=athena.bucket, Prefix=prefix).get("Contents", [])
    keys = [item["Key"] for item in listed]
    return {k: s3.get_object(Bucket=athena.bucket, Key=k)["Body"].read() for k in keys}


def data_files(athena: Athena, table: str) -> list[bytes]:
    """The data files of an Iceberg table that has never removed one."""
    found = objects(athena, f"{table}-")
    return [b for k, b in found.items() if "/data/" in k and not k.endswith("-deletes.parquet")]


def delete_files(athena: Athena, table: str) -> list[bytes]:
    """The position-delete files that the local Athena wrote for a table."""
    found = objects(athena, f"{table}-")
    return [body for key, body in found.items() if key.endswith("-deletes.parquet")]


def size(bodies: list[bytes]) -> int:
    return sum(map(len, bodies))


def chunks(bodies: list[bytes], *columns: str) -> int:
    """Bytes of the column chunks of top-level columns, by the files' footers."""
    total = 0
    for body in bodies:
        meta = pq.ParquetFile(io.BytesIO(body)).metadata
        for group in range(meta.num_row_groups):
            for index in range(meta.num_columns):
                chunk = meta.row_group(group).column(index)
                if chunk.path_in_schema.split(".")[0] in columns:
                    total += chunk.total_compressed_size
    return total


def holding(bodies: list[bytes], column: str, *values: Any) -> list[bytes]:
    """The Parquet files in which a column has one of the values."""
    wanted = set(values)
    return [
        body
        for body in bodies
        if wanted & set(pq.read_table(io.BytesIO(body), columns=[column])[column].to_pylist())
    ]


def parquet(table: pa.Table, **options: Any) -> bytes:
    body = io.BytesIO()
    pq.write_table(table, body, **options)
    return body.getvalue()


# --- Hive, Parquet

ROWS = pa.table({
    "id": list(range(1000)),
    "name": [f"name {i} {'x' * (i % 50)}" for i in range(1000)],
    "place": [{"city": f"c{i}", "zip": i} for i in range(1000)],
    "tags": [[f"t{i}", "y"] for i in range(1000)],
})  # fmt: skip


@pytest.fixture(scope="module")
def hive(gateway: Gateway) -> Athena:
    """A Parquet table of two files, one with several row groups and columns in another order."""
    athena = new_athena(gateway)
    athena.put("hive/a.parquet", parquet(ROWS))
    athena.put(
        "hive/b.parquet",
        parquet(ROWS.select(["tags", "place", "name", "id"]), row_group_size=300, compression="zstd"),
    )  # fmt: skip
    athena.ok(
        "create external table hive (id bigint, name string, place struct<city:string,zip:bigint>, tags array<string>, missing string) "
        f"stored as parquet location 's3://{athena.bucket}/hive/'"
    )
    return athena


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select id from hive", ["id"]),
        ("select * from hive", ["id", "name", "place", "tags"]),
        ("select count(*) from hive", []),
        ("select 1 from hive", []),
        ("select missing from hive", []),
        ("select count(name) from hive", ["name"]),
        ("select id from hive where name = 'name 1 x'", ["id", "name"]),
        ("select id from hive order by name limit 1", ["id", "name"]),
        ("select name from hive limit 1", ["name"]),
        ("select place from hive", ["place"]),
        ("select cardinality(tags) from hive", ["tags"]),
        ("select t from hive cross join unnest(tags) as u(t)", ["tags"]),
        ("select sum(id) from hive group by name having count(*) > 1", ["id", "name"]),
        ("select id from (select id, name, place from hive)", ["id"]),
        ("select distinct id from (select distinct id, name from hive)", ["id", "name"]),
        ("with a as (select * from hive), b as (select id, tags from a) select id from b", ["id"]),
        ("select row_number() over (partition by name) from hive", ["name"]),
        ("select id from hive where exists (select 1 from (values 1) as v(x) where v.x = hive.id)", ["id"]),
        ('select "$path" from hive', []),
    ],
)  # fmt: skip
def test_columns_of_hive_parquet(hive: Athena, sql: str, columns: list[str]) -> None:
    assert hive.scanned(sql) == chunks(list(objects(hive, "hive/").values()), *columns)


def test_a_field_of_a_struct_counts_its_column(hive: Athena) -> None:
    """Athena may read the field alone: the column is its bill or more."""
    files = list(objects(hive, "hive/").values())
    assert hive.scanned("select place.city from hive") == chunks(files, "place")


@pytest.mark.parametrize(
    ("sql", "times"),
    [
        ("select a.id from hive a join hive b on a.id = b.id", {"id": 2}),
        ("select id from hive union all select length(name) from hive", {"id": 1, "name": 1}),
        ("select count(*) from hive where id > (select avg(id) from hive)", {"id": 2}),
        ("with a as (select id, name from hive) select x.id, y.name from a x join a y on x.id = y.id", {"id": 2, "name": 1}),
        ("select id from hive where id in (select zip from (select place.zip as zip from hive))", {"id": 1, "place": 1}),
        ("select a.id from hive a left join (select id, name from hive) b on a.id = b.id", {"id": 2}),
    ],
)  # fmt: skip
def test_a_table_counts_as_often_as_it_is_read(
    hive: Athena, sql: str, times: dict[str, int]
) -> None:
    files = list(objects(hive, "hive/").values())
    assert hive.scanned(sql) == sum(chunks(files, c) * n for c, n in times.items())


def test_a_column_whose_name_has_a_dot(athena: Athena) -> None:
    body = parquet(pa.table({"a.b": ["x" * 1000, "y"], "a": [1, 2]}))
    athena.put("dots/x.parquet", body)
    storage = {
        "Columns": [{"Name": "a.b", "Type": "string"}, {"Name": "a", "Type": "bigint"}],
        "Location": f"s3://{athena.bucket}/dots/",
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
    }  # fmt: skip
    table = {"Name": "dots", "StorageDescriptor": storage, "TableType": "EXTERNAL_TABLE"}
    athena.aws.client("glue").create_table(DatabaseName=athena.database, TableInput=table)
    group = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
    assert athena.scanned('select "a.b" from dots') == group.column(0).total_compressed_size
    assert athena.scanned("select a from dots") == group.column(1).total_compressed_size


# --- Hive, text


def test_text_counts_whole_files(athena: Athena) -> None:
    line = b'{"a": "1", "b": "2"}\n'
    athena.put("json/plain.json", line * 10)
    athena.put("json/packed.json.gz", gzip.compress(line * 1000, mtime=0))
    athena.put("csv/x.csv", b"1,2\n" * 50)
    athena.ok(
        f"create external table j (a string, b string) {OPENX} location 's3://{athena.bucket}/json/'"
    )
    athena.ok(
        f"create external table c (a string, b string) row format delimited fields terminated by ',' location 's3://{athena.bucket}/csv/'"
    )
    packed = size(list(objects(athena, "json/").values()))
    for columns in ("a", "*", "count(*)", "1"):
        assert athena.scanned(f"select {columns} from j") == packed
        assert athena.scanned(f"select {columns} from c limit 1") == 200
    assert athena.scanned("select j.a from j join c on j.a = c.a") == packed + 200


@pytest.mark.parametrize("format", ["orc", "avro"])
def test_orc_and_avro_count_whole_files(athena: Athena, format: str) -> None:
    athena.ok(
        f"create table o with (format='{format}', external_location='{athena.location('o')}') as select x, cast(x as varchar) as y from unnest(sequence(1, 500)) as t(x)"
    )
    assert athena.scanned("select x from o") == size(list(objects(athena, "o-").values()))


# --- partitions of Hive tables


@pytest.fixture(scope="module", params=["projection", "catalog"])
def days(request: pytest.FixtureRequest, gateway: Gateway) -> Athena:
    """Parquet files of three days, each of another size, found by projection or in the catalog."""
    athena = new_athena(gateway)
    projection = (
        "tblproperties ('projection.enabled'='true', 'projection.day.type'='integer', 'projection.day.range'='1,9')"
        if request.param == "projection"
        else ""
    )
    for day in (1, 2, 3):
        athena.put(f"days/day={day}/x.parquet", parquet(ROWS.slice(0, day * 100)))
    athena.ok(
        f"create external table days (id bigint, name string) partitioned by (day int) stored as parquet location 's3://{athena.bucket}/days/' {projection}"
    )
    if not projection:
        athena.ok("msck repair table days")
    return athena


@pytest.mark.parametrize(
    ("sql", "columns", "read"),
    [
        ("select id from days where day = 2", ["id"], [2]),
        ("select id from days where day <> 2", ["id"], [1, 3]),
        ("select id from days where day between 2 and 3 and id > 5", ["id"], [2, 3]),
        ("select id from days where day in (1, 3) and name like 'n%'", ["id", "name"], [1, 3]),
        ("select id from days where day = 1 or id = 1", ["id"], [1, 2, 3]),
        ("select day, count(*) from days group by day", [], [1, 2, 3]),
        ("select id from days where day > 9", [], []),
        ("select * from days where day = 1 + 1", ["id", "name"], [2]),
        ("select id from days where day = (select max(day) from days)", ["id"], [1, 2, 3]),
        ("select id from days where day in (select x from (values 1) as t(x))", ["id"], [1, 2, 3]),
        ("select id from days join (values 1) as v(x) on day = x", ["id"], [1, 2, 3]),
        ("select id from days where cast(day as varchar) = '1'", ["id"], [1, 2, 3]),
        ("select id from (select id, day as d from days) where d = 3", ["id"], [3]),
    ],
)  # fmt: skip
def test_partitions_are_pruned_by_static_predicates(
    days: Athena, sql: str, columns: list[str], read: list[int]
) -> None:
    files = {day: objects(days, f"days/day={day}/")[f"days/day={day}/x.parquet"] for day in (1, 2, 3)}  # fmt: skip
    assert days.scanned(sql) == chunks([files[day] for day in read], *columns)


def test_each_reference_to_a_cte_reads_what_it_needs(days: Athena) -> None:
    """Trino's planner puts the query of a CTE in the place of each reference."""
    files = {day: objects(days, f"days/day={day}/")[f"days/day={day}/x.parquet"] for day in (1, 2, 3)}  # fmt: skip
    expected = chunks([files[1]], "id") + chunks([files[3]], "name")
    cte = "with a as (select * from days), unused as (select name from days)"
    query = "select id from a where day = 1 union all select length(name) from a where day = 3"
    assert days.scanned(f"{cte} {query}") == expected
    assert days.scanned(f"{cte}, b as ({query}) select x.id from b x join b y on x.id = y.id") == 2 * expected  # fmt: skip
    assert days.scanned(f"{cte} select * from a where day = 2 and id < (select max(id) from a where day = 1)") == chunks([files[2]], "id", "name") + chunks([files[1]], "id")  # fmt: skip
    correlated = "with a as (select *, length(name) as n from days) select id from a where exists (select 1 from (values 5) as v(x) where v.x = a.n)"
    assert days.scanned(correlated) == chunks(list(files.values()), "id", "name")
    twice = "with b as (select id from days where day = 1 and id < (select count(name) from days where day = 2)) select x.id from b x cross join b y"
    assert days.scanned(twice) == 2 * (chunks([files[1]], "id") + chunks([files[2]], "name"))


# --- Iceberg


def sorted_table(athena: Athena) -> Athena:
    """An Iceberg table `ice` of four files with ids 0-9, 10-19, 20-29, and NULL."""
    athena.iceberg(
        "ice",
        "select cast(id as bigint) as id, 'n' || cast(id as varchar) as name, cast(row(id, 'c') as row(n integer, c varchar)) as place, "
        "cast(timestamp '2013-01-01 00:00:00' + interval '1' day * id as timestamp(6)) as at, cast(id * 1.5e0 as double) as score "
        "from unnest(sequence(0, 9)) as t(id)",
    )
    for start in (10, 20):
        athena.ok(
            f"insert into ice select id, 'n' || cast(id as varchar), row(id, 'c'), timestamp '2013-01-01 00:00:00' + interval '1' day * id, id * 1.5e0 from unnest(sequence({start}, {start + 9})) as t(id)"
        )
    athena.ok("insert into ice (name) values ('none')")
    return athena


@pytest.fixture(scope="module")
def sorted_files(gateway: Gateway) -> Athena:
    """The table, for tests that only read it."""
    return sorted_table(new_athena(gateway))


@pytest.mark.parametrize(
    ("where", "columns", "ids"),
    [
        ("id = 12", ["id"], [12]),
        ("id >= 15", ["id"], [15, 25]),
        ("id < 0", [], []),
        ("15 <= id", ["id"], [15, 25]),
        ("id between 5 and 10", ["id"], [5, 10]),
        ("id in (1, 29)", ["id"], [1, 29]),
        ("id = 1 or id = 29", ["id"], [1, 29]),
        ("id > 5 and score < 20e0", ["id", "score"], [5, 12]),
        ("name = 'n15'", ["id", "name"], [1, 15]),
        ("name = 'none'", ["id", "name"], [None]),
        ("at >= timestamp '2013-01-25 00:00:00'", ["id", "at"], [25]),
        ("score > 40e0", ["id", "score"], [29]),
        ("id = (select max(id) from ice)", ["id", "id"], None),
        ("place.n = 12", ["id", "place"], None),
        ("id + 0 = 12", ["id"], None),
        ("coalesce(id, 5) = 12", ["id"], None),
    ],
)  # fmt: skip
def test_files_are_skipped_by_their_bounds(
    sorted_files: Athena, where: str, columns: list[str], ids: list[int] | None
) -> None:
    files = data_files(sorted_files, "ice")
    assert len(files) == 4
    read = files if ids is None else holding(files, "id", *ids)
    expected = sum(chunks(read, column) for column in columns)
    assert sorted_files.scanned(f"select id from ice where {where}") == expected


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select * from ice", ["id", "name", "place", "at", "score"]),
        ("select count(*) from ice", []), ("select place.c from ice", ["place"]),
        ("select name from ice limit 1", ["name"]),
        ('select * from "ice$files"', []), ('select * from "ice$partitions"', []), ('select * from "ice$snapshots"', []),
    ],
)  # fmt: skip
def test_columns_of_iceberg(sorted_files: Athena, sql: str, columns: list[str]) -> None:
    assert sorted_files.scanned(sql) == chunks(data_files(sorted_files, "ice"), *columns)


def test_a_view_counts_as_what_it_reads(athena: Athena) -> None:
    sorted_table(athena)
    athena.ok("create view v as select id, name as called, score from ice")
    (file,) = holding(data_files(athena, "ice"), "id", 12)
    assert athena.scanned("select called from v where id = 12") == chunks([file], "id", "name")  # fmt: skip


@pytest.mark.parametrize(
    ("partitioning", "where", "ids"),
    [
        ("'day(at)'", "at >= timestamp '2013-01-03 00:00:00'", [3]),
        ("'month(at)'", "at >= timestamp '2013-02-01 00:00:00'", []),
        ("'bucket(id, 8)'", "id = 2", [2]),
        ("'truncate(name, 2)'", "name = 'n2'", [2]),
        ("'id'", "id in (1, 3)", [1, 3]),
    ],
)  # fmt: skip
def test_files_are_skipped_by_their_partitions(
    athena: Athena, partitioning: str, where: str, ids: list[int]
) -> None:
    athena.iceberg(
        "parts",
        "select cast(id as bigint) as id, 'n' || cast(id as varchar) as name, cast(timestamp '2012-12-31 00:00:00' + interval '1' day * id as timestamp(6)) as at from unnest(sequence(1, 3)) as t(id)",
        partitioning,
    )
    read = holding(data_files(athena, "parts"), "id", *ids)
    assert athena.scanned(f"select name from parts where {where}") == chunks(read, "name", "id" if "id" in where else "at" if "at " in where else "name")  # fmt: skip


def test_position_deletes_count_with_the_rows(athena: Athena) -> None:
    sorted_table(athena)
    athena.ok("delete from ice where id in (3, 14)")
    deletes = delete_files(athena, "ice")
    assert len(deletes) == 2
    files = data_files(athena, "ice")
    assert athena.scanned("select id from ice") == chunks(files, "id") + size(deletes)
    assert athena.scanned("select count(*) from ice") == size(deletes)


def test_statements_count_what_they_read(athena: Athena) -> None:
    sorted_table(athena)
    before = data_files(athena, "ice")
    every = ("id", "name", "place", "at", "score")
    (file,) = holding(before, "id", 12)
    assert athena.ok("insert into ice select * from ice where id = 12")["Statistics"]["DataScannedInBytes"] == chunks([file], *every)  # fmt: skip
    athena.ok("delete from ice where id = 12")
    assert athena.executions[-1]["Statistics"]["DataScannedInBytes"] == chunks(
        holding(data_files(athena, "ice"), "id", 12), "id"
    )
    deleted = size(delete_files(athena, "ice"))
    read = holding(data_files(athena, "ice"), "id", 25)
    athena.ok("update ice set name = upper(name) where id = 25")
    updated = athena.executions[-1]["Statistics"]["DataScannedInBytes"]
    assert updated == chunks(read, *every) + deleted
    location = athena.location("copied")
    read = holding(data_files(athena, "ice"), "id", 1)
    deleted = size(delete_files(athena, "ice"))
    athena.ok(
        f"create table copied with (external_location='{location}') as select id, name from ice where id = 1"
    )
    assert athena.executions[-1]["Statistics"]["DataScannedInBytes"] == chunks(read, "id", "name") + deleted  # fmt: skip
    read, deleted = data_files(athena, "ice"), size(delete_files(athena, "ice"))
    source = chunks(list(objects(athena, "copied-").values()), "id", "name")
    athena.ok(
        "merge into ice t using copied s on t.id = s.id when matched then update set name = s.name"
    )
    assert athena.executions[-1]["Statistics"]["DataScannedInBytes"] == chunks(read, *(c for c in every if c != "name")) + deleted + source  # fmt: skip


def test_statements_that_read_no_data(athena: Athena) -> None:
    sorted_table(athena)
    where = f"location '{athena.location('u')}'"
    for statement in (
        f"create external table u (a int) stored as parquet {where}", "show tables", "describe ice", "show create table ice",
        "create view w as select * from ice", "alter table ice add columns (x int)", "drop view w", "drop table u",
        "insert into ice (id) values 1", "explain select * from ice", "select 1", "vacuum ice",
        f"select * from information_schema.columns where table_schema = '{athena.database}'",
    ):  # fmt: skip
        assert athena.scanned(statement) == 0, statement


def test_a_column_without_a_size_in_the_manifest_is_measured(athena: Athena) -> None:
    """Iceberg's column_sizes are optional: writers leave them out of wide tables, and a file knows
    nothing of a column that is younger."""
    athena.iceberg("wide", "select cast(1 as bigint) as id, 'x' as name, array['y'] as tags")
    table = glue_catalog(athena).load_table((athena.database, "wide"))
    body = parquet(
        pa.table(
            [pa.array([2], pa.int64()), pa.array(["y" * 500]), pa.array([["a", "b"]])],
            schema=pa.schema([
                pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "1"}),
                pa.field("name", pa.string(), metadata={"PARQUET:field_id": "2"}),
                pa.field("tags", pa.list_(pa.field("element", pa.string(), metadata={"PARQUET:field_id": "4"})), metadata={"PARQUET:field_id": "3"}),
            ]),
        )
    )  # fmt: skip
    athena.put(
        f"{table.location().removeprefix(f's3://{athena.bucket}/')}/data/foreign.parquet", body
    )
    foreign = DataFile.from_args(
        content=DataFileContent.DATA, file_path=f"{table.location()}/data/foreign.parquet", file_format=FileFormat.PARQUET,
        partition=Record(), record_count=1, file_size_in_bytes=len(body), column_sizes=None, value_counts=None,
        null_value_counts=None, nan_value_counts=None, lower_bounds=None, upper_bounds=None, split_offsets=None,
        equality_ids=None, sort_order_id=None,
    )  # fmt: skip
    foreign.spec_id = 0
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        append.append_data_file(foreign)
    athena.ok("alter table wide add columns (late string)")
    files = data_files(athena, "wide")
    assert len(files) == 2
    assert athena.rows("select id, tags, late from wide order by id") == [["1", "[y]", None], ["2", "[a, b]", None]]  # fmt: skip
    assert athena.scanned("select name from wide") == chunks(files, "name")
    assert athena.scanned("select tags from wide") == chunks(files, "tags")
    assert athena.scanned("select late from wide") == 0


# --- times


def test_times_are_measured(athena: Athena) -> None:
    begun = time.monotonic()
    execution = athena.ok(
        "select count(*) from unnest(sequence(1, 2000)) as a(x) cross join unnest(sequence(1, 5000)) as b(y) where (x * y) % 7 = 3"
    )
    passed = (time.monotonic() - begun) * 1000
    times = execution["Statistics"]
    queue, plan, run, publish, total = (
        times[f"{part}TimeInMillis"]
        for part in ("QueryQueue", "QueryPlanning", "EngineExecution", "ServiceProcessing", "TotalExecution")
    )  # fmt: skip
    assert 0 <= plan <= run <= total <= passed + 1
    assert abs(total - (queue + run + publish)) <= 2
    status = execution["Status"]
    lasted = (status["CompletionDateTime"] - status["SubmissionDateTime"]).total_seconds() * 1000
    assert abs(lasted - total) <= 50


def test_a_longer_query_takes_longer(athena: Athena) -> None:
    query = "select count(*) from unnest(sequence(1, {})) as a(x) cross join unnest(sequence(1, 4000)) as b(y) where (x * y) % 7 = 3"
    short, long = (athena.ok(query.format(n))["Statistics"] for n in (10, 8_000))
    assert long["EngineExecutionTimeInMillis"] > 3 * short["EngineExecutionTimeInMillis"]
    assert long["QueryPlanningTimeInMillis"] < long["EngineExecutionTimeInMillis"] / 2


def test_a_query_cancelled_at_the_cut_off_counts_what_it_would_scan(athena: Athena) -> None:
    line = uuid.uuid4().hex.encode() * 100 + b"\n"
    athena.put("big/x.txt", line * 4000)
    athena.ok(f"create external table big (a string) location 's3://{athena.bucket}/big/'")
    client = athena.aws.client("athena")
    group = f"wg{uuid.uuid4().hex[:8]}"
    client.create_work_group(
        Name=group, Configuration={"BytesScannedCutoffPerQuery": 10_000_000}
    )  # fmt: skip
    execution = athena.run("select a from big", WorkGroup=group)
    assert execution["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in execution["Status"]["StateChangeReason"]
    assert execution["Statistics"]["DataScannedInBytes"] == len(line) * 4000
