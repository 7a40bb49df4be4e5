"""Slim CI: a change builds what it touches, in a schema of its own, and reads the rest from main."""

import json
import shutil
from pathlib import Path

import pytest

from strata import dbt, query
from tests.conftest import Lakehouse, copy_project

MART = "mart_airport_day"
BUILD = ["build", "--select", f"+{MART}", "--indirect-selection", "buildable"]


@pytest.fixture(scope="module")
def project(empty_lakehouse: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project whose mart was built, as main's build does."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    dbt.run(BUILD, folder, quiet=True)
    (folder / "state").mkdir()
    shutil.copy(folder / "target/manifest.json", folder / "state")
    return folder


def rows_of(relation: str, lakehouse: Lakehouse) -> str | None:
    """How many rows a relation has."""
    return query.rows(f"select count(*) from {relation}", lakehouse.client("athena"))[0][0]


def test_sources_that_never_received_a_record_build(
    project: Path, empty_lakehouse: Lakehouse
) -> None:
    assert rows_of("silver.base_flight_ops__flight_events", empty_lakehouse) == "0"
    assert rows_of(f"gold.{MART}", empty_lakehouse) == "0"
    dbt.run(BUILD, project, quiet=True)
    assert rows_of(f"gold.{MART}", empty_lakehouse) == "0"


def test_a_change_builds_itself_and_defers_the_rest(
    project: Path, empty_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = project / f"models/gold/flights/{MART}.sql"
    model.write_text(model.read_text().replace("flight_date,", "flight_date, -- changed", 1))
    monkeypatch.setenv("STRATA_SCHEMA_PREFIX", "ci_7_")
    changed = ["--select", "state:modified+", "--defer", "--state", str(project / "state")]
    dbt.run(["build", *changed], project, quiet=True)
    results = json.loads((project / "target/run_results.json").read_text())["results"]
    built = {r["unique_id"] for r in results if r["unique_id"].startswith("model.")}
    assert built == {f"model.strata.{MART}"}
    assert {r["status"] for r in results} == {"success", "pass", "no-op"}  # exposures: no-op
    compiled = (project / f"target/compiled/strata/models/gold/flights/{MART}.sql").read_text()
    assert '"gold"."fct_flights"' in compiled
    athena = empty_lakehouse.client("athena")
    made = query.rows(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema like 'ci_7_%'",
        athena,
    )
    assert made == [["ci_7_gold", MART]]


def test_a_changed_view_is_tested_against_a_deferred_table(
    project: Path, empty_lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window of its data tests is asked of the table behind it, which was not built here."""
    view = "stg_registry__airports"
    model = project / f"models/silver/registry/{view}.sql"
    model.write_text(model.read_text().replace("faa as", "faa as /* changed */", 1))
    monkeypatch.setenv("STRATA_SCHEMA_PREFIX", "ci_8_")
    changed = ["--select", view, "--defer", "--state", str(project / "state")]
    dbt.run(["build", *changed], project, quiet=True)
    assert rows_of(f"ci_8_silver.{view}", empty_lakehouse) == "0"
