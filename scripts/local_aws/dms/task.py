"""A replication task: one table of a SQLite database to files under an S3 prefix."""

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.clock import Clock
from local_aws.dms import capture
from local_aws.files import write_atomically

_ADDED_COLUMNS = ["Op", "dms_commit_timestamp", "ar_h_change_seq"]
_COUNTER_DIGITS = 19

Row = list[Any]


@dataclass(frozen=True)
class Task:
    """What a task replicates, and where its checkpoint lies.

    `prefix` is the table's folder in `bucket`, with its closing slash.
    """

    database: Path
    table: str
    bucket: str
    prefix: str
    checkpoint: Path


def replicate(task: Task, s3: Any, clock: Clock) -> int:
    """Write the full load, the first time, or the changes since; returns the rows written.

    The checkpoint moves after the file is stored: a task that was killed writes its rows again.
    Raises ValueError for a table that the database does not have.
    """
    with sqlite3.connect(task.database) as db:
        if not task.checkpoint.exists():
            return _full_load(task, db, s3, clock)
        return _changes(task, db, s3, clock)


def _full_load(task: Task, db: sqlite3.Connection, s3: Any, clock: Clock) -> int:
    capture.enable(db, task.table)
    names = capture.columns(db, task.table)
    db.execute("begin")  # the rows and the log's end are of one instant
    sequence = capture.last_sequence(db)
    stamp = _timestamp(clock.now())
    rows = [["I", stamp, "", *row] for row in db.execute(f'select * from "{task.table}"')]
    db.commit()
    _put(s3, task, f"{task.prefix}LOAD00000001.csv.gz", names, rows)
    _save_checkpoint(task, sequence)
    return len(rows)


def _changes(task: Task, db: sqlite3.Connection, s3: Any, clock: Clock) -> int:
    after = json.loads(task.checkpoint.read_text())["sequence"]
    names = capture.columns(db, task.table)
    found = list(capture.changes(db, task.table, after))
    by_day: dict[str, list[Row]] = {}
    first: dict[str, datetime] = {}
    for change in found:
        committed = clock.at(change.machine_time)
        day = committed.strftime("%Y/%m/%d")
        first.setdefault(day, committed)
        row = [change.op, _timestamp(committed), _change_sequence(committed, change.sequence)]
        by_day.setdefault(day, []).append(row + [change.row[name] for name in names])
    for day, rows in by_day.items():
        name = first[day].strftime("%Y%m%d-%H%M%S%f")[:-3]
        _put(s3, task, f"{task.prefix}{day}/{name}.csv.gz", names, rows)
    if found:
        _save_checkpoint(task, found[-1].sequence)
    return len(found)


def _timestamp(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _change_sequence(committed: datetime, counter: int) -> str:
    """35 digits: the commit to hundredths of a second, and an increasing number."""
    return committed.strftime("%Y%m%d%H%M%S%f")[:16] + str(counter).rjust(_COUNTER_DIGITS, "0")


def _put(s3: Any, task: Task, key: str, names: list[str], rows: Iterable[Row]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_ADDED_COLUMNS + names)
    writer.writerows(rows)
    body = gzip.compress(text.getvalue().encode(), mtime=0)
    s3.put_object(Bucket=task.bucket, Key=key, Body=body)


def _save_checkpoint(task: Task, sequence: int) -> None:
    write_atomically(task.checkpoint, json.dumps({"sequence": sequence}))
