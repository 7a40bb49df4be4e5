"""Sizing: the rules of docs/sizing.md by hand, and the table of docs/cost.md as it is computed."""

import re

import pytest

from strata.environment import PROJECT
from strata.sizing import SIZES, Load, month, need, partition, shards


@pytest.mark.parametrize(
    ("records", "mib", "wanted"),
    [
        (0, 0, 1),
        (600, 0.1, 1),  # 0.6 of a shard's records, 0.9 with headroom
        (700, 0.1, 2),  # 1.05 with headroom
        (100, 4.0, 6),  # four shards' bytes, and half as much again
        (10_000, 1.0, 15),
    ],
)
def test_shards(records: float, mib: float, wanted: int) -> None:
    assert shards(records, mib) == wanted


def test_a_day_s_partition_wants_128_mib() -> None:
    assert [partition(mib) for mib in (1, 127.9, 128, 5_000)] == ["month", "month", "day", "day"]


def test_a_load_by_hand() -> None:
    """One stream of 86,400 records of 1,024 bytes a day is one a second: 84.375 MiB."""
    load = Load(86_400 / 2**20, record_bytes=1024, streams=1, batches=0, peak=1, months=1)
    found = need(load)
    assert (round(found.records_a_second, 6), found.shards, found.partition) == (1, 1, "month")
    bill = month(load)
    assert bill["Kinesis"] == pytest.approx(730 * 0.035 + 86_400 * 30.4 / 1e6 * 0.014)
    # Each record is billed as 5 KB.
    assert bill["Firehose"] == pytest.approx(86_400 * 30.4 * 5 / 2**20 * 0.029)


def test_more_costs_more() -> None:
    bills = [sum(month(load).values()) for load in SIZES.values()]
    assert bills == sorted(bills)
    assert need(Load(1, streams=0)).shards == 0


def test_the_cost_page_is_what_is_computed() -> None:
    page = (PROJECT / "docs" / "cost.md").read_text()
    rows = {
        cells[0].strip("* "): [cell.strip("* ") for cell in cells[1:]]
        for cells in (line.strip("| ").split("|") for line in re.findall(r"^\|.*\|$", page, re.M))
    }
    bills = [month(load) for load in SIZES.values()]
    for service in bills[0]:
        assert rows[service] == [f"{bill[service]:,.0f}" for bill in bills], service
    assert rows["USD a month"] == [f"{sum(bill.values()):,.0f}" for bill in bills]
    assert rows["data a day, uncompressed"] == [f"{s.gib_a_day:,.0f} GiB" for s in SIZES.values()]
