"""What the source systems send by stream: flight events, weather readings and payments.

An event is its instant (aware, UTC) and its fields. All is derived from the data and from hashes
of its keys, so a replay sends the same events.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from example.data import Row, flight_date, integer, number, value

_TAXI = timedelta(minutes=20)
_UNKNOWN_DURATION = timedelta(hours=3)
_LOCAL_MIDNIGHT = time(5, tzinfo=UTC)  # 00:00 in New York's winter, 01:00 in its summer
PASSENGERS = 2_000
_FRAUD_PER_THOUSAND = 5
# What a thief does with a card: pays far more than its owner, tries it first with small amounts,
# pays from abroad, or nothing that stands out.
_FRAUDS = ("amount", "card_testing", "abroad", "quiet")
_TRIES = 3
_ABROAD_PER_THOUSAND = 3
_COUNTRIES = ("US", "US", "US", "CA", "MX", "GB", "DE", "FR", "JP", "BR")


@dataclass(frozen=True)
class Event:
    """One record of a stream."""

    source: str
    occurred_at: datetime
    fields: dict[str, Any]

    def payload(self) -> bytes:
        """The record's bytes."""
        return json.dumps(self.fields).encode()


def stamp(instant: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def chance(*key: object) -> int:
    """A number that looks random and is always the same for a key."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def flight_events(flight: Row) -> Iterator[Event]:
    """The events that made a flight: scheduled, then departed and arrived, or cancelled."""
    day = flight_date(flight)
    scheduled_at = datetime.fromisoformat(flight["time_hour"].replace("Z", "+00:00"))
    scheduled_at += timedelta(minutes=int(flight["minute"]))
    identity = {
        "flight_date": day.isoformat(),
        "carrier": flight["carrier"],
        "flight": int(flight["flight"]),
        "origin": flight["origin"],
        "dest": flight["dest"],
        "tailnum": value(flight["tailnum"]),
    }
    published = {
        "sched_dep_time": int(flight["sched_dep_time"]),
        "sched_arr_time": int(flight["sched_arr_time"]),
        "distance": int(flight["distance"]),
    }
    yield _flight_event("scheduled", datetime.combine(day, _LOCAL_MIDNIGHT), identity, published)
    delay = integer(flight["dep_delay"])
    if delay is None:
        yield _flight_event("cancelled", scheduled_at, identity, {})
        return
    departed_at = scheduled_at + timedelta(minutes=delay)
    departure = {"dep_time": integer(flight["dep_time"]), "dep_delay": delay}
    yield _flight_event("departed", departed_at, identity, departure)
    if value(flight["arr_time"]):
        air_time = integer(flight["air_time"])
        duration = timedelta(minutes=air_time) if air_time else _UNKNOWN_DURATION
        arrival = {
            "arr_time": integer(flight["arr_time"]),
            "arr_delay": integer(flight["arr_delay"]),
            "air_time": air_time,
        }
        yield _flight_event("arrived", departed_at + duration + _TAXI, identity, arrival)


def _flight_event(
    kind: str, occurred_at: datetime, identity: dict[str, Any], details: dict[str, Any]
) -> Event:
    key = "-".join(str(identity[name]) for name in ("flight_date", "carrier", "flight", "origin"))
    fields = {"event_id": f"{key}-{kind}", "event_type": kind, "occurred_at": stamp(occurred_at)}
    return Event("flight_ops.flight_events", occurred_at, {**fields, **identity, **details})


def weather_event(reading: Row) -> Event:
    """An hourly reading of an airport's station."""
    observed_at = datetime.fromisoformat(reading["time_hour"].replace("Z", "+00:00"))
    fields: dict[str, Any] = {"origin": reading["origin"], "observed_at": stamp(observed_at)}
    for name in ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"):
        fields[name] = number(reading[name])
    fields["wind_dir"] = integer(reading["wind_dir"])
    return Event("weather.station_readings", observed_at, fields)


def payment_events(flight: Row) -> Iterator[Event]:
    """The payment of a seat on a flight, and small ones before it if its card was tried first."""
    paid = payment_event(flight)
    if fraud(flight_key(flight)) == "card_testing":
        for number in range(_TRIES, 0, -1):
            tried_at = paid.occurred_at - timedelta(minutes=number)
            fields = {
                "payment_id": f"{paid.fields['payment_id']}-try{number}",
                "amount": f"{number}.99",
                "paid_at": stamp(tried_at),
            }
            yield Event(paid.source, tried_at, {**paid.fields, **fields})
    yield paid


def payment_event(flight: Row) -> Event:
    """The payment of a seat on a flight: synthetic, with made-up personal data."""
    day, key = flight_date(flight), flight_key(flight)
    draw = chance("payment", key)
    passenger = passenger_id(draw % PASSENGERS)
    paid_at = datetime.combine(day, _LOCAL_MIDNIGHT) + timedelta(seconds=draw % 36_000)
    cents = 4_900 + int(flight["distance"]) * (8 + draw % 9)
    if fraud(key) == "amount":
        cents *= 4
    fields = {
        "payment_id": f"pay-{key}",
        "passenger_id": passenger,
        "flight_date": day.isoformat(),
        "carrier": flight["carrier"],
        "flight": int(flight["flight"]),
        "origin": flight["origin"],
        "dest": flight["dest"],
        "amount": f"{cents // 100}.{cents % 100:02}",
        "currency": "USD",
        "channel": ("web", "mobile", "agency")[draw % 3],
        "card_number": card_number(passenger),
        "email": email(passenger),
        "country": _country(passenger, key),
        "paid_at": stamp(paid_at),
    }
    return Event("ticketing.payments", paid_at, fields)


def flight_key(flight: Row) -> str:
    """The identity of a flight in the identities of what belongs to it."""
    day = flight_date(flight).isoformat()
    return "-".join((day, flight["carrier"], flight["flight"], flight["origin"]))


def fraud(key: str) -> str | None:
    """The kind of fraud planted in the payment for a flight, by its key; None: an honest one."""
    if chance("fraud", key) % 1000 >= _FRAUD_PER_THOUSAND:
        return None
    return _FRAUDS[chance("kind of fraud", key) % len(_FRAUDS)]


def _country(passenger: str, key: str) -> str:
    """Where a payment is made: at home, but for thieves from abroad and honest travellers."""
    travels = fraud(key) is None and chance("abroad", key) % 1000 < _ABROAD_PER_THOUSAND
    return "AU" if travels or fraud(key) == "abroad" else home_country(passenger)


def home_country(passenger: str) -> str:
    """Where a passenger lives."""
    return _COUNTRIES[chance("passenger", passenger) % len(_COUNTRIES)]


def passenger_id(index: int) -> str:
    """The surrogate id of a passenger."""
    return f"P{index:06}"


def email(passenger: str) -> str:
    """A passenger's address, in a domain that can never be anybody's."""
    return f"{passenger.lower()}.{chance('mail', passenger) % 10_000}@passengers.example"


def card_number(passenger: str) -> str:
    """A passenger's card number: 16 digits."""
    return f"4{chance('card', passenger) % 10**15:015}"
