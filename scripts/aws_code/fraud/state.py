"""What is remembered of each passenger: a DynamoDB item of recent payments and their decisions.

An item is written only over the revision that was read, before anybody is told: a payment that
comes again, because a batch was retried or its producer sent it twice, gets the decision that it
got, whatever has arrived since. DynamoDB drops an item some time after it expires.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

import json
import time
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from aws_code.fraud.score import Payment, broken_rules

#: The newest payments that are kept of a passenger, and for how long after the last of them.
KEPT_PAYMENTS, KEPT_SECONDS = 40, 60 * 24 * 3600

_PASSENGERS_AT_ONCE = 100  # DynamoDB's limit of BatchGetItem and of TransactWriteItems
_MOST_RECENT = 4_000  # passengers that are kept at hand: some tens of megabytes
_TRIES = 5


@dataclass(frozen=True)
class Arrival:
    """A payment as it came: the sequence number of its record, and when that arrived."""

    sequence: str
    payment: Payment
    arrived_at: str


@dataclass(frozen=True)
class Decision:
    """A scored payment: the rules that it broke, and when its record arrived."""

    payment: Payment
    rules: tuple[str, ...]
    detected_at: str


@dataclass(frozen=True)
class Passenger:
    """A passenger's decisions, oldest first, and the revision of the item that holds them."""

    passenger_id: str
    revision: int = 0
    decisions: tuple[Decision, ...] = ()


def groups(arrivals: Sequence[Arrival]) -> list[list[Arrival]]:
    """The arrivals by groups of as many passengers as are written together, each in its order."""
    passengers = list(dict.fromkeys(a.payment.passenger_id for a in arrivals))
    of = {passenger: n // _PASSENGERS_AT_ONCE for n, passenger in enumerate(passengers)}
    found: dict[int, list[Arrival]] = {}
    for arrival in arrivals:
        found.setdefault(of[arrival.payment.passenger_id], []).append(arrival)
    return list(found.values())


def decide(group: Sequence[Arrival], table: str, dynamodb: Any) -> list[Decision]:
    """Score the payments of a group in their order of arrival, and remember the decisions.

    Raises botocore's ClientError when DynamoDB refuses, or when others go on writing the same
    passengers.
    """
    waiting: dict[str, list[Arrival]] = {}
    for arrival in group:
        waiting.setdefault(arrival.payment.passenger_id, []).append(arrival)
    for attempt in range(_TRIES):
        before = _remembered(waiting, table, dynamodb)
        results = [scored(before[name], arrivals) for name, arrivals in waiting.items()]
        changed = [
            passenger for passenger, _ in results if passenger != before[passenger.passenger_id]
        ]
        try:
            write(changed, table, dynamodb)
            _remember(before, changed)
            break
        except ClientError as error:
            for name in waiting:
                _recent.pop(name, None)
            is_stale = error.response["Error"]["Code"] == "TransactionCanceledException"
            if not is_stale or attempt == _TRIES - 1:
                raise
            time.sleep(0.05 * 2**attempt)
    return [decision for _, decisions in results for decision in decisions]


#: Passengers as this function last read or wrote them. One that another function has written since
#: is found out by the revision when it is written.
_recent: OrderedDict[str, Passenger] = OrderedDict()


def _remembered(names: Iterable[str], table: str, dynamodb: Any) -> dict[str, Passenger]:
    """The passengers, read unless they are at hand."""
    found = {name: _recent[name] for name in names if name in _recent}
    missing = [name for name in names if name not in found]
    return {**found, **read(missing, table, dynamodb)} if missing else found


def _remember(before: dict[str, Passenger], written: Iterable[Passenger]) -> None:
    _recent.update(before)
    _recent.update({p.passenger_id: replace(p, revision=p.revision + 1) for p in written})
    for name in before:
        _recent.move_to_end(name)
    while len(_recent) > _MOST_RECENT:
        _recent.popitem(last=False)


def scored(passenger: Passenger, arrivals: Iterable[Arrival]) -> tuple[Passenger, list[Decision]]:
    """The passenger with the arrived payments remembered, and the decision on each of them."""
    decisions = list(passenger.decisions)
    known = {d.payment.payment_id: d for d in decisions}
    made = []
    for arrival in arrivals:
        decision = known.get(arrival.payment.payment_id)
        if decision is None:
            rules = broken_rules(arrival.payment, [d.payment for d in decisions])
            decision = Decision(arrival.payment, rules, arrival.arrived_at)
            insort(decisions, decision, key=lambda d: d.payment.paid_at)
            known[arrival.payment.payment_id] = decision
            for forgotten in decisions[:-KEPT_PAYMENTS]:
                del known[forgotten.payment.payment_id]
            del decisions[:-KEPT_PAYMENTS]
        made.append(decision)
    return replace(passenger, decisions=tuple(decisions)), made


def read(passenger_ids: Iterable[str], table: str, dynamodb: Any) -> dict[str, Passenger]:
    """Up to 100 passengers as they are remembered; one who is not known has no decisions."""
    found = {passenger_id: Passenger(passenger_id) for passenger_id in passenger_ids}
    keys = [{"passenger_id": {"S": passenger_id}} for passenger_id in found]
    request = {table: {"Keys": keys, "ConsistentRead": True}}
    while request:
        answer = dynamodb.batch_get_item(RequestItems=request)
        for item in answer["Responses"].get(table, []):
            passenger = _from_item(item)
            found[passenger.passenger_id] = passenger
        request = answer.get("UnprocessedKeys")
    return found


def write(passengers: Sequence[Passenger], table: str, dynamodb: Any) -> None:
    """Write up to 100 passengers together, each over the revision that was read.

    Raises ClientError (TransactionCanceledException) when one of them has changed since.
    """
    if not passengers:
        return
    expires_at = int(time.time()) + KEPT_SECONDS
    puts = [
        {
            "TableName": table,
            "Item": {
                "passenger_id": {"S": passenger.passenger_id},
                "revision": {"N": str(passenger.revision + 1)},
                "decisions": {"S": json.dumps([_to_row(d) for d in passenger.decisions])},
                "expires_at": {"N": str(expires_at)},
            },
            **_unchanged(passenger),
        }
        for passenger in passengers
    ]
    dynamodb.transact_write_items(TransactItems=[{"Put": put} for put in puts])


def _unchanged(passenger: Passenger) -> dict[str, Any]:
    """The condition that nobody has written the passenger since."""
    if not passenger.revision:
        return {"ConditionExpression": "attribute_not_exists(passenger_id)"}
    read = {":read": {"N": str(passenger.revision)}}
    return {"ConditionExpression": "revision = :read", "ExpressionAttributeValues": read}


def _from_item(item: dict[str, Any]) -> Passenger:
    passenger_id = item["passenger_id"]["S"]
    rows = json.loads(item["decisions"]["S"])
    decisions = tuple(_from_row(passenger_id, row) for row in rows)
    return Passenger(passenger_id, int(item["revision"]["N"]), decisions)


def _to_row(decision: Decision) -> list[Any]:
    p = decision.payment
    return [
        p.payment_id, p.paid_at.isoformat(), p.cents, p.country, p.card, decision.rules,
        decision.detected_at,
    ]  # fmt: skip


def _from_row(passenger_id: str, row: list[Any]) -> Decision:
    payment_id, paid_at, cents, country, card, rules, detected_at = row
    paid = datetime.fromisoformat(paid_at)
    payment = Payment(payment_id, passenger_id, paid, cents, country, card)
    return Decision(payment, tuple(rules), detected_at)
