"""The embedded Athena beside DuckDB: the same data, the same files, one run, as ratios.

Each pair is timed in turns and the medians are compared, so that a slow moment of the machine hits
both.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from strata import console
from tests.athena.conftest import Athena, Gateway, new_athena, start

ROWS = 10_000_000
MANY_ROWS = 100_000_000
CHANGED = 100_000
_TURNS = 5

_TABLE = """
select cast(a * 10000 + b as bigint) as id, (a * 31 + b) % 1000 as category,
    cast((a * 7 + b * 13) % 100000 as double) / 100 as amount,
    date_add('day', (a * 10000 + b) % 30, date '2013-01-01') as day
from unnest(sequence(0, {last})) as x(a), unnest(sequence(0, 9999)) as y(b)
"""
_AGGREGATE = (
    "select day, count(*), sum(amount), avg(amount), count(distinct category) from {} "
    "group by day order by day"
)
_SOURCE = f"""
select id, 1 as category, 0e0 as amount, date '2013-01-01' as day
from {{}} where id % {ROWS // CHANGED} = 0
"""
Step = Callable[[], Any]


def main() -> None:
    """Print seconds of each side and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        gateway, process = start(state)
        try:
            athena = new_athena(gateway)
            rows = measure(athena, state)
            fixed = fixed_cost(gateway, athena)
            memory = [peak(process.pid), many(athena), peak(process.pid)]
        finally:
            process.terminate()
            process.wait(20)
    columns = ("step", "Athena s", "DuckDB s", "ratio", "at most")
    console.out.print(console.table(f"Embedded Athena, {ROWS:,} rows", columns, rows))
    console.out.print(
        f"fixed cost of a query, beside the client's calls: {fixed:.1f} ms (at most 15)"
    )
    console.out.print(
        f"the server's most memory: {memory[0]:.1f} GiB (at most 4); with {MANY_ROWS:,} rows written "
        f"and aggregated in {memory[1]:.0f} s: {memory[2]:.1f} GiB (at most 24)"
    )


def measure(athena: Athena, state: Path) -> list[tuple[str, float, float, float, float]]:
    """The timed steps: name, seconds here, seconds of DuckDB, their ratio and its limit."""
    athena.iceberg("big", _table(ROWS))
    files = [str(path) for path in (state / "s3").rglob("*.parquet")]
    con = duckdb.connect()
    con.execute(f"create view big as select * from read_parquet({files})")
    out = state / "out.parquet"
    copy = f"copy (select * from big) to '{out}' (format parquet)"
    source = _SOURCE.format("big")
    merge = (
        f"merge into big t using ({source}) s on t.id = s.id "
        "when matched then update set category = s.category, amount = s.amount, day = s.day"
    )
    # A copy-on-write of what the keys touch: here they touch every file.
    rewrite = (
        "copy (select b.id, coalesce(s.category, b.category) as category, "
        "coalesce(s.amount, b.amount) as amount, coalesce(s.day, b.day) as day "
        f"from big b left join ({source}) s on b.id = s.id) to '{out}' (format parquet)"
    )
    names = iter(f"copy{number}" for number in range(_TURNS + 1))

    def run(sql: str) -> Step:
        return lambda: con.execute(sql).fetchall()

    return [
        compare("scan and aggregate", lambda: athena.rows(_AGGREGATE.format("big")),
                run(_AGGREGATE.format("big")), 1.3),
        compare("CTAS to Iceberg", lambda: athena.iceberg(next(names), "select * from big"),
                run(copy), 2.0),
        compare(f"MERGE of {CHANGED:,}", lambda: athena.ok(merge), run(rewrite), 3.0, turns=1),
    ]  # fmt: skip


def many(athena: Athena) -> float:
    """Seconds to write and to aggregate a table that is ten times as big."""
    started = time.perf_counter()
    athena.iceberg("many", _table(MANY_ROWS))
    athena.rows(_AGGREGATE.format("many"))
    return time.perf_counter() - started


def peak(pid: int) -> float:
    """The most memory that a process has held until now, in GiB; NaN where the system has no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return math.nan
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def _table(rows: int) -> str:
    return _TABLE.format(last=rows // 10_000 - 1)


def compare(
    name: str, ours: Step, theirs: Step, limit: float, turns: int = _TURNS
) -> tuple[str, float, float, float, float]:
    """Time both in turns, after one that warms the caches; the medians and their ratio."""
    if turns > 1:
        ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(turns)]
    here, there = (statistics.median(side) for side in zip(*pairs, strict=True))
    return name, round(here, 3), round(there, 3), round(here / there, 2), limit


def seconds(step: Step) -> float:
    """How long a step takes."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def fixed_cost(gateway: Gateway, athena: Athena) -> float:
    """Milliseconds from start to result of `select 1`, less those of three empty API calls."""
    client = gateway.client("athena")
    query = seconds_of(lambda: athena.rows("select 1"), 50)
    call = seconds_of(lambda: client.list_engine_versions(), 50)
    return (query - 3 * call) * 1000


def seconds_of(step: Step, turns: int) -> float:
    """The median over several turns."""
    return statistics.median(seconds(step) for _ in range(turns))
