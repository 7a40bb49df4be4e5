"""One delivery: the buffer of an S3 destination, and the objects that it becomes."""

import base64
import gzip
import json
import re
import uuid
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from local_aws.firehose.parquet import ConversionError, to_parquet
from local_aws.firehose.processing import Failure, Processed, Record

Json = dict[str, Any]

_GZIP = 31  # zlib's window bits of a gzip stream
_JAVA_PATTERNS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}


class Delivery:
    """What one object in S3 is made of. JSON is compressed as it comes: a full buffer is 128 MB.

    `arn` is the processing Lambda's, `client(service)` makes boto3 clients.
    """

    def __init__(self, stream: Json, arn: str | None, client: Callable[[str], Any]) -> None:
        self._stream = stream
        self._destination = stream["ExtendedS3DestinationConfiguration"]
        self._arn = arn
        self._client = client
        conversion = self._destination.get("DataFormatConversionConfiguration", {})
        self._schema = conversion["SchemaConfiguration"] if conversion.get("Enabled") else None
        self._gzip = zlib.compressobj(wbits=_GZIP)
        self._body = bytearray()
        self._rows: list[tuple[Record, bytes]] = []
        self._failures: list[Failure] = []
        self._oldest: datetime | None = None
        self.size = 0

    def add(self, processed: Processed) -> None:
        """Take what became of a batch."""
        for record, data in processed.good:
            self._oldest = min(self._oldest or record.arrived_at, record.arrived_at)
            self.size += len(data)
        self._failures += processed.failures
        if self._schema:
            self._rows += processed.good
        else:
            joined = b"".join(data for _, data in processed.good)
            self._body += self._gzip.compress(joined)

    def store(self) -> None:
        """Put it into S3, what cannot be used under the error prefix.

        Returns when all of it is stored; raises botocore's errors when S3 does not take it.
        """
        if self._oldest:
            self._store(self._oldest)
        for kind in {failure.kind for failure in self._failures}:
            self._store_failures(kind, [f for f in self._failures if f.kind == kind])

    def _store(self, oldest: datetime) -> None:
        if not self._schema:
            body = bytes(self._body) + self._gzip.flush()
            self._put(self._destination["Prefix"], oldest, body, ".gz")
            return
        table = self._client("glue").get_table(
            DatabaseName=self._schema["DatabaseName"], Name=self._schema["TableName"]
        )["Table"]
        columns = table["StorageDescriptor"]["Columns"]
        body, bad = to_parquet(columns, [data for _, data in self._rows])
        self._failures += [_conversion_failure(*self._rows[index], error) for index, error in bad]
        if body:
            self._put(self._destination["Prefix"], oldest, body, ".parquet")

    def _store_failures(self, kind: str, failures: list[Failure]) -> None:
        """Write error records in Firehose's documented shape, one JSON object a line."""
        lines = [json.dumps(self._error_record(failure)) + "\n" for failure in failures]
        prefix = self._destination["ErrorOutputPrefix"].replace(
            "!{firehose:error-output-type}", kind
        )
        oldest = min(failure.record.arrived_at for failure in failures)
        self._put(prefix, oldest, gzip.compress("".join(lines).encode(), mtime=0), ".gz")

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
            "rawData": record.data,
        }
        if not (converting and self._schema):
            return {**common, "lambdaArn": self._arn}
        return {
            **common,
            "sequenceNumber": record.sequence,
            "subSequenceNumber": 0,
            "dataCatalogTable": {
                "catalogId": self._schema.get("CatalogId"),
                "databaseName": self._schema["DatabaseName"],
                "tableName": self._schema["TableName"],
                "region": self._schema.get("Region"),
                "versionId": self._schema.get("VersionId", "LATEST"),
                "catalogArn": None,
            },
        }

    def _put(self, prefix: str, at: datetime, body: bytes, suffix: str) -> None:
        bucket = self._destination["BucketARN"].rpartition(":::")[2]
        stamp = at.strftime("%Y-%m-%d-%H-%M-%S")
        name = f"{self._stream['DeliveryStreamName']}-1-{stamp}-{uuid.uuid4()}{suffix}"
        self._client("s3").put_object(Bucket=bucket, Key=expand(prefix, at) + name, Body=body)


def expand(prefix: str, at: datetime) -> str:
    """A prefix with its `!{timestamp:…}` expressions replaced by the parts of `at` (UTC).

    https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
    """

    def replace(match: re.Match[str]) -> str:
        return at.strftime(re.sub("yyyy|MM|dd|HH", lambda part: _JAVA_PATTERNS[part[0]], match[1]))

    return re.sub(r"!\{timestamp:([^}]*)\}", replace, prefix)


def _conversion_failure(record: Record, data: bytes, error: ConversionError) -> Failure:
    """What the Lambda made of the record is what could not be converted."""
    converted = replace(record, data=base64.b64encode(data).decode())
    return Failure(
        converted, "format-conversion-failed", "DataFormatConversion.ParseError", str(error)
    )
