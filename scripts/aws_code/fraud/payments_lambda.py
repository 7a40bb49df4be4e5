"""The Lambda on the stream of payments: score each in flight, remember, tell.

What cannot be scored (unreadable, no passenger, no amount) is counted and left: Firehose carries it
to Bronze, where it is quarantined with its reason. Payments that could not be decided or told are
reported and come again; an error that nobody foresaw fails the batch, which is bisected.
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
"""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from aws_code.fraud import alerts, state
from aws_code.fraud.score import Payment
from aws_code.masking.masks import Key, current_key, mask

Json = dict[str, Any]

_CARD_CHARACTERS = 24  # of a card's hash: enough to tell a passenger's cards apart
_MOST_CENTS = 10_000_000


def handler(event: Json, context: Any) -> Json:
    """Score one batch of the stream; answers which records are to come again."""
    arrivals, unscorable = [], 0
    for record in event["Records"]:
        payment = payment_of(base64.b64decode(record["kinesis"]["data"]), _key())
        if payment is None:
            unscorable += 1
        else:
            arrivals.append(_arrival(record, payment))
    told, failed = 0, []
    for group in state.groups(arrivals):
        try:
            told += _decide_and_tell(group)
        except (ClientError, BotoCoreError, alerts.NotTold) as error:
            print(json.dumps({"again": len(group), "error": str(error)}))
            failed += [{"itemIdentifier": arrival.sequence} for arrival in group]
    print(json.dumps({"payments": len(arrivals), "unscorable": unscorable, "alerts": told}))
    return {"batchItemFailures": failed}


def _decide_and_tell(group: list[state.Arrival]) -> int:
    decisions = state.decide(group, os.environ["STATE_TABLE"], _client("dynamodb"))
    found = [alerts.alert(decision) for decision in decisions if decision.rules]
    topic, stream = os.environ["ALERT_TOPIC"], os.environ["ALERT_STREAM"]
    alerts.tell(found, stream, topic, _client("kinesis"), _client("sns"))
    return len(found)


def payment_of(payload: bytes, key: Key) -> Payment | None:
    """The payment in a record, its card hashed; None where it cannot be scored."""
    try:
        fields = json.loads(payload.decode())
        paid_at = datetime.fromisoformat(fields["paid_at"].replace("Z", "+00:00"))
        cents = int(Decimal(str(fields["amount"])) * 100)
        payment_id, passenger_id = fields["payment_id"], fields["passenger_id"]
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation, OverflowError):
        return None
    if not _is_name(payment_id) or not _is_name(passenger_id) or not 0 < cents < _MOST_CENTS:
        return None
    country, card = fields.get("country"), fields.get("card_number")
    return Payment(
        payment_id=payment_id,
        passenger_id=passenger_id,
        paid_at=paid_at if paid_at.tzinfo else paid_at.replace(tzinfo=timezone.utc),
        cents=cents,
        country=country if _is_name(country) else None,
        card=mask(card, "hash", key)[:_CARD_CHARACTERS] if _is_name(card) else None,
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _arrival(record: Json, payment: Payment) -> state.Arrival:
    kinesis = record["kinesis"]
    arrived = datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], timezone.utc)
    stamp = arrived.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return state.Arrival(kinesis["sequenceNumber"], payment, stamp)


def _key() -> Key:
    return current_key(os.environ["MASKING_SECRET"])


@cache
def _client(service: str) -> Any:
    return boto3.client(service)
