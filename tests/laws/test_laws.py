"""The laws, through the real paths and dbt.

The tests of this file are one story in their order: a day of departures arrives, and then comes
everything that must change nothing.
"""

import gzip
import io
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from avro.datafile import DataFileReader
from avro.io import DatumReader

from example.events import PASSENGERS, card_number, email, passenger_id
from example.stage import Day, Stage
from local_aws.settings import Settings
from strata import dbt, local, query
from strata.environment import PROJECT
from strata.errors import StrataError
from strata.governance import declared
from tests.conftest import Lakehouse, start
from tests.laws.story import days_in_part, records_of, stage_of

MODELS = ["stg_flight_ops__flight_events", "stg_ticketing__payments", "stg_registry__aircraft"]
GOLD = ["fct_flights", "fct_payments", "dim_aircraft"]
SELECT = [f"+{name}" for name in GOLD]
ARRIVAL_COLUMNS = {"_arrived_at", "_record_id", "_delivery_id", "_payload_sha256"}
FLIGHTS_PER_DAY = 120


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse of this story's own: records of a later month would hide those of January."""
    yield from start(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def stage(lakehouse: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The source systems of the lakehouse."""
    yield from stage_of(lakehouse, tmp_path_factory)


@pytest.fixture(scope="module")
def two_days() -> list[Day]:
    """Two days of departures, a part of the flights each."""
    return days_in_part(date(2013, 1, 2), lambda day: True, FLIGHTS_PER_DAY)


def readable(content: bytes) -> bytes:
    """What is written in a file, where the bytes alone would hide it: compressed, or encoded."""
    if content[:2] == b"\x1f\x8b":
        return gzip.decompress(content)
    if content[:4] == b"PAR1":
        return repr(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
    if content[:4] == b"Obj\x01":  # Avro: Iceberg's manifests hold bounds of columns
        with DataFileReader(io.BytesIO(content), DatumReader()) as entries:
            return repr(list(entries)).encode()
    return content


def build() -> None:
    """Run the models of the story."""
    dbt.run(["build", "--quiet", "--exclude-resource-type", "test", "--exclude-resource-type",
             "unit_test", "--select", *SELECT], quiet=True)  # fmt: skip


def contents(lakehouse: Lakehouse) -> dict[str, list[Any]]:
    """The business columns of the story's tables, sorted."""
    athena = lakehouse.client("athena")
    found = {}
    for schema, names in (("silver", MODELS), ("gold", GOLD)):
        for name in names:
            columns = query.rows(
                "select column_name from information_schema.columns "
                f"where table_schema = '{schema}' and table_name = '{name}'",
                athena,
            )
            listed = ", ".join(f'"{c[0]}"' for c in columns if c[0] not in ARRIVAL_COLUMNS)
            rows = query.rows(f"select {listed} from {schema}.{name}", athena)
            found[name] = sorted(rows, key=str)
    return found


def test_a_day_arrives(lakehouse: Lakehouse, stage: Stage, two_days: list[Day]) -> None:
    stage.play(two_days[0], records_of(two_days[0]))
    stage.carry()
    build()
    found = contents(lakehouse)
    assert len(found["fct_flights"]) == FLIGHTS_PER_DAY
    assert len(found["fct_payments"]) == FLIGHTS_PER_DAY
    assert len(found["dim_aircraft"]) >= 3322


def test_replays_in_any_order_with_duplicates_change_nothing(
    lakehouse: Lakehouse, stage: Stage, two_days: list[Day]
) -> None:
    before = contents(lakehouse)
    records = records_of(two_days[0]) + random.Random(7).choices(records_of(two_days[0]), k=200)
    random.Random(8).shuffle(records)
    stage.send(records)
    build()
    assert contents(lakehouse) == before


def test_killed_in_the_middle_of_an_ingest_and_of_a_build(
    lakehouse: Lakehouse, stage: Stage, two_days: list[Day]
) -> None:
    records = records_of(two_days[1])
    half = records[: len(records) // 2]
    stage.send(half)
    kill_and_restart(lakehouse.settings)
    with subprocess.Popen(
        [Path(sys.executable).with_name("dbt"), "run", "--quiet", "--select", *SELECT],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ},
    ) as interrupted:
        time.sleep(11)
        kill_and_restart(lakehouse.settings)
        interrupted.kill()
    stage.play(two_days[1], records)
    stage.carry()
    assert lakehouse.objects("bronze", "firehose-errors/") == []
    build()
    found = contents(lakehouse)
    assert len(found["fct_flights"]) == 2 * FLIGHTS_PER_DAY
    assert len(found["fct_payments"]) == 2 * FLIGHTS_PER_DAY
    build()
    assert contents(lakehouse) == found


def kill_and_restart(settings: Settings) -> None:
    """`kill -9` the local AWS and start it again on the same state."""
    pid = local.status(settings).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    local.up(settings)


def test_every_record_is_conserved_and_a_lost_one_is_found(lakehouse: Lakehouse) -> None:
    table = "base_flight_ops__flight_events"
    select = ["--select", f"conserved_{table}"]
    dbt.run(["test", "--quiet", *select], quiet=True)
    athena = lakehouse.client("athena")
    ((lost,),) = query.rows(f"select min(record_key) from silver.{table}", athena)
    query.rows(f"delete from silver.{table} where record_key = '{lost}'", athena)
    with pytest.raises(StrataError, match="dbt test failed"):
        dbt.run(["test", "--quiet", *select], quiet=True)


#: What an address, a card number, a telephone number and a name look like here.
SHAPES = re.compile(
    rb"[\w.]+@passengers\.example|(?<!\d)4\d{15}(?!\d)|\+1-555-\d{7}|[A-Z][a-z]+ [A-Z][a-z]+"
)


def test_no_personal_data_outside_landing_and_the_stream(lakehouse: Lakehouse) -> None:
    people = [passenger_id(index) for index in range(PASSENGERS)]
    planted = {secret for person in people for secret in (email(person), card_number(person))}
    with closing(sqlite3.connect(lakehouse.settings.state / "sources" / "ticketing.db")) as db:
        for name, phone in db.execute("select full_name, phone from passengers"):
            planted |= {name, phone}
    root = lakehouse.settings.state
    landing = lakehouse.environment.bucket("landing")
    assert lakehouse.objects("bronze", "ticketing/passengers/")
    assert lakehouse.objects("bronze", "ticketing/payments/")
    searched, in_landing = 0, set()
    for file in root.rglob("*"):
        relative = str(file.relative_to(root))
        if not file.is_file() or relative.startswith("sources/"):
            continue
        found = {match.decode() for match in SHAPES.findall(readable(file.read_bytes()))} & planted
        if landing in relative:
            in_landing |= found
            continue
        assert not found, f"personal data in {relative}"
        searched += 1
    assert searched > 100
    kinds = ("@", "+1-555-", " ")
    assert all(any(kind in secret for secret in in_landing) for kind in kinds)


def test_a_masked_value_is_only_where_its_class_is_declared(lakehouse: Lakehouse) -> None:
    """A column that is renamed in SQL loses its class: `strata govern` would show it to everybody."""
    athena = lakehouse.client("athena")
    hashes = {
        str(value)
        for table in ("payments", "passengers")
        for [value] in query.rows(
            f"select distinct email from bronze_ticketing.{table} where year = 2013 and month = 1",
            athena,
        )
    }
    assert len(hashes) > 10
    listed = ", ".join(f"'{value}'" for value in sorted(hashes)[:500])
    texts: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in query.rows(
        "select table_schema, table_name, column_name from information_schema.columns "
        "where table_schema in ('silver', 'gold') and data_type = 'varchar'",
        athena,
    ):
        texts.setdefault((str(schema), str(table)), []).append(str(column))
    shown = set()
    for declared_table in declared.tables(dbt.manifest(), declared.readers()):
        name, classes = declared_table.name, declared_table.columns
        columns = texts.get((declared_table.database, name), [])
        counts = ", ".join(f'count_if(contains(masked, "{column}"))' for column in columns)
        if not counts:
            continue
        table = f"{declared_table.database}.{name}"
        sql = f"select {counts} from {table} cross join (select array[{listed}] as masked)"
        [found] = query.rows(sql, athena)
        holding = {c for c, count in zip(columns, found, strict=True) if int(count or 0)}
        shown |= {(name, column) for column in holding}
        assert {c for c in holding if classes.get(c) != "hash"} == set(), name
    assert ("stg_ticketing__payments", "email_hash") in shown
