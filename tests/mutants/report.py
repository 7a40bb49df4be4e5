"""What the mutants say of the tests: how many faults were caught, and which were not."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from strata import console
from tests.mutants.harness import Finding

_ACCEPTED = Path(__file__).with_name("accepted.yml")


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


def summary(found: Sequence[Finding], idle: int) -> dict[str, Any]:
    """The result as plain data."""
    return {
        "planted": len(found),
        "caught": sum(f.caught_by is not None for f in found),
        "percent": round(percent(found), 2),
        "not_applicable": idle,
        "survivors": survivors(found),
        "errors": [f"{f.mutant.name}: {error}" for f in found for error in f.errors],
        "caught_by": {f.mutant.name: f.caught_by for f in found if f.caught_by},
    }


def show(found: Sequence[Finding], idle: int) -> None:
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
            console.out.print(f"[red]crashed[/] on {finding.mutant.name}: {error}", soft_wrap=True)
    console.done(
        f"{len(found) - len(survived):,} of {len(found):,} faults are caught: {percent(found):.1f} %"
        f" ({idle:,} more would change nothing)"
    )


def _table(title: str, found: Sequence[Finding], key: Callable[[Finding], str]) -> Table:
    all_of, caught = Counter(map(key, found)), Counter(key(f) for f in found if f.caught_by)
    rows = [(k, n, caught[k], f"{100 * caught[k] / n:.1f}") for k, n in sorted(all_of.items())]
    rows.append(("all", len(found), sum(caught.values()), f"{percent(found):.1f}"))
    return console.table(f"Faults by {title}", (title, "planted", "caught", "%"), rows)
