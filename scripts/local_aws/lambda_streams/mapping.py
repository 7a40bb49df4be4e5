"""An event source mapping as it was deployed, and the records that it reads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

Json = dict[str, Any]

#: What the room does not keep: a mapping that asks for it is refused, not served half.
_NOT_SERVED = ("FilterCriteria", "TumblingWindowInSeconds", "MaximumBatchingWindowInSeconds")
_DEFAULT_BATCH = 100
_FOREVER = -1


@dataclass(frozen=True)
class Record:
    """A shard's record: `sent_at` on the machine's clock, `arrived_at` on the local AWS's.

    `data` is base64, as the function gets it.
    """

    sequence: str
    partition_key: str
    data: str
    sent_at: datetime
    arrived_at: datetime


@dataclass(frozen=True)
class Mapping:
    """The settings of a mapping from a Kinesis stream to a function.

    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
    """

    uuid: str
    stream_arn: str
    function_arn: str
    batch_size: int
    starting_position: str
    bisects: bool
    retries: int
    record_age_seconds: int
    reports_item_failures: bool
    destination: str | None

    @property
    def function(self) -> str:
        """The function's name."""
        return self.function_arn.split(":")[6]

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.stream_arn.rpartition("/")[2]

    def may_retry(self, retried: int) -> bool:
        """Whether a batch that was tried again `retried` times is tried once more."""
        return self.retries == _FOREVER or retried < self.retries

    def is_too_old(self, record: Record, now: datetime) -> bool:
        """Whether a record is past the mapping's `MaximumRecordAgeInSeconds`."""
        if self.record_age_seconds == _FOREVER:
            return False
        return (now - record.sent_at).total_seconds() > self.record_age_seconds


def mapping_of(deployed: Json) -> Mapping:
    """A mapping from what was deployed, whose numbers and booleans may be text.

    Raises ValueError for what is not served here.
    """
    for name in _NOT_SERVED:
        if deployed.get(name) not in (None, 0, "0"):
            raise ValueError(f"{name} is not served here")
    starting_position = deployed.get("StartingPosition", "LATEST")
    if starting_position not in ("LATEST", "TRIM_HORIZON"):
        raise ValueError(f"StartingPosition {starting_position} is not served here")
    destination = (deployed.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
    if destination and destination.split(":")[2] not in ("sqs", "sns"):
        raise ValueError(f"the destination {destination} is not served here")
    return Mapping(
        uuid=deployed["UUID"],
        stream_arn=deployed["EventSourceArn"],
        function_arn=deployed["FunctionArn"],
        batch_size=int(deployed.get("BatchSize") or _DEFAULT_BATCH),
        starting_position=starting_position,
        bisects=_is_true(deployed.get("BisectBatchOnFunctionError")),
        retries=int(deployed.get("MaximumRetryAttempts", _FOREVER)),
        record_age_seconds=int(deployed.get("MaximumRecordAgeInSeconds", _FOREVER)),
        reports_item_failures="ReportBatchItemFailures" in deployed["FunctionResponseTypes"],
        destination=destination,
    )


def is_enabled(deployed: Json) -> bool:
    """Whether a deployed mapping is to be served."""
    return _is_true(deployed.get("Enabled", True))


def _is_true(value: Any) -> bool:
    return value is True or value == "true"
