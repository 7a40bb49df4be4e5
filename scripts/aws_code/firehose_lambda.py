"""The Lambda that Firehose runs over every batch: mask, envelope, and never fail for bad data.

For a fault of the data the answer is `Ok` with an envelope and a reason, so that Bronze has it; a
payload that cannot be parsed cannot be masked, so it stays in the landing bucket. A crash of this
function makes Firehose try again and then keep the records under its error prefix.
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime, timezone
from functools import cache
from typing import Any

import boto3

from aws_code.masking import records, rules
from aws_code.masking.masks import Key, current_key

Json = dict[str, Any]

#: Lambda takes no answer beyond 6 MB; a tenth is left for what stands around the records.
_MOST_BYTES = 6 * 1024 * 1024 * 9 // 10
#: What stands around the identifier and the data of a record in the answer, and a few more.
_AROUND_BYTES = 80


def handler(event: Json, context: Any) -> Json:
    """Answer one Firehose transformation event, of a Kinesis stream or of an MSK topic.

    https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html
    """
    source = _sources()[_source_name(event["deliveryStreamArn"])]
    key = _key()
    unreadable: list[Json] = []
    answers: list[Json] = []
    room = _MOST_BYTES
    for item in event["records"]:
        data = "kafkaRecordValue" if "kafkaRecordValue" in item else "data"
        payload = base64.b64decode(item[data])
        record = records.from_json(source, payload, _arrival(item, event["invocationId"]), key)
        # Firehose joins records as they are: the newline is ours to add.
        masked = base64.b64encode((json.dumps(record) + "\n").encode()).decode()
        room -= len(item["recordId"]) + len(masked) + _AROUND_BYTES
        if room < 0:
            # Firehose keeps it with its error records, from where it is redriven.
            answers.append({"recordId": item["recordId"], "result": "ProcessingFailed"})
            continue
        if record["_payload_sha256"]:
            unreadable.append({"_record_id": record["_record_id"], "data": item[data]})
        answers.append({"recordId": item["recordId"], "result": "Ok", data: masked})
    if unreadable:
        _keep_in_landing(source.location, event["invocationId"], unreadable)
    print(json.dumps({"records": len(answers), "unreadable": len(unreadable)}))
    return {"records": answers}


def _source_name(stream_arn: str) -> str:
    """Delivery streams are named `strata-<env>-<system>.<table>`."""
    return stream_arn.rpartition("/")[2].split("-", 2)[2]


def _arrival(item: Json, delivery_id: str) -> records.Arrival:
    return records.Arrival(
        record_id=_record_id(item),
        arrived_at=datetime.fromtimestamp(item["approximateArrivalTimestamp"] / 1000, timezone.utc),
        delivery_id=delivery_id,
    )


def _record_id(item: Json) -> str:
    """The record's place in its source, which a redelivery repeats."""
    if kinesis := item.get("kinesisRecordMetadata"):
        return f"{kinesis['shardId']}:{kinesis['sequenceNumber']}"
    if msk := item.get("mskRecordMetadata"):
        return f"{msk['partitionId']}:{msk['offset']}"
    found: str = item["recordId"]
    return found


def _keep_in_landing(location: str, invocation_id: str, unreadable: list[Json]) -> None:
    boto3.client("s3").put_object(
        Bucket=os.environ["LANDING_BUCKET"],
        Key=f"unreadable/{location}{invocation_id}.json",
        Body="\n".join(json.dumps(item) for item in unreadable).encode(),
    )


@cache
def _sources() -> dict[str, rules.Source]:
    return rules.packed()


def _key() -> Key:
    return current_key(os.environ["MASKING_SECRET"])
