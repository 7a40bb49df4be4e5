# ruff: noqa: E501 (a statement reads best in one line)
"""Broken files, missing things and attacks: each fails by name, and nothing outside the lake is read."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from pyiceberg.manifest import DataFileContent

from .conftest import Athena, Gateway, new_athena
from .test_iceberg import glue_catalog
from .test_transforms import add_deletes, field

OPENX = "row format serde 'org.openx.data.jsonserde.JsonSerDe'"
OPENCSV = "row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
COMMA = "row format delimited fields terminated by ','"


def parquet() -> bytes:
    body = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(1000)), "b": ["x" * 20] * 1000}), body)
    return body.getvalue()


def external(athena: Athena, how: str, body: bytes, columns: str = "a string, b string") -> str:
    """A table `t` of one object; gives the object's address."""
    athena.put("t/file", body)
    athena.ok(f"create external table t ({columns}) {how} location 's3://{athena.bucket}/t/'")
    return f"s3://{athena.bucket}/t/file"


# --- broken files


def damaged(body: bytes, where: int) -> bytes:
    return body[:where] + bytes(b ^ 0xFF for b in body[where : where + 64]) + body[where + 64 :]


@pytest.mark.parametrize(
    "body",
    [b"PAR1", b"no parquet at all", parquet()[:-20], parquet()[: len(parquet()) // 2], damaged(parquet(), len(parquet()) - 100), damaged(parquet(), 8)],
    ids=["magic", "text", "short", "half", "footer", "page"],
)  # fmt: skip
def test_a_broken_parquet_file_is_named(athena: Athena, body: bytes) -> None:
    uri = external(athena, "stored as parquet", body, "a bigint, b string")
    reason = athena.fails("select a, b from t")
    assert reason.startswith("HIVE_BAD_DATA")
    assert uri in reason or "don't know what type" in reason  # a page header's parser names no file


def test_a_parquet_column_of_another_type_is_named(athena: Athena) -> None:
    """Text is no number, a number no text: https://repost.aws/knowledge-center/athena-hive-bad-data-parquet-schema"""
    body = io.BytesIO()
    pq.write_table(
        pa.table({"a": ["12"], "b": [1], "c": [True], "d": pa.array([1], pa.int32())}), body
    )
    uri = external(
        athena, "stored as parquet", body.getvalue(), "a bigint, b string, c int, d bigint"
    )
    for column, declared in {"a": "bigint", "b": "varchar", "c": "integer"}.items():
        reason = athena.fails(f"select {column} from t")
        assert reason.startswith(f"HIVE_BAD_DATA: Field {column}'s type ")
        assert reason.endswith(
            f"in parquet file {uri} is incompatible with type {declared} defined in table schema"
        )
    assert athena.rows("select d from t") == [["1"]]


@pytest.mark.parametrize("how", [COMMA, OPENCSV])
def test_a_line_with_too_many_or_too_few_fields(athena: Athena, how: str) -> None:
    """Too few are NULL, too many fail here and are dropped by Hive (README: differences)."""
    uri = external(athena, how, b"1,2\n3\n")
    assert athena.rows("select a, b from t order by a") == [["1", "2"], ["3", None]]
    athena.put("t/file", b"1,2\n3,4,5\n")
    reason = athena.fails("select a, b from t")
    assert reason.startswith("HIVE_BAD_DATA") and uri in reason


@pytest.mark.parametrize(
    ("how", "body"),
    [(COMMA, b"ok,1\n\xff\xfe,2\n"), (OPENCSV, b"ok,1\n\xff\xfe,2\n"), (OPENX, b'{"a": "ok"}\n{"a": "\xff\xfe"}\n')],
    ids=["text", "opencsv", "json"],
)  # fmt: skip
def test_text_that_is_no_utf_8_fails(athena: Athena, how: str, body: bytes) -> None:
    uri = external(athena, how, body)
    reason = athena.fails("select a from t")
    assert reason.startswith("HIVE_BAD_DATA") and uri in reason


@pytest.mark.parametrize(
    "line",
    [b"[1, 2]", b"12", b'"text"', b'{"a": "x"', b"{'a': 1}", b'{"a": 1} {"a": 2}', b"\x00\x01"],
)
def test_a_line_that_is_no_json_object_fails(athena: Athena, line: bytes) -> None:
    uri = external(athena, OPENX, b'{"a": "ok"}\n' + line + b"\n")
    reason = athena.fails("select a from t")
    assert reason.startswith("HIVE_BAD_DATA") and uri in reason


# --- missing parts of an Iceberg table


@pytest.fixture
def ice(athena: Athena) -> Athena:
    """An Iceberg table `t` with a data file and a delete file of another writer: Athena has not read
    them, and so holds nothing of them."""
    athena.iceberg("t", "select 1 as x where false")
    table = glue_catalog(athena).load_table((athena.database, "t"))
    table.append(pa.table({"x": pa.array(range(10), pa.int32())}))
    (task,) = table.scan().plan_files()
    schema = pa.schema(
        [field("file_path", pa.string(), 2147483546), field("pos", pa.int64(), 2147483545)]
    )
    deleted = pa.table([[task.file.file_path], [5]], schema=schema)
    add_deletes(athena, table, DataFileContent.POSITION_DELETES, deleted, None)
    return athena


def remove(athena: Athena, uri: str) -> None:
    key = uri.removeprefix(f"s3://{athena.bucket}/")
    athena.aws.client("s3").delete_object(Bucket=athena.bucket, Key=key)


def parts(athena: Athena) -> dict[str, str]:
    """The addresses of the files that make the table."""
    table = glue_catalog(athena).load_table((athena.database, "t"))
    snapshot = table.current_snapshot()
    assert snapshot is not None
    found = {"metadata": table.metadata_location, "manifest list": snapshot.manifest_list}
    for manifest in snapshot.manifests(table.io):
        kind = manifest.content.name.lower()
        found[f"manifest of {kind}"] = manifest.manifest_path
        found[f"file of {kind}"] = manifest.fetch_manifest_entry(table.io)[0].data_file.file_path
    return found


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("metadata", "ICEBERG_MISSING_METADATA"), ("manifest list", "ICEBERG_INVALID_METADATA"), ("manifest of data", "ICEBERG_INVALID_METADATA"),
        ("manifest of deletes", "ICEBERG_INVALID_METADATA"), ("file of data", "ICEBERG_CANNOT_OPEN_SPLIT"), ("file of deletes", "ICEBERG_CANNOT_OPEN_SPLIT"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_a_missing_or_broken_part_of_an_iceberg_table_is_named(
    ice: Athena, part: str, code: str, damage: str
) -> None:
    uri = parts(ice)[part]
    if damage == "missing":
        remove(ice, uri)
    else:
        ice.put(uri.removeprefix(f"s3://{ice.bucket}/"), b"broken")
        code = {"ICEBERG_MISSING_METADATA": "ICEBERG_INVALID_METADATA", "ICEBERG_CANNOT_OPEN_SPLIT": "ICEBERG_BAD_DATA"}.get(code, code)  # fmt: skip
    reason = ice.fails("select x from t")
    assert reason.startswith(code) and uri in reason, reason
    assert str(ice.aws.settings.state) not in reason  # nothing of this machine's disk
    assert ice.fails("update t set x = 1").startswith(code)


# --- what does not exist


@pytest.fixture(scope="module")
def known(gateway: Gateway) -> Athena:
    """A table `t (a integer)`."""
    athena = new_athena(gateway)
    athena.iceberg("t", "select 1 as a")
    return athena


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select a\nfrom nope", "TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.$db.nope' does not exist"),
        ("select a from t join nope on true", "TABLE_NOT_FOUND: line 1:22: "),
        ("select a, nope from t", "COLUMN_NOT_FOUND: line 1:11: Column 'nope' cannot be resolved"),
        ("select t.nope from t", "COLUMN_NOT_FOUND: line 1:8: Column 't.nope' cannot be resolved"),
        ("select a from t where nope = 1", "COLUMN_NOT_FOUND: line 1:23: "), ("select a from t order by nope", "COLUMN_NOT_FOUND: line 1:26: "),
        ("select a from t group by nope", "COLUMN_NOT_FOUND: line 1:26: "), ("select count(nope) from t", "COLUMN_NOT_FOUND: line 1:14: "),
        ("select nope(a) from t", "FUNCTION_NOT_FOUND: line 1:8: Function 'nope' not registered"),
        ("select a from t\nwhere nope(a)", "FUNCTION_NOT_FOUND: line 2:7: Function 'nope' not registered"),
        ("select a from nope.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'nope' does not exist"),
        ("select a from nope.$db.t", "CATALOG_NOT_FOUND: line 1:15: Catalog 'nope'"),
        ("insert into nope values 1", "TABLE_NOT_FOUND: line 1:"), ("insert into t (nope) values 1", "COLUMN_NOT_FOUND: line 1:"),
        ("update t set nope = 1", "COLUMN_NOT_FOUND: line 1:"), ("update nope set a = 1", "TABLE_NOT_FOUND: line 1:"), ("delete from nope", "TABLE_NOT_FOUND: line 1:"),
        ("delete from t where nope = 1", "COLUMN_NOT_FOUND: line 1:21: "), ("merge into nope using t on true when matched then delete", "TABLE_NOT_FOUND: line 1:"),
        ("merge into t using nope on true when matched then delete", "TABLE_NOT_FOUND: line 1:20: "),
        ('select * from "t$nope"', "NOT_SUPPORTED: the metadata table"), ('select * from "nope$files"', "TABLE_NOT_FOUND"), ("describe nope", "TABLE_NOT_FOUND"), ("show columns in nope", "TABLE_NOT_FOUND"),
        ("alter table nope add columns (x int)", "TABLE_NOT_FOUND"), ("alter table t add columns (x nope)", "NOT_SUPPORTED: Unsupported type: nope"), ("show tables in nope", "SCHEMA_NOT_FOUND"),
        ("create external table u (a nope) location 's3://b/u/'", "NOT_SUPPORTED: Unsupported type: nope"), ("drop schema nope", "SCHEMA_NOT_FOUND"), ("create table nope.u with (external_location='s3://b/u/') as select 1 as a", "SCHEMA_NOT_FOUND"),
        ("optimize nope rewrite data using bin_pack", "TABLE_NOT_FOUND"), ("vacuum nope", "TABLE_NOT_FOUND"), ("execute nope", "ResourceNotFoundException: PreparedStatement nope was not found"),
        ("create table u with (table_type='iceberg', is_external=false, location='s3://no-such-bucket-here/u') as select 1 as a", "HIVE_METASTORE_ERROR: The specified bucket does not exist"),
        ("unload (select a from t) to 's3://no-such-bucket-here/u/' with (format='json')", "HIVE_METASTORE_ERROR: The specified bucket does not exist"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_named_with_its_place(known: Athena, sql: str, reason: str) -> None:
    assert known.fails(sql.replace("$db", known.database)).startswith(reason.replace("$db", known.database))  # fmt: skip


def test_a_workgroup_and_a_catalog_that_do_not_exist(known: Athena) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException.*WorkGroup nope is not found"):
        known.run("select 1", WorkGroup="nope")
    with pytest.raises(ClientError, match="InvalidRequestException"):
        known.aws.client("athena").list_databases(CatalogName="nope")


def test_a_table_whose_bucket_does_not_exist(known: Athena) -> None:
    known.ok("create external table lost (a string) location 's3://no-such-bucket-here/t/'")
    reason = known.fails("select a from lost")
    assert reason.startswith("HIVE_METASTORE_ERROR: The specified bucket does not exist: s3://no-such-bucket-here/t/")  # fmt: skip


# --- attacks

HIDDEN = [
    "select * from read_text('/etc/passwd')", "select * from read_csv('/etc/passwd')", "select * from read_csv_auto('/etc/passwd')", "select * from read_blob('/etc/passwd')",
    "select * from read_parquet('/etc/passwd')", "select * from read_json('/etc/passwd')", "select * from glob('/etc/*')", "select * from '/etc/passwd'", 'select * from "/etc/passwd"',
    "select * from iceberg_scan('/etc')", "select * from duckdb_settings()", "select * from duckdb_secrets()", "select * from pragma_version()", "select * from sqlite_master",
    "select * from query('select 1')", "select * from query_table('t')", "select * from which_secret('a', 's3')", "select * from table(read_text('/etc/passwd'))",
    "select getenv('HOME')", "select current_setting('temp_directory')", "select getvariable('x')", "select read_text('/etc/passwd')", "select version()", "select nextval('s')",
    "select * from duckdb_functions()", "select * from pg_catalog.pg_class", "select strata_java_double(1e0)", 'select "getenv"(\'HOME\')', "select system.main.getenv('HOME')",
    "select * from strata_scan_1", "select * from temp.strata_scan_1", "select strata_file from t", "select rowid from t", "select filename from t",
]  # fmt: skip
STATEMENTS = [
    "copy (select 1) to '/tmp/strata-attack'", "copy t from '/etc/passwd'", "attach '/tmp/strata-attack.db' as x", "detach x", "install httpfs", "load httpfs", "load '/tmp/x.so'",
    "pragma database_list", "pragma enable_profiling", "set memory_limit = '1GB'", "set enable_external_access = true", "reset all", "set session x = 1", "use main", "call pragma_version()",
    "export database '/tmp/strata-attack'", "import database '/etc'", "create macro f() as 1", "create secret s (type s3)", "checkpoint", "summarize t", "from t", "describe select 1",
    "create table x as from read_text('/etc/passwd')", "select 1; copy (select 1) to '/tmp/strata-attack'", "with x as (copy (select 1) to '/tmp/strata-attack') select 1",
    "insert into t select * from read_text('/etc/passwd')", "pivot t on a using count(*)", "alter table t add columns (x int default getenv('HOME'))",
]  # fmt: skip


@pytest.mark.parametrize("sql", HIDDEN + STATEMENTS)
def test_nothing_of_duckdb_is_reached(known: Athena, sql: str) -> None:
    reason = known.fails(sql)
    assert reason.partition(":")[0] in (
        "FUNCTION_NOT_FOUND", "TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "COLUMN_NOT_FOUND", "SYNTAX_ERROR", "NOT_SUPPORTED", "CATALOG_NOT_FOUND",
    ), reason  # fmt: skip
    assert "root:" not in reason


@pytest.mark.parametrize("sql", HIDDEN)
def test_a_view_of_others_in_glue_hides_nothing(known: Athena, sql: str) -> None:
    """Whoever may write Glue may write any text there."""
    kept = {"originalSql": sql, "catalog": "awsdatacatalog", "schema": known.database, "columns": [{"name": "x", "type": "varchar"}]}  # fmt: skip
    text = base64.b64encode(json.dumps(kept).encode()).decode()
    glue: Any = known.aws.client("glue")
    place = {"DatabaseName": known.database, "TableInput": {
        "Name": "evil", "TableType": "VIRTUAL_VIEW", "ViewOriginalText": f"/* Presto View: {text} */", "Parameters": {"presto_view": "true"},
        "StorageDescriptor": {"Columns": [{"Name": "x", "Type": "string"}], "Location": ""},
    }}  # fmt: skip
    try:
        glue.create_table(**place)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(**place)
    reason = known.fails("select x from evil")
    assert reason.partition(":")[0] in ("FUNCTION_NOT_FOUND", "TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "COLUMN_NOT_FOUND", "SYNTAX_ERROR", "NOT_SUPPORTED", "CATALOG_NOT_FOUND"), reason  # fmt: skip


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc",
        "/etc",
        "file://localhost/etc/",
        "http://127.0.0.1/x",
        "hdfs://etc/",
        "s3:///etc",
        "s3://$bucket/../../../../../etc",
    ],
)
@pytest.mark.parametrize("made", ["glue", "ddl", "partition"])
def test_a_location_outside_the_lake_is_not_read(athena: Athena, location: str, made: str) -> None:
    location = location.replace("$bucket", athena.bucket)
    ddl = "create external table evil (line string) {} location '{}'"
    if made == "glue":
        glue = athena.aws.client("glue")
        serde = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
        storage = {"Columns": [{"Name": "line", "Type": "string"}], "Location": location, "SerdeInfo": {"SerializationLibrary": serde}}  # fmt: skip
        glue.create_table(DatabaseName=athena.database, TableInput={"Name": "evil", "StorageDescriptor": storage})  # fmt: skip
    elif made == "ddl":
        athena.run(ddl.format("", location))
    else:
        athena.ok(ddl.format("partitioned by (p int)", athena.location("evil")))
        athena.run(f"alter table evil add partition (p = 1) location '{location}'")
    found = athena.run("select line from evil")
    if found["Status"]["State"] == "SUCCEEDED":  # nothing is there, in the lake
        assert athena.rows("select line from evil") == []
    else:
        assert "root:" not in found["Status"]["StateChangeReason"]


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/hostname",
        "/etc/hostname",
        "s3://$bucket/../../etc/hostname",
        "s3://$bucket/none.metadata.json",
    ],
)
def test_iceberg_metadata_outside_the_lake_is_not_read(athena: Athena, location: str) -> None:
    parameters = {"table_type": "ICEBERG", "metadata_location": location.replace("$bucket", athena.bucket)}  # fmt: skip
    athena.aws.client("glue").create_table(
        DatabaseName=athena.database, TableInput={"Name": "evil", "Parameters": parameters, "StorageDescriptor": {"Columns": [], "Location": f"s3://{athena.bucket}/x"}},
    )  # fmt: skip
    assert athena.fails("select * from evil").startswith(("ICEBERG_", "INVALID_TABLE_PROPERTY"))


def test_data_files_of_an_iceberg_table_that_lie_elsewhere_are_not_read(athena: Athena) -> None:
    """A manifest may name any path."""
    athena.iceberg("t", "select 'mine' as line")
    table = glue_catalog(athena).load_table((athena.database, "t"))
    metadata = table.metadata.model_dump_json().replace(table.location(), "file:///etc")
    athena.put("x/metadata/00009-x.metadata.json", metadata.encode())
    parameters = {"table_type": "ICEBERG", "metadata_location": f"s3://{athena.bucket}/x/metadata/00009-x.metadata.json"}  # fmt: skip
    athena.aws.client("glue").create_table(
        DatabaseName=athena.database, TableInput={"Name": "evil", "Parameters": parameters, "StorageDescriptor": {"Columns": [], "Location": f"s3://{athena.bucket}/x"}},
    )  # fmt: skip
    assert athena.fails("select * from evil").startswith(("ICEBERG_", "INVALID_TABLE_PROPERTY"))
