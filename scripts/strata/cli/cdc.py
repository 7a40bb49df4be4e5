"""`strata ingest cdc`: the capture of a database's changes, and what it has left in landing."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from strata import console, declarations
from strata.cli.common import AsJson, Env, declared_sources, ready, run_job
from strata.deploy.cdc import captured_systems, replication_name
from strata.environment import Environment, client
from strata.errors import StrataError
from strata.ingest import cdc, landing

app = typer.Typer(
    no_args_is_help=True,
    help="Capture a database's changes: start, watch, stop, reload, carry to Bronze. "
    "One DMS replication has all tables of a source system.",
)

SystemName = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A source system, or <system>.<table> of it")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is done.")]


@app.command("start")
def start(source: SystemName, no_wait: NoWait = False, env: Env = None) -> None:
    """Start a replication and wait until its full load is finished.

    The first start loads all tables, a later one goes on from where the replication stopped.
    Stopping this command does not stop the replication.
    """
    environment, system, _ = _chosen(source, env)
    dms = client("dms")
    found = _found(system, environment, dms)
    how = cdc.start(found, dms)
    console.done(f"{found.name}: {how or f'is {found.status} already'}")
    if not no_wait:
        _show(_loaded(found, dms))
    console.next_step(f"strata ingest cdc carry {source}")


@app.command("status")
def status(source: SystemName, as_json: AsJson = False, env: Env = None) -> None:
    """Show a replication: its state, rows loaded, changes, last error. Exit code 1 if it failed."""
    environment, system, _ = _chosen(source, env)
    found = _found(system, environment, client("dms"))
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        _show(found)
    if not found.is_sound:
        if not as_json:
            console.next_step("docs/cdc.md: A replication failed")
        raise typer.Exit(1)


@app.command("stop")
def stop(source: SystemName, no_wait: NoWait = False, env: Env = None) -> None:
    """Stop a replication; start goes on from there, while the database keeps its log."""
    environment, system, _ = _chosen(source, env)
    dms = client("dms")
    found = _stopped(_found(system, environment, dms), dms, no_wait)
    console.done(f"{found.name}: {found.status}")
    console.next_step(f"strata ingest cdc start {source}")


@app.command("reload")
def reload(source: SystemName, env: Env = None) -> None:
    """Load all tables of a system again, then capture from there: for changes that were lost.

    What waits in landing is carried first, because the files of a full load have the same names
    each time. Silver keeps the history that it has; the loaded rows are its newest changes.
    """
    environment, system, tables = _chosen(source, env, whole=True)
    dms = client("dms")
    found = _stopped(_found(system, environment, dms), dms)
    _carry(tables, environment)
    cdc.reload(found, dms)
    _show(_loaded(found, dms))
    console.next_step(f"strata ingest cdc carry {system}")


@app.command("carry")
def carry(source: SystemName, env: Env = None) -> None:
    """Carry the change files that wait in landing to Bronze, masked."""
    environment, _, tables = _chosen(source, env)
    _carry(tables, environment)
    console.next_step("strata build")


def _chosen(
    name: str, env: str | None, whole: bool = False
) -> tuple[Environment, str, list[declarations.Source]]:
    """The environment, the system that is named, and its tables (the one named, unless `whole`)."""
    environment = ready(env)
    systems = captured_systems(declared_sources())
    system = name.partition(".")[0]
    if system not in systems:
        raise StrataError(f"no captured source is named {name!r}", f"declared: {_names(systems)}")
    tables = [table for table in systems[system] if whole or name in (system, table.name)]
    if not tables:
        declarations.find(systems[system], name)
    return environment, system, tables


def _names(systems: dict[str, Any]) -> str:
    return ", ".join(systems) or "none; see docs/cdc.md"


def _found(system: str, environment: Environment, dms: Any) -> cdc.Replication:
    return cdc.find(replication_name(system, environment), dms)


def _stopped(found: cdc.Replication, dms: Any, no_wait: bool = False) -> cdc.Replication:
    if not cdc.stop(found, dms) or no_wait:
        return found
    return cdc.follow(found, lambda now: now.status == "stopped", dms)


def _loaded(found: cdc.Replication, dms: Any) -> cdc.Replication:
    """Wait for the end of the full load."""
    with console.progress() as bar:
        task = bar.add_task(f"{found.name}: full load", total=100)
        return cdc.follow(
            found,
            lambda now: now.status == "running" and not now.is_loading,
            dms,
            lambda now: bar.update(task, completed=now.load_percent),
        )


def _carry(tables: list[declarations.Source], environment: Environment) -> None:
    s3 = client("s3")
    for table in tables:
        if landing.waits(table, environment, s3):
            run_job("landing", table, environment, {})
        else:
            console.done(f"{table.name}: nothing waits in landing")


def _show(found: cdc.Replication) -> None:
    columns = ("table", "state", "loaded", "inserts", "updates", "deletes")
    rows = [list(asdict(table).values()) for table in found.tables]
    console.out.print(console.table(f"{found.name}: {found.status}", columns, rows))
    if found.error:
        console.out.print(f"last error: {found.error}", markup=False)
