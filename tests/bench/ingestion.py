"""Records a second on the roads to Bronze, and a delivery beside the emulator's stream alone.

Each road carries the same payments: by a stream through the masking Lambda, as changes of a
database, as a partner's file, as history.
"""

import csv
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from example.data import flights_by_day
from example.events import payment_event
from example.stage import Stage
from strata import console, local
from strata.environment import client
from strata.ingest import jobs, landing, stream
from tests.bench.athena import peak
from tests.conftest import Lakehouse, start

_RECORDS = 100_000
_CHANGES = 20_000
_PAYMENTS, _LABELS = "ticketing.payments", "ticketing.fraud_labels"
_DELIVERY_LIMIT = 2.0
_READ_LIMIT = 10_000


def main() -> None:
    """Print the records a second of each road, and the memory of the local AWS."""
    payloads = payments(_RECORDS)
    with tempfile.TemporaryDirectory() as folder:
        for lakehouse in start(Path(folder) / "state"):
            stage = Stage(lakehouse.environment, lakehouse.settings, lakehouse.sources)
            stage.open()
            alone = seconds(lambda: put_and_get(payloads))
            roads, delivered, memory = measure(lakehouse, stage, payloads, Path(folder))
    rows = [(road, count, round(took, 1), round(count / took)) for road, count, took in roads]
    title = "The roads to Bronze, masked"
    console.out.print(console.table(title, ("road", "records", "seconds", "a second"), rows))
    console.out.print(
        f"{_RECORDS:,} records by the stream to Bronze: {delivered / alone:.2f} times the seconds of "
        f"putting them to a stream and getting them from it, {alone:.1f} (at most {_DELIVERY_LIMIT})"
    )
    console.out.print(
        f"the local AWS's most memory: {memory[0]:.2f} GiB after {_RECORDS:,} records, "
        f"{memory[1]:.2f} GiB after {2 * _RECORDS:,}"
    )


def measure(
    lakehouse: Lakehouse, stage: Stage, payloads: list[bytes], folder: Path
) -> tuple[list[tuple[str, int, float]], float, tuple[float, float]]:
    """The roads with their records and seconds, the seconds of the first delivery, the peaks."""
    pid = local.status(lakehouse.settings).pid
    assert pid
    records = [(_PAYMENTS, payload) for payload in payloads]
    delivered = seconds(lambda: stage.send(records))
    first = peak(pid)
    again = seconds(lambda: stage.send(records))
    second = peak(pid)
    history = folder / "history.jsonl"
    history.write_bytes(b"\n".join(payloads))
    roads = [
        ("producer to the stream", _RECORDS, seconds(lambda: produce(lakehouse, payloads))),
        ("stream to Bronze", _RECORDS, min(delivered, again)),
        ("changes of a database", _CHANGES, change(stage)),
        ("a partner's CSV file", _RECORDS, carry(lakehouse, _LABELS, labels(folder))),
        ("backfill of JSON lines", _RECORDS, carry(lakehouse, _PAYMENTS, history)),
    ]
    return roads, delivered, (first, second)


def seconds(work: Callable[[], Any]) -> float:
    """How long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def payments(count: int) -> list[bytes]:
    """The payments of the first flights of the year."""
    flights = (flight for _, day in flights_by_day() for flight in day)
    return [
        payment_event(flight).payload() for flight, _ in zip(flights, range(count), strict=False)
    ]


def put_and_get(payloads: list[bytes]) -> None:
    """Put records to a stream of the emulator's and get them all: no delivery, no masking."""
    kinesis, name = client("kinesis"), "bench"
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    for batch in stream.batches(payloads):
        entries = [{"Data": data, "PartitionKey": str(hash(data))} for data in batch]
        assert not kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"]
    got = 0
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while records := (answer := kinesis.get_records(ShardIterator=iterator, Limit=_READ_LIMIT))[
            "Records"
        ]:
            got, iterator = got + len(records), answer["NextShardIterator"]
    assert got == len(payloads)
    kinesis.delete_stream(StreamName=name)


def produce(lakehouse: Lakehouse, payloads: list[bytes]) -> None:
    """Send records as `strata ingest stream` does."""
    source = lakehouse.source(_PAYMENTS)
    stream.send(source, payloads, lakehouse.environment, client("kinesis"))


def change(stage: Stage) -> float:
    """Change rows of the database one by one; the seconds until the changes are in Bronze."""
    stage.carry()
    with closing(sqlite3.connect(stage.databases / "ticketing.db")) as db:
        passengers = [row[0] for row in db.execute("select passenger_id from passengers")]
        for number in range(_CHANGES):
            passenger = passengers[number % len(passengers)]
            tier = ("none", "silver", "gold")[number // len(passengers) % 3]
            db.execute(
                "update passengers set loyalty_tier = ? where passenger_id = ?", (tier, passenger)
            )
        db.commit()
    return seconds(stage.carry)


def labels(folder: Path) -> Path:
    """A file of fraud labels."""
    path = folder / "labels.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("payment_id", "is_fraud"))
        writer.writerows((f"pay-{number}", number % 50 == 0) for number in range(_RECORDS))
    return path


def carry(lakehouse: Lakehouse, name: str, file: Path) -> float:
    """The seconds of dropping a file into landing and of the job that carries it."""

    def work() -> None:
        source, glue = lakehouse.source(name), client("glue")
        landing.drop(source, [file], lakehouse.environment, client("s3"))
        jobs.follow(jobs.start("landing", source, lakehouse.environment, glue, {}), glue)

    return seconds(work)
