"""Runs the data tests of each model against its mutants, as dbt compiles them."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress
from operator import not_
from pathlib import Path
from typing import Any

from strata import dbt
from strata.errors import StrataError
from tests.mutants.faults import Column, Model, Mutant, healthy, mutants

# Two cores answer on a laptop; a third query is parsed meanwhile.
_THREADS = 3
_BUILT_FIRST = "build it first: make demo (or, after a change, .venv/bin/strata build)"

Query = Callable[[str], list[list[Any]]]
Tests = Mapping[str, str]


@dataclass(frozen=True)
class Trial:
    """The mutants of a model and the tests that judge them; `idle` mutants change nothing."""

    mutants: tuple[Mutant, ...]
    idle: tuple[Mutant, ...]
    tests: Tests


@dataclass(frozen=True)
class Finding:
    """What became of a mutant: the test that caught it, or None, and the tests that crashed."""

    mutant: Mutant
    caught_by: str | None
    errors: tuple[str, ...] = ()


def compiled() -> dict[str, Any]:
    """dbt's manifest with every data test compiled, without a window: faults may be old."""
    with tempfile.TemporaryDirectory() as target:
        dbt.run(
            ["compile", "--quiet", "--select", "test_type:data", "--target-path", target]
            + ["--vars", "{test_window_days: 0}"],
            quiet=True,
        )
        loaded: dict[str, Any] = json.loads((Path(target) / "manifest.json").read_text())
    return loaded


def models(manifest: dict[str, Any]) -> dict[str, Model]:
    """The models by their unique id."""
    hashed = {
        node["attached_node"]: node["test_metadata"]["kwargs"]["columns"]
        for node in manifest["nodes"].values()
        if node.get("test_metadata", {}).get("name") == "intact_records"
    }
    return {
        key: Model(
            node["name"],
            node["relation_name"],
            tuple(Column(c["name"], c["data_type"]) for c in node["columns"].values()),
            tuple(hashed.get(key, ())),
        )
        for key, node in sorted(manifest["nodes"].items())
        if node["resource_type"] == "model"
    }


def tests_of(unique_id: str, manifest: dict[str, Any]) -> dict[str, str]:
    """The tests that judge a model, name to SQL: those that read it and nothing made from it.

    What is made from a faulty output is faulty too: a test between the two would find a difference
    here, and none after `dbt build`.
    """
    nodes = manifest["nodes"]
    made_from_it = _descendants(unique_id, manifest["child_map"])
    relation = nodes[unique_id]["relation_name"]
    return {
        node["name"]: node["compiled_code"]
        for node in nodes.values()
        if node["resource_type"] == "test"
        and unique_id in node["depends_on"]["nodes"]
        and made_from_it.isdisjoint(node["depends_on"]["nodes"])
        and relation in node["compiled_code"]
    }


def _descendants(unique_id: str, children: Mapping[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [unique_id]
    while waiting:
        grown = set(children.get(waiting.pop(), ())) - found
        found |= grown
        waiting += grown
    return found


def plant(model: Model, tests: Tests, query: Query) -> Trial:
    """The mutants of a model, and its tests with the fastest first.

    Raises StrataError when the model is not built or its tests fail without a fault.
    """
    candidates = list(mutants(model))
    effects = ", ".join(mutant.effect for mutant in candidates)
    seconds = {}
    try:
        counts = query(f"select {effects} from {model.relation}")[0]
        for name, sql in tests.items():
            started = time.monotonic()
            if _fails(sql, model, healthy(model), query):
                raise StrataError(f"{name} fails without any fault")
            seconds[name] = time.monotonic() - started
    except StrataError as error:
        raise StrataError(
            f"{model.name} cannot be tested: {error.message}", _BUILT_FIRST
        ) from error
    effective = [int(rows) > 0 for rows in counts]
    return Trial(
        mutants=tuple(compress(candidates, effective)),
        idle=tuple(compress(candidates, map(not_, effective))),
        tests={name: tests[name] for name in sorted(tests, key=seconds.__getitem__)},
    )


def judge(mutant: Mutant, tests: Tests, query: Query) -> Finding:
    """Run the tests against a mutant until one of them returns a row."""
    errors = []
    for name, sql in tests.items():
        try:
            if _fails(sql, mutant.model, mutant.relation, query):
                return Finding(mutant, name, tuple(errors))
        except StrataError as error:  # a crash is no finding
            errors.append(f"{name}: {error.message}")
    return Finding(mutant, None, tuple(errors))


def _fails(sql: str, model: Model, relation: str, query: Query) -> bool:
    return bool(query(f"select 1 from (\n{sql.replace(model.relation, relation)}\n) limit 1"))


def trials(chosen: Mapping[str, Model], manifest: dict[str, Any], query: Query) -> list[Trial]:
    """A trial for each of the chosen models."""

    def trial(item: tuple[str, Model]) -> Trial:
        unique_id, model = item
        return plant(model, tests_of(unique_id, manifest), query)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(trial, chosen.items()))


def findings(prepared: Iterable[Trial], query: Query) -> Iterator[Finding]:
    """Judge the mutants, several at a time, in their order."""
    pairs = [(mutant, trial.tests) for trial in prepared for mutant in trial.mutants]
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(lambda pair: judge(*pair, query), pairs)
