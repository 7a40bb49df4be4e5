"""Alerts: told to people by a topic, and to the lake by a stream that lands in Bronze.

Both are told at least once. An alert of a payment is the same each time, and names the passenger
and the payment by their surrogates alone.
"""

from __future__ import annotations

import json
from typing import Any, Iterable, Sequence

from aws_code.fraud.state import Decision

_AT_ONCE = 10  # SNS's limit of PublishBatch
_AT_ONCE_ON_A_STREAM = 500  # Kinesis's of PutRecords


class NotTold(Exception):
    """The topic or the stream did not take an alert: the batch is to come again."""


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
    """Put alerts on the stream, then publish them; raises NotTold when one was not taken."""
    for part in _parts(alerts, _AT_ONCE_ON_A_STREAM):
        records = [
            {"Data": json.dumps(a).encode(), "PartitionKey": a["payment_id"][:256]} for a in part
        ]
        if kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"]:
            raise NotTold(f"the stream {stream} refused alerts")
    for part in _parts(alerts, _AT_ONCE):
        entries = [
            {
                "Id": str(n),
                "Message": json.dumps(a),
                "MessageAttributes": {
                    "rules": {"DataType": "String", "StringValue": a["rules"]},
                },
            }
            for n, a in enumerate(part)
        ]
        answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        if answer.get("Failed"):
            raise NotTold(f"the topic {topic} refused alerts")


def _parts(alerts: Sequence[dict[str, Any]], size: int) -> Iterable[Sequence[dict[str, Any]]]:
    return (alerts[start : start + size] for start in range(0, len(alerts), size))
