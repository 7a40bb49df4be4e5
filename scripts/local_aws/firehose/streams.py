"""The delivery streams that were deployed, kept as one JSON file."""

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.errors import AwsError
from local_aws.files import write_atomically

Json = dict[str, Any]


class DeliveryStreams:
    """Control plane of Firehose: create, describe, list, update and delete."""

    def __init__(self, path: Path, clock: Callable[[], datetime], arn_prefix: str) -> None:
        self._path = path
        self._clock = clock
        self._arn_prefix = arn_prefix
        self._lock = threading.Lock()
        self._streams: dict[str, Json] = json.loads(path.read_text()) if path.exists() else {}

    def handle(self, operation: str, payload: Json) -> Json:
        """Answer one Firehose operation; raises AwsError, also for what is not served."""
        name = payload.get("DeliveryStreamName", "")
        if operation == "CreateDeliveryStream":
            return {"DeliveryStreamARN": self.create(payload)}
        if operation == "DescribeDeliveryStream":
            return {"DeliveryStreamDescription": _description(self.get(name))}
        if operation == "ListDeliveryStreams":
            return {"DeliveryStreamNames": sorted(self._streams), "HasMoreDeliveryStreams": False}
        if operation == "DeleteDeliveryStream":
            self.delete(name)
            return {}
        raise AwsError(
            "InvalidArgumentException", f"firehose:{operation} is not served by the local AWS"
        )

    def resources(self, operation: str, payload: Json) -> list[str]:
        """The delivery stream that IAM is asked about."""
        name = payload.get("DeliveryStreamName")
        return [f"{self._arn_prefix}:deliverystream/{name}"] if name else []

    def all(self) -> list[Json]:
        """Every stream's configuration, as created."""
        with self._lock:
            return list(self._streams.values())

    def get(self, name: str) -> Json:
        """One stream's configuration; raises ResourceNotFoundException."""
        if name not in self._streams:
            raise AwsError("ResourceNotFoundException", f"Firehose {name} not found.")
        return self._streams[name]

    def create(self, configuration: Json) -> str:
        """Keep a new stream and return its ARN.

        Raises AwsError for a name in use and for what the stand-in cannot deliver.
        """
        name = configuration["DeliveryStreamName"]
        if "KinesisStreamSourceConfiguration" not in configuration:
            raise AwsError("InvalidArgumentException", f"{name}: only Kinesis sources are served")
        if "ExtendedS3DestinationConfiguration" not in configuration:
            raise AwsError("InvalidArgumentException", f"{name}: only extended S3 is served")
        with self._lock:
            if name in self._streams:
                raise AwsError("ResourceInUseException", f"Firehose {name} exists already.")
            arn = f"{self._arn_prefix}:deliverystream/{name}"
            created = {"DeliveryStreamARN": arn, "CreateTimestamp": self._clock().timestamp()}
            self._streams[name] = {**configuration, **created}
            self._save()
        return arn

    def update(self, name: str, configuration: Json) -> None:
        """Replace a stream's configuration."""
        with self._lock:
            self._streams[name] = {**self.get(name), **configuration}
            self._save()

    def delete(self, name: str) -> None:
        """Forget a stream; raises ResourceNotFoundException."""
        with self._lock:
            self.get(name)
            del self._streams[name]
            self._save()

    def _save(self) -> None:
        write_atomically(self._path, json.dumps(self._streams))


def _description(stream: Json) -> Json:
    return {
        "DeliveryStreamName": stream["DeliveryStreamName"],
        "DeliveryStreamARN": stream["DeliveryStreamARN"],
        "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamType": "KinesisStreamAsSource",
        "VersionId": "1",
        "CreateTimestamp": stream["CreateTimestamp"],
        "HasMoreDestinations": False,
        "Source": {
            "KinesisStreamSourceDescription": stream["KinesisStreamSourceConfiguration"],
        },
        "Destinations": [
            {
                "DestinationId": "destinationId-000000000001",
                "ExtendedS3DestinationDescription": stream["ExtendedS3DestinationConfiguration"],
            }
        ],
    }
