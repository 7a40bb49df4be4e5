"""`strata sizing`: what a load needs in an account, and what a month of it costs."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from strata import console
from strata.cli.common import AsJson
from strata.sizing import Load, month, need


def sizing(
    gib_a_day: Annotated[
        float, typer.Argument(help="Data that arrives a day, uncompressed.", min=0)
    ],
    record_bytes: Annotated[int, typer.Option(help="Bytes of a record.", min=1)] = 500,
    streams: Annotated[int, typer.Option(help="Stream sources.", min=0)] = 5,
    batches: Annotated[int, typer.Option(help="File and database sources.", min=0)] = 5,
    peak: Annotated[float, typer.Option(help="The peak, as a multiple of the mean.", min=1)] = 3.0,
    builds: Annotated[int, typer.Option(help="Builds a day.", min=1)] = 4,
    read: Annotated[float, typer.Option(help="TiB that readers scan a month.", min=0)] = 0.1,
    months: Annotated[int, typer.Option(help="Months of data that are kept.", min=1)] = 12,
    as_json: AsJson = False,
) -> None:
    """Estimate shards, files, jobs and a month's bill of a load, by the rules of docs/sizing.md."""
    load = Load(gib_a_day, record_bytes, streams, batches, peak, builds, read, months)
    found, bill = need(load), month(load)
    if as_json:
        print(json.dumps({"need": asdict(found), "usd_a_month": bill}))
        return
    rows = [
        ("records a second, in the mean", f"{found.records_a_second:,.0f}"),
        ("shards, all streams", f"{found.shards:,}"),
        ("an object of Bronze before compaction", f"{found.object_mib:,.1f} MiB"),
        ("minutes of landing jobs a day", f"{found.job_minutes_a_day:,.0f}"),
        ("Silver by", found.partition),
    ]
    console.out.print(console.table("Need", ("what", "how much"), rows))
    priced = [(service, f"{usd:,.0f}") for service, usd in bill.items()]
    console.out.print(console.table("USD a month", ("service", "USD"), priced))
    console.done(f"about {sum(bill.values()):,.0f} USD a month, before tax and discounts")
    console.next_step("docs/sizing.md has the rules, docs/cost.md what changes them")
