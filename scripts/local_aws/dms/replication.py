"""The data of one replication: rows and changes of a SQLite database into files in S3."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local_aws.clock import Clock
from local_aws.dms import capture, files
from local_aws.dms.files import Row
from local_aws.dms.layout import Layout
from local_aws.dms.mappings import Mapping

Json = dict[str, Any]
Save = Callable[[Json], None]

_CHANGES_AT_ONCE = 50_000
_COUNTED = {"I": "Inserts", "U": "Updates", "D": "Deletes"}
_NO_LIMIT = {"MaxFileSize": 2**31}  # it bounds the files of a full load only
LOADED = "Table completed"
RELOADING = "Table is being reloaded"
FAILED = "Table error"
NEW_TABLE: Json = {
    "TableState": "Before load", "FullLoadRows": 0, "Inserts": 0, "Updates": 0, "Deletes": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """What is replicated: the SQLite database, its tables, the S3 settings of the target.

    Rows of a full load are of the instant `started`.
    """

    database: Path
    mappings: list[Mapping]
    settings: Json
    started: datetime


class Replicator:
    """Goes on from `progress` (`position` and `tables`); `save` is told of every step of it.

    A step is saved after its file is stored: one that was killed stores its file again.
    """

    def __init__(self, task: Task, progress: Json, save: Save, clock: Clock, s3: Any) -> None:
        self._task = task
        self._progress = progress
        self._save = save
        self._clock = clock
        self._s3 = s3
        self._mappings = {mapping.table: mapping for mapping in task.mappings}

    def begin(self) -> None:
        """Start to capture, the first time from the log's end; raises ValueError for no database."""
        if not self._task.database.is_file():
            raise ValueError(f"connection failed: there is no database {self._task.database}")
        with closing(self._connect()) as db:
            capture.enable(db, self._mappings)
            if self._progress.get("position") is None:
                self._progress["position"] = capture.last_sequence(db)
        known = self._progress.get("tables", {})
        tables = {name: {**NEW_TABLE, **known.get(name, {})} for name in self._mappings}
        self._progress["tables"] = tables
        self._save(self._progress)

    def load(self) -> None:
        """Load in full every table that is not loaded; raises ValueError for one that cannot be."""
        for name, table in self._progress["tables"].items():
            if table["TableState"] == LOADED:
                continue
            try:
                self._load(name, table)
            except (ValueError, TypeError) as error:
                table["TableState"] = FAILED
                self._save(self._progress)
                raise ValueError(f"table {name}: {error}") from error

    def reload(self, names: list[str]) -> None:
        """Load tables in full again."""
        for name in names:
            self._progress["tables"][name]["TableState"] = RELOADING
        self.load()

    def follow(self, at_once: bool) -> bool:
        """Store the changes since, once they are old or many enough, or `at_once`.

        Returns whether there were any to store; raises LogTruncated when some are lost.
        """
        position = self._progress["position"]
        with closing(self._connect()) as db:
            waiting = capture.pending(db, position)
            if waiting is None or not (at_once or self._is_due(*waiting)):
                return False
            layouts = {name: self._layout(db, name) for name in self._mappings}
            found = list(capture.changes(db, position, _CHANGES_AT_ONCE))
        by_file: dict[tuple[str, str], list[capture.RowChange]] = {}
        for change in found:
            if change.table in layouts:
                day = f"{self._clock.at(change.machine_time):%Y%m%d}"
                by_file.setdefault((change.table, day), []).append(change)
        for (name, _), changes in by_file.items():
            self._store(layouts[name], changes)
        self._progress["position"] = found[-1].sequence
        self._save(self._progress)
        return True

    def _is_due(self, oldest: datetime, size: int) -> bool:
        """https://docs.aws.amazon.com/dms/latest/APIReference/API_S3Settings.html"""
        settings = self._task.settings
        age = self._clock.now() - self._clock.at(oldest)
        interval = timedelta(seconds=int(settings.get("CdcMaxBatchInterval", 60)))
        return age >= interval or size >= int(settings.get("CdcMinFileSize", 32_000)) * 1024

    def _load(self, name: str, table: Json) -> None:
        is_again = table["TableState"] == RELOADING
        table.update(
            TableState=RELOADING if is_again else "Full load",
            FullLoadReloaded=is_again,
            FullLoadRows=0,
            FullLoadStartTime=self._clock.now().timestamp(),
        )
        self._save(self._progress)
        settings = self._task.settings
        with closing(self._connect()) as db:
            layout = self._layout(db, name)
            rows = self._rows(db, layout, table)
            written = files.write(layout.fields(is_load=True), rows, settings)
            for number, file in enumerate(written, start=1):
                self._put(layout.mapping, files.load_name(number, settings), file)
        table.update(TableState=LOADED, FullLoadEndTime=self._clock.now().timestamp())
        self._save(self._progress)

    def _rows(self, db: sqlite3.Connection, layout: Layout, table: Json) -> Iterator[Row]:
        is_start = self._task.settings.get("UseTaskStartTimeForFullLoadTimestamp")
        listed = ", ".join(capture.value(capture.quoted(c.name)) for c in layout.columns)
        for row in db.execute(f"select {listed} from {capture.quoted(layout.mapping.table)}"):
            table["FullLoadRows"] += 1
            yield layout.loaded(list(row), self._task.started if is_start else self._clock.now())

    def _store(self, layout: Layout, changes: list[capture.RowChange]) -> None:
        settings, table = self._task.settings, self._progress["tables"][layout.mapping.table]
        rows = []
        for change in changes:
            rows.append(layout.changed(change, self._clock.at(change.machine_time)))
            table[_COUNTED[change.op]] += 1
        stamp = self._clock.at(changes[0].machine_time)
        name = files.change_name(stamp, settings)
        if name == table.get("last_file"):  # of the same millisecond, and carried already perhaps
            name = files.change_name(stamp + timedelta(milliseconds=1), settings)
        for file in files.write(layout.fields(is_load=False), rows, {**settings, **_NO_LIMIT}):
            self._put(layout.mapping, name, file)
        table.update(last_file=name, LastUpdateTime=self._clock.now().timestamp())

    def _put(self, mapping: Mapping, name: str, file: Any) -> None:
        settings = self._task.settings
        parts = (settings.get("BucketFolder"), mapping.target_schema, mapping.target_table, name)
        key = "/".join(filter(None, parts))
        self._s3.upload_fileobj(
            file, settings["BucketName"], key, ExtraArgs=files.encryption(settings)
        )

    def _layout(self, db: sqlite3.Connection, name: str) -> Layout:
        columns = capture.columns(db, name)
        return Layout(self._mappings[name], columns, self._task.settings)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._task.database, timeout=30, isolation_level=None)
