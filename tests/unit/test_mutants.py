"""The mutants: planted in a small table, caught by its tests or listed as survivors."""

from typing import Any

import duckdb
import pytest

from strata.errors import StrataError
from tests.mutants import harness
from tests.mutants.faults import Column, Model
from tests.mutants.report import percent, summary

RELATION = '"memory"."main"."fct_orders"'
ORDERS = Model(
    "fct_orders",
    RELATION,
    (
        Column("order_id", "varchar"),
        Column("amount_usd", "integer"),
        Column("note", "varchar"),
        Column("gift", "boolean"),
    ),
)
TESTS = {
    "unique_key": f"select order_id from {RELATION} group by 1 having count(*) <> 1",
    "known_key": f"select order_id from {RELATION} where order_id not like 'O%'",
    "sane_amount": f"select * from {RELATION} where not coalesce(amount_usd between 1 and 99, false)",
    "all_rows": f"select count(*) from {RELATION} having count(*) < 25",
}


@pytest.fixture
def query() -> Any:
    """A database with a table of 25 orders, all without a note."""
    database = duckdb.connect()
    database.execute(
        f"create table {RELATION} as select 'O' || i as order_id, cast(i as integer) as amount_usd,"
        " false as gift, cast(null as varchar) as note from range(1, 26) as numbers (i)"
    )
    return lambda sql: database.cursor().execute(sql).fetchall()


def judged(tests: dict[str, str], query: Any) -> list[harness.Finding]:
    """What becomes of every mutant of the orders."""
    return list(harness.findings([harness.plant(ORDERS, tests, query)], query))


def test_each_fault_is_caught_by_the_test_for_it_or_survives(query: Any) -> None:
    found = judged(TESTS, query)
    assert {finding.mutant.name: finding.caught_by for finding in found} == {
        "fct_orders: duplicate key": "unique_key",
        "fct_orders: lost rows": "all_rows",
        "fct_orders.order_id: null": "unique_key",
        "fct_orders.order_id: orphan": "known_key",
        "fct_orders.amount_usd: null": "sane_amount",
        "fct_orders.amount_usd: out of range (negative)": "sane_amount",
        "fct_orders.amount_usd: out of range (huge)": "sane_amount",
        "fct_orders.amount_usd: wrong unit": "sane_amount",
        "fct_orders.gift: null": None,
        "fct_orders.gift: flipped": None,
    }
    survivors = [survivor["name"] for survivor in summary(found, idle=0)["survivors"]]
    assert survivors == ["fct_orders.gift: null", "fct_orders.gift: flipped"]


def test_a_weaker_test_lets_faults_survive(query: Any) -> None:
    found = judged({"unique_key": TESTS["unique_key"]}, query)
    assert percent(found) == pytest.approx(100 * 2 / 10)


def test_what_changes_nothing_is_not_planted(query: Any) -> None:
    query(f"delete from {RELATION}")
    trial = harness.plant(ORDERS, {}, query)
    assert not trial.mutants
    assert "fct_orders: lost rows" in [mutant.name for mutant in trial.idle]


def test_a_crash_catches_nothing(query: Any) -> None:
    mutant = harness.plant(ORDERS, {}, query).mutants[0]

    def crash(sql: str) -> list[list[Any]]:
        raise StrataError("query failed: no such function")

    finding = harness.judge(mutant, TESTS, crash)
    assert finding.caught_by is None
    assert len(finding.errors) == len(TESTS)


def test_tests_that_fail_without_a_fault_judge_nothing(query: Any) -> None:
    with pytest.raises(StrataError, match="always fails without any fault"):
        harness.plant(ORDERS, {"always": f"select 1 from {RELATION}"}, query)


def test_a_test_of_what_is_made_from_a_model_does_not_judge_it() -> None:
    def node(kind: str, name: str, parents: list[str]) -> dict[str, Any]:
        return {
            "resource_type": kind,
            "name": name,
            "relation_name": f'"{name}"',
            "depends_on": {"nodes": parents},
            "compiled_code": " ".join(f'"{parent}"' for parent in parents),
        }

    nodes = {
        "base": node("model", "base", []),
        "stg": node("model", "stg", ["base"]),
        "other": node("model", "other", []),
        "test_base": node("test", "test_base", ["base"]),
        "test_against_other": node("test", "test_against_other", ["base", "other"]),
        "test_stg": node("test", "test_stg", ["stg", "base"]),
    }
    children = {
        "base": ["stg", "test_base", "test_against_other", "test_stg"],
        "stg": ["test_stg"],
    }
    manifest = {"nodes": nodes, "child_map": children}
    assert set(harness.tests_of("base", manifest)) == {"test_base", "test_against_other"}
    assert set(harness.tests_of("stg", manifest)) == {"test_stg"}
