"""The README's "Add a source of your own", step by step, with its own words."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from strata import dbt, query
from strata.environment import PROJECT
from tests.conftest import DBT_PROJECT, Lakehouse, copy_project

CHECKOUT = (
    *DBT_PROJECT, "Makefile", "pyproject.toml", "requirements.lock", "requirements-bootstrap.lock",
    "scripts", "infra",
)  # fmt: skip


def blocks(section: str, language: str) -> list[str]:
    """The code blocks of a section of the README."""
    text = (PROJECT / "README.md").read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in found]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project, as a newcomer would have cloned it, set up already."""
    copy_project(tmp_path, CHECKOUT)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    return tmp_path


def shell(checkout: Path, script: str) -> str:
    """What a newcomer's shell prints for `script`, which has to succeed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_newcomer_adds_a_source(empty_lakehouse: Lakehouse, checkout: Path) -> None:
    (declaration,) = blocks("Add a source of your own", "yaml")
    (checkout / "models/bronze/shop.yml").write_text(declaration)
    dbt.run(["seed"], checkout, quiet=True)  # as the demo leaves it
    printed = shell(checkout, "".join(blocks("Add a source of your own", "console")))
    assert "a@shop.example" not in printed
    athena = empty_lakehouse.client("athena")
    orders = "select order_id, email, ordered_at, _arrived_at from silver.stg_shop__orders"
    ((order_id, email, ordered_at, arrived_at),) = before = query.rows(orders, athena)
    assert (order_id, ordered_at) == ("1", "2013-01-20 10:00:00.000000")
    assert email and "shop.example" not in email

    query.rows("delete from silver.base_shop__orders", athena)
    assert query.rows(orders, athena) == [] and arrived_at
    shell(checkout, f".venv/bin/strata ingest replay shop.orders --from {arrived_at[:10]}")
    assert query.rows(orders, athena) == before
