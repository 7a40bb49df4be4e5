"""The Glue Python-shell job that carries one source's files from landing to Bronze, masked.

Arguments: `--source <system>.<table>`, `--landing_bucket`, `--bronze_bucket`, `--masking_secret`,
and Glue's own `--JOB_NAME` and `--JOB_RUN_ID`. Optional: `--from` and `--to`, the first and the
last day of the event time that a backfill carries, and `--redrive true`, which carries what
Firehose kept because the masking function failed.

The records of one input become Bronze objects whose names are derived from the input's, under the
arrival day, which is the run's start. Then the input moves to `processed/` or, if it could not be
read to its end, to `rejected/`, each with a report beside it. A run that was killed is started
again: it writes the same records with the same identities, and Silver merges on them. A partner's
file whose content was carried before is not carried again: its manifest says so.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import boto3

from aws_code import job_metrics
from aws_code.landing import bronze, changes, files
from aws_code.masking import records, rules
from aws_code.masking.masks import Key, load_key

Json = dict[str, Any]

_INCOMPLETE = {"truncated_file", "corrupt_file", "too_large", "unknown_format"}


@dataclass(frozen=True)
class Job:
    """What a run works with. `first` and `last` bound the event time of a backfill."""

    source: rules.Source
    landing_bucket: str
    bronze_bucket: str
    key: Key
    arrived_at: datetime
    s3: Any
    first: date | None = None
    last: date | None = None
    is_redrive: bool = False

    @property
    def inbox(self) -> tuple[str, str]:
        """Bucket and prefix of what waits."""
        if self.is_redrive:
            return self.bronze_bucket, f"firehose-errors/processing-failed/{self.source.location}"
        return self.landing_bucket, self.source.location


def main(argv: list[str]) -> None:
    """Carry all waiting files of one source and print what was done to each."""
    arguments = arguments_of(argv)
    job = job_of(arguments)
    told = (arguments["--JOB_NAME"], job.source.name, boto3.client("glue"))
    with job_metrics.elapsed_told(*told, boto3.client("cloudwatch")):
        for key in sorted(waiting(job)):
            print(json.dumps(carry(job, key)))


def arguments_of(argv: list[str]) -> dict[str, str]:
    """The arguments of a run by their names; Glue gives some of its own without a value."""
    return {name: value for name, value in zip(argv, argv[1:]) if name.startswith("--")}


def job_of(arguments: dict[str, str]) -> Job:
    """What a run with these arguments works with."""
    return Job(
        source=rules.packed()[arguments["--source"]],
        landing_bucket=arguments["--landing_bucket"],
        bronze_bucket=arguments["--bronze_bucket"],
        key=load_key(boto3.client("secretsmanager"), arguments["--masking_secret"]),
        arrived_at=_run_start(arguments["--JOB_NAME"], arguments["--JOB_RUN_ID"]),
        s3=boto3.client("s3"),
        first=_day(arguments.get("--from")),
        last=_day(arguments.get("--to")),
        is_redrive=arguments.get("--redrive") == "true",
    )


def carry(job: Job, key: str) -> Json:
    """Bring one waiting file to Bronze; returns the report that is kept beside it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        job.s3.download_file(job.inbox[0], key, str(path))
        digest = _digest(path)
        manifest = f"manifests/{job.source.location}{digest}{_window(job)}.json"
        before = _carried_before(job, manifest)
        report = before or _to_bronze(job, key, path, digest)
    if not before and job.source.ingest != "cdc":
        job.s3.put_object(Bucket=job.landing_bucket, Key=manifest, Body=json.dumps(report).encode())
    if before:
        report = {**before, "input": key, "carried_before_as": before["input"]}
    folder = "rejected" if _INCOMPLETE & report["rejected"].keys() else "processed"
    return _move(job, key, {**report, "moved_to": f"{folder}/{key}"})


def _to_bronze(job: Job, key: str, path: Path, digest: str) -> Json:
    # Names come again: DMS calls the first file of every full load LOAD00000001.
    name = hashlib.sha256(f"{key}#{digest}".encode()).hexdigest()[:32]
    prefix = f"{job.source.location}{job.arrived_at.strftime('year=%Y/month=%m/day=%d')}/{name}"

    def put(file: Path, target: str) -> None:
        job.s3.upload_file(str(file), job.bronze_bucket, target)

    objects = bronze.Objects(job.source, prefix, path.parent, put)
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for record in _records(job, key, path, digest):
        if not _is_wanted(job, record):
            counts["outside"] += 1
            continue
        counts["records"] += 1
        reasons.update((record["_rejection"] or "").split("|"))
        objects.add(record)
    objects.close()
    del reasons[""]
    return {
        "input": key,
        "sha256": digest,
        "records": counts["records"],
        "outside": counts["outside"],
        "rejected": dict(reasons),
        "objects": objects.keys,
        "arrived_at": job.arrived_at.isoformat(),
    }


def _items(job: Job, key: str, path: Path) -> Iterator[files.Item]:
    try:
        return files.read_firehose_errors(path) if job.is_redrive else files.read(path, key)
    except files.UnknownFormat:
        return iter([files.Item("end", fault="unknown_format")])


def _records(job: Job, key: str, path: Path, digest: str) -> Iterator[Json]:
    """The Bronze records of a file: masked, with their envelopes."""
    for item in _items(job, key, path):
        arrival = _arrival(job, key, item, f"{key}#{digest}#{item.place}")
        if item.fault:
            whole = digest if item.place == "end" else records.digest(item.payload)
            yield records.unusable(item.fault, whole, arrival)
        elif item.fields is None:
            yield records.from_json(job.source, item.payload, arrival, job.key)
        elif job.source.ingest == "cdc":
            for number, (fields, change) in enumerate(changes.split(item.fields)):
                place = f"{key}#{digest}#{item.place}#{number}"
                one = _arrival(job, key, item, place)
                yield {**records.from_fields(job.source, fields, one, job.key), **change}
        else:
            yield records.from_fields(job.source, item.fields, arrival, job.key)


def _arrival(job: Job, key: str, item: files.Item, place: str) -> records.Arrival:
    return records.Arrival(
        record_id=hashlib.sha256(place.encode()).hexdigest()[:32],
        arrived_at=item.arrived_at or job.arrived_at,
        delivery_id=key,
    )


def _is_wanted(job: Job, record: Json) -> bool:
    """Whether a backfill carries the record. One without a day that can be read is never left out."""
    text = str(record.get(job.source.event_time) or "")[:10]
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return True
    return (job.first is None or job.first <= day) and (job.last is None or day <= job.last)


def _move(job: Job, key: str, report: Json) -> Json:
    bucket, _ = job.inbox
    target = report["moved_to"]
    job.s3.copy({"Bucket": bucket, "Key": key}, job.landing_bucket, target)
    body = json.dumps(report, indent=2).encode()
    job.s3.put_object(Bucket=job.landing_bucket, Key=f"{target}.report.json", Body=body)
    job.s3.delete_object(Bucket=bucket, Key=key)
    return report


def _carried_before(job: Job, manifest: str) -> Json | None:
    """The report of the same content, carried under any name; changes of a database may repeat."""
    if job.source.ingest == "cdc":
        return None
    listed = job.s3.list_objects_v2(Bucket=job.landing_bucket, Prefix=manifest)
    if not listed.get("KeyCount"):
        return None
    body = job.s3.get_object(Bucket=job.landing_bucket, Key=manifest)["Body"].read()
    found: Json = json.loads(body)
    return found


def _window(job: Job) -> str:
    return f"_{job.first or ''}_{job.last or ''}" if job.first or job.last else ""


def waiting(job: Job) -> dict[str, int]:
    """The keys of the files that wait, with their sizes."""
    bucket, prefix = job.inbox
    pages = job.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


def _run_start(job_name: str, run_id: str) -> datetime:
    run = boto3.client("glue").get_job_run(JobName=job_name, RunId=run_id)["JobRun"]
    started: datetime = run["StartedOn"]
    return started.astimezone(timezone.utc)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


if __name__ == "__main__":
    main(sys.argv[1:])
