"""`strata local`: the local AWS and its clock."""

import json
from datetime import datetime, timedelta
from typing import Annotated

import typer

from local_aws.clock import Clock
from local_aws.settings import Settings
from strata import console, local
from strata.cli.common import AsJson
from strata.environment import choose

app = typer.Typer(no_args_is_help=True, help="The local AWS: start, stop, reset, clock.")
clock_app = typer.Typer(no_args_is_help=True, help="The clock that arrivals and now() follow.")
app.add_typer(clock_app, name="clock")


@app.command("up")
def local_up() -> None:
    """Start the local AWS and leave it running."""
    settings = Settings.from_env()
    started = local.up(settings)
    choose("local")
    console.done(f"local AWS {'started' if started else 'is up'} at {settings.endpoint}")


@app.command("down")
def local_down() -> None:
    """Stop the local AWS; its state stays."""
    stopped = local.down(Settings.from_env())
    console.done("local AWS stopped" if stopped else "local AWS was not running")


@app.command("status")
def local_status(as_json: AsJson = False) -> None:
    """Say whether the local AWS is up and what its clock shows."""
    settings = Settings.from_env()
    found = local.status(settings)
    clock = Clock(settings.state).now().isoformat(timespec="seconds")
    if as_json:
        print(json.dumps({"up": found.is_up, "pid": found.pid, "clock": clock}))
    else:
        state = f"up, process {found.pid}" if found.is_up else "down"
        console.out.print(f"{settings.endpoint}: {state}; clock {clock}")
    if not found.is_up:
        raise typer.Exit(1)


@app.command("reset")
def local_reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop the local AWS and delete its state: buckets, tables, streams, history."""
    settings = Settings.from_env()
    if not yes:
        typer.confirm(f"Delete everything under {settings.state}?", abort=True)
    local.down(settings)
    local.delete_state(settings)
    console.done(f"deleted {settings.state}")
    console.next_step("make demo")


@clock_app.command("set")
def clock_set(
    instant: Annotated[datetime, typer.Argument(help="UTC, 2013-01-05T06:00:00")],
) -> None:
    """Make an instant the present of the local AWS."""
    _clock().set(instant)
    _print_clock()


@clock_app.command("advance")
def clock_advance(
    hours: Annotated[float, typer.Option(help="Hours to move.")] = 0,
    days: Annotated[float, typer.Option(help="Days to move.")] = 0,
) -> None:
    """Move the clock of the local AWS."""
    _clock().advance(timedelta(hours=hours, days=days))
    _print_clock()


@clock_app.command("reset")
def clock_reset() -> None:
    """Go back to the machine's time."""
    _clock().reset()
    _print_clock()


def _clock() -> Clock:
    return Clock(Settings.from_env().state)


def _print_clock() -> None:
    console.done(f"clock: {_clock().now().isoformat(timespec='seconds')}")
