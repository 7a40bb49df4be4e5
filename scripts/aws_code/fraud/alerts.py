"""Alerts: told to people by a topic, and to the lake by a stream that lands in Bronze.

Both are told at least once. An alert of a payment is the same each time, and names the passenger
and the payment by their surrogates alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aws_code.fraud.state import Decision

_AT_ONCE = 500  # Kinesis's limit of PutRecords


class NotTold(Exception):
    """The stream did not take an alert: its payment is to come again."""


def alert(decision: Decision) -> dict[str, Any]:
    """The alert of a payment that broke a rule."""
    payment = decision.payment
    return {
        "payment_id": payment.payment_id,
        "passenger_id": payment.passenger_id,
        "rules": "|".join(decision.rules),
        "amount": f"{payment.cents // 100}.{payment.cents % 100:02}",
        "paid_at": payment.paid_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "detected_at": decision.detected_at,
    }


def tell(alerts: Sequence[dict[str, Any]], stream: str, topic: str, kinesis: Any, sns: Any) -> None:
    """Put alerts on the stream, then publish them.

    Raises NotTold when the stream did not take one, botocore's errors when a service refuses.
    """
    for start in range(0, len(alerts), _AT_ONCE):
        records = [
            {"Data": json.dumps(found).encode(), "PartitionKey": found["payment_id"]}
            for found in alerts[start : start + _AT_ONCE]
        ]
        if kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"]:
            raise NotTold(f"the stream {stream} refused alerts")
    for found in alerts:
        rules = {"DataType": "String", "StringValue": found["rules"]}
        sns.publish(TopicArn=topic, Message=json.dumps(found), MessageAttributes={"rules": rules})
