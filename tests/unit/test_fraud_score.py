"""The rules of the fraud function, what it remembers, and what they find of the example's frauds."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from aws_code.fraud import state
from aws_code.fraud.payments_lambda import payment_of
from aws_code.fraud.score import Payment, broken_rules
from aws_code.masking.masks import Key
from example.events import Event, fraud
from example.stage import days

KEY = Key("v1", b"secret")
NOON = datetime(2013, 1, 2, 12, tzinfo=UTC)
PAYMENT = Payment("p0", "P1", NOON, 10_000, "US", "card")


def before(minutes: float, number: int = 1, **changes: Any) -> Payment:
    """A payment like PAYMENT, some minutes before it."""
    paid_at = NOON - timedelta(minutes=minutes)
    return replace(PAYMENT, payment_id=f"p{number}", paid_at=paid_at, **changes)


@pytest.mark.parametrize(
    ("history", "rules"),
    [
        ([], ()),
        # Four within the hour, this one among them; the hour's end belongs to it.
        ([before(1), before(30), before(60)], ("velocity",)),
        ([before(1), before(30), before(60.1)], ()),
        # What was made later says nothing.
        ([before(-1), before(-2), before(-3)], ()),
        # Four times the median of five: 2,500 cents is enough, 2,501 is not.
        ([before(9_000 + n, cents=2_500) for n in range(5)], ("amount",)),
        ([before(9_000 + n, cents=2_501) for n in range(5)], ()),
        ([before(9_000 + n, cents=2_500) for n in range(4)], ()),
        # Small amounts are no usual ones.
        ([before(9_000 + n, cents=499) for n in range(5)], ()),
        ([before(480, country="AU")], ("impossible_travel",)),
        ([before(481, country="AU")], ()),
        ([before(5, country=None)], ()),
        ([before(n, cents=499) for n in (1, 5, 10)], ("velocity", "card_testing")),
        ([before(n, cents=499, card=f"card{n}") for n in (1, 5)], ()),
    ],
)
def test_a_rule_is_broken_at_its_limit(history: list[Payment], rules: tuple[str, ...]) -> None:
    assert broken_rules(PAYMENT, history) == rules


def test_the_third_small_payment_is_a_test_of_the_card() -> None:
    small = replace(PAYMENT, cents=499)
    assert broken_rules(small, [before(1, cents=499), before(10, cents=499)]) == ("card_testing",)
    assert broken_rules(small, [before(1, cents=500), before(10, cents=499)]) == ()


def arrivals(payments: Iterable[Payment], at: str = "then") -> list[state.Arrival]:
    """Payments as they arrive."""
    return [state.Arrival(str(n), payment, at) for n, payment in enumerate(payments)]


def test_a_payment_that_comes_again_keeps_its_decision_whatever_came_since() -> None:
    tests = [before(n, n, cents=499) for n in (3, 2, 1)]
    passenger, first = state.scored(state.Passenger("P1"), arrivals([PAYMENT]))
    passenger, _ = state.scored(passenger, arrivals(tests))
    again, second = state.scored(passenger, arrivals([PAYMENT], "later"))
    assert [d.rules for d in first] == [()]
    assert second == first
    assert again == passenger


def test_only_the_newest_payments_are_remembered() -> None:
    many = [before(60 * n, n) for n in range(50)]
    passenger, _ = state.scored(state.Passenger("P1"), arrivals(many))
    kept = [d.payment.payment_id for d in passenger.decisions]
    assert kept == [f"p{n}" for n in range(39, -1, -1)]


def test_groups_hold_a_hundred_passengers_each_in_their_order() -> None:
    payments = [replace(PAYMENT, payment_id=f"{n}", passenger_id=f"P{n % 150}") for n in range(300)]
    groups = state.groups(arrivals(payments))
    assert [len({a.payment.passenger_id for a in group}) for group in groups] == [100, 50]
    for group in groups:
        assert [int(a.sequence) for a in group] == sorted(int(a.sequence) for a in group)


GOOD = {"payment_id": "p", "passenger_id": "P", "amount": "12.34", "paid_at": "2013-01-02T12:00:00Z",
        "card_number": "4111111111111111", "country": "US"}  # fmt: skip


def test_a_payment_is_read_with_its_card_hashed() -> None:
    payment = payment_of(json.dumps(GOOD).encode(), KEY)
    assert payment is not None
    assert (payment.cents, payment.paid_at) == (1234, NOON)
    assert payment.card is not None and payment.card.startswith("v1:")
    assert "4111" not in repr(payment)


@pytest.mark.parametrize(
    "payload",
    [
        b"{", b"[]", b'"x"', b"\xff",
        *(json.dumps({**GOOD, **bad}).encode() for bad in (
            {"amount": "NaN"}, {"amount": "-1"}, {"amount": "1e99"}, {"amount": None},
            {"paid_at": "now"}, {"paid_at": 5}, {"passenger_id": ""}, {"passenger_id": None},
            {"payment_id": "\ud800"}, {"payment_id": "x" * 201},
        )),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_no_payment(payload: bytes) -> None:
    assert payment_of(payload, KEY) is None


def kind_of(event: Event) -> str | None:
    """The kind of fraud that the example planted in a payment."""
    return fraud(event.fields["payment_id"].removeprefix("pay-").partition("-try")[0])


def test_the_rules_find_a_part_of_the_example_s_frauds() -> None:
    """Of two weeks in which payments arrive in their order, as counted from what was planted."""
    known: dict[str, state.Passenger] = {}
    planted, found, wrong = Counter[str](), Counter[str](), 0
    for day in days(date(2013, 1, 14)):
        for event in day.events:
            if event.source != "ticketing.payments":
                continue
            payment = payment_of(event.payload(), KEY)
            assert payment is not None
            before_it = known.get(payment.passenger_id, state.Passenger(payment.passenger_id))
            known[payment.passenger_id], (decision,) = state.scored(before_it, arrivals([payment]))
            kind = kind_of(event)
            planted[kind or "none"] += 1
            if decision.rules and kind:
                found[kind] += 1
            wrong += bool(decision.rules) and kind is None
    # A tried card makes three small payments and a large one: the third small one is the first
    # that a rule can know, and the large one is the fourth within the hour.
    assert planted["card_testing"] % 4 == 0
    assert found["card_testing"] == planted["card_testing"] / 2
    assert found["quiet"] == 0  # it looks like any other
    assert 0 < found["amount"] < planted["amount"]
    assert 0 < found["abroad"] < planted["abroad"]
    frauds = planted.total() - planted["none"]
    recall, precision = found.total() / frauds, found.total() / (found.total() + wrong)
    assert 0.2 < recall < 0.5 < precision < 0.9
