"""The Glue Python-shell job that joins the small objects of closed Bronze days.

Arguments: `--bronze_bucket`, optional `--source <system>.<table>` (every stream source without it)
and `--before <day>` (days before it are closed; the day of the run without it), and Glue's own.

Each group of a day's objects becomes one of at most 256 MB. A note, which Athena does not read,
names the group from before its object is written until after its inputs are deleted: a run that was
killed is finished, or undone, by the next one. Between those two moments a reader finds records
twice, with the same identity, on which Silver merges.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import boto3

from aws_code import job_metrics
from aws_code.masking import rules

Json = dict[str, Any]

#: What is good for Athena lies between 128 and 512 MB.
_MOST_BYTES = 256 * 1024 * 1024
_ENOUGH_BYTES = 128 * 1024 * 1024
_NOTE = "_compacting-"


@dataclass(frozen=True)
class Object:
    """An object of Bronze and its size in bytes."""

    key: str
    size: int


def main(argv: list[str]) -> None:
    """Compact the closed days of the sources and print what became of each group."""
    arguments = dict(zip(argv[::2], argv[1::2]))
    declared = rules.packed()
    if "--source" in arguments:
        sources = [declared[arguments["--source"]]]
    else:
        sources = [source for source in declared.values() if source.ingest == "stream"]
    today = datetime.now(timezone.utc).date()
    before = date.fromisoformat(arguments["--before"]) if "--before" in arguments else today
    told = (arguments["--JOB_NAME"], arguments.get("--source"), boto3.client("glue"))
    with job_metrics.elapsed_told(*told, boto3.client("cloudwatch")):
        for source in sources:
            for report in compact(source, arguments["--bronze_bucket"], before, boto3.client("s3")):
                print(json.dumps({"source": source.name, **report}))


def compact(source: rules.Source, bucket: str, before: date, s3: Any) -> Iterator[Json]:
    """Join the objects of the days before `before`; gives a report of each group."""
    for folder, objects in sorted(_days(source, bucket, s3).items()):
        if _day(folder) >= before:
            continue
        notes = [o.key for o in objects if o.key.startswith(f"{folder}{_NOTE}")]
        for note in notes:
            _settle(bucket, note, {o.key for o in objects}, s3)
        if notes:
            objects = _days(source, bucket, s3).get(folder, [])
        for group in _groups(objects):
            with tempfile.TemporaryDirectory() as made:
                paths = {o.key: Path(made) / f"{number}" for number, o in enumerate(group)}
                for key, path in paths.items():
                    s3.download_file(bucket, key, str(path))
                for alike in _by_schema(paths):
                    if len(alike) > 1:
                        yield _join(bucket, folder, alike, s3)


def _days(source: rules.Source, bucket: str, s3: Any) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = defaultdict(list)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=source.location)
    for page in pages:
        for item in page.get("Contents", []):
            folder = item["Key"].rpartition("/")[0] + "/"
            found[folder].append(Object(item["Key"], item["Size"]))
    return found


def _day(folder: str) -> date:
    parts = dict(part.split("=") for part in folder.strip("/").split("/") if "=" in part)
    return date(int(parts["year"]), int(parts["month"]), int(parts["day"]))


def _groups(objects: list[Object]) -> Iterator[list[Object]]:
    """The small objects in the order of their names, as many together as one object may hold."""
    group: list[Object] = []
    for item in sorted(objects, key=lambda o: o.key):
        if item.size >= _ENOUGH_BYTES:
            continue
        if group and sum(o.size for o in group) + item.size > _MOST_BYTES:
            if len(group) > 1:
                yield group
            group = []
        group.append(item)
    if len(group) > 1:
        yield group


def _by_schema(paths: dict[str, Path]) -> list[dict[str, Path]]:
    """The files that can be joined without loss: those of one schema, JSON all together."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for key, path in paths.items():
        schema = ""
        if key.endswith(".parquet"):
            import pyarrow.parquet as pq

            schema = str(pq.read_schema(str(path)).remove_metadata())
        found[schema][key] = path
    return list(found.values())


def _join(bucket: str, folder: str, paths: dict[str, Path], s3: Any) -> Json:
    keys = list(paths)
    name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]
    suffix = "parquet" if keys[0].endswith(".parquet") else "json.gz"
    target, note = f"{folder}compacted-{name}.{suffix}", f"{folder}{_NOTE}{name}.json"
    joined = paths[keys[0]].with_name("joined")
    (_join_parquet if suffix == "parquet" else _join_gzip)(list(paths.values()), joined)
    s3.put_object(Bucket=bucket, Key=note, Body=json.dumps({"to": target, "of": keys}).encode())
    s3.upload_file(str(joined), bucket, target)
    _finish(bucket, keys, note, s3)
    return {"object": target, "inputs": len(keys), "bytes": joined.stat().st_size}


def _join_gzip(paths: list[Path], joined: Path) -> None:
    """Members of gzip one after another are gzip."""
    with joined.open("wb") as file:
        for path in paths:
            file.write(path.read_bytes())


def _join_parquet(paths: list[Path], joined: Path) -> None:
    import pyarrow.parquet as pq

    schema = pq.read_schema(str(paths[0])).remove_metadata()
    with pq.ParquetWriter(str(joined), schema, compression="snappy") as writer:
        for path in paths:
            writer.write_table(pq.read_table(str(path)).cast(schema))


def _settle(bucket: str, note: str, present: set[str], s3: Any) -> None:
    """Finish what a killed run began, or forget it where its object was not written."""
    began = json.loads(s3.get_object(Bucket=bucket, Key=note)["Body"].read())
    _finish(bucket, began["of"] if began["to"] in present else [], note, s3)


def _finish(bucket: str, keys: list[str], note: str, s3: Any) -> None:
    for start in range(0, len(keys), 1000):
        names = [{"Key": key} for key in keys[start : start + 1000]]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": names, "Quiet": True})
    s3.delete_object(Bucket=bucket, Key=note)


if __name__ == "__main__":
    main(sys.argv[1:])
