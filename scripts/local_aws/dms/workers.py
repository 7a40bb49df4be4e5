"""The workers: a thread for each replication that runs."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError

from local_aws.clock import Clock
from local_aws.dms import mappings
from local_aws.dms.replication import Replicator, Task
from local_aws.dms.store import Store

Json = dict[str, Any]
S3OfRole = Callable[[str], Any]
log = logging.getLogger("local_aws.dms")

_IDLE_SECONDS = 0.5
MOVING = ("initializing", "running", "stopping")


class Workers:
    """Starts, wakes and stops the workers; those of runs that a stop of the server cut off, again.

    `sources` is the folder of the SQLite databases, `s3_of` makes the S3 client of a role.
    """

    def __init__(self, store: Store, sources: Path, clock: Clock, s3_of: S3OfRole) -> None:
        self._store = store
        self._sources = sources
        self._clock = clock
        self._s3_of = s3_of
        self._workers: dict[str, Worker] = {}

    def resume(self) -> None:
        """Go on with every run that was under way."""
        for run in self._store.all("runs"):
            if run["Status"] in MOVING:
                self.start(run["ReplicationConfigArn"])
                if run["Status"] == "stopping":
                    self.stop(run["ReplicationConfigArn"])

    def start(self, arn: str) -> None:
        """Start the worker of a run."""
        self._workers[arn] = Worker(arn, self._store, self._sources, self._clock, self._s3_of)
        self._workers[arn].start()

    def stop(self, arn: str) -> None:
        """Let the run store what waits, and end."""
        self._workers[arn].stop()

    def reload(self, arn: str, tables: list[str]) -> None:
        """Let the run load tables again."""
        self._workers[arn].reload(tables)

    def close(self) -> None:
        """End all workers as they are; `resume` goes on from there."""
        for worker in self._workers.values():
            worker.close()


class Worker(threading.Thread):
    """Runs one replication until it is stopped, or fails."""

    def __init__(
        self, arn: str, store: Store, sources: Path, clock: Clock, s3_of: S3OfRole
    ) -> None:
        super().__init__(name=f"dms-{arn.rpartition(':')[2]}", daemon=True)
        self._arn = arn
        self._store = store
        self._sources = sources
        self._clock = clock
        self._s3_of = s3_of
        self._wake = threading.Event()
        self._is_stopping = False
        self._is_closed = False
        self._to_reload: list[str] = []

    def stop(self) -> None:
        """Store what waits, and end as stopped."""
        self._is_stopping = True
        self._wake.set()

    def reload(self, tables: list[str]) -> None:
        """Load tables again at the next pass."""
        self._to_reload += tables
        self._wake.set()

    def close(self) -> None:
        """End without a word."""
        self._is_closed = True
        self._wake.set()
        self.join(timeout=2)

    def run(self) -> None:
        """Replicate until the end; what passes by itself is tried again, all else is a failure."""
        while not self._is_closed:
            try:
                self._replicate()
                return
            except Exception as error:
                if _passes(error) or self._is_closed:
                    log.warning("%s: trying again: %s", self.name, error)
                    self._wake.wait(1)
                else:
                    self._end("failed", "FATAL_ERROR", [f"Last Error {error}"])
                    return

    def _replicate(self) -> None:
        run = self._store.get("runs", self._arn)
        replicator = Replicator(self._task(run), run, self._save, self._clock, self._s3(run))
        replicator.begin()
        self._store.advance(self._arn, "initializing", "running")
        replicator.load()
        while not self._is_closed:
            if self._to_reload:
                tables, self._to_reload = self._to_reload, []
                replicator.reload(tables)
            is_last = self._is_stopping
            if replicator.follow(at_once=is_last):
                continue
            if is_last:
                self._end("stopped", "NORMAL", [])
                return
            self._wake.wait(_IDLE_SECONDS)
            self._wake.clear()

    def _save(self, progress: Json) -> None:
        kept = {name: progress[name] for name in ("position", "tables")}
        self._store.update("runs", self._arn, **kept)

    def _end(self, status: str, reason: str, failures: list[str]) -> None:
        now = self._clock.now().timestamp()
        self._store.update(
            "runs",
            self._arn,
            Status=status,
            StopReason=f"Stop Reason {reason}",
            FailureMessages=failures,
            StopDate=now,
        )

    def _task(self, run: Json) -> Task:
        config = self._store.get("configs", self._arn)
        source = self._store.get("endpoints", config["SourceEndpointArn"])
        target = self._store.get("endpoints", config["TargetEndpointArn"])
        if source["EngineName"] != "sqlite":
            raise ValueError(f"the local AWS reads sqlite databases, not {source['EngineName']}")
        return Task(
            database=self._sources / f"{source['DatabaseName']}.db",
            mappings=mappings.parse(config["TableMappings"]),
            settings=target["S3Settings"],
            started=datetime.fromtimestamp(run["FreshStartDate"], UTC),
        )

    def _s3(self, run: Json) -> Any:
        config = self._store.get("configs", self._arn)
        target = self._store.get("endpoints", config["TargetEndpointArn"])
        return self._s3_of(target["S3Settings"]["ServiceAccessRoleArn"])


def _passes(error: Exception) -> bool:
    """Whether a fault is no fault of the replication: it is tried again from the checkpoint."""
    is_locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
    return is_locked or isinstance(error, BotoCoreError)
