# ruff: noqa: E501 (a statement reads best in one line)
"""TPC-H: the 22 queries at scale 0.01 give the benchmark's answers.

Data, queries and answers are those of DuckDB's extension `tpch`. Where its query is not Trino's SQL
(an alias in GROUP BY) the query of the specification stands instead.
"""

from __future__ import annotations

import importlib.util
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
import pytest

from .conftest import Athena, Gateway, new_athena

SCALE = 0.01
#: The tables with a change history; the others are Parquet files of a Hive table.
ICEBERG = {"lineitem": "'month(l_shipdate)'", "orders": "'bucket(4, o_custkey)'", "partsupp": ""}
TRINO = {15: ("GROUP BY\n        supplier_no", "GROUP BY\n        l_suppkey")}


@pytest.fixture(scope="module")
def benchmark() -> duckdb.DuckDBPyConnection:
    """DuckDB with the data."""
    spec = importlib.util.find_spec("duckdb_extension_tpch")
    assert spec is not None and spec.submodule_search_locations
    (extension,) = Path(spec.submodule_search_locations[0]).rglob("tpch.duckdb_extension")
    made = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    made.execute(f"LOAD '{extension}'")
    made.execute(f"CALL dbgen(sf = {SCALE})")
    return made


@pytest.fixture(scope="module")
def tpch(gateway: Gateway, benchmark: Any, tmp_path_factory: pytest.TempPathFactory) -> Athena:
    """The eight tables in the local Athena."""
    athena, folder = new_athena(gateway), tmp_path_factory.mktemp("tpch")
    for (name,) in benchmark.execute("SHOW TABLES").fetchall():
        file = folder / f"{name}.parquet"
        benchmark.execute(f"COPY {name} TO '{file}' (FORMAT parquet)")
        athena.put(f"raw/{name}/data.parquet", file.read_bytes())
        described = benchmark.execute(f"DESCRIBE {name}").fetchall()
        columns = ", ".join(
            f"{column} {kind.lower().replace('varchar', 'string').replace('integer', 'int')}"
            for column, kind, *_ in described
        )
        raw = f"raw_{name}" if name in ICEBERG else name
        athena.ok(
            f"create external table {raw} ({columns}) stored as parquet location 's3://{athena.bucket}/raw/{name}/'"
        )
        if name in ICEBERG:
            athena.iceberg(name, f"select * from {raw}", ICEBERG[name])
    return athena


@pytest.mark.parametrize("number", range(1, 23))
def test_a_query_gives_the_benchmarks_answer(tpch: Athena, benchmark: Any, number: int) -> None:
    (query,) = benchmark.execute(
        "SELECT query FROM tpch_queries() WHERE query_nr = ?", [number]
    ).fetchone()
    (answer,) = benchmark.execute(
        "SELECT answer FROM tpch_answers() WHERE query_nr = ? AND scale_factor = ?", [number, SCALE]
    ).fetchone()
    expected = [line.split("|") for line in answer.splitlines()[1:]]
    rows = tpch.rows(query.replace(*TRINO.get(number, ("", ""))))
    assert len(rows) == len(expected)
    for row, wanted in zip(rows, expected, strict=True):
        assert all(same(a, b) for a, b in zip(row, wanted, strict=True)), (row, wanted)


def same(given: str | None, wanted: str) -> bool:
    """Whether a value is the answer, to the digits that Trino's type has: its average and quotient
    of decimals are decimals."""
    if given is None or given == wanted:
        return given == wanted or wanted == ""
    try:
        ours, theirs = Decimal(given), Decimal(wanted)
    except InvalidOperation:
        return False
    exponent = ours.as_tuple().exponent
    assert isinstance(exponent, int)
    return abs(ours - theirs) <= Decimal(1).scaleb(exponent) / 2 + abs(theirs) * Decimal("1e-12")
