"""One shard of a mapping: its batches in order, and what becomes of one that fails.

https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from local_aws.functions import Answer
from local_aws.lambda_streams.mapping import Json, Mapping, Record

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 10.0  # seconds before a failed batch is tried again


@dataclass(frozen=True)
class Batch:
    """Records to invoke with: how often they were tried again, and not before when."""

    records: tuple[Record, ...]
    retried: int = 0
    invoked: int = 0
    not_before: float = 0.0
    last: Answer | None = None


class Function(Protocol):
    """What a shard needs of the world."""

    def invoke(self, shard: str, records: tuple[Record, ...]) -> Answer:
        """Invoke the function with a batch."""

    def discard(self, shard: str, batch: Batch, condition: str) -> None:
        """Tell the on-failure destination of records that are given up."""


class Shard:
    """Invokes with a shard's records in order. `save(sequence)` keeps the checkpoint.

    A batch is behind the checkpoint when the function took it or when it was given up: whatever
    is killed in between is invoked with again.
    """

    def __init__(self, name: str, function: Function, save: Callable[[str], None]) -> None:
        self._name = name
        self._function = function
        self._save = save
        self._batches: deque[Batch] = deque()

    @property
    def is_empty(self) -> bool:
        """Whether it waits for records."""
        return not self._batches

    def add(self, records: list[Record]) -> None:
        """Take the records that come next."""
        if records:
            self._batches.append(Batch(tuple(records)))

    def step(self, mapping: Mapping) -> bool:
        """Invoke with the first batch, if one is due; returns whether something was done."""
        if self.is_empty or self._batches[0].not_before > time.monotonic():
            return False
        batch = self._batches.popleft()
        try:
            self._batches.extendleft(reversed(self._process(mapping, batch)))
        except BaseException:
            self._batches.appendleft(batch)
            raise
        return True

    def _process(self, mapping: Mapping, batch: Batch) -> list[Batch]:
        """What is left of a batch to do."""
        now = datetime.now(UTC)
        old = tuple(r for r in batch.records if mapping.is_too_old(r, now))
        if old:  # records are in the order of their age
            self._give_up(replace(batch, records=old), "RecordAgeExceeded")
            rest = batch.records[len(old) :]
            return [replace(batch, records=rest)] if rest else []
        answer = self._function.invoke(self._name, batch.records)
        if not answer.was_invoked:
            return [_again(batch)]
        done = taken(answer, batch.records) if mapping.reports_item_failures else None
        if done is None:
            done = 0 if answer.error else len(batch.records)
        if done:
            self._save(batch.records[done - 1].sequence)
        if done == len(batch.records):
            return []
        left = replace(batch, records=batch.records[done:], invoked=batch.invoked + 1, last=answer)
        return self._failed(mapping, left, made_progress=done > 0)

    def _failed(self, mapping: Mapping, batch: Batch, made_progress: bool) -> list[Batch]:
        """Splitting a batch, at the failed record or in halves, is no retry of it."""
        if mapping.bisects and made_progress:
            return [batch]
        if mapping.bisects and len(batch.records) > 1:
            half = len(batch.records) // 2
            first, second = batch.records[:half], batch.records[half:]
            return [replace(batch, records=first), replace(batch, records=second)]
        if mapping.may_retry(batch.retried):
            return [_again(replace(batch, retried=batch.retried + 1))]
        self._give_up(batch, "RetryAttemptsExhausted")
        return []

    def _give_up(self, batch: Batch, condition: str) -> None:
        self._function.discard(self._name, batch, condition)
        self._save(batch.records[-1].sequence)


def taken(answer: Answer, records: tuple[Record, ...]) -> int | None:
    """How many records the function took before the first that failed; None: it does not say.

    An identifier that names no record of the batch fails all of it.
    """
    if answer.error or not isinstance(answer.payload, dict):
        return None
    failures = answer.payload.get("batchItemFailures") or []
    positions = {record.sequence: index for index, record in enumerate(records)}
    found = [
        positions.get(str(item.get("itemIdentifier")), 0) if isinstance(item, dict) else 0
        for item in failures
    ]
    return min(found, default=len(records))


def discarded(mapping: Mapping, shard: str, batch: Batch, condition: str, now: datetime) -> Json:
    """The document that an on-failure destination gets of records that were given up."""
    first, last = batch.records[0], batch.records[-1]
    document: Json = {
        "requestContext": {
            "requestId": f"{shard}:{first.sequence}",
            "functionArn": mapping.function_arn,
            "condition": condition,
            "approximateInvokeCount": batch.invoked,
        },
        "version": "1.0",
        "timestamp": _stamp(now),
        "KinesisBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": first.sequence,
            "endSequenceNumber": last.sequence,
            "approximateArrivalOfFirstRecord": _stamp(first.arrived_at),
            "approximateArrivalOfLastRecord": _stamp(last.arrived_at),
            "batchSize": len(batch.records),
            "streamArn": mapping.stream_arn,
        },
    }
    if batch.last:
        document["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": batch.last.error,
        }
    return document


def _again(batch: Batch) -> Batch:
    wait = min(_FIRST_WAIT * 2**batch.retried, _LONGEST_WAIT)
    return replace(batch, not_before=time.monotonic() + wait)


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
