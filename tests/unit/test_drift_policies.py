"""Every change of schema by every policy: what the command says, its exit code, and the YAML."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer.testing
import yaml

from strata import cli, declarations
from strata.catalog import observed
from strata.cli import catalog
from strata.environment import Environment

DECLARED = {
    "id": "varchar",
    "count": "integer",
    "price": "double",
    "day": "date",
    "at": "timestamp",
}
ARRIVES = {
    "id": "a-1", "count": "7", "price": "1.5", "day": "2014-02-01", "at": "2014-02-01T11:00:00Z",
}  # fmt: skip
#: What arrives instead, the changes that it is (kind, column), and the types that `evolve` writes.
CHANGES: dict[str, tuple[dict[str, Any], set[tuple[str, str]], dict[str, str]]] = {
    "new": ({"gate": "B7"}, {("new", "gate")}, {"gate": "varchar"}),
    "missing": ({"price": None}, {("missing", "price")}, {}),
    "renamed": ({"price": None, "prices": "1.5"}, {("renamed", "price")}, {}),
    "integer to bigint": ({"count": "3000000000"}, {("widened", "count")}, {"count": "bigint"}),
    "integer to double": ({"count": "7.5"}, {("widened", "count")}, {"count": "double"}),
    "date to timestamp": (
        {"day": "2014-02-01T09:00:00Z"}, {("widened", "day")}, {"day": "timestamp"},
    ),
    "narrowed": ({"at": "2014-02-01"}, {("narrowed", "at")}, {}),
    "changed": ({"count": "many"}, {("changed", "count")}, {}),
    "nested": ({"terminal": {"area": "east"}}, {("new", "terminal.area")}, {}),
    "nothing": ({}, set(), {}),
}  # fmt: skip


def declare(path: Path, policy: str) -> declarations.Source:
    """A source with the policy, declared in a file."""
    columns = [
        {
            "name": name, "description": "A column.", "data_type": "string",
            "config": {"meta": {"type": kind}},
        }
        for name, kind in DECLARED.items()
    ]  # fmt: skip
    meta = {
        "ingest": "stream", "key": ["id"], "event_time": "at", "drift": policy,
        "start": "2013-01-01", "owner": "ops",
    }  # fmt: skip
    table = {
        "name": "orders", "description": "Orders.", "config": {"meta": meta}, "columns": columns,
        "external": {"location": "shop/orders/", "file_format": "json"},
    }  # fmt: skip
    source = {"name": "shop", "schema": "bronze_shop", "tables": [table]}
    path.write_text(yaml.safe_dump({"version": 2, "sources": [source]}, sort_keys=False))
    node = {
        **table,
        "source_name": "shop",
        "schema": "bronze_shop",
        "original_file_path": path.name,
    }
    node["columns"] = {column["name"]: column for column in columns}
    (found,) = declarations.sources({"sources": {"x": node}})
    return found


def types(path: Path) -> dict[str, str]:
    """The declared types in a file."""
    (table,) = yaml.safe_load(path.read_text())["sources"][0]["tables"]
    return {column["name"]: column["config"]["meta"]["type"] for column in table["columns"]}


@pytest.mark.parametrize("policy", ["strict", "warn", "evolve"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_a_policy(
    change: str, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, expected, evolved = CHANGES[change]
    path = tmp_path / "shop.yml"
    source = declare(path, policy)
    arrived = observed.Observed()
    for _ in range(20):
        arrived.add({**ARRIVES, **fields})
    monkeypatch.setattr(catalog, "PROJECT", tmp_path)
    monkeypatch.setattr(catalog, "ready", lambda env: Environment("dev", "1" * 12, "us-east-1"))
    monkeypatch.setattr(catalog, "declared_sources", lambda: [source])
    monkeypatch.setattr(catalog, "client", lambda service: None)
    monkeypatch.setattr(catalog, "_today", lambda environment: date(2014, 2, 1))
    monkeypatch.setattr(observed, "in_bronze", lambda *_: arrived)
    before = path.read_text()
    result = typer.testing.CliRunner().invoke(cli.app, ["catalog", "drift", "--write"])
    found = {(c.kind, c.column) for c in catalog.drift.changes(source, arrived)}
    assert found == expected
    fails = policy == "strict" and change not in ("narrowed", "nothing")
    assert result.exit_code == int(fails), result.output
    assert all(column in result.output for _, column in expected)
    if policy == "evolve" and evolved:
        assert types(path) == {**DECLARED, **evolved}
    else:
        assert path.read_text() == before
