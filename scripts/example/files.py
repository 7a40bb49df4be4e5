"""The files that partners drop: the published schedule of a day, and fraud labels of a past one."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from example.data import Row
from example.events import Event, chance, flight_key, fraud, home_country, payment_events, stamp

SCHEDULES = "schedules.flight_schedules"
LABELS = "ticketing.fraud_labels"
LABEL_DELAY = timedelta(days=3)
_REVIEWED_PER_HUNDRED = 2
_LARGE_DOLLARS = 300


def schedule_file(folder: Path, day: date, flights: Iterable[Row]) -> Path:
    """The plan of `day`, published the evening before."""
    published = datetime.combine(day - timedelta(days=1), time(20), tzinfo=UTC)
    names = (
        "flight_date", "carrier", "flight", "origin", "dest", "sched_dep_time", "sched_arr_time",
        "published_at",
    )  # fmt: skip
    planned = (
        (
            day.isoformat(), row["carrier"], row["flight"], row["origin"], row["dest"],
            row["sched_dep_time"], row["sched_arr_time"], stamp(published),
        )
        for row in flights
    )  # fmt: skip
    return _write(folder / f"flight_schedules_{day.isoformat()}.csv", names, planned)


def label_file(folder: Path, day: date, flights: Iterable[Row]) -> Path:
    """What the investigators found on `day`, about the payments for flights of an earlier one.

    They are told of every fraud by the cards' owners, and look at what is large or from abroad.
    """
    labelled = datetime.combine(day, time(9), tzinfo=UTC)
    found = []
    for row in flights:
        is_fraud = fraud(flight_key(row)) is not None
        for payment in payment_events(row):
            if is_fraud or _is_reviewed(payment):
                verdict = (payment.fields["payment_id"], str(is_fraud).lower(), stamp(labelled))
                found.append(verdict)
    names = ("payment_id", "is_fraud", "labelled_at")
    return _write(folder / f"fraud_labels_{day.isoformat()}.csv", names, found)


def _is_reviewed(payment: Event) -> bool:
    fields = payment.fields
    return (
        float(fields["amount"]) >= _LARGE_DOLLARS
        or fields["country"] != home_country(fields["passenger_id"])
        or chance("review", fields["payment_id"]) % 100 < _REVIEWED_PER_HUNDRED
    )


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    return path
