"""The compaction of closed Bronze days: nothing is lost, wherever a run is killed."""

import gzip
import io
import json
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.testing

from aws_code import compaction_job
from aws_code.masking import rules
from strata.cli import app
from strata.deploy.code import masking_rules
from tests.conftest import Lakehouse

CLOSED = "year=2011/month=05/day=01/"
OPEN = "year=2011/month=05/day=02/"


class Killed(Exception):
    """What a kill looks like from inside."""


class Dying:
    """An S3 client that dies before its n-th call that changes something."""

    def __init__(self, s3: Any, calls: int) -> None:
        self._s3, self._left = s3, calls

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("put", "upload", "delete")):
            self._left -= 1
            if self._left < 0:
                raise Killed
        return getattr(self._s3, name)


def source(lakehouse: Lakehouse, name: str) -> rules.Source:
    """The declaration as the job has it."""
    return rules.parse(masking_rules([lakehouse.source(name)]))[name]


def put(lakehouse: Lakehouse, key: str, ids: list[str], more: str = "") -> None:
    """An object of Bronze that holds records of these ids."""
    rows = [{"_record_id": record, **({more: "x"} if more else {})} for record in ids]
    body = io.BytesIO()
    if key.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), body)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        body.write(gzip.compress(lines.encode()))
    bucket = lakehouse.environment.bucket("bronze")
    lakehouse.client("s3").put_object(Bucket=bucket, Key=key, Body=body.getvalue())


def records(lakehouse: Lakehouse, prefix: str) -> list[str]:
    """The ids in all objects below a prefix that Athena would read."""
    bucket, found = lakehouse.environment.bucket("bronze"), []
    for key in lakehouse.objects("bronze", prefix):
        if key.rpartition("/")[2].startswith("_"):
            continue
        body = lakehouse.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        if key.endswith(".parquet"):
            found += pq.ParquetFile(io.BytesIO(body)).read()["_record_id"].to_pylist()
        else:
            lines = gzip.decompress(body).splitlines()
            found += [json.loads(line)["_record_id"] for line in lines]
    return sorted(found)


@pytest.mark.parametrize("calls", range(6))
@pytest.mark.parametrize(
    ("name", "suffix"),
    [("ticketing.payments", "gz"), ("weather.station_readings", "parquet")],
)
def test_a_run_killed_anywhere_is_finished_by_the_next(
    lakehouse: Lakehouse, name: str, suffix: str, calls: int
) -> None:
    declared, s3 = source(lakehouse, name), lakehouse.client("s3")
    bucket = lakehouse.environment.bucket("bronze")
    prefix = f"{declared.location}{CLOSED}"
    for key in lakehouse.objects("bronze", prefix):
        s3.delete_object(Bucket=bucket, Key=key)
    for number in range(3):
        put(lakehouse, f"{prefix}part{number}.{suffix}", [f"{number}a", f"{number}b"])
    every = records(lakehouse, prefix)
    before = date(2011, 5, 2)
    try:
        list(compaction_job.compact(declared, bucket, before, Dying(s3, calls)))
    except Killed:
        assert calls < 4
    assert set(records(lakehouse, prefix)) == set(every)
    list(compaction_job.compact(declared, bucket, before, s3))
    assert records(lakehouse, prefix) == every
    (only,) = lakehouse.objects("bronze", prefix)
    assert "/compacted-" in only
    assert list(compaction_job.compact(declared, bucket, before, s3)) == []


def test_the_job_leaves_open_days_and_files_of_other_columns(lakehouse: Lakehouse) -> None:
    location = source(lakehouse, "schedules.flight_schedules").location
    for day in (CLOSED, OPEN):
        for number in range(2):
            put(lakehouse, f"{location}{day}old{number}.parquet", [f"o{number}"])
            put(lakehouse, f"{location}{day}new{number}.parquet", [f"n{number}"], more="added")
    arguments = ["ingest", "compact", "schedules.flight_schedules", "--before", "2011-05-02"]
    result = typer.testing.CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert len(lakehouse.objects("bronze", f"{location}{CLOSED}")) == 2
    assert len(lakehouse.objects("bronze", f"{location}{OPEN}")) == 4
    assert records(lakehouse, f"{location}{CLOSED}") == ["n0", "n1", "o0", "o1"]
