# ruff: noqa: E501 (a statement reads best in one line)
"""Clients as they are: PyAthena's cursors, awswrangler, PyIceberg, boto3's paginators, the AWS CLI."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow as pa
import pyathena
import pyiceberg.types
import pytest
from pyarrow import fs
from pyathena.arrow.cursor import ArrowCursor
from pyathena.cursor import DictCursor
from pyathena.pandas.cursor import PandasCursor

from .conftest import Athena
from .test_iceberg import glue_catalog, pyiceberg_rows

QUERY = (
    "select 1 as a, decimal '1.50' as d, timestamp '2013-01-01 10:00:00' as t, cast(null as varchar) as n, "
    "true as b, 1.5e0 as f, 'x' as s, date '2013-01-02' as day"
)
ROW = (1, Decimal("1.50"), datetime(2013, 1, 1, 10), None, True, 1.5, "x", date(2013, 1, 2))


@pytest.fixture
def environment(athena: Athena, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a user sets to point any client at the local AWS."""
    values = {
        "AWS_ENDPOINT_URL": athena.aws.settings.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    boto3.setup_default_session()
    return {**os.environ, **values}


@pytest.fixture
def connection(athena: Athena, environment: dict[str, str]) -> Iterator[Any]:
    """A PyAthena connection of the test's database."""
    with pyathena.connect(
        s3_staging_dir=f"s3://{athena.bucket}/r/",
        region_name="us-east-1",
        schema_name=athena.database,
        poll_interval=0.05,
    ) as made:
        yield made


def test_pyathena_reads_typed_rows(connection: Any) -> None:
    cursor = connection.cursor().execute(QUERY)
    assert cursor.fetchall() == [ROW]
    assert [(c[0], c[1]) for c in cursor.description][:3] == [
        ("a", "integer"), ("d", "decimal"), ("t", "timestamp"),
    ]  # fmt: skip
    assert (cursor.statement_type, cursor.substatement_type) == ("DML", "SELECT")


def test_pyathena_reads_dictionaries_and_pages(connection: Any) -> None:
    cursor = connection.cursor(DictCursor)
    cursor.execute("select x, 2 * x as y from unnest(sequence(1, 2500)) as t(x) order by x")
    rows = cursor.fetchall()
    assert (rows[0], rows[-1], len(rows)) == ({"x": 1, "y": 2}, {"x": 2500, "y": 5000}, 2500)


def test_pyathena_binds_parameters(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("select %(a)s, %(s)s", {"a": 3, "s": "it's"})
    assert cursor.fetchall() == [(3, "it's")]
    cursor.execute("select ? + 1", ["41"], paramstyle="qmark")
    assert cursor.fetchall() == [(42,)]


@pytest.mark.parametrize("unload", [False, True])
def test_pyathena_reads_a_data_frame(connection: Any, unload: bool) -> None:
    cursor = connection.cursor(PandasCursor, unload=unload)
    frame = cursor.execute(
        "select x, cast(x as varchar) as s from unnest(sequence(1, 3)) as t(x) order by x"
    ).as_pandas()
    assert frame["x"].tolist() == [1, 2, 3]
    assert frame["s"].tolist() == ["1", "2", "3"]


@pytest.mark.parametrize("unload", [False, True])
def test_pyathena_reads_an_arrow_table(
    athena: Athena, connection: Any, unload: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyArrow's S3 does not follow AWS_ENDPOINT_URL, and PyAthena has no setting for it."""
    local = functools.partial(fs.S3FileSystem, endpoint_override=athena.aws.settings.endpoint)
    monkeypatch.setattr(fs, "S3FileSystem", local)
    cursor = connection.cursor(ArrowCursor, unload=unload)
    table = cursor.execute(QUERY).as_arrow()
    assert table.column_names == list("adtnbfs") + ["day"]
    assert table["a"].to_pylist() == [1]
    assert table["d"].to_pylist() == [Decimal("1.50") if unload else "1.50"], "a CSV's is text"


def test_pyathena_counts_changed_rows_and_names_errors(athena: Athena, connection: Any) -> None:
    athena.iceberg("t", "select 1 as a union all select 2")
    cursor = connection.cursor()
    assert cursor.execute("insert into t values 3, 4, 5").rowcount == 3
    assert cursor.execute("delete from t where a > 2").rowcount == 3
    with pytest.raises(pyathena.error.OperationalError, match="COLUMN_NOT_FOUND"):
        cursor.execute("select nope from t")
    assert [line[0] for line in cursor.execute("show tables").fetchall()] == ["t"]
    assert cursor.execute("explain select a from t").fetchall()


@pytest.mark.parametrize(
    "approach",
    [{}, {"ctas_approach": True}, {"ctas_approach": False, "unload_approach": True},
     {"ctas_approach": False}],
    ids=["default", "ctas", "unload", "csv"],
)  # fmt: skip
def test_awswrangler_reads_queries(
    athena: Athena, environment: dict[str, str], approach: dict[str, bool]
) -> None:
    import awswrangler as wr

    athena.iceberg("t", "select 1 as a, 'x' as s, 1.5e0 as f union all select 2, null, 2.5")
    frame = wr.athena.read_sql_query(
        "select * from t order by a",
        athena.database,
        s3_output=f"s3://{athena.bucket}/wr/",
        **approach,
    )
    assert frame.sort_values("a")["a"].tolist() == [1, 2]
    assert frame.sort_values("a")["f"].tolist() == [1.5, 2.5]
    assert frame["s"].isna().sum() == 1
    tables = athena.aws.client("glue").get_tables(DatabaseName=athena.database)["TableList"]
    assert [table["Name"] for table in tables] == ["t"], "its temporary table is gone"


def test_awswrangler_reads_in_chunks_and_with_parameters(
    athena: Athena, environment: dict[str, str]
) -> None:
    import awswrangler as wr

    where = {"database": athena.database, "s3_output": f"s3://{athena.bucket}/wr/"}
    chunks = wr.athena.read_sql_query(
        "select x from unnest(sequence(1, 250)) as t(x)",
        ctas_approach=False,
        chunksize=100,
        **where,
    )
    assert [len(chunk) for chunk in chunks] == [100, 100, 50]
    frame = wr.athena.read_sql_query(
        "select :a as a, :s as s", params={"a": 4, "s": "it's"}, ctas_approach=False, **where
    )
    assert frame.to_dict("records") == [{"a": 4, "s": "it's"}]


def test_awswrangler_writes_iceberg(athena: Athena, environment: dict[str, str]) -> None:
    import awswrangler as wr

    frame = pd.DataFrame(
        {"id": [1, 2], "name": ["a", "b"], "at": pd.to_datetime(["2013-01-01", "2013-01-02"])}
    )
    target = {
        "database": athena.database, "table": "w", "temp_path": athena.location("tmp"),
        "table_location": athena.location("w"), "s3_output": f"s3://{athena.bucket}/wr/",
    }  # fmt: skip
    target["keep_files"] = False
    wr.athena.to_iceberg(frame, partition_cols=["day(at)"], **target)
    wr.athena.to_iceberg(frame.assign(id=[3, 4]), **target)
    changed = pd.DataFrame(
        {"id": [4, 5], "name": ["d", "e"], "at": pd.to_datetime(["2013-01-02"] * 2)}
    )
    wr.athena.to_iceberg(changed, merge_cols=["id"], **target)
    assert athena.rows("select id, name from w order by id") == [
        ["1", "a"], ["2", "b"], ["3", "a"], ["4", "d"], ["5", "e"],
    ]  # fmt: skip
    assert len(pyiceberg_rows(athena, "w")) == 5
    wr.athena.delete_from_iceberg_table(
        pd.DataFrame({"id": [5]}), merge_cols=["id"],
        **{k: v for k, v in target.items() if k != "table_location"},
    )  # fmt: skip
    assert athena.rows("select count(*) from w") == [["4"]]


def test_awswrangler_manages_tables(athena: Athena, environment: dict[str, str]) -> None:
    import awswrangler as wr

    wr.s3.to_parquet(
        pd.DataFrame({"a": [1, 2], "day": ["2013-01-01", "2013-01-02"]}),
        path=athena.location("p"), dataset=True, database=athena.database, table="p", partition_cols=["day"],
    )  # fmt: skip
    output = {"database": athena.database, "s3_output": f"s3://{athena.bucket}/wr/"}
    frame = wr.athena.read_sql_table("p", ctas_approach=False, **output)
    assert sorted(frame["a"]) == [1, 2]
    assert "PARTITIONED BY" in wr.athena.show_create_table("p", **output)
    assert wr.athena.describe_table("p", **output)["Column Name"].tolist()[:2] == ["a", "day"]
    wr.athena.create_ctas_table("select a from p", ctas_table="c", wait=True, **output)
    assert athena.rows("select count(*) from c") == [["2"]]
    assert wr.athena.repair_table("p", **output) == "SUCCEEDED"


def test_pyiceberg_and_athena_write_the_same_table(athena: Athena) -> None:
    from pyiceberg.transforms import IdentityTransform

    catalog = glue_catalog(athena)
    data = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", "b"]})
    table = catalog.create_table((athena.database, "p"), data.schema, athena.location("p"))
    table.append(data)
    assert athena.rows("select id, name from p order by id") == [["1", "a"], ["2", "b"]]
    athena.ok(
        "merge into p using (values (2, 'B'), (3, 'C')) as s(id, name) on p.id = s.id when matched then update set name = s.name when not matched then insert (id, name) values (s.id, s.name)"
    )
    table.refresh()
    table.delete("id = 1")
    with table.update_schema() as update:
        update.add_column("more", pyiceberg.types.IntegerType())
    with table.update_spec() as spec:
        spec.add_field("more", IdentityTransform())
    athena.ok("insert into p values (4, 'D', 40)")
    assert athena.rows("select id, name, more from p order by id") == [
        ["2", "B", None], ["3", "C", None], ["4", "D", "40"],
    ]  # fmt: skip
    athena.ok("optimize p rewrite data using bin_pack")
    assert sorted(r["id"] for r in pyiceberg_rows(athena, "p")) == [2, 3, 4]


def test_boto3_pages_what_it_lists(athena: Athena) -> None:
    for number in range(3):
        athena.ok(f"select {number}")
        athena.iceberg(f"t{number}", f"select {number} as a")
    client = athena.aws.client("athena")
    pages = client.get_paginator("list_query_executions").paginate(
        PaginationConfig={"PageSize": 2, "MaxItems": 6}
    )
    listed = [item for page in pages for item in page["QueryExecutionIds"]]
    assert listed == [e["QueryExecutionId"] for e in reversed(athena.executions)][:6]
    for operation, key, more in [
        ("list_table_metadata", "TableMetadataList", {"CatalogName": "AwsDataCatalog", "DatabaseName": athena.database}),
        ("list_databases", "DatabaseList", {"CatalogName": "AwsDataCatalog"}),
        ("list_data_catalogs", "DataCatalogsSummary", {}),
    ]:  # fmt: skip
        pages = client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 2}, **more)
        names = [
            item.get("Name") or item.get("CatalogName") for page in pages for item in page[key]
        ]
        assert names and len(names) == len(set(names)), operation


def test_the_aws_cli_runs_a_query(athena: Athena, environment: dict[str, str]) -> None:
    def cli(*words: str) -> Any:
        command = [str(Path(sys.executable).with_name("aws")), "athena", *words, "--output", "json"]
        return json.loads(
            subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        )

    started = cli(
        "start-query-execution", "--query-string", "select 1 as a", "--result-configuration",
        f"OutputLocation=s3://{athena.bucket}/r/",
    )["QueryExecutionId"]  # fmt: skip
    cli("get-query-execution", "--query-execution-id", started)
    found = cli("get-query-results", "--query-execution-id", started)
    assert [r["Data"][0]["VarCharValue"] for r in found["ResultSet"]["Rows"]] == ["a", "1"]


def test_a_result_has_its_columns_in_a_metadata_object(athena: Athena) -> None:
    """The content is what AWS's and Burt's JDBC drivers read: a protocol buffer of the columns."""
    execution = athena.ok("select 1 as a, cast(2 as decimal(5,2)) as amount")
    bucket, _, key = (
        execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    )
    body = athena.aws.client("s3").get_object(Bucket=bucket, Key=f"{key}.metadata")["Body"].read()
    message = fields(body)
    assert message[0] == (1, execution["QueryExecutionId"].encode())
    columns = [dict(fields(value)) for number, value in message if number == 4]
    assert [(c[4], c[6], c[7], c[8]) for c in columns] == [
        (b"a", b"integer", 10, 0), (b"amount", b"decimal", 5, 2),
    ]  # fmt: skip


def fields(body: bytes) -> list[tuple[int, Any]]:
    """The fields of a protocol buffer, by protobuf's own decoder."""
    from google.protobuf.internal.decoder import _DecodeVarint

    found, at = [], 0
    while at < len(body):
        tag, at = _DecodeVarint(body, at)
        value, at = _DecodeVarint(body, at)
        if tag & 7 == 2:
            found.append((tag >> 3, body[at : at + value]))
            at += value
        else:
            found.append((tag >> 3, value))
    return found
