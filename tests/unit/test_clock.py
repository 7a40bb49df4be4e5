"""The clock of the local AWS: it runs, it moves, and it knows what it showed."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local_aws.clock import Clock


def test_it_is_the_machine_s_until_it_is_set(tmp_path: Path) -> None:
    assert abs(Clock(tmp_path).now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_it_goes_on_from_where_it_is_set_and_other_readers_see_it(tmp_path: Path) -> None:
    clock, other = Clock(tmp_path), Clock(tmp_path)
    clock.set(datetime(2013, 1, 5))
    time.sleep(0.01)
    assert datetime(2013, 1, 5, tzinfo=UTC) < other.now() < datetime(2013, 1, 5, 0, 1, tzinfo=UTC)


def test_it_tells_what_it_showed_before_it_was_moved(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.set(datetime(2013, 1, 5))
    machine = datetime.now(UTC)
    clock.advance(timedelta(days=1))
    assert clock.at(machine).date().isoformat() == "2013-01-05"
    assert clock.now().date().isoformat() == "2013-01-06"
    clock.reset()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
