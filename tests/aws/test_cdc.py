"""Change data capture: a SQLite database through DMS and landing to Bronze.

One story in its order: a full load, changes of every shape, a crash, a log that was cut off and
the reload after it. What DMS writes is expected as its documentation says:
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
"""

import gzip
import io
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from strata import local
from strata.cli import app
from strata.errors import StrataError
from tests.conftest import Lakehouse, start

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)
TABLES = """
create table carriers (carrier text primary key, name text);
create table aircraft (tailnum text primary key, seats integer);
create table airports (faa text primary key, name text, lat real);
insert into carriers values ('UA', 'United'), ('AA', null);
insert into aircraft values ('N1', 100), ('N2', 50), ('N3', 10);
"""


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse of this story's own: it is killed in the middle."""
    yield from start(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def database(lakehouse: Lakehouse) -> Path:
    """The registry's database, as it is before the full load."""
    path = lakehouse.settings.state / "sources" / "registry.db"
    path.parent.mkdir()
    execute(path, TABLES)
    return path


def execute(path: Path, *scripts: str) -> None:
    """Run each script in a transaction of its own."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for script in scripts:
            db.executescript(f"begin; {script} commit;")


def strata(*arguments: str, code: int = 0) -> Result:
    """Run `strata ingest cdc …`, which must end with this exit code."""
    result = CliRunner().invoke(app, ["ingest", "cdc", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def body(lakehouse: Lakehouse, layer: str, key: str) -> bytes:
    """The content of an object."""
    bucket = lakehouse.environment.bucket(layer)
    content: bytes = lakehouse.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def landed(lakehouse: Lakehouse, key: str) -> list[str]:
    """The lines of a CSV file in landing."""
    return gzip.decompress(body(lakehouse, "landing", key)).decode().splitlines()


def bronze(lakehouse: Lakehouse, prefix: str) -> list[dict[str, Any]]:
    """The records of all JSON objects under a prefix, in order of their changes."""
    keys = lakehouse.objects("bronze", prefix)
    lines = [
        line
        for key in keys
        for line in gzip.decompress(body(lakehouse, "bronze", key)).splitlines()
    ]
    return sorted(map(json.loads, lines), key=lambda record: record["_change_sequence"])


def seats(records: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    """What is read of the changes of aircraft."""
    return [(record["_op"], record["tailnum"], record.get("seats")) for record in records]


def current(records: list[dict[str, Any]]) -> dict[str, str | None]:
    """The aircraft that are, by the newest change of each, as Silver takes it."""
    newest = {record["tailnum"]: record for record in records}
    return {tail: record["seats"] for tail, record in newest.items() if record["_op"] != "D"}


def test_the_first_start_loads_all_tables_in_full(lakehouse: Lakehouse, database: Path) -> None:
    lakehouse.clock.set(NOON)
    result = strata("start", "registry")
    assert "start-replication" in result.output
    files = lakehouse.objects("landing", "registry/")
    # A table without rows has no file.
    assert files == [f"registry/{table}/LOAD00000001.csv.gz" for table in ("aircraft", "carriers")]
    header, *rows = landed(lakehouse, files[1])
    assert header == "Op,dms_commit_timestamp,carrier,name,BI_carrier,ar_h_change_seq"
    stamps = {row.split(",")[1] for row in rows}
    assert len(stamps) == 1 and stamps.pop().startswith("2013-05-01 12:00:")
    assert [row.split(",")[::2] for row in rows] == [["I", "UA", ""], ["I", "AA", ""]]
    assert [row.split(",")[3] for row in rows] == ["United", ""]
    bucket = lakehouse.environment.bucket("landing")
    head = lakehouse.client("s3").head_object(Bucket=bucket, Key=files[0])
    assert head["ServerSideEncryption"] == "aws:kms"
    assert "is running already" in strata("start", "registry").output


def test_changes_of_every_shape_come_in_the_order_of_the_log(
    lakehouse: Lakehouse, database: Path
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=1))
    execute(
        database,
        "insert into aircraft values ('N4', 4);",
        "update aircraft set seats = 110 where tailnum = 'N1';",
        "delete from aircraft where tailnum = 'N2';",
        "update aircraft set tailnum = 'N9' where tailnum = 'N3';",  # a change of key
        # Several changes in one transaction, a deletion before an insertion among them.
        "delete from aircraft where tailnum = 'N4'; insert into aircraft values ('N4', 44);"
        "update aircraft set seats = 45 where tailnum = 'N4';",
    )
    with closing(sqlite3.connect(database)) as db:
        db.execute("insert into aircraft values ('N8', 8)")
        db.rollback()
    strata("stop", "registry")
    (file,) = lakehouse.objects("landing", "registry/aircraft/2013/05/02/")
    assert file.removeprefix("registry/aircraft/2013/05/02/20130502-1200").endswith(".csv.gz")
    header, *rows = (line.split(",") for line in landed(lakehouse, file))
    assert header == [
        "Op",
        "dms_commit_timestamp",
        "tailnum",
        "seats",
        "BI_tailnum",
        "ar_h_change_seq",
    ]
    assert [row[0] for row in rows] == ["I", "U", "D", "U", "D", "I", "U"]
    assert rows[2][2:4] == ["N2", "50"]  # as the row was before the deletion
    assert rows[3][2:5] == ["N9", "10", "N3"]
    sequences = [row[5] for row in rows]
    assert sequences == sorted(set(sequences))
    assert all(len(sequence) == 35 and sequence.startswith("20130502") for sequence in sequences)
    (aircraft, airports, carriers) = json.loads(strata("status", "registry", "--json").output)[
        "tables"
    ]
    assert (aircraft["loaded"], aircraft["inserts"], aircraft["updates"], aircraft["deletes"]) == (
        3,
        2,
        3,
        2,
    )
    assert (airports["loaded"], carriers["loaded"]) == (0, 2)


def test_they_go_to_bronze_by_arrival_day(lakehouse: Lakehouse) -> None:
    strata("carry", "registry.aircraft")
    assert lakehouse.objects("landing", "registry/aircraft/") == []
    records = bronze(lakehouse, "registry/aircraft/year=2013/month=05/day=02/")
    assert seats(records[:3]) == [("I", "N1", "100"), ("I", "N2", "50"), ("I", "N3", "10")]
    # The start of the full load, where the log has no place: behind no change, ahead of the next.
    loads = {record["_change_sequence"] for record in records[:3]}
    assert len(loads) == 1 and loads.pop().endswith("0" * 19)
    assert seats(records[3:]) == [
        ("I", "N4", "4"), ("U", "N1", "110"), ("D", "N2", "50"),
        ("D", "N3", None), ("U", "N9", "10"),
        ("D", "N4", "4"), ("I", "N4", "44"), ("U", "N4", "45"),
    ]  # fmt: skip
    assert current(records) == {"N1": "110", "N9": "10", "N4": "45"}
    assert len({record["_record_id"] for record in records}) == len(records)
    stamps = [datetime.fromisoformat(record["_committed_at"]) for record in records]
    assert stamps == sorted(stamps) and stamps[0].tzinfo == UTC


def test_a_crash_loses_no_change(lakehouse: Lakehouse, database: Path) -> None:
    lakehouse.clock.set(NOON + timedelta(days=2))
    strata("start", "registry")
    execute(database, "update aircraft set seats = 1 where tailnum = 'N1';")
    pid = local.status(lakehouse.settings).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    execute(database, "update aircraft set seats = 2 where tailnum = 'N1';")
    local.up(lakehouse.settings)
    assert json.loads(strata("status", "registry", "--json").output)["status"] == "running"
    strata("stop", "registry")
    files = lakehouse.objects("landing", "registry/aircraft/2013/05/03/")
    rows = {row for file in files for row in landed(lakehouse, file)[1:]}
    assert sorted(row.split(",")[3] for row in rows) == ["1", "2"]


def test_a_log_that_was_cut_off_is_a_failure_that_only_a_reload_mends(
    lakehouse: Lakehouse, database: Path
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=3))
    execute(
        database,
        "update aircraft set seats = 3 where tailnum = 'N1';",
        "update aircraft set seats = 33 where tailnum = 'N4';",
        "delete from _change_log where sequence <= (select max(sequence) from _change_log) - 1;",
    )
    result = strata("start", "registry", code=1)
    assert isinstance(result.exception, StrataError)
    assert "no longer has what follows" in result.exception.message
    assert "docs/cdc.md" in result.exception.hint
    assert "no longer has what follows" in strata("status", "registry", code=1).output
    assert json.loads(strata("status", "registry", "--json", code=1).output)["status"] == "failed"
    strata("reload", "registry")
    execute(database, "update aircraft set seats = 4 where tailnum = 'N1';")
    strata("stop", "registry")
    strata("carry", "registry.aircraft")
    records = bronze(lakehouse, "registry/aircraft/year=2013/month=05/day=04/")
    assert seats(records[:2]) == [("U", "N1", "1"), ("U", "N1", "2")]  # before the crash and after
    assert sorted(seats(records[2:5])) == [("I", "N1", "3"), ("I", "N4", "33"), ("I", "N9", "10")]
    assert seats(records[5:]) == [("U", "N1", "4")]
    history = bronze(lakehouse, "registry/aircraft/")
    assert history[-6:] == records  # behind all that was captured before
    assert current(history) == {"N1": "4", "N4": "33", "N9": "10"}


def test_parquet_files_are_carried_masked(lakehouse: Lakehouse) -> None:
    passengers = lakehouse.source("ticketing.passengers")
    assert passengers.capture.file_format == "parquet"
    path = lakehouse.settings.state / "sources" / "ticketing.db"
    columns = [column.name for column in passengers.columns]
    execute(
        path,
        f"create table passengers ({', '.join(columns)}, primary key (passenger_id));",
        "insert into passengers (passenger_id, email) values ('P1', 'ada@x.example');",
    )
    strata("start", "ticketing")
    execute(path, "update passengers set email = 'eve@x.example', passenger_id = 'P2';")
    strata("stop", "ticketing.passengers")
    change, load = lakehouse.objects("landing", "ticketing/passengers/")
    assert change.endswith(".parquet") and load.endswith("/LOAD00000001.parquet")
    table = pq.read_table(io.BytesIO(body(lakehouse, "landing", change)))
    assert table.column_names[:3] == ["Op", "dms_commit_timestamp", "passenger_id"]
    assert table["BI_passenger_id"].to_pylist() == ["P1"]
    strata("carry", "ticketing")
    records = bronze(lakehouse, "ticketing/passengers/")
    assert [(r["_op"], r["passenger_id"]) for r in records] == [
        ("I", "P1"),
        ("D", "P1"),
        ("U", "P2"),
    ]
    assert all(r["email"].startswith("v1:") for r in records if r["_op"] != "D")


def fault(call: Any, **arguments: Any) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_the_api_answers_as_dms_does(lakehouse: Lakehouse, database: Path) -> None:
    dms = lakehouse.client("dms")
    wanted = [{"Name": "replication-config-id", "Values": ["strata-local-registry"]}]
    (found,) = dms.describe_replications(Filters=wanted)["Replications"]
    arn = found["ReplicationConfigArn"]
    assert (found["Status"], found["StopReason"]) == ("stopped", "Stop Reason NORMAL")
    assert found["StartReplicationType"] == "reload-target"
    assert found["ReplicationStats"]["TablesLoaded"] == 3
    state = "InvalidResourceStateFault"
    assert fault(dms.stop_replication, ReplicationConfigArn=arn) == state
    again = {"ReplicationConfigArn": arn, "StartReplicationType": "start-replication"}
    assert fault(dms.start_replication, **again) == state
    table = {"SchemaName": "public", "TableName": "carriers"}
    reloaded = {"ReplicationConfigArn": arn, "TablesToReload": [table]}
    assert fault(dms.reload_replication_tables, **reloaded) == state
    strata("start", "registry")
    assert fault(dms.modify_replication_config, ReplicationConfigArn=arn) == state
    dms.reload_replication_tables(**reloaded)
    strata("stop", "registry")
    statistics = dms.describe_replication_table_statistics(ReplicationConfigArn=arn)
    *_, carriers = statistics["ReplicationTableStatistics"]
    assert carriers["FullLoadReloaded"] and carriers["TableState"] == "Table completed"
    unknown = arn.replace("registry", "nobody")
    assert fault(dms.stop_replication, ReplicationConfigArn=unknown) == "ResourceNotFoundFault"


def test_a_database_that_is_not_there_is_a_failure_with_its_reason(
    lakehouse: Lakehouse, database: Path
) -> None:
    database.rename(database.with_suffix(".away"))
    try:
        result = strata("start", "registry", code=1)
        assert "there is no database" in str(result.exception)
    finally:
        database.with_suffix(".away").rename(database)
    assert "no captured source is named" in str(strata("start", "nobody", code=1).exception)
    assert "registry.nothing" in str(strata("carry", "registry.nothing", code=1).exception)
