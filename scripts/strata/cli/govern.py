"""`strata govern`: Lake Formation as the project declares it."""

import json

import typer

from strata import console, dbt
from strata.cli.common import AsJson, Env, ready
from strata.environment import Environment, client
from strata.governance import declared
from strata.governance.plan import Clients, Planner

app = typer.Typer(
    no_args_is_help=True,
    help="Who may see what: tags, row filters and grants of Lake Formation from the declarations.",
)


@app.command("plan")
def govern_plan(env: Env = None, as_json: AsJson = False) -> None:
    """Show how Lake Formation differs from the declarations. Exit code 2 when it does."""
    changes = [change.what for change in planner(ready(env)).changes()]
    if as_json:
        print(json.dumps(changes))
    else:
        for what in changes:
            _print(what)
        console.done(f"governance: {len(changes)} to change")
    if changes:
        raise typer.Exit(2)


@app.command("apply")
def govern_apply(env: Env = None) -> None:
    """Make Lake Formation as the project declares it. Grants of others are never touched.

    Run it after `strata publish` shows a new table or column: until then readers do not see it.
    """
    apply_governance(ready(env))


def apply_governance(environment: Environment, quiet: bool = False) -> None:
    """Apply each change, and tell of it unless `quiet`."""
    count = 0
    for change in planner(environment).changes():
        change.apply()
        count += 1
        if not quiet:
            _print(change.what)
    console.done(f"governance: {count} changed" if count else "governance: as declared")


def planner(environment: Environment) -> Planner:
    """Compares the declarations with Lake Formation."""
    readers = declared.readers()
    tables = declared.tables(dbt.manifest(), readers)
    clients = Clients(client("lakeformation"), client("glue"))
    return Planner(tables, readers, environment, clients)


def _print(what: str) -> None:
    colour = {"+": "green", "~": "yellow", "-": "red"}[what[0]]
    console.out.print(f"[{colour}]{what[0]}[/]", end="")
    console.out.print(what[1:], markup=False, highlight=False, soft_wrap=True)
