"""One delivery: records of a Kinesis shard through the Lambda into objects in S3."""

import base64
import gzip
import io
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.firehose.parquet import ConversionError, to_parquet

Json = dict[str, Any]

_LAMBDA_RECORDS = 500
_LAMBDA_MEGABYTES = 1.0
_LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024
_LAMBDAS_AT_ONCE = 2
_JAVA_PATTERNS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}
_LAMBDA_TRIES = 4  # the first call and NumberOfRetries' default of three
_LAMBDA_WAIT_SECONDS = 0.5  # before the second try, twice as long before each that follows


@dataclass(frozen=True)
class Record:
    """A stream's record: its place, its arrival on the local clock and its bytes."""

    shard: str
    sequence: str
    arrived_at: datetime
    partition_key: str
    data: bytes


@dataclass(frozen=True)
class Failure:
    """A record that Firehose could not use, and why (`kind` is the error prefix's folder)."""

    record: Record
    kind: str
    code: str
    message: str
    attempts: int = 1


class Delivery:
    """Delivers batches of one stream's records as its S3 destination is configured.

    `client(service)` makes boto3 clients.
    """

    def __init__(self, stream: Json, client: Callable[[str], Any]) -> None:
        self._stream = stream
        self._destination = stream["ExtendedS3DestinationConfiguration"]
        self._client = client

    def deliver(self, records: list[Record]) -> None:
        """Put `records` into S3, those that cannot be used under the error prefix.

        Returns when all of it is stored; raises botocore's errors when S3 does not take it.
        """
        good: list[tuple[Record, bytes]] = []
        failures: list[Failure] = []
        batches = list(_batches(records, self._lambda_megabytes()))
        with ThreadPoolExecutor(_LAMBDAS_AT_ONCE) as pool:
            for done, failed in pool.map(self._process, batches):
                good += done
                failures += failed
        if good:
            failures += self._store(good)
        for kind in {failure.kind for failure in failures}:
            self._store_failures(kind, [f for f in failures if f.kind == kind])

    def _process(self, records: list[Record]) -> tuple[list[tuple[Record, bytes]], list[Failure]]:
        """Run the processing Lambda over `records`; without one they pass as they are.

        https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
        """
        arn = self._lambda_arn()
        if arn is None:
            return [(record, record.data) for record in records], []
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
        try:
            results = self._invoke(arn, event)
        except LambdaFailed as error:
            return [], [
                Failure(r, "processing-failed", "Lambda.FunctionError", str(error), _LAMBDA_TRIES)
                for r in records
            ]
        return _sort_results(by_id, results)

    def _lambda_arn(self) -> str | None:
        processing = self._destination.get("ProcessingConfiguration", {})
        if not processing.get("Enabled"):
            return None
        for processor in processing.get("Processors", []):
            for parameter in processor.get("Parameters", []):
                if processor["Type"] == "Lambda" and parameter["ParameterName"] == "LambdaArn":
                    arn: str = parameter["ParameterValue"]
                    return arn
        return None

    def _lambda_megabytes(self) -> float:
        """https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html"""
        for processor in self._destination.get("ProcessingConfiguration", {}).get("Processors", []):
            for parameter in processor.get("Parameters", []):
                if parameter["ParameterName"] == "BufferSizeInMBs":
                    return float(parameter["ParameterValue"])
        return _LAMBDA_MEGABYTES

    def _invoke(self, arn: str, event: Json) -> list[Json]:
        error = ""
        for attempt in range(_LAMBDA_TRIES):
            if attempt:
                time.sleep(_LAMBDA_WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                answer = self._client("lambda").invoke(
                    FunctionName=arn, Payload=json.dumps(event).encode()
                )
                body = answer["Payload"].read()
                if len(body) > _LAMBDA_ANSWER_BYTES:
                    raise ValueError(f"an answer of {len(body):,} bytes, over 6 MB")
                payload = json.loads(body)
                if "FunctionError" not in answer:
                    results: list[Json] = payload["records"]
                    return results
                error = str(payload)
            except (ClientError, BotoCoreError, KeyError, TypeError, ValueError) as fault:
                error = f"{type(fault).__name__}: {fault}"
        raise LambdaFailed(error)

    def _store(self, good: list[tuple[Record, bytes]]) -> list[Failure]:
        """Write one object; returns the records that its format could not take."""
        oldest = min(record.arrived_at for record, _ in good)
        conversion = self._destination.get("DataFormatConversionConfiguration", {})
        failures: list[Failure] = []
        if conversion.get("Enabled"):
            schema = conversion["SchemaConfiguration"]
            table = self._client("glue").get_table(
                DatabaseName=schema["DatabaseName"], Name=schema["TableName"]
            )["Table"]
            body, bad = to_parquet(table["StorageDescriptor"]["Columns"], [b for _, b in good])
            failures = [_conversion_failure(*good[index], error) for index, error in bad]
            suffix = ".parquet"
        else:
            body, suffix = gzip_bytes(b"".join(data for _, data in good)), ".gz"
        if body:
            self._put(self._destination["Prefix"], oldest, body, suffix)
        return failures

    def _store_failures(self, kind: str, failures: list[Failure]) -> None:
        """Write error records in Firehose's documented shape, one JSON object a line."""
        lines = [json.dumps(self._error_record(failure)) + "\n" for failure in failures]
        prefix = self._destination["ErrorOutputPrefix"].replace(
            "!{firehose:error-output-type}", kind
        )
        oldest = min(failure.record.arrived_at for failure in failures)
        self._put(prefix, oldest, gzip_bytes("".join(lines).encode()), ".gz")

    def _error_record(self, failure: Failure) -> Json:
        """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html and
        https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html"""
        record = failure.record
        arrived = int(record.arrived_at.timestamp() * 1000)
        converting = failure.kind == "format-conversion-failed"
        code, message = (
            ("ErrorCode", "ErrorMessage") if converting else ("errorCode", "errorMessage")
        )
        common = {
            "attemptsMade": failure.attempts,
            "arrivalTimestamp": arrived,
            code: failure.code,
            message: failure.message,
            "attemptEndingTimestamp": arrived,
            "rawData": base64.b64encode(record.data).decode(),
        }
        if not converting:
            return {**common, "lambdaArn": self._lambda_arn()}
        schema = self._destination["DataFormatConversionConfiguration"]["SchemaConfiguration"]
        return {
            **common,
            "sequenceNumber": record.sequence,
            "subSequenceNumber": 0,
            "dataCatalogTable": {
                "catalogId": schema.get("CatalogId"),
                "databaseName": schema["DatabaseName"],
                "tableName": schema["TableName"],
                "region": schema.get("Region"),
                "versionId": schema.get("VersionId", "LATEST"),
                "catalogArn": None,
            },
        }

    def _put(self, prefix: str, at: datetime, body: bytes, suffix: str) -> None:
        bucket = self._destination["BucketARN"].rpartition(":::")[2]
        stamp = at.strftime("%Y-%m-%d-%H-%M-%S")
        name = f"{self._stream['DeliveryStreamName']}-1-{stamp}-{uuid.uuid4()}{suffix}"
        self._client("s3").put_object(Bucket=bucket, Key=expand(prefix, at) + name, Body=body)


class LambdaFailed(Exception):
    """The processing Lambda failed as often as it is tried."""


def expand(prefix: str, at: datetime) -> str:
    """A prefix with its `!{timestamp:…}` expressions replaced by the parts of `at` (UTC).

    https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
    """

    def replace(match: re.Match[str]) -> str:
        return at.strftime(re.sub("yyyy|MM|dd|HH", lambda part: _JAVA_PATTERNS[part[0]], match[1]))

    return re.sub(r"!\{timestamp:([^}]*)\}", replace, prefix)


def gzip_bytes(data: bytes) -> bytes:
    """`data` gzipped, the same bytes for the same data."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


def _batches(records: list[Record], megabytes: float) -> Iterator[list[Record]]:
    """The records of each call of the Lambda: as many as its buffer takes, one at least."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if batch and (
            size + len(record.data) > megabytes * 1_048_576 or len(batch) == _LAMBDA_RECORDS
        ):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.data)
    if batch:
        yield batch


def _lambda_record(key: str, record: Record) -> Json:
    arrived = int(record.arrived_at.timestamp() * 1000)
    return {
        "recordId": key,
        "approximateArrivalTimestamp": arrived,
        "data": base64.b64encode(record.data).decode(),
        "kinesisRecordMetadata": {
            "sequenceNumber": record.sequence,
            "subsequenceNumber": 0,
            "partitionKey": record.partition_key,
            "shardId": record.shard,
            "approximateArrivalTimestamp": arrived,
        },
    }


def _sort_results(
    by_id: dict[str, Record], results: list[Json]
) -> tuple[list[tuple[Record, bytes]], list[Failure]]:
    good: list[tuple[Record, bytes]] = []
    failures: list[Failure] = []
    answers = {result.get("recordId"): result for result in results}
    for key, record in by_id.items():
        result = answers.get(key, {"result": "missing from the answer"})
        if result["result"] == "Ok":
            good.append((record, base64.b64decode(result["data"])))
        elif result["result"] != "Dropped":
            message = f"the function's result for the record is {result['result']}"
            failures.append(
                Failure(record, "processing-failed", "Lambda.ProcessingFailedStatus", message)
            )
    return good, failures


def _conversion_failure(record: Record, data: bytes, error: ConversionError) -> Failure:
    """What the Lambda made of the record is what could not be converted."""
    converted = replace(record, data=data)
    return Failure(
        converted, "format-conversion-failed", "DataFormatConversion.ParseError", str(error)
    )
