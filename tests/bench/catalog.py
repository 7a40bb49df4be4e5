"""How long the catalog takes over 1,000 sources, as a user would declare them."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from strata import console, dbt, declarations
from strata.catalog.plan import apply_plan, make_plan
from strata.environment import client
from tests.conftest import copy_project, start

_SOURCES = 1000


def generate(folder: Path) -> None:
    """A dbt project with 1,000 source declarations, a file each."""
    copy_project(folder, ("dbt_project.yml", "profiles"))
    (folder / "models").mkdir()
    column = {"name": "id", "description": "Key.", "data_type": "string"}
    column["config"] = {"meta": {"type": "varchar"}}  # type: ignore[assignment]
    meta = {
        "ingest": "stream",
        "key": ["id"],
        "event_time": "id",
        "start": "2013-01-01",
        "owner": "ops",
    }
    for number in range(_SOURCES):
        table = {
            "name": "events",
            "description": "Generated.",
            "external": {"location": f"s{number}/events/", "file_format": "json"},
            "config": {"meta": meta},
            "columns": [column],
        }
        source = {"name": f"s{number}", "schema": f"bronze_s{number}", "tables": [table]}
        text = yaml.safe_dump({"version": 2, "sources": [source]})
        (folder / "models" / f"s{number}.yml").write_text(text)


@contextmanager
def timed(what: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long a step takes."""
    started = time.monotonic()
    yield
    seconds[what] = round(time.monotonic() - started, 2)


def main() -> None:
    """Print the seconds of each step."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        generate(project)
        for lakehouse in start(Path(folder) / "state"):
            with timed("dbt parse", seconds):
                manifest = dbt.manifest(project)
            with timed("read the declarations", seconds):
                sources = declarations.sources(manifest)
            glue, environment = client("glue"), lakehouse.environment
            with timed("plan from nothing", seconds):
                plan = make_plan(sources, environment, glue)
            with timed("apply", seconds):
                applied = sum(1 for _ in apply_plan(plan, glue, allow_breaking=True))
            with timed("plan, nothing to do", seconds):
                again = make_plan(sources, environment, glue)
    console.out.print(console.table(f"{_SOURCES} sources", ("step", "seconds"), seconds.items()))
    console.out.print(f"{applied} tables applied, {len(again.changes)} changes left")
