"""`strata catalog`: Glue as the sources declare it, and what arrives beside the declarations."""

import difflib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from local_aws.clock import Clock
from local_aws.settings import Settings
from strata import console, declarations
from strata.catalog import discover, drift, observed, scaffold
from strata.catalog.plan import Plan, apply_plan, make_plan
from strata.cli.common import AsJson, Env, declared_sources, ready
from strata.environment import PROJECT, Environment, client

app = typer.Typer(no_args_is_help=True, help="Glue tables from the declared sources.")


@app.command("plan")
def catalog_plan(env: Env = None, as_json: AsJson = False) -> None:
    """Show how Glue differs from the declared sources. Exit code 2 when it does."""
    environment = ready(env)
    plan = make_plan(declared_sources(), environment, client("glue"))
    if as_json:
        print(json.dumps(as_json_data(plan), default=list))
    else:
        print_plan(plan)
    if not plan.is_empty:
        raise typer.Exit(2)


@app.command("apply")
def catalog_apply(
    env: Env = None,
    allow_breaking: Annotated[
        bool, typer.Option("--allow-breaking", help="Also what makes readers fail.")
    ] = False,
) -> None:
    """Make Glue as the sources declare it. Tables of others are never touched."""
    apply_catalog(declared_sources(), ready(env), allow_breaking)


@app.command("scaffold")
def catalog_scaffold(
    source: Annotated[str, typer.Argument(help="<system>.<table>, a declared source")],
) -> None:
    """Write the Silver models of a declared source, with their tests, to start from."""
    declared = declarations.find(declared_sources(), source)
    for path in scaffold.write(declared, PROJECT):
        console.done(str(path.relative_to(PROJECT)))
    console.next_step("add the rules of the source to the base_ model, names to the stg_ model")
    console.next_step(f"strata build --select source:{source}+")


@app.command("drift")
def catalog_drift(
    source: Annotated[str | None, typer.Argument(help="<system>.<table>; all without it")] = None,
    days: Annotated[int, typer.Option(help="How many days of arrival to look at.", min=1)] = 7,
    write: Annotated[
        bool, typer.Option("--write", help="Change the YAML of `evolve` sources.")
    ] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Compare what arrived in Bronze with what is declared.

    A source's `drift` decides: `strict` makes this command fail, `warn` tells, and `evolve` shows the
    declaration with the new columns and wider types as a patch, and the base_ model with the new
    columns. Exit code 1: a strict source differs.
    """
    environment = ready(env)
    sources = declared_sources()
    chosen = [declarations.find(sources, source)] if source else sources
    today = _today(environment)
    bucket, s3 = environment.bucket("bronze"), client("s3")
    found = {}
    with console.progress() as bar:
        for declared in bar.track(chosen, description="looking at Bronze"):
            arrived = observed.in_bronze(declared, bucket, s3, today, days)
            found[declared] = drift.changes(declared, arrived)
    if as_json:
        print(json.dumps({s.name: [vars(change) for change in c] for s, c in found.items()}))
    else:
        _print_drift(found, write)
    if any(s.drift == "strict" and any(c.breaks for c in changes) for s, changes in found.items()):
        raise typer.Exit(1)


def _print_drift(found: dict[declarations.Source, list[drift.Change]], write: bool) -> None:
    rows = [
        (
            declared.name,
            declared.drift,
            change.kind,
            change.column,
            change.declared,
            change.observed,
        )
        for declared, changes in found.items()
        for change in changes
    ]
    if not rows:
        console.done(f"{len(found)} sources arrive as declared")
        return
    columns = ("source", "policy", "change", "column", "declared", "arrives as")
    console.out.print(console.table("Drift", columns, rows))
    for declared, changes in found.items():
        if declared.drift == "evolve":
            _follow_drift(declared, drift.patched(declared, changes, PROJECT), write)


def _follow_drift(
    source: declarations.Source, files: dict[Path, tuple[str, str]], write: bool
) -> None:
    """Write the files that follow the drift of a source, or show them as a patch for `git apply`."""
    for path, (before, after) in files.items():
        name = str(path.relative_to(PROJECT))
        if write:
            path.write_text(after)
            console.done(f"{name} changed")
        else:
            patch = difflib.unified_diff(
                before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}"
            )
            print("".join(patch), end="")
    if not files:
        return
    if write:
        console.next_step("git diff, strata catalog apply, strata build")
    else:
        console.next_step(f"strata catalog drift {source.name} --write, or pipe it to git apply")


@app.command("discover")
def catalog_discover(
    address: Annotated[str, typer.Argument(help="s3://bucket/prefix/ with files")],
    name: Annotated[str, typer.Argument(help="<system>.<table>, as it is to be declared")],
    env: Env = None,
) -> None:
    """Print the declaration of files that nobody has declared, to start from."""
    environment = ready(env)
    found = observed.in_files(address, client("s3"))
    print(discover.declaration(name, found, _today(environment)), end="")


def _today(environment: Environment) -> date:
    """The day by the clock that arrivals follow."""
    now = Clock(Settings.from_env().state).now() if environment.is_local else datetime.now(UTC)
    return now.date()


def apply_catalog(
    sources: list[declarations.Source], environment: Environment, allow_breaking: bool
) -> None:
    glue = client("glue")
    plan = make_plan(sources, environment, glue)
    print_plan(plan)
    for change in apply_plan(plan, glue, allow_breaking):
        console.done(f"{change.kind} {change.database}.{change.table}")


def as_json_data(plan: Plan) -> dict[str, object]:
    """A plan as `--json` prints it."""
    changes = [{k: v for k, v in vars(c).items() if k != "table_input"} for c in plan.changes]
    return {"databases": plan.databases, "changes": changes}


def print_plan(plan: Plan) -> None:
    """Show how Glue differs from the declared sources."""
    for database in plan.databases:
        console.out.print(f"[green]+[/] database {database}")
    colours = {"create": "green", "change": "yellow", "remove": "red"}
    for change in plan.changes:
        breaking = " [red](breaking)[/]" if change.is_breaking else ""
        console.out.print(
            f"[{colours[change.kind]}]{change.kind}[/] {change.database}.{change.table}{breaking}"
        )
        for detail in change.details:
            console.out.print(f"    {detail}", markup=False)
    console.done(f"catalog: {len(plan.changes)} to change, {plan.unchanged} as declared")
