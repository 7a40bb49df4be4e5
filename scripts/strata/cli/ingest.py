"""`strata ingest`: records, files and history on their way to Bronze."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from strata import console, dbt, declarations
from strata.cli import cdc
from strata.cli.common import AsJson, Env, declared_sources, ready, run_job
from strata.environment import acting_as, build_role, client
from strata.ingest import jobs, landing, masking_key, stream
from strata.operate import build_lock, monitor

app = typer.Typer(no_args_is_help=True, help="Bring records and files to Bronze.")
app.add_typer(cdc.app, name="cdc")

_FILES = "CSV, JSON lines (.jsonl), Avro or Parquet files, .gz or not, to drop first"
_DAY = ["%Y-%m-%d"]
_FIRST, _LAST = "First day of the event time.", "Last day of the event time."
_ARRIVED = "Day of arrival in Bronze."


@app.command("stream")
def ingest_stream(
    source: Annotated[str, typer.Argument(help="<system>.<table>, a stream source")],
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="JSON lines; - for standard input")
    ] = sys.stdin.buffer,  # type: ignore[assignment]
    env: Env = None,
) -> None:
    """Send JSON lines to a source's stream; Firehose brings them to Bronze, masked."""
    environment = ready(env)
    declared = declarations.find(declared_sources(), source, "stream")
    lines = (line.rstrip(b"\r\n") for line in file if line.strip())
    with console.progress() as bar:
        task = bar.add_task(f"sending to {source}", total=None)
        sent = stream.send(
            declared, lines, environment, client("kinesis"), lambda n: bar.advance(task, n)
        )
    console.done(f"{sent.records:,} records sent to {environment.resource(source)}")
    console.next_step("Firehose writes them within its buffer interval; then strata build")


@app.command("batch")
def ingest_batch(
    source: Annotated[str, typer.Argument(help="<system>.<table>, a batch source")],
    files: Annotated[list[Path] | None, typer.Argument(help=_FILES)] = None,
    env: Env = None,
) -> None:
    """Drop files into landing and carry all that waits there to Bronze.

    A Glue Python-shell job carries them, or the Spark job where the source declares engine: spark;
    the laptop has no Spark and says so.
    """
    environment = ready(env)
    declared = declarations.find(declared_sources(), source, "batch")
    jobs.check_engine(declared, environment)
    dropped = landing.drop(declared, files or [], environment, client("s3"))
    console.done(f"{len(dropped)} files dropped into landing")
    run_job("landing", declared, environment, {})


@app.command("backfill")
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
    environment = ready(env)
    declared = declarations.find(declared_sources(), source)
    jobs.check_engine(declared, environment)
    dropped = landing.drop(declared, files, environment, client("s3"))
    console.done(f"{len(dropped)} files dropped into landing")
    days = {"from": first, "to": last}
    run_job(
        "landing", declared, environment, {n: f"{day:%Y-%m-%d}" for n, day in days.items() if day}
    )
    console.next_step("strata build")


@app.command("replay")
def ingest_replay(
    source: Annotated[str, typer.Argument(help="<system>.<table>")],
    first: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help=_ARRIVED)] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help=_ARRIVED)] = None,
    env: Env = None,
) -> None:
    """Redrive what Firehose kept as failed; with --from, let Silver and Gold read Bronze again.

    Silver merges what it has already, so a replay changes nothing but what was missing.
    """
    environment = ready(env)
    declared = declarations.find(declared_sources(), source)
    if first is None:
        declarations.find(declared_sources(), source, "stream")
        run_job("landing", declared, environment, {"redrive": "true"})
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


@app.command("check")
def ingest_check(env: Env = None, as_json: AsJson = False) -> None:
    """Say whether a build can begin: every source fresh, no job failed, no failure that waits.

    Exit code 2: not so. The scheduled build asks this first.
    """
    environment = ready(env)
    manifest = dbt.manifest()
    with acting_as(build_role(), environment):
        reasons = monitor.unready(manifest, environment, client)
    if as_json:
        print(json.dumps(reasons))
    else:
        for reason in reasons:
            console.out.print(f"[yellow]![/] {escape(reason)}", soft_wrap=True)
        console.done(f"{len(reasons)} reasons to wait" if reasons else "what has arrived is ready")
        console.next_step("strata monitor shows more" if reasons else "strata build")
    if reasons:
        raise typer.Exit(2)


@app.command("compact")
def ingest_compact(
    source: Annotated[str, typer.Argument(help="<system>.<table>")],
    before: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="Days before it are closed; today.")
    ] = None,
    env: Env = None,
) -> None:
    """Join the small objects of a source's closed Bronze days, towards 128 to 256 MB."""
    environment = ready(env)
    declared = declarations.find(declared_sources(), source)
    run_job("compaction", declared, environment, {"before": f"{before:%Y-%m-%d}"} if before else {})


@app.command("rotate-key")
def ingest_rotate_key(env: Env = None) -> None:
    """Put a new masking key into the environment's secret: hashes from now on carry its version.

    Hashes of two versions are not comparable; joins use the sources' surrogate ids. Run it when the
    key may have leaked, and as often as your rules ask for it.
    """
    version = masking_key.rotate(ready(env), client("secretsmanager"))
    console.done(f"the masking key is {version}: used by jobs at once, by streams in five minutes")
