"""`strata cost`: all queries of a model and its tests, by build, and budgets that can fail CI."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from strata import dbt, query
from strata.cli import app
from strata.environment import acting_as, client
from strata.errors import StrataError
from strata.operate import builds, cost
from tests.conftest import Lakehouse

MODEL = "model.strata.dim_carrier"
#: Athena charges 10 MB at least: 5 USD a terabyte make it 0.00005 USD.
LEAST = 0.00005


def strata(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cost", *arguments])


@pytest.fixture(scope="module", autouse=True)
def two_builds(lakehouse: Lakehouse) -> Iterator[None]:
    """Two builds: of the model alone, then of the model with two queries and a test."""
    athena = lakehouse.client("athena")
    place = f"s3://{lakehouse.environment.bucket('gold')}/cost/"
    made = f"create table gold.costs with (table_type='iceberg', is_external=false, location='{place}')"
    query.run(f"{made} as select 1 as x", athena)
    node = dbt.manifest()["nodes"]
    test = next(u for u, n in node.items() if n.get("attached_node") == MODEL)

    def ask(*nodes: str) -> None:
        """What dbt does: the node stands in a comment of each query."""
        with builds.recorded(lakehouse.environment, lakehouse.client("s3")):
            for name in nodes:
                comment = json.dumps({"app": "dbt", "node_id": name})
                query.run(f"-- /* {comment} */\nselect x from gold.costs", athena)

    ask(MODEL)
    ask(MODEL, MODEL, test)
    query.run("select x from gold.costs", athena)  # by hand: it is of no node
    yield
    query.run("drop table gold.costs", athena)


def test_a_build_counts_all_queries_of_a_model_and_its_tests() -> None:
    told = json.loads(strata("--json").stdout)
    (model,) = [m for m in told["models"] if m["model"] == "dim_carrier"]
    assert model["own"]["queries"] == 2
    assert model["tests"]["queries"] == 1
    assert model["usd"] == pytest.approx(3 * LEAST)
    assert model["usual_usd"] == pytest.approx(LEAST)
    newest, before = told["builds"][:2]
    assert (newest["cost"]["queries"], before["cost"]["queries"]) == (3, 1)
    assert told["work_groups"]["strata"]["queries"] >= 5
    shown = strata().stdout
    assert "dim_carrier" in shown and "0.00010" in shown


def with_budget(monkeypatch: pytest.MonkeyPatch, amount: Any) -> None:
    manifest = dbt.manifest()
    manifest["nodes"][MODEL]["config"]["meta"]["budget_usd"] = amount
    monkeypatch.setattr(dbt, "manifest", lambda: manifest)


def test_a_budget_fails_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    with_budget(monkeypatch, 0.0001)
    assert strata().exit_code == 0
    checked = strata("--check")
    assert checked.exit_code == 1
    assert "dim_carrier cost 0.00015 USD, its budget is 0.0001" in " ".join(checked.output.split())


def test_within_its_budget_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with_budget(monkeypatch, 0.001)
    assert strata("--check").exit_code == 0


@pytest.mark.parametrize("amount", ["much", 0, -1, True])
def test_a_budget_that_is_no_amount_names_its_file(
    monkeypatch: pytest.MonkeyPatch, amount: Any
) -> None:
    with_budget(monkeypatch, amount)
    failed = strata("--check").exception
    assert isinstance(failed, StrataError)
    assert "models/gold/flights/dim_carrier.yml: meta.budget_usd of dim_carrier" in failed.message


def test_readers_are_priced_by_their_workgroup(lakehouse: Lakehouse) -> None:
    with acting_as("analyst", lakehouse.environment):
        query.run("select 1", client("athena"), "strata-analyst")
    told = json.loads(strata("--json").stdout)
    assert told["work_groups"]["strata-analyst"] == {"queries": 1, "scanned_bytes": 0, "usd": 0.0}


@pytest.mark.parametrize(
    ("scanned", "usd"), [(0, 0), (1, LEAST), (10**7, LEAST), (10**12, 5), (2 * 10**12, 10)]
)
def test_athena_s_price(scanned: int, usd: float) -> None:
    """https://aws.amazon.com/athena/pricing/"""
    assert cost.price(scanned) == pytest.approx(usd)
