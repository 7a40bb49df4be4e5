"""The law of flat cost: an incremental run scans what is new, however long the history.

One story in its order: two months arrive, and the run of a day is measured; four more months arrive
without a single run and are caught up by one; then the run of a day is measured again.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from example.stage import Day, Stage
from strata import dbt, query
from strata.environment import client
from strata.operate.cost import cost_since
from tests.conftest import start
from tests.laws.story import days_in_part, records_of, stage_of

FLIGHTS_PER_DAY = 150
DAYS_OF_MONTH = (1, 15)
MART = "mart_airport_day"
FLAT = 1.25  # the days differ; one that read its history would scan more than twice as much


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The source systems of a lakehouse of this story's own."""
    for lakehouse in start(tmp_path_factory.mktemp("state")):
        yield from stage_of(lakehouse, tmp_path_factory)


@pytest.fixture(scope="module")
def days() -> dict[int, list[Day]]:
    """The days that arrive, by month: two of each, a part of the flights of each."""
    found = days_in_part(date(2013, 6, 15), lambda d: d.day in DAYS_OF_MONTH, FLIGHTS_PER_DAY)
    return {month: [d for d in found if d.day.month == month] for month in range(1, 7)}


def arrive(stage: Stage, days: list[Day]) -> None:
    """Let days arrive in Bronze."""
    for day in days:
        stage.play(day, records_of(day))


def run() -> int:
    """Build with all data tests, ask for freshness; returns the bytes that all of it scanned."""
    submitted = datetime.now(UTC)
    select = ["--select", f"+{MART}", "--indirect-selection", "buildable"]
    dbt.run(["build", "--quiet", "--exclude-resource-type", "unit_test", *select], quiet=True)
    dbt.run(["source", "freshness", "--quiet", "--select", "source:flight_ops"], quiet=True)
    return cost_since(submitted, query.WORK_GROUP, client("athena")).scanned_bytes


def flights_in_gold() -> int:
    """How many flights Gold has."""
    return int(query.rows("select count(*) from gold.fct_flights", client("athena"))[0][0] or 0)


@pytest.mark.slow
def test_a_run_costs_the_same_after_two_months_and_after_six(
    stage: Stage, days: dict[int, list[Day]]
) -> None:
    arrive(stage, days[1] + days[2][:1])
    stage.carry()
    run()
    arrive(stage, days[2][1:])
    young = run()

    weeks_without_a_run = [day for month in range(3, 6) for day in days[month]] + days[6][:1]
    arrive(stage, weeks_without_a_run)
    run()
    assert flights_in_gold() == FLIGHTS_PER_DAY * 11

    arrive(stage, days[6][1:])
    old = run()
    assert flights_in_gold() == FLIGHTS_PER_DAY * 12
    print(f"a run scanned {young:,} bytes after two months, {old:,} after six")
    assert old <= FLAT * young
