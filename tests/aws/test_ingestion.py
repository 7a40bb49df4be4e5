"""Ingestion through the real paths: what arrives, masked, and what happens to what is wrong."""

import base64
import dataclasses
import gzip
import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import avro.schema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.testing
from avro.datafile import DataFileWriter
from avro.io import DatumWriter

from strata.cli import app
from strata.errors import StrataError
from strata.ingest import jobs, landing, stream
from tests.conftest import Lakehouse

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


def wait_for(found: Callable[[], list[str]], count: int = 1) -> list[str]:
    """The keys, as soon as there are `count` of them."""
    deadline = time.monotonic() + 60
    while len(keys := found()) < count:
        assert time.monotonic() < deadline, f"only {keys}"
        time.sleep(0.1)
    return keys


def body(lakehouse: Lakehouse, layer: str, key: str) -> bytes:
    """The content of an object."""
    bucket = lakehouse.environment.bucket(layer)
    content: bytes = lakehouse.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def send(lakehouse: Lakehouse, name: str, payloads: list[bytes]) -> None:
    """Send, and let the buffer's time pass."""
    kinesis = lakehouse.client("kinesis")
    stream.send(lakehouse.source(name), payloads, lakehouse.environment, kinesis)
    lakehouse.clock.advance(timedelta(minutes=10))


def test_a_stream_arrives_masked_under_its_arrival_day(lakehouse: Lakehouse) -> None:
    lakehouse.clock.set(NOON)
    good = {"payment_id": "p1", "email": "ada@x.example", "card_number": "4111111111111234"}
    send(lakehouse, "ticketing.payments", [json.dumps(good).encode(), b"{ada@x.example"])
    prefix = "ticketing/payments/year=2013/month=03/day=01/"
    (key,) = wait_for(lambda: lakehouse.objects("bronze", prefix))
    text = gzip.decompress(body(lakehouse, "bronze", key)).decode()
    records = {r.get("payment_id"): r for r in map(json.loads, text.splitlines())}
    assert records["p1"]["card_number"] == "************1234"
    assert records[None]["_rejection"] == "malformed_json"
    assert "ada@x.example" not in text
    (kept,) = lakehouse.objects("landing", "unreadable/ticketing/payments/")
    raw = json.loads(body(lakehouse, "landing", kept).splitlines()[0])
    assert base64.b64decode(raw["data"]) == b"{ada@x.example"
    assert raw["_record_id"] == records[None]["_record_id"]


def test_a_converted_stream_is_parquet_with_wrong_types_as_null(lakehouse: Lakehouse) -> None:
    lakehouse.clock.set(NOON + timedelta(days=1))
    reading = {"origin": "EWR", "observed_at": "2013-03-02T11:00:00Z", "wind_dir": "north"}
    send(lakehouse, "weather.station_readings", [json.dumps(reading).encode()])
    prefix = "weather/station_readings/year=2013/month=03/day=02/"
    (key,) = wait_for(lambda: lakehouse.objects("bronze", prefix))
    content = io.BytesIO(body(lakehouse, "bronze", key))
    (row,) = pq.ParquetFile(content).read().to_pylist()
    assert row["observed_at"] == datetime(2013, 3, 2, 11)
    assert row["wind_dir"] is None
    assert row["_rejection"] == "wrong_type:wind_dir"


def carry(lakehouse: Lakehouse, name: str) -> None:
    """Run the landing job for a source."""
    glue = lakehouse.client("glue")
    run = jobs.start("landing", lakehouse.source(name), lakehouse.environment, glue, {})
    jobs.follow(run, glue)


def bronze_rows(lakehouse: Lakehouse, prefix: str) -> list[dict[str, Any]]:
    """The records of all Parquet objects under a prefix."""
    rows: list[dict[str, Any]] = []
    for key in lakehouse.objects("bronze", prefix):
        content = io.BytesIO(body(lakehouse, "bronze", key))
        rows += pq.ParquetFile(content).read().to_pylist()
    return rows


def report(lakehouse: Lakehouse, key: str) -> dict[str, Any]:
    """The report beside a file that was carried."""
    found: dict[str, Any] = json.loads(body(lakehouse, "landing", f"{key}.report.json"))
    return found


def test_dropped_files_become_parquet_and_their_faults_are_kept(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=2))
    name = "ticketing.fraud_labels"
    good = b"payment_id,is_fraud,labelled_at\np1,true,2013-03-03T00:00:00Z\np2,maybe,x\np3\n"
    (tmp_path / "good.csv").write_bytes(good)
    (tmp_path / "empty.csv").write_bytes(b"")
    many = good + b"".join(b"q%d,true,2013-03-03T00:00:00Z\n" % n for n in range(5000))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(many)[:-200])
    files = sorted(tmp_path.iterdir())
    landing.drop(lakehouse.source(name), files, lakehouse.environment, lakehouse.client("s3"))
    carry(lakehouse, name)
    rows = bronze_rows(lakehouse, "ticketing/fraud_labels/year=2013/month=03/day=03/")
    of_good = [row for row in rows if row["_delivery_id"].endswith("good.csv")]
    assert [row["_rejection"] for row in of_good] == [
        None, "wrong_type:is_fraud|wrong_type:labelled_at", "malformed_row",
    ]  # fmt: skip
    of_cut = [row for row in rows if row["_delivery_id"].endswith("cut.csv.gz")]
    assert [row["_rejection"] for row in of_cut].count("truncated_file") == 1
    assert len(of_cut) > 1000
    assert lakehouse.objects("landing", "ticketing/fraud_labels/") == []
    carried = [f"processed/ticketing/fraud_labels/{file}.csv" for file in ("empty", "good")]
    assert set(carried) < {*lakehouse.objects("landing", "processed/ticketing/fraud_labels/")}
    assert report(lakehouse, carried[1])["rejected"] == {
        "wrong_type:is_fraud": 1, "wrong_type:labelled_at": 1, "malformed_row": 1,
    }  # fmt: skip
    cut = report(lakehouse, "rejected/ticketing/fraud_labels/cut.csv.gz")
    assert cut["records"] == len(of_cut) and cut["rejected"]["truncated_file"] == 1


def test_carrying_the_same_file_again_repeats_its_identities(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=3))
    name, prefix = "ticketing.fraud_labels", "ticketing/fraud_labels/year=2013/month=03/day=04/"
    (tmp_path / "again.csv").write_text("payment_id,is_fraud,labelled_at\np9,true,2013-03-03\n")
    for _ in range(2):
        files = [tmp_path / "again.csv"]
        landing.drop(lakehouse.source(name), files, lakehouse.environment, lakehouse.client("s3"))
        carry(lakehouse, name)
    assert len(bronze_rows(lakehouse, prefix)) == 1


def test_json_lines_avro_and_parquet_files_are_carried_and_others_rejected(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=5))
    name, prefix = "ticketing.fraud_labels", "ticketing/fraud_labels/year=2013/month=03/day=06/"
    label = {"payment_id": "p1", "is_fraud": True, "labelled_at": datetime(2013, 3, 6, tzinfo=UTC)}
    line = json.dumps({**label, "labelled_at": "2013-03-06T00:00:00Z"}).encode()
    (tmp_path / "some.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\n\n{broken\n")
    schema = avro.schema.parse(
        json.dumps(
            {
                "type": "record",
                "name": "label",
                "fields": [
                    {"name": "payment_id", "type": "string"},
                    {"name": "is_fraud", "type": "boolean"},
                    {
                        "name": "labelled_at",
                        "type": {"type": "long", "logicalType": "timestamp-millis"},
                    },
                ],
            }
        )
    )
    with DataFileWriter((tmp_path / "some.avro").open("wb"), DatumWriter(), schema) as writer:
        writer.append(label)
    pq.write_table(pa.Table.from_pylist([label]), tmp_path / "some.parquet")
    (tmp_path / "some.xlsx").write_bytes(b"PK")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    files = sorted(tmp_path.iterdir())
    landing.drop(lakehouse.source(name), files, lakehouse.environment, lakehouse.client("s3"))
    carry(lakehouse, name)
    by_file: dict[str, list[Any]] = {}
    for row in bronze_rows(lakehouse, prefix):
        shown = (row["payment_id"], row["is_fraud"], row["labelled_at"], row["_rejection"])
        by_file.setdefault(row["_delivery_id"].rpartition("/")[2], []).append(shown)
    good = ("p1", True, datetime(2013, 3, 6), None)
    assert by_file == {
        "some.jsonl": [good, (None, None, None, "malformed_json")],
        "some.avro": [good],
        "some.parquet": [good],
        "some.xlsx": [(None, None, None, "unknown_format")],
        "torn.parquet": [(None, None, None, "corrupt_file")],
    }
    rejected = "rejected/ticketing/fraud_labels/some.xlsx"
    assert report(lakehouse, rejected)["rejected"] == {"unknown_format": 1}


def test_a_file_that_was_carried_under_another_name_is_not_carried_again(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=6))
    name, prefix = "ticketing.fraud_labels", "ticketing/fraud_labels/year=2013/month=03/day=07/"
    for file in ("first.csv", "second.csv"):
        path = tmp_path / file
        path.write_text("payment_id,is_fraud,labelled_at\np7,true,2013-03-07\n")
        landing.drop(lakehouse.source(name), [path], lakehouse.environment, lakehouse.client("s3"))
        carry(lakehouse, name)
    assert len(bronze_rows(lakehouse, prefix)) == 1
    second = report(lakehouse, "processed/ticketing/fraud_labels/second.csv")
    assert second["carried_before_as"] == "ticketing/fraud_labels/first.csv"


def test_a_backfill_brings_a_stream_s_history_masked_and_only_its_days(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=7))
    days = ("2012-12-30", "2012-12-31", "2013-01-01", "2013-01-02", "")
    lines = [
        json.dumps({"payment_id": f"b{day}", "email": "ada@x.example", "paid_at": day})
        for day in days
    ]
    (tmp_path / "history.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    runner = typer.testing.CliRunner()
    arguments = ["ingest", "backfill", "ticketing.payments", str(tmp_path / "history.jsonl.gz"),
                 "--from", "2012-12-31", "--to", "2013-01-01"]  # fmt: skip
    for _ in range(2):  # the second does nothing
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0, result.output
    (key,) = lakehouse.objects("bronze", "ticketing/payments/year=2013/month=03/day=08/")
    text = gzip.decompress(body(lakehouse, "bronze", key)).decode()
    ids = [json.loads(line)["payment_id"] for line in text.splitlines()]
    assert ids == ["b2012-12-31", "b2013-01-01", "b"]
    assert "ada@x.example" not in text


def test_what_the_masking_function_failed_on_is_redriven_masked(lakehouse: Lakehouse) -> None:
    lakehouse.clock.set(NOON + timedelta(days=8))
    function = {"FunctionName": lakehouse.environment.resource("masking")}
    functions = lakehouse.client("lambda")
    right = functions.get_function_configuration(**function)["Environment"]["Variables"]
    wrong = {**right, "MASKING_SECRET": "no-such-secret"}
    functions.update_function_configuration(**function, Environment={"Variables": wrong})
    payment = {"payment_id": "r1", "email": "ada@x.example"}
    errors = "firehose-errors/processing-failed/ticketing/payments/"
    try:
        send(lakehouse, "ticketing.payments", [json.dumps(payment).encode()])
        wait_for(lambda: lakehouse.objects("bronze", errors))
    finally:
        functions.update_function_configuration(**function, Environment={"Variables": right})
    result = typer.testing.CliRunner().invoke(app, ["ingest", "replay", "ticketing.payments"])
    assert result.exit_code == 0, result.output
    (key,) = lakehouse.objects("bronze", "ticketing/payments/year=2013/month=03/day=09/")
    record = json.loads(gzip.decompress(body(lakehouse, "bronze", key)))
    assert record["payment_id"] == "r1" and record["email"].startswith("v1:")
    assert record["_arrived_at"].startswith("2013-03-09T12:")
    assert lakehouse.objects("bronze", errors) == []


def test_a_job_that_fails_says_why(lakehouse: Lakehouse) -> None:
    glue = lakehouse.client("glue")
    nobody = dataclasses.replace(lakehouse.source("ticketing.payments"), name="no.such")
    run = jobs.start("landing", nobody, lakehouse.environment, glue, {})
    with pytest.raises(StrataError, match=r"failed: KeyError: 'no.such'"):
        jobs.follow(run, glue)
