"""`strata`: the command line. Each command is safe to repeat and says what to do next."""

import json
import sys
from functools import partial
from importlib.metadata import entry_points
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from local_aws.settings import Settings
from strata import console, dbt, docs, doctor, faults, query
from strata.cli import (
    catalog,
    consumption,
    cost,
    deploy,
    destroy,
    govern,
    ingest,
    local,
    monitor,
    operate,
    orchestrate,
    sizing,
)
from strata.cli.common import AsJson, Env, ready
from strata.environment import acting_as, build_role, client, shell_exports
from strata.errors import StrataError
from strata.governance import declared
from strata.operate import build_lock, builds, metrics
from strata.operate.cost import price

_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]"}

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Strata: an AWS lakehouse as a dbt project, on a laptop and in your account.",
    epilog="Start with: make demo. Every command works on the laptop (--env local, the default) "
    "and on AWS.",
)
app.add_typer(local.app, name="local")
app.add_typer(catalog.app, name="catalog")
app.add_typer(ingest.app, name="ingest")
app.add_typer(govern.app, name="govern")
app.add_typer(consumption.app, name="consumption")
app.add_typer(operate.maintain_app, name="maintain")
app.add_typer(orchestrate.app, name="orchestrate")
app.command("deploy")(deploy.deploy)
app.command("destroy")(destroy.destroy)
app.command("publish")(operate.publish)
app.command("restore")(operate.restore)
app.command("cost")(cost.cost)
app.command("sizing")(sizing.sizing)
app.command("monitor")(monitor.monitor)


def main() -> None:
    """Run the command line; a failure ends with what was wrong and what to do, and exit code 1."""
    for plugin in entry_points(group="strata.commands"):
        app.add_typer(plugin.load())
    try:
        app()
    except StrataError as error:
        _fail(error.message, error.hint)
    except ClientError as error:
        explained = faults.explained(error)
        _fail(explained.message, explained.hint)
    except (BotoCoreError, ValueError) as error:
        _fail(str(error), "strata doctor says more")
    except KeyboardInterrupt:
        _fail("interrupted", "run the same command again: it goes on where it was")


def _fail(message: str, hint: str) -> None:
    console.err.print(f"[bold red]error:[/] {message}", markup=True, soft_wrap=True)
    if hint:
        console.err.print(f"[yellow]do:[/] {hint}", soft_wrap=True)
    sys.exit(1)


@app.command("env")
def env_command() -> None:
    """Print shell lines so that dbt, boto3 and the AWS CLI use the local AWS.

    eval "$(.venv/bin/strata env)"
    """
    print(shell_exports(Settings.from_env()))


@app.command("doctor")
def doctor_command(env: Env = None, as_json: AsJson = False) -> None:
    """Check this machine, the account and the environment, and say what to do about each fault.

    Before a deployment: credentials, region, permissions (by IAM's policy simulator), quotas. After
    it: stacks, buckets, workgroup, alarms, drift. Nothing is changed.

    Exit codes: 0 all is well or there are warnings only, 1 something fails.
    """
    checks = doctor.examine(env)
    if as_json:
        print(json.dumps([vars(check) for check in checks]))
    else:
        for check in checks:
            line = f"{_MARKS[check.state]} {check.what}: {escape(check.finding)}"
            console.out.print(line, soft_wrap=True)
            if check.hint:
                console.out.print(f"  [yellow]do:[/] {escape(check.hint)}", soft_wrap=True)
    if any(check.state == doctor.FAIL for check in checks):
        raise typer.Exit(1)


@app.command("docs")
def docs_command(env: Env = None) -> None:
    """Make the docs: one static page, column-level lineage and the data classification beside it."""
    ready(env)
    page = docs.generate()
    console.done(f"{page}, {page.parent / 'lineage'}, {page.parent / 'classification.html'}")


@app.command("query")
def query_command(
    sql: Annotated[str, typer.Argument(help="Athena SQL, one statement")],
    reader: Annotated[
        str | None, typer.Option("--as", help="Run it as a reader: analyst, …, with its rights.")
    ] = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run a query through Athena and print its rows, the bytes it scanned and their price."""
    environment = ready(env)
    role = declared.find(reader).role if reader else None
    with acting_as(role, environment):
        work_group = f"{query.WORK_GROUP}-{role}" if role else query.WORK_GROUP
        result = query.run(sql, client("athena"), work_group)
    if as_json:
        print(json.dumps([dict(zip(result.columns, row, strict=True)) for row in result.rows]))
        return
    if result.columns:
        rows = [["NULL" if cell is None else cell for cell in row] for row in result.rows]
        console.out.print(console.table(sql.split("\n")[0], result.columns, rows))
    console.done(
        f"{len(result.rows):,} rows, {result.scanned_bytes:,} bytes scanned, "
        f"{price(result.scanned_bytes):.5f} USD, {result.milliseconds:,} ms"
    )


@app.command("build", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def build_command(context: typer.Context, env: Env = None) -> None:
    """Run `dbt build` in the environment; further arguments go to dbt (--select, --vars, …).

    One build at a time: a second one of the same schemas is refused. What failed is published to
    CloudWatch, for the alarm.
    """
    environment = ready(env)
    with acting_as(build_role(), environment):
        s3 = client("s3")
        cloudwatch = client("cloudwatch")
        tell = partial(metrics.publish_build, environment=environment, cloudwatch=cloudwatch)
        with build_lock.exclusive(environment, s3), builds.recorded(environment, s3, tell):
            dbt.run(["build", *context.args])
    console.next_step("strata publish: consumers see it")
    console.next_step('strata docs, or query with any Athena client: eval "$(strata env)"')
