"""What the stories of the laws share: parts of real days, and the stage that plays them."""

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from example.data import flights_by_day
from example.events import Event, flight_events, payment_event
from example.stage import Day, Record, Stage
from tests.conftest import Lakehouse


def stage_of(lakehouse: Lakehouse, folders: pytest.TempPathFactory) -> Iterator[Stage]:
    """The source systems, opened, with dbt's own files out of the way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(folders.mktemp("target")))
        patch.setenv("DBT_LOG_PATH", str(folders.mktemp("logs")))
        made = Stage(lakehouse.environment, lakehouse.settings, lakehouse.sources)
        made.clock.reset()
        made.open()
        yield made


def days_in_part(last: date, is_wanted: Callable[[date], bool], flights_per_day: int) -> list[Day]:
    """The wanted days up to `last`: the first flights of each, and what happened by its end."""
    found: list[Day] = []
    waiting: list[Event] = []
    for day, flights in flights_by_day():
        if day > last:
            return found
        if is_wanted(day):
            part = flights[:flights_per_day]
            waiting += [e for f in part for e in (*flight_events(f), payment_event(f))]
            happened = [event for event in waiting if event.occurred_at.date() <= day]
            waiting = [event for event in waiting if event.occurred_at.date() > day]
            found.append(Day(day, happened, part))
    return found


def records_of(day: Day) -> list[Record]:
    """A day's records in their order."""
    return [(event.source, event.payload()) for event in day.events]
