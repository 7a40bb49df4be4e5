"""The rules, over plain data: which of them a payment breaks, given the passenger's earlier ones.

A rule looks back from the payment's own time, so the order of arrival matters only where an
earlier payment arrives after a later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

#: A passenger who pays for this many seats within an hour is in a hurry.
VELOCITY_PAYMENTS, VELOCITY_WINDOW = 4, timedelta(hours=1)
#: A payment this many times the passenger's usual one, where the usual is known from some.
AMOUNT_FACTOR, AMOUNT_HISTORY = 4, 5
#: Nobody pays in two countries within this time.
TRAVEL_WINDOW = timedelta(hours=8)
#: Small amounts on one card within minutes try whether it is still good.
TEST_CENTS, TEST_PAYMENTS, TEST_WINDOW = 500, 3, timedelta(minutes=10)

_NOTHING = timedelta()


@dataclass(frozen=True)
class Payment:
    """What the rules need of a payment; `card` is a keyed hash."""

    payment_id: str
    passenger_id: str
    paid_at: datetime
    cents: int
    country: str | None
    card: str | None


def broken_rules(payment: Payment, history: Sequence[Payment]) -> tuple[str, ...]:
    """The names of the rules that `payment` breaks, in their order.

    `history` has other payments of the same passenger; those that were made later say nothing.
    """
    earlier = [p for p in history if p.paid_at <= payment.paid_at]
    rules = {
        "velocity": _velocity,
        "amount": _amount,
        "impossible_travel": _impossible_travel,
        "card_testing": _card_testing,
    }
    return tuple(name for name, is_broken in rules.items() if is_broken(payment, earlier))


def _velocity(payment: Payment, earlier: Sequence[Payment]) -> bool:
    return 1 + len(_within(VELOCITY_WINDOW, payment, earlier)) >= VELOCITY_PAYMENTS


def _amount(payment: Payment, earlier: Sequence[Payment]) -> bool:
    usual = [p.cents for p in earlier if p.cents >= TEST_CENTS]
    return len(usual) >= AMOUNT_HISTORY and payment.cents >= AMOUNT_FACTOR * median(usual)


def _impossible_travel(payment: Payment, earlier: Sequence[Payment]) -> bool:
    countries = {p.country for p in _within(TRAVEL_WINDOW, payment, earlier)} - {None}
    return payment.country is not None and bool(countries - {payment.country})


def _card_testing(payment: Payment, earlier: Sequence[Payment]) -> bool:
    recent = [payment, *_within(TEST_WINDOW, payment, earlier)]
    tests = [p for p in recent if p.card == payment.card and p.cents < TEST_CENTS]
    return payment.card is not None and len(tests) >= TEST_PAYMENTS


def _within(window: timedelta, payment: Payment, earlier: Iterable[Payment]) -> list[Payment]:
    return [p for p in earlier if _NOTHING <= payment.paid_at - p.paid_at <= window]
