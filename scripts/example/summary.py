"""What the demo ends with: tables that a person wants to read, asked through Athena."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import duckdb

from example import data
from strata import console, dbt, query
from strata.declarations import Source
from strata.environment import client
from strata.operate.cost import cost_since

_MONTHLY = """
select carrier_code, month(flight_date), avg(cast(departure_delay_minutes as double)),
    avg(cast(arrival_delay_minutes as double))
from gold.fct_flights group by 1, 2 order by 1, 2
"""
_FACTS = """
select count(*), count_if(origin_airport_code = 'EWR'), count_if(origin_airport_code = 'JFK'),
    count_if(origin_airport_code = 'LGA'), count_if(carrier_code = 'UA'), count_if(is_cancelled),
    count_if(arrived_at is null)
from gold.fct_flights
"""
_PUBLISHED = {
    "scheduled flights": 336_776,
    "from EWR": 120_835,
    "from JFK": 111_279,
    "from LGA": 104_662,
    "of UA": 58_665,
    "cancelled": 8_255,
    "without arrival": 8_713,
}
_FRAUD = """
select (select count(*) from silver.stg_ticketing__fraud_alerts), sum(judged_alerts),
    sum(confirmed_alerts), sum(frauds)
from gold.mart_fraud_rules where rule = 'any'
"""
_TOLERANCE = 1e-9
_GOLD = ("fct_", "dim_", "mart_", "snp_")


def print_summary(
    sources: Iterable[Source],
    mess: Counter[str],
    builds: list[dbt.Outcome],
    submitted: datetime,
    seconds: float,
) -> None:
    """Print rows a layer and table, what was quarantined and why, tests, cost and time."""
    athena = client("athena")
    out = console.out
    out.print()
    relations = _relations()
    columns = ("source", "Bronze", "stg_", "quarantine_", "duplicates")
    out.print(
        console.table(
            "Records, from Bronze to Silver", columns, _records(sources, relations, athena)
        )
    )
    gold = {name: relations[name] for name in relations if name.startswith(_GOLD)}
    out.print(console.table("Gold", ("table", "rows"), sorted(_counts(gold, athena).items())))
    rejected = query.rows(
        "select source_table, reason, cast(sum(records) as varchar) "
        "from gold.mart_rejections group by 1, 2 order by 1, 2",
        athena,
    )
    rows = [(table, reason, int(count or 0)) for table, reason, count in rejected]
    out.print(console.table("Quarantined", ("source", "reason", "records"), rows))
    out.print(console.table("Mess sent on purpose", ("kind", "records"), sorted(mess.items())))
    tests = sum((build.tests for build in builds), Counter())
    cost = cost_since(submitted, query.WORK_GROUP, athena)
    facts = [
        ("tests passed", f"{tests['pass']:,}"),
        ("tests not passed", f"{sum(tests.values()) - tests['pass']:,}"),
        ("Athena queries", f"{cost.queries:,}"),
        ("scanned", f"{cost.scanned_bytes / 1e6:,.1f} MB"),
        ("Athena would have charged", f"{cost.usd:.2f} USD"),
        ("time", f"{seconds:.0f} s"),
    ]
    out.print(console.table("Run", ("what", "value"), facts))
    out.print(_fraud(athena))


def _fraud(athena: object) -> str:
    """One line: how good the fraud function's alerts were, by the verdicts that came days later."""
    alerts, judged, confirmed, frauds = (int(n or 0) for n in query.rows(_FRAUD, athena)[0])
    if not judged or not frauds:
        return f"fraud: {alerts:,} alerts, no verdicts yet"
    return (
        f"fraud: {alerts:,} alerts, {judged:,} judged: precision {confirmed / judged:.0%}, "
        f"recall {confirmed / frauds:.0%} of {frauds:,} frauds"
    )


def _relations() -> dict[str, str]:
    """Where each model and snapshot is, from the manifest of the last run."""
    return {
        node["name"]: f"{node['schema']}.{node['alias']}"
        for node in dbt.last_manifest()["nodes"].values()
        if node["resource_type"] in ("model", "snapshot")
    }


def _records(
    sources: Iterable[Source], relations: dict[str, str], athena: object
) -> list[tuple[str, int, int, int, int]]:
    """A source's records: those that arrived are accepted, quarantined, or duplicates of these."""
    names = {source.name: source.name.replace(".", "__") for source in sources}
    bronze = _counts({s.name: f"{s.database}.{s.table}" for s in sources}, athena)
    accepted = _counts({s: relations[f"stg_{name}"] for s, name in names.items()}, athena)
    rejected = _counts({s: relations[f"quarantine_{name}"] for s, name in names.items()}, athena)
    return [
        (s, bronze[s], accepted[s], rejected[s], bronze[s] - accepted[s] - rejected[s])
        for s in names
    ]


def _counts(tables: dict[str, str], athena: object) -> dict[str, int]:
    """The rows of each table, by its name in `tables`."""
    union = " union all ".join(
        f"select '{name}', count(*) from {relation}" for name, relation in tables.items()
    )
    return {str(name): int(count or 0) for name, count in query.rows(union, athena)}


def print_numbers() -> bool:
    """Print Gold's numbers beside the published ones; returns whether all agree."""
    athena = client("athena")
    found = [int(value or 0) for value in query.rows(_FACTS, athena)[0]]
    rows = [
        (name, published, gold, "✓" if gold == published else "✗")
        for (name, published), gold in zip(_PUBLISHED.items(), found, strict=True)
    ]
    console.out.print(console.table("The year 2013", ("what", "published", "Gold", ""), rows))
    gold = {(str(r[0]), str(r[1])): _floats(r[2:]) for r in query.rows(_MONTHLY, athena)}
    published_means = {
        (carrier, str(month)): (departure, arrival)
        for carrier, month, departure, arrival in _means_of_the_csv()
    }
    same = gold.keys() == published_means.keys() and all(
        _close(gold[key], published_means[key]) for key in gold
    )
    console.out.print(
        f"mean delays by carrier and month: {len(published_means)} groups in the CSV, "
        f"{len(gold)} in Gold, {'all equal ✓' if same else 'different ✗'}"
    )
    return same and found == list(_PUBLISHED.values())


def _means_of_the_csv() -> list[tuple[str, int, float | None, float | None]]:
    """Mean departure and arrival delay by carrier and month, by DuckDB from the package's CSV."""
    flights = [
        (row["carrier"], int(row["month"]), data.integer(row["dep_delay"]),
         data.integer(row["arr_delay"]))
        for _, day in data.flights_by_day()
        for row in day
    ]  # fmt: skip
    import pyarrow as pa

    names = ("carrier", "month", "dep_delay", "arr_delay")
    table = pa.table({n: [f[i] for f in flights] for i, n in enumerate(names)})
    with duckdb.connect() as db:
        db.register("flights", table)
        return db.execute(
            "select carrier, month, avg(dep_delay), avg(arr_delay) from flights group by all"
        ).fetchall()


def _floats(values: list[str | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else float(value) for value in values)


def _close(a: tuple[float | None, ...], b: tuple[float | None, ...]) -> bool:
    return all(
        x == y or (x is not None and y is not None and abs(x - y) < _TOLERANCE)
        for x, y in zip(a, b, strict=True)
    )
