"""The delivery workers: a thread a stream that reads, buffers, delivers and checkpoints."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from local_aws.caller import Caller
from local_aws.checkpoints import checkpoint_path, read_checkpoint, write_checkpoint
from local_aws.clock import Clock
from local_aws.firehose.buffer import Buffer
from local_aws.firehose.processing import Invoke, Record, lambda_settings
from local_aws.firehose.streams import DeliveryStreams

Json = dict[str, Any]
log = logging.getLogger("local_aws.firehose")

_IDLE_SECONDS = 0.2
_READ_LIMIT = 10_000
_LAMBDAS_AT_ONCE = 2


class Source(Protocol):
    """The Kinesis streams of this AWS."""

    def shards(self, arn: str) -> list[str]:
        """The shards of a stream; empty where there is none."""

    def records(self, arn: str, shard: str, after: str, limit: int) -> list[Json]:
        """The records behind a sequence number, as Kinesis gives them."""


@dataclass(frozen=True)
class World:
    """What a worker needs of this AWS: `client(role, service)` makes boto3 clients with the rights
    of a role, `acting(role)` is the role for IAM, `measure(namespace, metric, dimension, value,
    milliseconds)` keeps a metric, `trim(stream_arn)` drops what all readers have done with."""

    source: Source
    clock: Clock
    client: Callable[[str, str], Any]
    acting: Callable[[str], Caller]
    invoke: Invoke
    measure: Callable[[str, str, str, str, float], None]
    trim: Callable[[str], None]


class FirehoseWorkers:
    """Starts a worker for every deployed stream and stops those that were deleted."""

    def __init__(self, streams: DeliveryStreams, folder: Path, world: World) -> None:
        self._streams = streams
        self._folder = folder
        self._world = world
        self._workers: dict[str, Worker] = {}
        self._stop = threading.Event()

    def run(self) -> None:
        """Watch the deployed streams until `close`."""
        while not self._stop.wait(_IDLE_SECONDS):
            present = {stream["DeliveryStreamName"]: stream for stream in self._streams.all()}
            for name in self._workers.keys() - present.keys():
                self._workers.pop(name).stop()
            for name, stream in present.items():
                if name not in self._workers:
                    checkpoint = checkpoint_path(self._folder, name)
                    self._workers[name] = Worker(stream, checkpoint, self._world)
                    self._workers[name].start()
                self._workers[name].stream = stream

    def taken(self, stream_arn: str) -> list[dict[str, str]]:
        """How far each delivery of a stream is, by shard."""
        return [
            read_checkpoint(checkpoint_path(self._folder, stream["DeliveryStreamName"]))
            for stream in self._streams.all()
            if stream["KinesisStreamSourceConfiguration"]["KinesisStreamARN"] == stream_arn
        ]

    def close(self) -> None:
        """Stop watching and all workers."""
        self._stop.set()
        for worker in self._workers.values():
            worker.stop()


class Worker(threading.Thread):
    """Delivers one stream. What was read and not stored is read again after a restart."""

    def __init__(self, stream: Json, checkpoint: Path, world: World) -> None:
        super().__init__(name=f"firehose-{stream['DeliveryStreamName']}", daemon=True)
        self.stream = stream
        self._checkpoint = checkpoint
        self._world = world
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(_LAMBDAS_AT_ONCE, thread_name_prefix=self.name)

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopped.set()

    def run(self) -> None:
        """Read, buffer and deliver until stopped; a fault is logged and tried again."""
        while not self._stopped.is_set():
            try:
                self._fill_and_store()
            except Exception as error:
                log.warning("%s: delivery failed, trying again: %s", self.name, error)
                self._stopped.wait(1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fill_and_store(self) -> None:
        """One buffer, from its first record to the checkpoint behind it."""
        done = read_checkpoint(self._checkpoint)
        while not (records := self._read(done)):
            if self._stopped.wait(_IDLE_SECONDS):
                return
        role = self.stream["ExtendedS3DestinationConfiguration"]["RoleARN"]
        client = partial(self._world.client, role)
        buffer = Buffer(self.stream, client, self._world.invoke, self._pool)
        buffer.add(records, self._world.clock.now())
        while not buffer.is_due(self._world.clock.now()):
            records = self._read(done)
            if not records and self._stopped.wait(_IDLE_SECONDS):
                return
            buffer.add(records, self._world.clock.now())
        buffer.store()
        write_checkpoint(self._checkpoint, done)
        self._world.trim(self._arn)

    def _require_rights(self) -> None:
        """Raise AwsError when the stream's roles may not read it, or not invoke its function.

        https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html
        """
        source = self._world.acting(self.stream["KinesisStreamSourceConfiguration"]["RoleARN"])
        for action in ("DescribeStream", "GetShardIterator", "GetRecords", "ListShards"):
            source.require(f"kinesis:{action}", self._arn)
        destination = self.stream["ExtendedS3DestinationConfiguration"]
        if function := lambda_settings(self.stream).get("LambdaArn"):
            caller = self._world.acting(destination["RoleARN"])
            for action in ("InvokeFunction", "GetFunctionConfiguration"):
                caller.require(f"lambda:{action}", function)

    @property
    def _arn(self) -> str:
        arn: str = self.stream["KinesisStreamSourceConfiguration"]["KinesisStreamARN"]
        return arn

    def _read(self, done: dict[str, str]) -> list[Record]:
        """What comes behind `done` in each shard, which moves on."""
        read = []
        for shard in self._world.source.shards(self._arn):
            after = done.get(shard, "")
            found = self._world.source.records(self._arn, shard, after, _READ_LIMIT)
            if found:
                read += [self._record(shard, record) for record in found]
                done[shard] = found[-1]["SequenceNumber"]
                self._measure(found[-1])
        if read:
            self._require_rights()
        return read

    def _measure(self, last: Json) -> None:
        """How old what was just read is, on the machine's clock: one that leaps makes nothing late.

        https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
        """
        age = max(time.time() - last["ApproximateArrivalTimestamp"], 0) * 1000
        stream = self._arn.rpartition("/")[2]
        metric = "GetRecords.IteratorAgeMilliseconds"
        self._world.measure("AWS/Kinesis", metric, "StreamName", stream, age)

    def _record(self, shard: str, found: Json) -> Record:
        sent_at = datetime.fromtimestamp(found["ApproximateArrivalTimestamp"], UTC)
        key, sequence = found["PartitionKey"], found["SequenceNumber"]
        return Record(shard, sequence, self._world.clock.at(sent_at), key, found["Data"])
