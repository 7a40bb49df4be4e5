"""Plays the source systems against the local AWS: sets its clock, sends, drops, changes databases.

It drives the local AWS's clock, so it is for the laptop alone.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from example import data, events, files, registry
from example.data import Row
from example.events import Event
from local_aws.checkpoints import checkpoint_path, read_checkpoint
from local_aws.clock import Clock
from local_aws.settings import Settings
from strata import declarations
from strata.deploy.cdc import replication_name
from strata.environment import Environment, client
from strata.errors import StrataError
from strata.ingest import cdc, jobs, landing, stream

_ARRIVAL = clock_time(0, 5, tzinfo=UTC)  # a day's records arrive just after it has ended
_BUFFER = timedelta(minutes=6)  # longer than the buffer interval of the delivery streams
_DELIVERY_SECONDS = 120

Record = tuple[str, bytes]
Progress = Callable[[int], None]


@dataclass
class Day:
    """A day of the source systems: what happened on it, and its flights."""

    day: date
    events: list[Event]
    flights: list[Row]


def days(last: date) -> Iterator[Day]:
    """The days of 2013 up to `last`, then those on which what they began still goes on."""
    waiting: dict[date, list[Event]] = defaultdict(list)
    for reading in data.rows("weather"):
        event = events.weather_event(reading)
        if event.occurred_at.date() <= last:
            waiting[event.occurred_at.date()].append(event)
    for day, flights in data.flights_by_day():
        if day > last:
            break
        for flight in flights:
            for event in (*events.flight_events(flight), *events.payment_events(flight)):
                waiting[event.occurred_at.date()].append(event)
        yield Day(day, _in_order(waiting.pop(day, [])), flights)
    for day in sorted(waiting):
        yield Day(day, _in_order(waiting[day]), [])


def _in_order(happened: list[Event]) -> list[Event]:
    return sorted(happened, key=lambda event: event.occurred_at)


@dataclass
class Stage:
    """The source systems, the clock and the environment that they play to."""

    environment: Environment
    settings: Settings
    sources: list[declarations.Source]
    flights: dict[date, list[Row]] = field(default_factory=dict)
    sent: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        """The clock of the local AWS."""
        return Clock(self.settings.state)

    @property
    def databases(self) -> Path:
        """The folder of the on-prem databases."""
        return self.settings.state / "sources"

    def _reach(self, instant: datetime) -> None:
        """Set the clock, but never back: played again, the same records arrive late."""
        if not self.clock.is_moved or self.clock.now() < instant:
            self.clock.set(instant)

    def open(self) -> None:
        """Before the first day: the databases are there, and are loaded in full."""
        self._reach(datetime.combine(data.FIRST_DAY, _ARRIVAL) - timedelta(minutes=4))
        registry.create(self.databases)
        dms = client("dms")
        for found in self._replications(dms):
            cdc.start(found, dms)
        for found in self._replications(dms):
            cdc.follow(found, lambda now: now.status == "running" and not now.is_loading, dms)

    def play(self, day: Day, records: list[Record], progress: Progress = lambda n: None) -> None:
        """Let a day arrive: changes in the database, files dropped, records sent and delivered."""
        self._reach(datetime.combine(day.day, clock_time(18, tzinfo=UTC)))
        registry.live_a_day(self.databases, day.day)
        self._drop_files(day)
        self._reach(datetime.combine(day.day + timedelta(days=1), _ARRIVAL))
        self.send(records, progress)

    def send(self, records: list[Record], progress: Progress = lambda n: None) -> None:
        """Send records to their streams and wait until Firehose has delivered them."""
        by_source: dict[str, list[bytes]] = defaultdict(list)
        for source_name, payload in records:
            by_source[source_name].append(payload)
        for name, payloads in by_source.items():
            source = declarations.find(self.sources, name, "stream")
            done = stream.send(source, payloads, self.environment, client("kinesis"), progress)
            self.sent[name] = {**self.sent.get(name, {}), **done.sequences}
        self.clock.advance(_BUFFER)
        for name in by_source:
            self._wait(self._delivered(name), self.sent[name], f"Firehose has not delivered {name}")

    def _delivered(self, name: str) -> Path:
        """The checkpoint of a source's delivery stream."""
        return checkpoint_path(self.settings.state / "firehose", self.environment.resource(name))

    def _wait(self, checkpoint: Path, sequences: dict[str, str], otherwise: str) -> None:
        """Until a checkpoint has passed what was sent."""
        deadline = time.monotonic() + _DELIVERY_SECONDS
        while True:
            done = read_checkpoint(checkpoint)
            if all(done.get(shard, "") >= last for shard, last in sequences.items()):
                return
            if time.monotonic() > deadline:
                raise StrataError(
                    f"{otherwise} within {_DELIVERY_SECONDS} s",
                    f"read {self.settings.state / 'local-aws.log'}",
                )
            time.sleep(0.05)

    def _let_consumers_end(self) -> None:
        """Until the functions on the streams have taken what was sent, and what they put on streams
        of their own has been delivered."""
        folder = self.settings.state / "lambda_streams"
        pages = client("lambda").get_paginator("list_event_source_mappings").paginate()
        mappings = {
            m["EventSourceArn"]: m["UUID"] for page in pages for m in page["EventSourceMappings"]
        }
        for arn, uuid in mappings.items():
            name = arn.rpartition("/")[2].removeprefix(self.environment.resource(""))
            if name in self.sent:
                path = checkpoint_path(folder, uuid)
                self._wait(path, self.sent[name], f"the function on {name} is not through")
        self.clock.advance(_BUFFER)
        for source in self.sources:
            if source.ingest == "stream" and source.name not in self.sent:
                last = self._on_stream(source.name)
                self._wait(
                    self._delivered(source.name), last, f"Firehose has not delivered {source.name}"
                )

    def _on_stream(self, name: str) -> dict[str, str]:
        """The last sequence number of each shard that has records."""
        kinesis, stream_name = client("kinesis"), self.environment.resource(name)
        found = {}
        for shard in kinesis.list_shards(StreamName=stream_name)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=stream_name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            if records := kinesis.get_records(ShardIterator=iterator)["Records"]:
                found[shard["ShardId"]] = records[-1]["SequenceNumber"]
        return found

    def _replications(self, dms: Any) -> list[cdc.Replication]:
        names = [replication_name(system, self.environment) for system in registry.SYSTEMS]
        return [cdc.find(name, dms) for name in names]

    def _capture(self) -> None:
        """Let all changes reach landing: a replication that stops stores what waits."""
        dms = client("dms")
        for found in self._replications(dms):
            cdc.stop(found, dms)
        for found in self._replications(dms):
            cdc.start(cdc.follow(found, lambda now: now.status == "stopped", dms), dms)

    def _drop_files(self, day: Day) -> None:
        """The day's published schedule, and what was found out about earlier payments."""
        self.flights[day.day] = day.flights
        paid = self.flights.pop(day.day - files.LABEL_DELAY, [])
        with TemporaryDirectory() as folder:
            if day.flights:
                self._drop(files.SCHEDULES, files.schedule_file(Path(folder), day.day, day.flights))
            if paid:
                self._drop(files.LABELS, files.label_file(Path(folder), day.day, paid))

    def _drop(self, name: str, path: Path) -> None:
        source = declarations.find(self.sources, name, "batch")
        landing.drop(source, [path], self.environment, client("s3"))

    def carry(self, progress: Progress = lambda n: None) -> None:
        """Run the landing job for every source that comes as files, two at a time."""
        self._let_consumers_end()
        self._capture()
        glue = client("glue")
        waiting = [source for source in self.sources if source.ingest != "stream"]
        for start in range(0, len(waiting), 2):
            pair = waiting[start : start + 2]
            runs = [jobs.start("landing", s, self.environment, glue, {}) for s in pair]
            for run in runs:
                jobs.follow(run, glue)
                progress(1)
