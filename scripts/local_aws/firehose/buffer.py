"""What was read of a stream and is not stored yet: it waits for the Lambda, is in it, or waits for S3.

Firehose buffers twice: records until a batch of the processing Lambda is full or old enough, and what
the Lambda made of them until the destination's buffer is. Batches run two at a time and are taken in
their order.
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime
from typing import Any

from local_aws.firehose.delivery import Delivery
from local_aws.firehose.processing import Invoke, Processed, Processor, Record

Json = dict[str, Any]

_MEGABYTE = 1024 * 1024
_SIZE_IN_MB, _INTERVAL_SECONDS = 5, 300  # BufferingHints' defaults


class Buffer:
    """One buffer of a stream, from its first record to its object in S3."""

    def __init__(
        self, stream: Json, client: Callable[[str], Any], invoke: Invoke, pool: Executor
    ) -> None:
        hints = stream["ExtendedS3DestinationConfiguration"].get("BufferingHints", {})
        self._most_bytes = hints.get("SizeInMBs", _SIZE_IN_MB) * _MEGABYTE
        self._most_seconds = hints.get("IntervalInSeconds", _INTERVAL_SECONDS)
        self._processor = Processor(stream, invoke)
        self._delivery = Delivery(stream, self._processor.arn, client)
        self._pool = pool
        self._waiting: list[Record] = []
        self._running: deque[tuple[int, Future[Processed]]] = deque()
        self._oldest: datetime | None = None

    def add(self, records: list[Record], now: datetime) -> None:
        """Take records and hand full batches on, and the last one when it has waited long enough."""
        if records:
            oldest = min(record.arrived_at for record in records)
            self._oldest = min(self._oldest or oldest, oldest)
        *full, last = self._processor.batches(self._waiting + records) or [[]]
        for batch in full:
            self._process(batch)
        self._waiting = last
        if last and _age(last[0].arrived_at, now) >= self._processor.seconds:
            self._flush()
        while self._running and self._running[0][1].done():
            self._take()

    def is_due(self, now: datetime) -> bool:
        """Buffering hints: the first of size and age."""
        if self._oldest is None:
            return False
        coming = sum(size for size, _ in self._running) + _size(self._waiting)
        return (
            self._delivery.size + coming >= self._most_bytes
            or _age(self._oldest, now) >= self._most_seconds
        )

    def store(self) -> None:
        """Process what waits and store all of it; raises botocore's errors of S3."""
        self._flush()
        while self._running:
            self._take()
        self._delivery.store()

    def _flush(self) -> None:
        if self._waiting:
            self._process(self._waiting)
            self._waiting = []

    def _process(self, batch: list[Record]) -> None:
        self._running.append((_size(batch), self._pool.submit(self._processor.process, batch)))

    def _take(self) -> None:
        _, future = self._running.popleft()
        self._delivery.add(future.result())


def _size(records: list[Record]) -> int:
    return sum(record.size for record in records)


def _age(arrived: datetime, now: datetime) -> float:
    return (now - arrived).total_seconds()
