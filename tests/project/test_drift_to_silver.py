"""A field that nobody declared, from its arrival to Silver: the patch, and the next incremental build."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from strata import dbt, declarations, query
from strata.catalog import scaffold
from strata.cli import app
from strata.cli import catalog as catalog_cli
from strata.ingest import stream
from tests.conftest import Lakehouse, copy_project, start, wait

PARTS = ("dbt_project.yml", "profiles", "macros", "seeds", "models/bronze", "tests/dbt/generic")
NAME, BASE = "flight_ops.flight_events", "base_flight_ops__flight_events"
NOON = datetime(2014, 3, 1, 12, tzinfo=UTC)


def arrive(lakehouse: Lakehouse, records: list[dict[str, Any]]) -> None:
    """Send records and wait until they are in Bronze."""
    source = lakehouse.source(NAME)
    before = len(lakehouse.objects("bronze", source.location))
    payloads = [json.dumps(record).encode() for record in records]
    stream.send(source, payloads, lakehouse.environment, lakehouse.client("kinesis"))
    lakehouse.clock.advance(timedelta(minutes=10))
    wait(lambda: len(lakehouse.objects("bronze", source.location)) > before)


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "event_type": "departed",
        "occurred_at": "2014-03-01T11:00:00Z",
        **fields,
    }


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """One of its own: the others of this folder want sources to which nothing was sent."""
    yield from start(tmp_path_factory.mktemp("state"))


@pytest.mark.slow
def test_a_patch_brings_a_new_column_to_silver_without_a_rebuild(
    lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_project(tmp_path, PARTS)
    scaffold.write(lakehouse.source(NAME), project)
    monkeypatch.setenv("STRATA_SCHEMA_PREFIX", "dev_drift_")
    chosen = f"rejection_reasons {BASE}+"
    build = ["build", "--exclude-resource-type", "unit_test", "--select", chosen]
    lakehouse.clock.set(NOON)
    arrive(lakehouse, [event(1), event(2)])
    dbt.run(build, project, quiet=True)
    athena, table = lakehouse.client("athena"), f"dev_drift_silver.{BASE}"
    of_old = f"select event_id, _content_hash from {table} where event_id < 'e3' order by event_id"
    old = query.rows(of_old, athena)
    assert [row[0] for row in old] == ["e1", "e2"]
    of_snapshots = f'select snapshot_id from dev_drift_silver."{BASE}$snapshots"'
    snapshots = query.rows(of_snapshots, athena)

    arrive(lakehouse, [event(3, gate=7)])
    monkeypatch.setattr(catalog_cli, "PROJECT", project)
    shown = CliRunner().invoke(app, ["catalog", "drift", NAME, "--days", "1"]).stdout
    subprocess.run(["git", "apply", "-"], input=shown, text=True, cwd=project, check=True)
    assert "'gate': 'integer'," in (project / f"models/silver/flight_ops/{BASE}.sql").read_text()

    evolved = declarations.sources(dbt.manifest(project))
    catalog_cli.apply_catalog(evolved, lakehouse.environment, allow_breaking=False)
    dbt.run(build, project, quiet=True)  # with the tests of its YAML
    found = query.rows(f"select event_id, gate from {table} order by event_id", athena)
    assert found == [["e1", None], ["e2", None], ["e3", "7"]]
    # Appended to, not built again: its snapshots are there, and what was there has its hash.
    assert [one for one in query.rows(of_snapshots, athena) if one in snapshots] == snapshots
    assert query.rows(of_old, athena) == old
