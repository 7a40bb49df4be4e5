"""The Glue Python-shell job that carries one source's files from landing to Bronze, masked.

Arguments: `--source <system>.<table>`, `--landing_bucket`, `--bronze_bucket`, `--masking_secret`,
and Glue's own `--JOB_NAME` and `--JOB_RUN_ID`.

Each input file becomes one Bronze object whose name is derived from the input's, under the arrival
day, which is the run's start. Then the input moves to `processed/` or, if it could not be read to
its end, to `rejected/`. A run that was killed is started again: it writes the same records with
the same identities, and Silver merges on them.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

import boto3

from aws_code.masking import records, rules
from aws_code.masking.masks import Key, load_key

Json = dict[str, Any]

_DMS_COLUMNS = {
    "Op": "_op",
    "dms_commit_timestamp": "_committed_at",
    "ar_h_change_seq": "_change_sequence",
}
_CHANGE_SEQUENCE_DIGITS = 35


@dataclass(frozen=True)
class Job:
    """What a run works with."""

    source: rules.Source
    landing_bucket: str
    bronze_bucket: str
    key: Key
    arrived_at: datetime
    s3: Any


def main(argv: list[str]) -> None:
    """Carry all waiting files of one source and print what was done to each."""
    arguments = dict(zip(argv[::2], argv[1::2]))
    job = Job(
        source=rules.packed()[arguments["--source"]],
        landing_bucket=arguments["--landing_bucket"],
        bronze_bucket=arguments["--bronze_bucket"],
        key=load_key(boto3.client("secretsmanager"), arguments["--masking_secret"]),
        arrived_at=_run_start(arguments["--JOB_NAME"], arguments["--JOB_RUN_ID"]),
        s3=boto3.client("s3"),
    )
    for key in sorted(_waiting(job)):
        print(json.dumps(carry(job, key)))


def carry(job: Job, key: str) -> Json:
    """Bring one landing file to Bronze; returns a report for the run's log."""
    body = job.s3.get_object(Bucket=job.landing_bucket, Key=key)["Body"].read()
    text, is_whole = _decompress(body) if key.endswith(".gz") else (body, True)
    rows = list(_records(job, key, text, is_whole))
    if not is_whole:
        rows.append(records.unusable("truncated_file", body, _arrival(job, key, "end")))
    if rows:
        job.s3.put_object(
            Bucket=job.bronze_bucket, Key=bronze_key(job, key), Body=_encode(job.source, rows)
        )
    folder = "processed" if is_whole else "rejected"
    moved = f"{folder}/{key}"
    job.s3.copy_object(
        Bucket=job.landing_bucket,
        Key=moved,
        CopySource={"Bucket": job.landing_bucket, "Key": key},
    )
    job.s3.delete_object(Bucket=job.landing_bucket, Key=key)
    rejected = sum(1 for row in rows if row["_rejection"])
    return {"input": key, "records": len(rows), "rejected": rejected, "moved_to": moved}


def bronze_key(job: Job, key: str) -> str:
    """Where the records of the landing object `key` go."""
    day = job.arrived_at.strftime("year=%Y/month=%m/day=%d")
    suffix = "parquet" if job.source.file_format == "parquet" else "json.gz"
    return f"{job.source.location}{day}/{hashlib.sha256(key.encode()).hexdigest()[:32]}.{suffix}"


def _run_start(job_name: str, run_id: str) -> datetime:
    run = boto3.client("glue").get_job_run(JobName=job_name, RunId=run_id)["JobRun"]
    started: datetime = run["StartedOn"]
    return started.astimezone(timezone.utc)


def _waiting(job: Job) -> Iterator[str]:
    pages = job.s3.get_paginator("list_objects_v2").paginate(
        Bucket=job.landing_bucket, Prefix=job.source.location
    )
    for page in pages:
        yield from (item["Key"] for item in page.get("Contents", []))


def _decompress(body: bytes) -> tuple[bytes, bool]:
    """The readable part of a gzip file up to its last whole line, and whether that is all."""
    parts = []
    reader = gzip.GzipFile(fileobj=io.BytesIO(body))
    try:
        while chunk := reader.read1(1 << 20):
            parts.append(chunk)
    except (EOFError, OSError):
        text = b"".join(parts)
        return text[: text.rfind(b"\n") + 1], False
    return b"".join(parts), True


def _records(job: Job, key: str, text: bytes, is_whole: bool) -> Iterator[Json]:
    reader = csv.DictReader(
        io.StringIO(text.decode(errors="replace"), newline=""), restkey=None, strict=is_whole
    )
    for number, row in enumerate(_rows(reader), start=1):
        arrival = _arrival(job, key, str(number))
        if None in row or None in row.values():
            payload = json.dumps(row, default=str, skipkeys=True).encode()
            yield records.unusable("malformed_row", payload, arrival)
            continue
        values = {name: value or None for name, value in row.items()}
        change = {new: values.pop(old, None) for old, new in _DMS_COLUMNS.items()}
        record = records.from_fields(job.source, values, arrival, job.key)
        if job.source.ingest == "cdc":
            sequence = change["_change_sequence"] or ""
            record |= {**change, "_change_sequence": sequence.rjust(_CHANGE_SEQUENCE_DIGITS, "0")}
        yield record


def _rows(reader: csv.DictReader[str]) -> Iterator[dict[Any, Any]]:
    """The reader's rows; a row that csv itself cannot read ends as one without values."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield {None: None}


def _arrival(job: Job, key: str, line: str) -> records.Arrival:
    digest = hashlib.sha256(f"{key}#{line}".encode()).hexdigest()
    return records.Arrival(record_id=digest[:32], arrived_at=job.arrived_at, delivery_id=key)


def _encode(source: rules.Source, rows: list[Json]) -> bytes:
    if source.file_format == "parquet":
        return _parquet(source, rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    return gzip.compress(lines.encode(), mtime=0)


def _parquet(source: rules.Source, rows: list[Json]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "varchar": pa.string(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("ms"),
    }
    envelope = {"_record_id", "_delivery_id", "_rejection", "_payload_sha256"}
    schema = pa.schema(
        [(column.name, types[column.type]) for column in source.columns.values()]
        + [(name, pa.string()) for name in sorted(envelope)]
        + [("_arrived_at", pa.timestamp("ms"))]
    )
    table = pa.Table.from_pylist(
        [{field.name: _python(row.get(field.name), field) for field in schema} for row in rows],
        schema=schema,
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="snappy")
    return buffer.getvalue()


def _python(value: Any, field: Any) -> Any:
    if value is None:
        return None
    if str(field.type).startswith("timestamp"):
        return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=None)
    return date.fromisoformat(value) if str(field.type).startswith("date") else value


if __name__ == "__main__":
    main(sys.argv[1:])
