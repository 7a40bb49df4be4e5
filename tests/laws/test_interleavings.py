"""However two days arrive, Silver and Gold are those of the clean order, and nothing is lost.

Each example has a lakehouse of its own, which takes about a minute: STRATA_EXAMPLES says how many.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from example.stage import Day, Record, Stage
from strata import dbt
from strata.ingest import jobs
from tests.conftest import Lakehouse, start
from tests.laws.story import days_in_part, records_of, stage_of
from tests.laws.test_laws import build, contents, kill_and_restart

FLIGHTS_PER_DAY = 40
PARTS = 6
#: What happens behind a part: records that come again, in another order, with a field that nobody
#: declared or cut off in the middle; a build; a crash of everything; a redrive of what failed.
EVENTS = ("nothing", "duplicates", "drift", "malformed", "build", "crash", "redrive")
CONSERVED = [
    f"conserved_base_{name}" for name in ("flight_ops__flight_events", "ticketing__payments")
]


class Contents(dict[str, list[Any]]):
    """The rows of tables; Hypothesis prints an example's arguments, which these are too long for."""

    def __repr__(self) -> str:
        return f"{sum(map(len, self.values()))} rows of {', '.join(self)}"


Plan = list[tuple[int, str]]
plans = st.tuples(
    st.permutations(range(PARTS)),
    st.lists(st.sampled_from(EVENTS), min_size=PARTS, max_size=PARTS),
).map(lambda drawn: list(zip(*drawn, strict=True)))


@pytest.fixture(scope="module")
def days() -> list[Day]:
    """Two days of departures, a part of the flights each."""
    return days_in_part(date(2013, 1, 2), lambda day: True, FLIGHTS_PER_DAY)


@contextmanager
def lakehouse_of(folders: pytest.TempPathFactory) -> Iterator[tuple[Lakehouse, Stage]]:
    """A new lakehouse and its source systems; all of them hash with one key."""
    with contextmanager(start)(folders.mktemp("state")) as lakehouse:
        lakehouse.client("secretsmanager").put_secret_value(
            SecretId=lakehouse.environment.resource("masking-key"),
            SecretString=json.dumps({"version": "v1", "key": "of the laws"}),
        )
        with contextmanager(stage_of)(lakehouse, folders) as stage:
            yield lakehouse, stage


@pytest.fixture(scope="module")
def clean(days: list[Day], tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What the tables hold when everything arrives once and in order."""
    with lakehouse_of(tmp_path_factory) as (lakehouse, stage):
        for day in days:
            stage.play(day, records_of(day))
        stage.carry()
        build()
        return of_streams(lakehouse)


def of_streams(lakehouse: Lakehouse) -> Contents:
    """The tables of what came by stream: the changes of a database are stamped when they happen."""
    found = contents(lakehouse)
    return Contents({name: rows for name, rows in found.items() if "aircraft" not in name})


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("STRATA_EXAMPLES", "3")),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(plan=plans)
def test_any_order_gives_the_clean_one(
    plan: Plan, clean: Contents, days: list[Day], tmp_path_factory: pytest.TempPathFactory
) -> None:
    records = [record for day in days for record in records_of(day)]
    with lakehouse_of(tmp_path_factory) as (lakehouse, stage):
        for day in days:
            stage.play(day, [])
        for part, event in plan:
            sent = records[part::PARTS]
            stage.send(sent)
            happen(event, sent, lakehouse, stage)
        stage.carry()
        build()
        assert of_streams(lakehouse) == clean
        dbt.run(["test", "--quiet", "--select", *CONSERVED], quiet=True)


def happen(event: str, sent: list[Record], lakehouse: Lakehouse, stage: Stage) -> None:
    """Let something happen behind a part."""
    if event == "duplicates":
        stage.send(sent[::-1])
    elif event == "drift":
        stage.send([(name, json.dumps({**json.loads(p), "gate": 7}).encode()) for name, p in sent])
    elif event == "malformed":
        stage.send([(name, payload[: len(payload) // 2]) for name, payload in sent])
    elif event == "build":
        build()
    elif event == "crash":
        kill_and_restart(lakehouse.settings)
    elif event == "redrive":
        glue = lakehouse.client("glue")
        for name in sorted({name for name, _ in sent}):
            source, options = lakehouse.source(name), {"redrive": "true"}
            jobs.follow(jobs.start("landing", source, lakehouse.environment, glue, options), glue)
