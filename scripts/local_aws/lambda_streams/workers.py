"""The workers: a thread a mapping that reads its shards, invokes, checkpoints and measures.

How old a record is follows the machine's clock, not the local AWS's: a clock that leaps over a day
makes no stream late. What the function and the destination are told follows the local clock.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from local_aws.caller import Caller
from local_aws.checkpoints import checkpoint_path, read_checkpoint, write_checkpoint
from local_aws.clock import Clock
from local_aws.functions import Answer
from local_aws.lambda_streams.mapping import Json, Mapping, Record, is_enabled, mapping_of
from local_aws.lambda_streams.shard import Batch, Shard, discarded

_IDLE_SECONDS = 0.2
_ON_STREAM = (
    "DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards",
)  # fmt: skip
_POLL_SECONDS = 1.0  # of a shard whose records have all been read
_PAYLOAD_BYTES = 6_000_000  # of an invocation, and a batch is cut before it
log = logging.getLogger("local_aws.lambda")


class Streams(Protocol):
    """The Kinesis streams of this AWS."""

    def shards(self, arn: str) -> list[str]:
        """The shards of a stream; empty where there is none."""

    def records(self, arn: str, shard: str, after: str, limit: int) -> list[Json]:
        """The records behind a sequence number, as Kinesis gives them."""

    def last(self, arn: str, shard: str) -> str:
        """The newest sequence number of a shard, empty where it has no record."""


class Functions(Protocol):
    """The Lambda functions of this AWS."""

    def mappings(self) -> list[Json]:
        """The deployed mappings of Kinesis streams."""

    def invoke(self, arn: str, event: Json) -> Answer:
        """Invoke a function and wait for its answer."""

    def role(self, arn: str) -> str:
        """The ARN of a function's role."""


@dataclass(frozen=True)
class World:
    """What a worker needs of this AWS: `client_of_role(role, service)` makes boto3 clients with a
    role's rights, `acting(role)` is the role for IAM, `measure(namespace, metric, dimension, value, milliseconds)` keeps a metric,
    `trim(stream_arn)` drops what all have taken."""

    streams: Streams
    functions: Functions
    clock: Clock
    client_of_role: Callable[[str, str], Any]
    acting: Callable[[str], Caller]
    measure: Callable[[str, str, str, str, float], None]
    trim: Callable[[str], None]


class LambdaStreams:
    """Starts a worker for every enabled mapping and stops those that are gone or disabled."""

    def __init__(self, folder: Path, world: World) -> None:
        self._folder = folder
        self._world = world
        self._workers: dict[str, Worker] = {}
        self._refused: set[str] = set()
        self._stop = threading.Event()

    def run(self) -> None:
        """Watch the deployed mappings until `close`."""
        while not self._stop.wait(_IDLE_SECONDS):
            present = {m.uuid: m for m in self._served()}
            for uuid in self._workers.keys() - present.keys():
                self._workers.pop(uuid).stop()
            for uuid, mapping in present.items():
                if uuid not in self._workers:
                    checkpoint = checkpoint_path(self._folder, uuid)
                    self._workers[uuid] = Worker(mapping, checkpoint, self._world)
                    self._workers[uuid].start()
                self._workers[uuid].mapping = mapping

    def close(self) -> None:
        """Stop watching and all workers."""
        self._stop.set()
        for worker in self._workers.values():
            worker.stop()

    def taken(self, stream_arn: str) -> list[dict[str, str]]:
        """How far each mapping of a stream is, by shard."""
        return [
            read_checkpoint(checkpoint_path(self._folder, deployed["UUID"]))
            for deployed in self._world.functions.mappings()
            if deployed["EventSourceArn"] == stream_arn
        ]

    def _served(self) -> Iterable[Mapping]:
        for deployed in self._world.functions.mappings():
            try:
                if is_enabled(deployed):
                    yield mapping_of(deployed)
            except ValueError as error:
                if deployed["UUID"] not in self._refused:
                    log.warning("event source mapping %s: %s", deployed["UUID"], error)
                self._refused.add(deployed["UUID"])


class Worker(threading.Thread):
    """Serves one mapping. What was read and not taken is read again after a restart."""

    def __init__(self, mapping: Mapping, checkpoint: Path, world: World) -> None:
        super().__init__(name=f"lambda-{mapping.function}", daemon=True)
        self.mapping = mapping
        self._checkpoint = checkpoint
        self._done = read_checkpoint(checkpoint)
        self._world = world
        self._stopped = threading.Event()
        self._shards: dict[str, Shard] = {}
        self._next_poll: dict[str, float] = {}

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopped.set()

    def run(self) -> None:
        """Serve every shard in turn until stopped; a fault is logged and tried again."""
        while not self._stopped.is_set():
            busy = False
            try:
                for name in self._world.streams.shards(self.mapping.stream_arn):
                    busy |= self._serve(name)
            except Exception as error:
                log.warning("%s: trying again: %s", self.name, error)
            if not busy:
                self._stopped.wait(_IDLE_SECONDS)

    def _serve(self, name: str) -> bool:
        if name not in self._done:
            latest = self.mapping.starting_position == "LATEST"
            self._save(
                name, self._world.streams.last(self.mapping.stream_arn, name) if latest else ""
            )
        if name not in self._shards:
            self._shards[name] = Shard(name, self, lambda sequence: self._save(name, sequence))
        shard = self._shards[name]
        if shard.is_empty and self._next_poll.get(name, 0) <= time.monotonic():
            records = self._read(name)
            shard.add(records)
            if len(records) < self.mapping.batch_size:
                self._next_poll[name] = time.monotonic() + _POLL_SECONDS
        is_done = shard.step(self.mapping)
        if is_done:
            self._world.trim(self.mapping.stream_arn)
        return is_done

    def _save(self, shard: str, sequence: str) -> None:
        self._done[shard] = sequence
        write_checkpoint(self._checkpoint, self._done)

    def _require_rights(self) -> None:
        """Raise AwsError when the function's role may not read the stream.

        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
        """
        role = self._world.acting(self._world.functions.role(self.mapping.function_arn))
        for action in _ON_STREAM:
            role.require(f"kinesis:{action}", self.mapping.stream_arn)

    def _read(self, shard: str) -> list[Record]:
        self._require_rights()
        found = self._world.streams.records(
            self.mapping.stream_arn, shard, self._done[shard], self.mapping.batch_size
        )
        batch: list[Record] = []
        size = 0
        for record in found:
            size += len(record["Data"])
            if batch and size > _PAYLOAD_BYTES:
                break
            sent_at = datetime.fromtimestamp(record["ApproximateArrivalTimestamp"], UTC)
            place = record["SequenceNumber"], record["PartitionKey"], record["Data"]
            batch.append(Record(*place, sent_at=sent_at, arrived_at=self._world.clock.at(sent_at)))
        return batch

    def invoke(self, shard: str, records: tuple[Record, ...]) -> Answer:
        """Invoke the function with a batch and measure how late it is."""
        role = self._world.functions.role(self.mapping.function_arn)
        event = {"Records": [self._event(shard, record, role) for record in records]}
        self._measure(records[-1])
        answer = self._world.functions.invoke(self.mapping.function_arn, event)
        if not answer.was_invoked:
            log.warning("%s: not invoked: %s", self.name, answer.payload)
        return answer

    def _event(self, shard: str, record: Record, role: str) -> Json:
        arn = self.mapping.stream_arn
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.partition_key,
                "sequenceNumber": record.sequence,
                "data": record.data,
                "approximateArrivalTimestamp": record.arrived_at.timestamp(),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{record.sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role,
            "awsRegion": arn.split(":")[3],
            "eventSourceARN": arn,
        }

    def _measure(self, last: Record) -> None:
        """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html and
        https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html"""
        age = max((datetime.now(UTC) - last.sent_at).total_seconds() * 1000, 0)
        metrics = (
            ("AWS/Lambda", "IteratorAge", "FunctionName", self.mapping.function),
            (
                "AWS/Kinesis",
                "GetRecords.IteratorAgeMilliseconds",
                "StreamName",
                self.mapping.stream,
            ),
        )
        for namespace, metric, dimension, value in metrics:
            self._world.measure(namespace, metric, dimension, value, age)

    def discard(self, shard: str, batch: Batch, condition: str) -> None:
        """Tell the destination, with the rights of the function's role."""
        if not self.mapping.destination:
            return
        now = self._world.clock.now()
        text = json.dumps(discarded(self.mapping, shard, batch, condition, now))
        arn = self.mapping.destination
        role = self._world.functions.role(self.mapping.function_arn)
        service = arn.split(":")[2]
        client = self._world.client_of_role(role, service)
        if service == "sns":
            client.publish(TopicArn=arn, Message=text)
        else:
            account, name = arn.split(":")[4:]
            client.send_message(
                QueueUrl=f"{client.meta.endpoint_url}/{account}/{name}", MessageBody=text
            )
