"""MiniStack's Kinesis streams, read and trimmed in place: an iterator counts positions, which a trim
moves, and a service of this process needs no request to itself.

A shard's records are in the order of their sequence numbers, which is that of their arrival.
"""

import threading
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from local_aws.clock import Clock

Json = dict[str, Any]


class Streams:
    """The streams, by ARN. Records are as Kinesis gives them: `Data` is base64.

    A record is gone once it is older than its stream's retention, by `clock`.
    https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
    """

    def __init__(self, clock: Clock) -> None:
        from ministack.services import kinesis

        self._clock = clock
        self._lock = threading.Lock()
        # MiniStack's own copies every record of the stream at every request, and a trim in between
        # would be lost.
        kinesis._expire_records = self._expire

    def shards(self, arn: str) -> list[str]:
        """The shards of a stream; empty where there is none."""
        return list(self._stream(arn)["shards"])

    def records(self, arn: str, shard: str, after: str, limit: int) -> list[Json]:
        """Up to `limit` records behind the sequence number `after`."""
        stream = self._stream(arn)
        self._expire(stream)
        with self._lock:
            records = stream["shards"][shard]["records"]
            start = _behind(records, after)
            return list(records[start : start + limit])

    def last(self, arn: str, shard: str) -> str:
        """The newest sequence number of a shard, empty where it has no record."""
        with self._lock:
            records = self._stream(arn)["shards"][shard]["records"]
            return records[-1]["SequenceNumber"] if records else ""

    def trim(self, arn: str, done: dict[str, str]) -> None:
        """Drop a stream's records up to the sequence number `done` of each shard.

        MiniStack keeps every record in memory for the stream's whole retention otherwise.
        """
        with self._lock:
            for shard, sequence in done.items():
                records = self._stream(arn)["shards"][shard]["records"]
                del records[: _behind(records, sequence)]

    def _expire(self, stream: Json) -> None:
        horizon = self._clock.now() - timedelta(hours=stream["RetentionPeriodHours"])
        with self._lock:
            for shard in stream["shards"].values():
                records = shard["records"]
                kept = (n for n, record in enumerate(records) if self._arrival(record) >= horizon)
                del records[: next(kept, len(records))]

    def _arrival(self, record: Json) -> datetime:
        return self._clock.at(datetime.fromtimestamp(record["ApproximateArrivalTimestamp"], UTC))

    def _stream(self, arn: str) -> Json:
        """A stream as MiniStack keeps it; one without shards where there is none."""
        from ministack.services import kinesis

        every = list(kinesis._streams._data.values())
        none: Json = {"shards": {}, "RetentionPeriodHours": 24}
        return next((stream for stream in every if stream["StreamARN"] == arn), none)


class Reader(Protocol):
    """A service that reads streams and remembers where it is."""

    def taken(self, stream_arn: str) -> list[dict[str, str]]:
        """How far each of its readers of a stream is, by shard."""


class Trim:
    """Drops the records of a stream that all of its readers have done with.

    A stream that nobody reads, or a shard, keeps its records for their retention.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.readers: list[Reader] = []

    def __call__(self, arn: str) -> None:
        """Trim a stream; a reader calls it when it has done with records."""
        done = [each for reader in self.readers for each in reader.taken(arn)]
        shards = {shard for each in done for shard in each}
        self._streams.trim(arn, {s: min(each.get(s, "") for each in done) for s in shards})


def _behind(records: list[Json], sequence: str) -> int:
    """The place of the first record behind a sequence number."""
    return bisect_right(records, sequence, key=lambda record: record["SequenceNumber"])
