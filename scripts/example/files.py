"""The files that partners drop: the published schedule of a day, and fraud labels of a past one."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from example.data import Row, flight_date
from example.events import chance, is_fraud, stamp

SCHEDULES = "schedules.flight_schedules"
LABELS = "ticketing.fraud_labels"
LABEL_DELAY = timedelta(days=3)
_REVIEWED_PER_HUNDRED = 2


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
    """What the investigators found on `day`, about the payments for flights of an earlier one."""
    labelled = datetime.combine(day, time(9), tzinfo=UTC)
    found = []
    for row in flights:
        key = "-".join((flight_date(row).isoformat(), row["carrier"], row["flight"], row["origin"]))
        if is_fraud(key) or chance("review", key) % 100 < _REVIEWED_PER_HUNDRED:
            found.append((f"pay-{key}", str(is_fraud(key)).lower(), stamp(labelled)))
    names = ("payment_id", "is_fraud", "labelled_at")
    return _write(folder / f"fraud_labels_{day.isoformat()}.csv", names, found)


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    return path
