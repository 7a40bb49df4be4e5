"""The producer: sends records to a source's Kinesis stream, and only the failed ones again."""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from strata.declarations import Source
from strata.environment import Environment
from strata.errors import StrataError

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_MAX_RECORDS = 500
_MAX_BYTES = 5 * 1024 * 1024
_MAX_RECORD_BYTES = 1024 * 1024
_TRIES = 8

Progress = Callable[[int], None]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Sent:
    """What was sent: the count, and the last sequence number that each shard took."""

    records: int
    sequences: dict[str, str]


def send(
    source: Source,
    payloads: Iterable[bytes],
    environment: Environment,
    kinesis: Any,
    advance: Progress = lambda count: None,
    sleep: Sleep = time.sleep,
) -> Sent:
    """Put `payloads` (one record each) into the stream of `source`.

    `advance` is told of each batch. Raises StrataError for a record over 1 MiB, or when the stream
    goes on refusing; what was taken until then stays.
    """
    stream = environment.resource(source.name)
    total, sequences = 0, dict[str, str]()
    for batch in batches(payloads):
        entries = [{"Data": data, "PartitionKey": partition_key(source, data)} for data in batch]
        for shard, sequence in _put(stream, entries, kinesis, sleep):
            if (len(sequence), sequence) > (len(known := sequences.get(shard, "")), known):
                sequences[shard] = sequence
        total += len(batch)
        advance(len(batch))
    return Sent(total, sequences)


def batches(payloads: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group payloads as PutRecords takes them: at most 500 records and 5 MiB."""
    batch: list[bytes] = []
    size = 0
    for number, payload in enumerate(payloads, start=1):
        if len(payload) > _MAX_RECORD_BYTES:
            raise StrataError(
                f"record {number} has {len(payload):,} bytes: Kinesis takes 1 MiB at most",
                "split it, or bring it as a file: strata ingest batch",
            )
        if len(batch) == _MAX_RECORDS or size + len(payload) > _MAX_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(payload)
        size += len(payload)
    if batch:
        yield batch


def partition_key(source: Source, payload: bytes) -> str:
    """The record's `ordered_by` as declared, so that one entity's records stay in order.

    A record without it is spread at random: it will be quarantined, not refused here.
    """
    try:
        fields = json.loads(payload)
        return "|".join(str(fields[name]) for name in source.ordered_by or source.key)[:256] or "-"
    except (ValueError, KeyError, TypeError):
        return str(random.getrandbits(64))


def _put(
    stream: str, entries: list[dict[str, Any]], kinesis: Any, sleep: Sleep
) -> Iterator[tuple[str, str]]:
    waiting = entries
    for attempt in range(_TRIES):
        results = kinesis.put_records(StreamName=stream, Records=waiting)["Records"]
        refused = []
        for entry, result in zip(waiting, results, strict=True):
            if "ErrorCode" in result:
                refused.append((entry, result["ErrorCode"]))
            else:
                yield result["ShardId"], result["SequenceNumber"]
        if not refused:
            return
        waiting = [entry for entry, _ in refused]
        sleep(random.uniform(0, 0.1 * 2**attempt))
    raise StrataError(
        f"stream {stream} refused {len(waiting)} records {_TRIES} times: {refused[0][1]}",
        "send them again later: what arrived twice is merged",
    )
