"""`make mutants`: how many planted faults the models' tests catch, and which they do not."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from local_aws.settings import Settings
from strata import console, local, query
from strata.environment import choose, client
from strata.errors import StrataError
from tests.mutants import harness
from tests.mutants.faults import Model
from tests.mutants.harness import Finding

app = typer.Typer(pretty_exceptions_enable=False)

_LEAST_PERCENT = 95.0
_ACCEPTED = Path(__file__).with_name("accepted.yml")


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
        found = run(select or [])
    except StrataError as error:
        console.err.print(f"[bold red]error:[/] {error.message}", soft_wrap=True)
        console.err.print(f"[yellow]do:[/] {error.hint}", soft_wrap=True)
        sys.exit(1)
    if as_json:
        print(json.dumps(summary(found), indent=2))
    else:
        show(found)
    if percent(found) < _LEAST_PERCENT:
        sys.exit(1)


def run(select: Sequence[str]) -> list[Finding]:
    """Judge the mutants of the selected models (all when none is named)."""
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

        pairs = harness.planted(chosen, manifest, ask)
        bar.update(task, description="running their tests", total=len(pairs))
        found = []
        for finding in harness.findings(pairs, ask):
            found.append(finding)
            bar.advance(task)
    return found


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


def percent(found: Sequence[Finding]) -> float:
    """The share of the mutants that were caught."""
    return 100 * sum(f.caught_by is not None for f in found) / len(found) if found else 100.0


def survivors(found: Sequence[Finding]) -> list[dict[str, str]]:
    """The mutants that no test caught, with the reason why that is accepted, if it is."""
    accepted: dict[str, str] = yaml.safe_load(_ACCEPTED.read_text()) or {}
    return [
        {"name": f.mutant.name, "accepted": accepted.get(f.mutant.name, "")}
        for f in found
        if f.caught_by is None
    ]


def summary(found: Sequence[Finding]) -> dict[str, Any]:
    """The result as plain data."""
    return {
        "planted": len(found),
        "caught": sum(f.caught_by is not None for f in found),
        "percent": round(percent(found), 2),
        "survivors": survivors(found),
        "errors": [f"{f.mutant.name}: {error}" for f in found for error in f.errors],
        "caught_by": {f.mutant.name: f.caught_by for f in found if f.caught_by},
    }


def show(found: Sequence[Finding]) -> None:
    """Print the tables, then the survivors by name."""
    for title, key in (
        ("fault", lambda f: f.mutant.fault.split(" (")[0]),
        ("layer", lambda f: f.mutant.model.layer),
    ):
        console.out.print(_table(title, found, key))
    survived = survivors(found)
    if survived:
        rows = [(s["name"], s["accepted"] or "[red]to be caught[/]") for s in survived]
        console.out.print(console.table("Survivors", ("mutant", "why that is accepted"), rows))
    for finding in found:
        for error in finding.errors:
            console.out.print(f"[red]error[/] {finding.mutant.name}: {error}", soft_wrap=True)
    console.done(
        f"{len(found) - len(survived):,} of {len(found):,} faults are caught: {percent(found):.1f} %"
    )


def _table(title: str, found: Sequence[Finding], key: Callable[[Finding], str]) -> Any:
    all_of, caught = Counter(map(key, found)), Counter(key(f) for f in found if f.caught_by)
    rows = [(k, n, caught[k], f"{100 * caught[k] / n:.1f}") for k, n in sorted(all_of.items())]
    rows.append(("all", len(found), sum(caught.values()), f"{percent(found):.1f}"))
    return console.table(f"Faults by {title}", (title, "planted", "caught", "%"), rows)


if __name__ == "__main__":
    app()
