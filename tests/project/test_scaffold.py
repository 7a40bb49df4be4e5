"""`strata catalog scaffold`: what it writes for each kind of source builds and passes its tests."""

from pathlib import Path

import pytest

from strata import dbt
from strata.catalog import scaffold
from strata.errors import StrataError
from tests.conftest import Lakehouse, copy_project

PARTS = ("dbt_project.yml", "profiles", "macros", "seeds", "models/bronze", "tests/dbt/generic")
KINDS = {
    "stream of JSON": "ticketing.payments",
    "stream of Parquet": "weather.station_readings",
    "changes of a database": "registry.carriers",
    "files": "ticketing.fraud_labels",
}


def test_its_models_build_and_pass_their_tests(
    empty_lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_project(tmp_path, PARTS)
    for name in KINDS.values():
        assert len(scaffold.write(empty_lakehouse.source(name), project)) == 6
    with pytest.raises(StrataError, match=r"base_registry__carriers.sql exists"):
        scaffold.write(empty_lakehouse.source("registry.carriers"), project)
    monkeypatch.setenv("STRATA_SCHEMA_PREFIX", "dev_new_")
    dbt.run(["build"], project, quiet=True)
