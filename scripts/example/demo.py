"""`strata demo` and `strata numbers`: the example from nothing to tested Gold tables."""

import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from example import data
from example.mess import Mess
from example.stage import Record, Stage, days
from example.summary import print_numbers, print_summary
from local_aws.settings import Settings
from strata import console, dbt, declarations, docs, local
from strata.cli.deploy import deploy_all
from strata.environment import Environment, acting_as, build_role, choose, client
from strata.errors import StrataError
from strata.operate import build_lock, builds

app = typer.Typer()

_MESSY_DAYS = 2


@app.command("demo")
def demo(
    day_count: Annotated[
        int, typer.Option("--days", min=1, max=365, help="Days of 2013 to ingest cleanly.")
    ] = int(os.environ.get("DAYS", "14")),
) -> None:
    """Run the example: stream, database and files through Bronze, Silver and Gold.

    Starts the local AWS, deploys, ingests the first days of 2013, builds; then ingests the next
    days with duplicates, late and malformed records, and builds again. Safe to repeat.
    """
    started, submitted = time.monotonic(), datetime.now(UTC)
    settings = Settings.from_env()
    console.step("starting the local AWS and deploying the stacks")
    local.up(settings)
    environment = choose("local")
    sources = declarations.sources(dbt.manifest())
    deploy_all(environment, sources)

    stage = Stage(environment, settings, sources)
    last = data.FIRST_DAY + timedelta(days=day_count - 1)
    end = min(last + timedelta(days=_MESSY_DAYS), data.LAST_DAY)
    mess = Mess()
    played = days(end)
    console.step(f"ingesting {day_count} days of New York departures")
    stage.open()
    leftover = _play(stage, played, last.toordinal(), day_count)
    _carry(stage)
    first = _build("building Silver and Gold", environment)

    console.step("ingesting the next days, with duplicates, late and malformed records")
    _play_messy(stage, leftover, played, mess)
    _carry(stage)
    second = _build("building incrementally", environment)

    console.step("generating the lineage docs")
    page = docs.generate()
    print_summary(sources, mess.counts, [first, second], submitted, time.monotonic() - started)
    console.next_step(f"open {page}")
    console.next_step(".venv/bin/strata monitor, .venv/bin/strata publish")
    console.next_step('eval "$(.venv/bin/strata env)" && dbt test --select gold')


@app.command("numbers")
def numbers() -> None:
    """Check Gold against the published data, as DuckDB computes it. Exit code 1 if off."""
    choose("local")
    local.require_up(Settings.from_env())
    if not print_numbers():
        raise StrataError(
            "Gold differs from the published data", "load the whole year: DAYS=365 make demo"
        )


def _play(stage: Stage, played: Any, last: int, day_count: int) -> Any:
    """Play the clean days; returns the first day behind them."""
    with console.progress() as bar:
        task = bar.add_task("days arrived", total=day_count)
        for day in played:
            if day.day.toordinal() > last:
                return day
            stage.play(day, [(event.source, event.payload()) for event in day.events])
            bar.advance(task)
    return None


def _play_messy(stage: Stage, first: Any, rest: Any, mess: Mess) -> None:
    """Play the days behind the clean ones, and what they leave over, messily."""
    remaining = [day for day in ([first] if first else []) + list(rest)]
    with console.progress() as bar:
        task = bar.add_task("messy days arrived", total=len(remaining))
        latest = None
        for day in remaining:
            records: list[Record] = mess.of_day(day.day, day.events)
            stage.play(day, records)
            latest = day
            bar.advance(task)
        if latest:
            stage.send(mess.leftovers())


def _carry(stage: Stage) -> None:
    with console.progress() as bar:
        task = bar.add_task("landing jobs", total=sum(s.ingest != "stream" for s in stage.sources))
        stage.carry(lambda n: bar.advance(task, n))


def _build(title: str, environment: Environment) -> dbt.Outcome:
    console.step(title)
    with acting_as(build_role(), environment):
        s3 = client("s3")
        with build_lock.exclusive(environment, s3), builds.recorded(environment, s3):
            outcome = dbt.run_with_progress(["build"], "dbt build")
    tests = ", ".join(f"{count} {status}" for status, count in sorted(outcome.tests.items()))
    models = Counter(outcome.nodes)["model"]
    console.done(f"{models} models in {outcome.seconds:.0f} s; tests: {tests}")
    return outcome
