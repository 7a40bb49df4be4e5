"""`strata`: the command line. Each command is safe to repeat and says what to do next."""

import difflib
import json
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.clock import Clock
from local_aws.settings import Settings
from strata import console, dbt, declarations, docs, doctor, local, query
from strata.catalog import discover, drift, observed, scaffold
from strata.catalog.plan import Plan, apply_plan, make_plan
from strata.deploy import code, stacks
from strata.environment import PROJECT, Environment, choose, client, shell_exports
from strata.errors import StrataError
from strata.ingest import landing, stream
from strata.operate import build_lock
from strata.operate.cost import price

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Strata: an AWS lakehouse as a dbt project, on a laptop and in your account.",
    epilog="Start with: make demo. Every command works on the laptop (--env local, the default) "
    "and on AWS.",
)
local_app = typer.Typer(no_args_is_help=True, help="The local AWS: start, stop, reset, clock.")
clock_app = typer.Typer(no_args_is_help=True, help="The clock that arrivals and now() follow.")
catalog_app = typer.Typer(no_args_is_help=True, help="Glue tables from the declared sources.")
ingest_app = typer.Typer(no_args_is_help=True, help="Bring records and files to Bronze.")
local_app.add_typer(clock_app, name="clock")
app.add_typer(local_app, name="local")
app.add_typer(catalog_app, name="catalog")
app.add_typer(ingest_app, name="ingest")

Env = Annotated[
    str | None, typer.Option("--env", help="Environment: local (default), dev, prod, …")
]
_FILES = "CSV, JSON lines (.jsonl), Avro or Parquet files, .gz or not, to drop first"
_DAY = ["%Y-%m-%d"]
_FIRST, _LAST = "First day of the event time.", "Last day of the event time."
_ARRIVED = "Day of arrival in Bronze."
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def main() -> None:
    """Run the command line; a failure ends with what was wrong and what to do, and exit code 1."""
    for plugin in entry_points(group="strata.commands"):
        app.add_typer(plugin.load())
    try:
        app()
    except StrataError as error:
        _fail(error.message, error.hint)
    except ClientError as error:
        _fail(str(error), "is everything deployed? strata deploy; strata doctor says more")
    except (BotoCoreError, ValueError) as error:
        _fail(str(error), "strata doctor says more")
    except KeyboardInterrupt:
        _fail("interrupted", "run the same command again: it goes on where it was")


def _fail(message: str, hint: str) -> None:
    console.err.print(f"[bold red]error:[/] {message}", markup=True, soft_wrap=True)
    if hint:
        console.err.print(f"[yellow]do:[/] {hint}", soft_wrap=True)
    sys.exit(1)


def _ready(env: str | None) -> Environment:
    """The environment of a command; the local one must be up."""
    environment = choose(env)
    if environment.is_local:
        local.require_up(Settings.from_env())
    return environment


def _sources() -> list[declarations.Source]:
    return declarations.sources(dbt.manifest())


@app.command("env")
def env_command() -> None:
    """Print shell lines so that dbt, boto3 and the AWS CLI use the local AWS.

    eval "$(.venv/bin/strata env)"
    """
    print(shell_exports(Settings.from_env()))


@app.command("doctor")
def doctor_command(env: Env = None, as_json: AsJson = False) -> None:
    """Check this machine and the environment, and say what to do about each fault."""
    checks = doctor.examine(env)
    if as_json:
        print(json.dumps([check.__dict__ for check in checks]))
    else:
        for check in checks:
            mark = "[green]✓[/]" if check.is_good else "[red]✗[/]"
            console.out.print(f"{mark} {check.what}: {check.finding}")
            if check.hint and not check.is_good:
                console.out.print(f"  [yellow]do:[/] {check.hint}")
    if not all(check.is_good for check in checks):
        raise typer.Exit(1)


@local_app.command("up")
def local_up() -> None:
    """Start the local AWS and leave it running."""
    settings = Settings.from_env()
    started = local.up(settings)
    choose("local")
    console.done(f"local AWS {'started' if started else 'is up'} at {settings.endpoint}")


@local_app.command("down")
def local_down() -> None:
    """Stop the local AWS; its state stays."""
    stopped = local.down(Settings.from_env())
    console.done("local AWS stopped" if stopped else "local AWS was not running")


@local_app.command("status")
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


@local_app.command("reset")
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


@app.command("deploy")
def deploy_command(env: Env = None) -> None:
    """Deploy the CloudFormation stacks and the catalog: what is up to date is left alone."""
    deploy_all(_ready(env), _sources())
    console.next_step("strata ingest --help, then strata build")


def deploy_all(environment: Environment, sources: list[declarations.Source]) -> None:
    """Deploy all stacks in their order, the catalog among them."""
    cloudformation = client("cloudformation")

    def deploy(stack: stacks.Stack) -> None:
        console.done(f"{stack.name}: {stacks.deploy(stack, cloudformation)}")

    deploy(stacks.storage_stack(environment))
    artifacts = code.upload(sources, environment.bucket("artifacts"), client("s3"))
    for stack in stacks.shared_stacks(environment, artifacts):
        deploy(stack)
    # Firehose reads the Glue tables of the sources that it converts: they come before the streams.
    _apply_catalog(sources, environment, allow_breaking=False)
    for source in sources:
        if source.ingest == "stream":
            deploy(stacks.source_stack(source, environment))


@app.command("docs")
def docs_command(env: Env = None) -> None:
    """Make the lineage docs: one static page, and column-level lineage beside it."""
    _ready(env)
    page = docs.generate()
    console.done(f"{page} and {page.parent / 'lineage'}")


@catalog_app.command("plan")
def catalog_plan(env: Env = None, as_json: AsJson = False) -> None:
    """Show how Glue differs from the declared sources. Exit code 2 when it does."""
    environment = _ready(env)
    plan = make_plan(_sources(), environment, client("glue"))
    if as_json:
        changes = [
            {k: v for k, v in c.__dict__.items() if k != "table_input"} for c in plan.changes
        ]
        print(json.dumps({"databases": plan.databases, "changes": changes}, default=list))
    else:
        _print_plan(plan)
    if not plan.is_empty:
        raise typer.Exit(2)


@catalog_app.command("apply")
def catalog_apply(
    env: Env = None,
    allow_breaking: Annotated[
        bool, typer.Option("--allow-breaking", help="Also what makes readers fail.")
    ] = False,
) -> None:
    """Make Glue as the sources declare it. Tables of others are never touched."""
    _apply_catalog(_sources(), _ready(env), allow_breaking)


@catalog_app.command("scaffold")
def catalog_scaffold(
    source: Annotated[str, typer.Argument(help="<system>.<table>, a declared source")],
) -> None:
    """Write the Silver models of a declared source, with their tests, to start from."""
    declared = declarations.find(_sources(), source)
    for path in scaffold.write(declared, PROJECT):
        console.done(str(path.relative_to(PROJECT)))
    console.next_step("add the rules of the source to the base_ model, names to the stg_ model")
    console.next_step(f"strata build --select source:{source}+")


@catalog_app.command("drift")
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
    declaration with the new columns and wider types as a patch. Exit code 1: a strict source differs.
    """
    environment = _ready(env)
    sources = _sources()
    chosen = [declarations.find(sources, source)] if source else sources
    today = (_clock().now() if environment.is_local else datetime.now(UTC)).date()
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
        path = PROJECT / declared.file
        before = path.read_text()
        after = drift.evolved(declared, changes, before)
        if declared.drift != "evolve" or after == before:
            continue
        if write:
            path.write_text(after)
            console.done(f"{declared.file} changed")
            console.next_step(
                f"git diff {declared.file}, strata catalog apply, and the base_ model"
            )
        else:
            patch = difflib.unified_diff(
                before.splitlines(True), after.splitlines(True), declared.file, declared.file
            )
            print("".join(patch), end="")
            console.next_step(f"strata catalog drift {declared.name} --write")


@catalog_app.command("discover")
def catalog_discover(
    address: Annotated[str, typer.Argument(help="s3://bucket/prefix/ with files")],
    name: Annotated[str, typer.Argument(help="<system>.<table>, as it is to be declared")],
    env: Env = None,
) -> None:
    """Print the declaration of files that nobody has declared, to start from."""
    _ready(env)
    print(discover.declaration(name, observed.in_files(address, client("s3"))), end="")


def _apply_catalog(
    sources: list[declarations.Source], environment: Environment, allow_breaking: bool
) -> None:
    glue = client("glue")
    plan = make_plan(sources, environment, glue)
    _print_plan(plan)
    for change in apply_plan(plan, glue, allow_breaking):
        console.done(f"{change.kind} {change.database}.{change.table}")


def _print_plan(plan: Plan) -> None:
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


@ingest_app.command("stream")
def ingest_stream(
    source: Annotated[str, typer.Argument(help="<system>.<table>, a stream source")],
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="JSON lines; - for standard input")
    ] = sys.stdin.buffer,  # type: ignore[assignment]
    env: Env = None,
) -> None:
    """Send JSON lines to a source's stream; Firehose brings them to Bronze, masked."""
    environment = _ready(env)
    declared = declarations.find(_sources(), source, "stream")
    lines = (line.rstrip(b"\r\n") for line in file if line.strip())
    with console.progress() as bar:
        task = bar.add_task(f"sending to {source}", total=None)
        sent = stream.send(
            declared, lines, environment, client("kinesis"), lambda n: bar.advance(task, n)
        )
    console.done(f"{sent.records:,} records sent to {environment.resource(source)}")
    console.next_step("Firehose writes them within its buffer interval; then strata build")


@ingest_app.command("batch")
def ingest_batch(
    source: Annotated[str, typer.Argument(help="<system>.<table>, a batch source")],
    files: Annotated[list[Path] | None, typer.Argument(help=_FILES)] = None,
    env: Env = None,
) -> None:
    """Drop files into landing and carry all that waits there to Bronze."""
    environment = _ready(env)
    declared = declarations.find(_sources(), source, "batch")
    dropped = landing.drop(declared, files or [], environment, client("s3"))
    console.done(f"{len(dropped)} files dropped into landing")
    _carry(declared, environment)


@ingest_app.command("cdc")
def ingest_cdc(
    source: Annotated[str, typer.Argument(help="<system>.<table>, a cdc source")], env: Env = None
) -> None:
    """Carry the change files that DMS has written for a source to Bronze."""
    environment = _ready(env)
    _carry(declarations.find(_sources(), source, "cdc"), environment)


@ingest_app.command("backfill")
def ingest_backfill(
    source: Annotated[str, typer.Argument(help="<system>.<table>, of any kind")],
    files: Annotated[list[Path], typer.Argument(help=_FILES)],
    first: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help=_FIRST)] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help=_LAST)] = None,
    env: Env = None,
) -> None:
    """Bring history from files to Bronze, masked: what happened from one day to another.

    A file that was carried before is not carried again, so a backfill that was stopped goes on when
    it is run again. Records without a readable event time come along, to be quarantined.
    """
    environment = _ready(env)
    declared = declarations.find(_sources(), source)
    dropped = landing.drop(declared, files, environment, client("s3"))
    console.done(f"{len(dropped)} files dropped into landing")
    days = {"first": first, "last": last}
    _carry(declared, environment, **{n: f"{day:%Y-%m-%d}" for n, day in days.items() if day})
    console.next_step("strata build")


@ingest_app.command("replay")
def ingest_replay(
    source: Annotated[str, typer.Argument(help="<system>.<table>")],
    first: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help=_ARRIVED)] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help=_ARRIVED)] = None,
    env: Env = None,
) -> None:
    """Redrive what Firehose kept as failed; with --from, let Silver and Gold read Bronze again.

    Silver merges what it has already, so a replay changes nothing but what was missing.
    """
    environment = _ready(env)
    declared = declarations.find(_sources(), source)
    if first is None:
        declarations.find(_sources(), source, "stream")
        _carry(declared, environment, redrive="true")
        console.next_step("strata build")
        return
    until = last or first
    window = {"bronze_from": f"{first:%Y-%m-%d}", "bronze_until": f"{until:%Y-%m-%d}"}
    model = f"base_{declared.name.replace('.', '__')}+"
    with build_lock.exclusive(environment, client("s3")):
        # A unit test brings its own rows, which are not of these days.
        dbt.run(["build", "--exclude-resource-type", "unit_test", "--select", model,
                 "--vars", json.dumps(window)])  # fmt: skip
    console.done(f"{declared.name}: Bronze of {' to '.join(window.values())} read again")


def _carry(source: declarations.Source, environment: Environment, **options: str) -> None:
    glue = client("glue")
    run = landing.follow(landing.start(source, environment, glue, **options), environment, glue)
    console.done(f"{source.name}: job run {run.run_id} succeeded in {run.seconds} s")


@app.command("query")
def query_command(
    sql: Annotated[str, typer.Argument(help="Athena SQL, one statement")],
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Run a query through Athena and print its rows, the bytes it scanned and their price."""
    _ready(env)
    result = query.run(sql, client("athena"))
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

    One build at a time: a second one of the same schemas is refused.
    """
    environment = _ready(env)
    with build_lock.exclusive(environment, client("s3")):
        dbt.run(["build", *context.args])
    console.next_step('strata docs, or query with any Athena client: eval "$(strata env)"')
