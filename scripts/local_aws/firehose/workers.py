"""The delivery workers: a thread a stream that reads, buffers, delivers and checkpoints.

`trim(stream_arn, delivered)` is told what was stored, and `drop(iterator)` what was used, so that the
source need not keep it.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local_aws.checkpoints import checkpoint_path, read_checkpoint, write_checkpoint
from local_aws.clock import Clock
from local_aws.firehose.delivery import Delivery, Record
from local_aws.firehose.streams import DeliveryStreams

Json = dict[str, Any]
Trim = Callable[[str, dict[str, str]], None]
Drop = Callable[[str], None]
log = logging.getLogger("local_aws.firehose")

_IDLE_SECONDS = 1.0
_READ_LIMIT = 10_000


class FirehoseWorkers:
    """Starts a worker for every deployed stream and stops those that were deleted."""

    def __init__(
        self,
        streams: DeliveryStreams,
        folder: Path,
        clock: Clock,
        client: Callable[[str], Any],
        trim: Trim,
        drop: Drop,
    ) -> None:
        self._streams = streams
        self._folder = folder
        self._clock = clock
        self._client = client
        self._trim = trim
        self._drop = drop
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
                    self._workers[name] = Worker(
                        stream, checkpoint, self._clock, self._client, self._trim, self._drop
                    )
                    self._workers[name].start()
                self._workers[name].stream = stream

    def close(self) -> None:
        """Stop watching and all workers."""
        self._stop.set()
        for worker in self._workers.values():
            worker.stop()


class Worker(threading.Thread):
    """Delivers one stream. What was read and not stored is read again after a restart."""

    def __init__(
        self,
        stream: Json,
        checkpoint: Path,
        clock: Clock,
        client: Callable[[str], Any],
        trim: Trim,
        drop: Drop,
    ) -> None:
        super().__init__(name=f"firehose-{stream['DeliveryStreamName']}", daemon=True)
        self.stream = stream
        self._checkpoint = checkpoint
        self._clock = clock
        self._client = client
        self._trim = trim
        self._drop = drop
        self._stopped = threading.Event()
        self._iterators: dict[str, str] = {}
        self._buffer: list[Record] = []

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopped.set()

    def run(self) -> None:
        """Read, buffer and deliver until stopped; a fault is logged and tried again."""
        while not self._stopped.is_set():
            try:
                read = self._read()
                if self._is_due():
                    self._deliver()
                if not read:
                    self._stopped.wait(_IDLE_SECONDS)
            except Exception as error:
                log.warning("%s: delivery failed, trying again: %s", self.name, error)
                self._iterators.clear()
                self._buffer.clear()
                self._stopped.wait(1)

    def _read(self) -> int:
        kinesis = self._client("kinesis")
        arn = self.stream["KinesisStreamSourceConfiguration"]["KinesisStreamARN"]
        stream = arn.rpartition("/")[2]
        if not self._iterators:
            self._iterators = self._start_iterators(kinesis, stream)
        read = 0
        for shard, iterator in list(self._iterators.items()):
            answer = kinesis.get_records(ShardIterator=iterator, Limit=_READ_LIMIT)
            self._iterators[shard] = answer["NextShardIterator"]
            self._drop(iterator)
            self._buffer += [self._record(shard, record) for record in answer["Records"]]
            read += len(answer["Records"])
        return read

    def _record(self, shard: str, record: Json) -> Record:
        arrived = self._clock.at(record["ApproximateArrivalTimestamp"])
        key, sequence = record["PartitionKey"], record["SequenceNumber"]
        return Record(shard, sequence, arrived, key, record["Data"])

    def _start_iterators(self, kinesis: Any, stream: str) -> dict[str, str]:
        done = read_checkpoint(self._checkpoint)
        shards = kinesis.list_shards(StreamName=stream)["Shards"]
        iterators = {}
        for shard in shards:
            shard_id = shard["ShardId"]
            start = (
                {
                    "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                    "StartingSequenceNumber": done[shard_id],
                }
                if shard_id in done
                else {"ShardIteratorType": "TRIM_HORIZON"}
            )
            answer = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard_id, **start)
            iterators[shard_id] = answer["ShardIterator"]
        return iterators

    def _is_due(self) -> bool:
        """Buffering hints: the first of size and age, as Firehose has it."""
        if not self._buffer:
            return False
        destination = self.stream["ExtendedS3DestinationConfiguration"]
        hints = destination.get("BufferingHints", {})
        size = sum(len(record.data) for record in self._buffer)
        oldest: datetime = min(record.arrived_at for record in self._buffer)
        age = self._clock.now() - oldest
        return size >= hints.get("SizeInMBs", 5) * 1_048_576 or age >= timedelta(
            seconds=hints.get("IntervalInSeconds", 300)
        )

    def _deliver(self) -> None:
        Delivery(self.stream, self._client).deliver(self._buffer)
        done = read_checkpoint(self._checkpoint)
        done |= {record.shard: record.sequence for record in self._buffer}
        write_checkpoint(self._checkpoint, done)
        self._buffer.clear()
        self._trim(self.stream["KinesisStreamSourceConfiguration"]["KinesisStreamARN"], done)
        self._iterators.clear()  # they count positions, which the trim has moved
