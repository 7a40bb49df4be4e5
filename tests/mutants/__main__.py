"""`make mutants`: how many planted faults the models' tests catch, and which they do not."""

import json
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Annotated, Any

import typer

from local_aws.settings import Settings
from strata import console, local, query
from strata.environment import choose, client
from strata.errors import StrataError
from tests.mutants import harness, report
from tests.mutants.faults import Model
from tests.mutants.harness import Finding

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

_LEAST_PERCENT = 95.0


@app.command()
def main(
    select: Annotated[
        list[str] | None,
        typer.Option(help="Only the models of this name (fct_*); may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a script.")] = False,
) -> None:
    """Plant one fault at a time in each model's output and run the model's data tests on it.

    Reads the lakehouse of the running local AWS and writes nothing. Exit code 1 when less than
    95 % of the faults are caught.
    """
    try:
        found, idle = run(select or [])
    except StrataError as error:
        console.err.print(f"[bold red]error:[/] {error.message}", soft_wrap=True)
        console.err.print(f"[yellow]do:[/] {error.hint}", soft_wrap=True)
        sys.exit(1)
    if as_json:
        print(json.dumps(report.summary(found, idle), indent=2))
    else:
        report.show(found, idle)
    if report.percent(found) < _LEAST_PERCENT:
        sys.exit(1)


def run(select: Sequence[str]) -> tuple[list[Finding], int]:
    """Judge the mutants of the selected models; returns also how many would change nothing."""
    choose("local")
    settings = Settings.from_env()
    if not local.status(settings).is_up:
        raise StrataError(f"the local AWS is not running on port {settings.port}", "make demo")
    athena = client("athena")
    with console.progress() as bar:
        task = bar.add_task("compiling the tests", total=None)
        manifest = harness.compiled()
        chosen = _selected(harness.models(manifest), select)
        bar.update(task, description="planting faults")

        def ask(sql: str) -> list[list[Any]]:
            return query.rows(sql, athena)

        trials = harness.trials(chosen, manifest, ask)
        planted = sum(len(trial.mutants) for trial in trials)
        bar.update(task, description="running their tests", total=planted)
        found = []
        for finding in harness.findings(trials, ask):
            found.append(finding)
            bar.advance(task)
    return found, sum(len(trial.idle) for trial in trials)


def _selected(models: dict[str, Model], patterns: Sequence[str]) -> dict[str, Model]:
    chosen = {
        key: model
        for key, model in models.items()
        if any(fnmatch(model.name, pattern) for pattern in patterns or ["*"])
    }
    if not chosen:
        raise StrataError(
            f"no model is named {', '.join(patterns)}", "dbt ls --resource-type model"
        )
    return chosen


if __name__ == "__main__":
    app()
