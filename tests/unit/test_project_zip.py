"""The zip that builds run: the dbt project and the command line, by its content alone."""

import io
import os
import zipfile
from pathlib import Path

from strata.deploy import code
from tests.conftest import copy_project


def test_it_holds_what_a_build_needs_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(code.pack_project())) as archive:
        names = set(archive.namelist())
    assert {"dbt_project.yml", "requirements.lock", "scripts/strata/__main__.py"} <= names
    assert any(name.startswith("tests/dbt/generic/") for name in names)
    others = {name for name in names if name.startswith("tests/") and "tests/dbt/" not in name}
    assert not others
    left = ("docs/", "infra/", "site/", "target/", "logs/", ".")
    assert [name for name in names if name.startswith(left) or "__pycache__" in name] == []


def test_its_bytes_follow_its_content(tmp_path: Path) -> None:
    parts = [part for part in code._PROJECT if part != "scripts"]
    project = copy_project(tmp_path, parts)
    packed = code.pack_project(project)
    for file in project.rglob("*"):
        os.utime(file, (0, 0))
    assert code.pack_project(project) == packed
    (project / "models" / "new.sql").write_text("select 1")
    assert code.pack_project(project) != packed
