# ruff: noqa: E501 (a statement reads best in one line)
"""The API as clients use it: executions, results, workgroups, refusals."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from .conftest import Athena


def test_a_token_starts_a_query_once(athena: Athena) -> None:
    client = athena.aws.client("athena")
    request = {
        "QueryString": "select 1",
        "ClientRequestToken": uuid.uuid4().hex,
        "ResultConfiguration": {"OutputLocation": f"s3://{athena.bucket}/r/"},
    }
    first, second = (client.start_query_execution(**request)["QueryExecutionId"] for _ in range(2))
    assert first == second
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        client.start_query_execution(**{**request, "QueryString": "select 2"})


def test_results_are_paged_with_a_header_and_types(athena: Athena) -> None:
    execution = athena.ok(
        "select x, cast(x as decimal(5,2)) as d, 'a' as s from unnest(sequence(1, 25)) as t(x) order by x"
    )
    client = athena.aws.client("athena")
    pages = client.get_paginator("get_query_results").paginate(
        QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 10}
    )
    listed = list(pages)
    rows = [[d["VarCharValue"] for d in r["Data"]] for p in listed for r in p["ResultSet"]["Rows"]]
    assert len(listed) == 3
    assert rows[0] == ["x", "d", "s"]
    assert rows[25] == ["25", "25.00", "a"]
    info = listed[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(c["Name"], c["Type"], c["Precision"], c["Scale"]) for c in info] == [
        ("x", "integer", 10, 0), ("d", "decimal", 5, 2), ("s", "varchar", 1, 0),
    ] or info[2]["Type"] == "varchar"  # fmt: skip


def test_the_result_object_quotes_every_value_but_null(athena: Athena) -> None:
    execution = athena.ok("select 'a\"b' as x, null as y, '' as z")
    bucket, _, key = (
        execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    )
    body = athena.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert body == b'"x","y","z"\n"a""b",,""\n'


def test_parameters_take_the_place_of_question_marks(athena: Athena) -> None:
    execution = athena.run("select ? + 1, ?", ExecutionParameters=["41", "'it''s'"])
    answer = athena.aws.client("athena").get_query_results(
        QueryExecutionId=execution["QueryExecutionId"]
    )
    assert [d["VarCharValue"] for d in answer["ResultSet"]["Rows"][1]["Data"]] == ["42", "it's"]
    failed = athena.run("select ?", ExecutionParameters=["(select 1 from secret)"])
    assert failed["Status"]["State"] == "FAILED"


def test_dml_has_an_update_count(athena: Athena) -> None:
    athena.iceberg("t", "select 1 as a union all select 2")
    execution = athena.ok("insert into t select 3")
    answer = athena.aws.client("athena").get_query_results(
        QueryExecutionId=execution["QueryExecutionId"]
    )
    assert answer["UpdateCount"] == 1


def test_a_stopped_query_is_cancelled(athena: Athena) -> None:
    client = athena.aws.client("athena")
    started = client.start_query_execution(
        QueryString="select count(*) from unnest(sequence(1, 10000)) as a(x), unnest(sequence(1, 10000)) as b(y), "
        "unnest(sequence(1, 10000)) as c(z) where x * y % 7 = z",
        ResultConfiguration={"OutputLocation": f"s3://{athena.bucket}/r/"},
    )["QueryExecutionId"]
    threading.Timer(0.3, lambda: client.stop_query_execution(QueryExecutionId=started)).start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        state = client.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"][
            "State"
        ]
        if state not in ("QUEUED", "RUNNING"):
            break
    assert state == "CANCELLED"


def test_a_workgroup_enforces_its_location_and_its_cut_off(athena: Athena) -> None:
    client = athena.aws.client("athena")
    name = f"wg{uuid.uuid4().hex[:8]}"
    own = f"s3://{athena.bucket}/enforced/"
    client.create_work_group(
        Name=name,
        Configuration={
            "ResultConfiguration": {"OutputLocation": own},
            "EnforceWorkGroupConfiguration": True,
            "BytesScannedCutoffPerQuery": 10_000_000,
        },
    )
    execution = athena.run("select 1", WorkGroup=name)
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(own)
    client.update_work_group(
        WorkGroup=name, ConfigurationUpdates={"BytesScannedCutoffPerQuery": 10_000_001}
    )
    found = client.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
    assert found["BytesScannedCutoffPerQuery"] == 10_000_001
    assert (
        execution["QueryExecutionId"]
        in client.list_query_executions(WorkGroup=name)["QueryExecutionIds"]
    )
    client.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    with pytest.raises(ClientError, match="not found"):
        client.get_work_group(WorkGroup=name)


def test_metadata_operations(athena: Athena) -> None:
    athena.iceberg("t", "select 1 as a, 'x' as b")
    client = athena.aws.client("athena")
    found = client.get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=athena.database, TableName="t"
    )
    assert [(c["Name"], c["Type"]) for c in found["TableMetadata"]["Columns"]] == [
        ("a", "int"),
        ("b", "string"),
    ]
    listed = client.list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=athena.database)
    assert [t["Name"] for t in listed["TableMetadataList"]] == ["t"]
    assert client.list_engine_versions()["EngineVersions"]


def test_an_operation_that_is_not_served_is_refused_by_name(athena: Athena) -> None:
    with pytest.raises(ClientError, match="CreateNotebook"):
        athena.aws.client("athena").create_notebook(WorkGroup="primary", Name="n")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("selec 1", "SYNTAX_ERROR: line 1:1"),
        ("select from", "SYNTAX_ERROR: line 1:"),
        ("select * from nope.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'nope' does not exist"),
        ("select * from other.d.t", "CATALOG_NOT_FOUND"),
        ("copy x to 'file:///tmp/y'", "SYNTAX_ERROR"),
        ("attach '/tmp/x.db'", "SYNTAX_ERROR"),
        ("install httpfs", "SYNTAX_ERROR"),
        ("explain analyze select 1", "NOT_SUPPORTED: EXPLAIN ANALYZE"),
        ("unload (select 1) to 's3://b/'", "INVALID_TABLE_PROPERTY"),
        ("select * from read_parquet('/etc/passwd')", "FUNCTION_NOT_FOUND"),
        ("select 1; select 2", "SYNTAX_ERROR: Only one sql statement is allowed"),
        ("create table t (a int) location 's3://nosuchbucket/x' tblproperties ('table_type'='iceberg')", "HIVE_METASTORE_ERROR"),
        ("select '" + "x" * 262_144 + "'", "INVALID_INPUT"),
        ("drop table nosuch", ""),
        ("truncate table t", "NOT_SUPPORTED"),
    ],
)  # fmt: skip
def test_refusals(athena: Athena, sql: str, reason: str) -> None:
    assert athena.fails(sql).startswith(reason)


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("create table x as\n  select nope", "line 2:10"), ("create view x as select 1 as a, nope", "line 1:33"),
        ("explain\nselect nope", "line 2:8"), ("unload (select nope) to 's3://b/x' with (format='json')", "line 1:16"),
    ],
)  # fmt: skip
def test_an_error_names_its_place_in_the_statement(athena: Athena, sql: str, place: str) -> None:
    assert athena.fails(sql).startswith(f"COLUMN_NOT_FOUND: {place}: Column 'nope'")


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("select 1 as order", "line 1:13"), ("select 1\n  as table", "line 2:6"), ("select end from (select 1 as x) as t", "line 1:8"),
        ("with group as (select 1) select 1", "line 1:6"), ("select 1 from (select 1) in", "line 1:"),
        ("create external table t (date string) location 's3://b/x/'", "line 1:"),
        ("create table t (a int, timestamp bigint) location 's3://b/x/' tblproperties ('table_type'='iceberg')", "line 1:"),
    ],
)  # fmt: skip
def test_a_reserved_word_is_no_name_without_quotes(athena: Athena, sql: str, place: str) -> None:
    assert athena.fails(sql).startswith(f"SYNTAX_ERROR: {place}")


def test_a_reserved_word_is_a_name_in_quotes(athena: Athena) -> None:
    assert athena.rows("""select "order" from (select 1 as "order") as "table" """) == [["1"]]
    athena.ok(
        f"create external table t (`date` string) stored as parquet location '{athena.location('t')}'"
    )
    assert athena.rows("select date from t") == []


def test_a_view_that_hides_a_forbidden_function_is_refused(athena: Athena) -> None:
    assert "FUNCTION_NOT_FOUND" in athena.fails(
        "create view v as select * from read_text('/etc/passwd')"
    )


def test_create_twice_and_drop_schema(athena: Athena) -> None:
    athena.iceberg("t", "select 1 as a")
    again = f"create table t with (table_type='iceberg', is_external=false, location='{athena.location('t')}') as select 1 as a"
    assert "already exists" in athena.fails(again)
    athena.ok(f"create schema if not exists `{athena.database}`")
    assert "already exists" in athena.fails(f"create schema `{athena.database}`")
    athena.ok(f"drop schema if exists `{athena.database}` cascade")
    assert "SCHEMA_NOT_FOUND" in athena.fails(f"select * from {athena.database}.t")


def test_a_table_without_a_location_goes_below_an_enforced_output(athena: Athena) -> None:
    client = athena.aws.client("athena")
    name = f"wg{uuid.uuid4().hex[:8]}"
    own = f"s3://{athena.bucket}/enforced/"
    client.create_work_group(
        Name=name, Configuration={"ResultConfiguration": {"OutputLocation": own}}
    )
    made = athena.run("create table t as select 1 as a", WorkGroup=name)
    assert made["Status"]["State"] == "SUCCEEDED"
    glue = athena.aws.client("glue").get_table(DatabaseName=athena.database, Name="t")["Table"]
    location = glue["StorageDescriptor"]["Location"].rstrip("/")
    assert location == f"{own}tables/{made['QueryExecutionId']}"
    assert athena.rows("select a from t") == [["1"]]
    asked = f"create table u with (external_location='{athena.location('u')}') as select 1 as a"
    assert "enforces" in athena.run(asked, WorkGroup=name)["Status"]["StateChangeReason"]


def test_a_property_without_effect_is_refused(athena: Athena) -> None:
    where = f"external_location='{athena.location('t')}'"
    assert "sorted_by" in athena.fails(
        f"create table t with ({where}, sorted_by=array['a']) as select 1 as a"
    )
    assert "write_compression" in athena.fails(
        f"create table t with ({where}, write_compression='LZ4') as select 1 as a"
    )
