"""Records on their way through the processing Lambda: batches, tries, and its three results.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

import base64
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_aws.functions import Answer

Json = dict[str, Any]
Invoke = Callable[[str, Json], Answer]

_RECORDS = 500
_MEGABYTES, _INTERVAL_SECONDS = 1.0, 60.0
_ANSWER_BYTES = 6 * 1024 * 1024
_AROUND = len('{"recordId": "", "result": "Ok", "data": ""}, ')
_TRIES = 4  # the first call and NumberOfRetries' default of three
_WAIT_SECONDS = 0.5  # before the second try, twice as long before each that follows


@dataclass(frozen=True)
class Record:
    """A stream's record: its place, its arrival on the local clock and its bytes in base64."""

    shard: str
    sequence: str
    arrived_at: datetime
    partition_key: str
    data: str

    @property
    def size(self) -> int:
        """The bytes of its data."""
        return len(self.data) * 3 // 4


@dataclass(frozen=True)
class Failure:
    """A record that Firehose could not use, and why (`kind` is the error prefix's folder)."""

    record: Record
    kind: str
    code: str
    message: str
    attempts: int = 1


@dataclass(frozen=True)
class Processed:
    """What became of the records of a batch: the data of those to deliver, and the failures."""

    good: list[tuple[Record, bytes]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def lambda_settings(stream: Json) -> dict[str, str]:
    """The parameters of the processing Lambda of a stream's S3 destination; empty for none."""
    processing = stream["ExtendedS3DestinationConfiguration"].get("ProcessingConfiguration", {})
    return {
        parameter["ParameterName"]: parameter["ParameterValue"]
        for processor in processing.get("Processors", [])
        if processing.get("Enabled") and processor["Type"] == "Lambda"
        for parameter in processor.get("Parameters", [])
    }


class Processor:
    """The processing Lambda of a stream as its S3 destination is configured, or none."""

    def __init__(self, stream: Json, invoke: Invoke) -> None:
        settings = lambda_settings(stream)
        self._stream = stream
        self._invoke = invoke
        self.arn: str | None = settings.get("LambdaArn")
        # https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html
        self._bytes = float(settings.get("BufferSizeInMBs", _MEGABYTES)) * 1024 * 1024
        self.seconds = float(settings.get("BufferIntervalInSeconds", _INTERVAL_SECONDS))

    def batches(self, records: list[Record]) -> list[list[Record]]:
        """The records of each call, as many as its buffer takes; all but the last are full."""
        batches: list[list[Record]] = []
        size = 0.0
        for record in records:
            size += record.size
            if not batches or size > self._bytes or len(batches[-1]) == _RECORDS:
                batches.append([])
                size = record.size
            batches[-1].append(record)
        return batches

    def process(self, records: list[Record]) -> Processed:
        """Run the Lambda over a batch; without one the records pass as they are."""
        if self.arn is None:
            return Processed([(record, base64.b64decode(record.data)) for record in records])
        by_id = {f"{r.shard}{r.sequence}": r for r in records}
        event = {
            "invocationId": str(uuid.uuid4()),
            "deliveryStreamArn": self._stream["DeliveryStreamARN"],
            "sourceKinesisStreamArn": self._stream["KinesisStreamSourceConfiguration"][
                "KinesisStreamARN"
            ],
            "region": "us-east-1",
            "records": [_lambda_record(key, record) for key, record in by_id.items()],
        }
        results = self._results(self.arn, event)
        if isinstance(results, str):
            code = "Lambda.FunctionError"
            lost = [Failure(r, "processing-failed", code, results, _TRIES) for r in records]
            return Processed(failures=lost)
        return _sorted(by_id, results)

    def _results(self, arn: str, event: Json) -> list[Json] | str:
        """The function's results, or the error of its last try."""
        error = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_WAIT_SECONDS * 2 ** (attempt - 1))
            answer = self._invoke(arn, event)
            if answer.error or not answer.was_invoked:
                error = json.dumps(answer.payload)
                continue
            try:
                results: list[Json] = answer.payload["records"]
                size = sum(
                    len(r.get("recordId", "")) + len(r.get("data") or "") + _AROUND for r in results
                )
            except (KeyError, TypeError, AttributeError) as fault:
                error = f"the answer is none of Firehose's: {type(fault).__name__}: {fault}"
                continue
            if size <= _ANSWER_BYTES:
                return results
            error = f"an answer of {size:,} bytes, over 6 MB"
        return error


def _lambda_record(key: str, record: Record) -> Json:
    arrived = int(record.arrived_at.timestamp() * 1000)
    return {
        "recordId": key,
        "approximateArrivalTimestamp": arrived,
        "data": record.data,
        "kinesisRecordMetadata": {
            "sequenceNumber": record.sequence,
            "subsequenceNumber": 0,
            "partitionKey": record.partition_key,
            "shardId": record.shard,
            "approximateArrivalTimestamp": arrived,
        },
    }


def _sorted(by_id: dict[str, Record], results: list[Json]) -> Processed:
    done = Processed()
    answers = {result.get("recordId"): result for result in results}
    for key, record in by_id.items():
        result = answers.get(key, {"result": "missing from the answer"})
        status = result.get("result")
        if status == "Ok":
            try:
                done.good.append((record, base64.b64decode(result["data"], validate=True)))
                continue
            except (KeyError, TypeError, ValueError):
                status = "Ok, without data in base64"
        if status != "Dropped":
            message = f"the function's result for the record is {status}"
            done.failures.append(
                Failure(record, "processing-failed", "Lambda.ProcessingFailedStatus", message)
            )
    return done
