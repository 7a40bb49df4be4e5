"""What dbt's last build proves about a model: read from target/run_results.json and the manifest.

https://docs.getdbt.com/reference/artifacts/run-results-json
"""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from strata.environment import PROJECT
from strata.errors import StrataError

Json = dict[str, Any]

_AUDITS = ("build", "test")
_GOOD = ("success", "pass", "warn")
_BUILD = "strata build, then strata publish"


@dataclass(frozen=True)
class Evidence:
    """A model's verdict: `fault` is why its tests do not speak for it, None when they do.

    The tests ran between `started` and `ended`: what they read is the table of that time.
    `was_built` says whether the last build was about this model at all.
    """

    node: Json
    invocation: str
    tests: int
    fault: str | None
    started: datetime | None = None
    ended: datetime | None = None
    was_built: bool = True

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.node["name"])

    @property
    def table(self) -> str:
        """`<database>.<table>` that dbt builds."""
        return f"{self.node['schema']}.{self.node['alias']}"


def last_build(project: Path = PROJECT) -> tuple[Json, Json]:
    """The manifest and the run results of the last dbt command in a project.

    Raises StrataError when there are none, or when that command ran no tests.
    """
    target = project / os.environ.get("DBT_TARGET_PATH", "target")
    try:
        manifest, results = (
            json.loads((target / name).read_text())
            for name in ("manifest.json", "run_results.json")
        )
    except FileNotFoundError as error:
        raise StrataError(f"there is no {error.filename}: nothing was built here", _BUILD) from None
    command = results["args"].get("which")
    if command not in _AUDITS:
        raise StrataError(f"the last dbt command here was {command}, which runs no tests", _BUILD)
    return manifest, results


def statuses_since(started: datetime, project: Path = PROJECT) -> dict[str, int]:
    """How many nodes ended with which status, in a dbt command that began after `started`."""
    path = project / os.environ.get("DBT_TARGET_PATH", "target") / "run_results.json"
    if not path.exists():
        return {}
    results = json.loads(path.read_text())
    if datetime.fromisoformat(results["metadata"]["generated_at"]) < started:
        return {}
    return dict(Counter(result["status"] for result in results["results"]))


def of_models(manifest: Json, results: Json, schema: str) -> list[Evidence]:
    """The evidence for each model of `schema`, by name.

    Raises StrataError when the build was of another schema (STRATA_SCHEMA_PREFIX).
    """
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    chosen = sorted((n for n in models if n["schema"] == schema), key=lambda n: n["name"])
    if not chosen:
        there = sorted({n["schema"] for n in models})
        raise StrataError(
            f"the last build has no models in {schema}, but in {', '.join(there)}",
            "set STRATA_SCHEMA_PREFIX as it was for the build, or build again",
        )
    by_id = {result["unique_id"]: result for result in results["results"]}
    invocation = results["metadata"]["invocation_id"]
    return [_of_model(node, manifest, by_id, invocation) for node in chosen]


def _of_model(node: Json, manifest: Json, results: dict[str, Json], invocation: str) -> Evidence:
    data_tests, unit_tests = _tests_of(node, manifest)
    ran = [results[test] for test in data_tests if test in results]
    if node["unique_id"] not in results and len(ran) < len(data_tests):
        return Evidence(node, invocation, 0, "it was not in the last build", was_built=False)
    fault = _fault(node["unique_id"], data_tests, unit_tests, results)
    if fault:
        return Evidence(node, invocation, len(ran), fault)
    spans = [timing for result in ran for timing in result["timing"] if timing["name"] == "execute"]
    started = min(datetime.fromisoformat(span["started_at"]) for span in spans)
    ended = max(datetime.fromisoformat(span["completed_at"]) for span in spans)
    return Evidence(node, invocation, len(ran), None, started, ended)


def _tests_of(node: Json, manifest: Json) -> tuple[list[str], list[str]]:
    """The ids of a model's data tests and unit tests: those of its YAML, and singular ones."""
    children = manifest["child_map"].get(node["unique_id"], [])
    data_tests = [
        child
        for child in children
        if child.startswith("test.")
        and manifest["nodes"][child].get("attached_node") in (None, node["unique_id"])
    ]
    return sorted(data_tests), [child for child in children if child.startswith("unit_test.")]


def _fault(
    model: str, data_tests: list[str], unit_tests: Iterable[str], results: dict[str, Json]
) -> str | None:
    built = results.get(model)
    if built and built["status"] != "success":
        return f"the model ended with {built['status']} in the last build"
    if not data_tests:
        return "it has no data test: nothing says that it is right"
    for test in data_tests:
        if test not in results:
            return f"its test {_name(test)} did not run in the last build"
    for test in (*data_tests, *unit_tests):
        status = results.get(test, {"status": "pass"})["status"]
        if status not in _GOOD:
            return f"its test {_name(test)} ended with {status}"
    return None


def _name(unique_id: str) -> str:
    """`test.<project>.<name>.<hash>` and `unit_test.<project>.<model>.<name>` as people know them."""
    parts = unique_id.split(".")
    return parts[3] if parts[0] == "unit_test" else parts[2]
