# ruff: noqa: E501 (a statement reads best in one line)
"""Many clients at once, writers that race, and a query that does not fit: each fails alone or not at all."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_aws.athena import engine
from local_aws.athena.failure import QueryFailed

from .conftest import Athena

CLIENTS = 32
WRITERS = 6
TRIES = 100


def test_thirty_two_clients_each_get_their_own_answer(athena: Athena) -> None:
    athena.iceberg("t", "select x, x % 7 as g from unnest(sequence(1, 10000)) as s(x)")

    def ask(number: int) -> list[list[str | None]]:
        return athena.rows(
            f"select count(*), sum(x) from t where g = {number % 7} and x > {number}"
        )

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, range(CLIENTS)))
    for number, answer in enumerate(answers):
        found = [x for x in range(number + 1, 10001) if x % 7 == number % 7]
        assert answer == [[str(len(found)), str(sum(found))]]


def test_writers_that_race_lose_nothing_and_say_so(athena: Athena) -> None:
    """A conflict surfaces as ICEBERG_COMMIT_ERROR, which the client tries again, as dbt-athena does."""
    athena.iceberg("t", "select 0 as writer, 0 as turn where false")
    reasons: Counter[str] = Counter()

    def write(writer: int) -> None:
        for turn in range(5):
            for attempt in range(TRIES):
                status = athena.run(f"insert into t values ({writer}, {turn})")["Status"]
                reasons[status.get("StateChangeReason", "committed").split(":")[0]] += 1
                if status["State"] == "SUCCEEDED":
                    break
                time.sleep(random.uniform(0, 0.02 * (attempt + 1)))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert set(reasons) <= {"committed", "ICEBERG_COMMIT_ERROR"}
    assert reasons["committed"] == WRITERS * 5
    rows = athena.rows("select count(*), count(distinct writer * 100 + turn) from t")
    assert rows == [[str(WRITERS * 5)] * 2]
    snapshots = athena.rows('select count(*) from "t$snapshots"')
    assert int(snapshots[0][0] or 0) - WRITERS * 5 in (0, 1)  # and the one of the empty CTAS


def test_a_query_beyond_the_memory_spills_or_fails_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    db = engine.Engine(tmp_path_factory.mktemp("engine"), [], memory="200MB")
    sorting = "select count(*) from (select range as r, hash(range) as h from range(20000000) order by h limit 15000000)"
    hopeless = "select length(string_agg(repeat('x', 1000), '')) from range(2000000)"
    con = db.connect()
    assert engine.run(con, sorting, {}).fetchone() == (15_000_000,)
    try:
        engine.run(con, hopeless, {})
        raise AssertionError("that would need two gigabytes")
    except QueryFailed as failed:
        assert failed.code == "EXCEEDED_LOCAL_MEMORY_LIMIT"
    assert engine.run(db.connect(), "select 1", {}).fetchone() == (1,)
    db.close()
