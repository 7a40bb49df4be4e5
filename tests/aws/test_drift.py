"""Schema drift: what arrives beside what is declared, by each policy, and the discovery of files."""

import gzip
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer.testing
import yaml

from strata import cli, declarations
from strata.catalog import drift, observed
from strata.catalog.drift import Change
from strata.cli import catalog
from strata.environment import PROJECT
from strata.ingest import stream
from tests.conftest import Lakehouse

NOON = datetime(2014, 2, 1, 12, tzinfo=UTC)
EVENT = {
    "event_id": "e1", "event_type": "departed", "occurred_at": "2014-02-01T11:00:00Z",
    "flight_date": "2014-02-01", "carrier": "UA", "flight": "1", "origin": "EWR", "dest": "IAH",
    "sched_dep_time": "900", "sched_arr_time": "1200", "distance": "1400", "dep_time": "905",
    "arr_time": "1201", "arr_delay": "1", "air_time": "200",
}  # fmt: skip


def arrive(lakehouse: Lakehouse, name: str, records: list[dict[str, Any]]) -> None:
    """Send records and wait until they are in Bronze."""
    before = len(lakehouse.objects("bronze", lakehouse.source(name).location))
    stream.send(
        lakehouse.source(name),
        [json.dumps(record).encode() for record in records],
        lakehouse.environment,
        lakehouse.client("kinesis"),
    )
    lakehouse.clock.advance(timedelta(minutes=10))
    deadline = datetime.now(UTC) + timedelta(seconds=60)
    while len(lakehouse.objects("bronze", lakehouse.source(name).location)) == before:
        assert datetime.now(UTC) < deadline


def invoke(*arguments: str) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(cli.app, ["catalog", *arguments])


def test_new_renamed_and_wider_columns_become_a_patch_of_an_evolving_source(
    lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.clock.set(NOON)
    arrive(lakehouse, "flight_ops.flight_events", [
        {**EVENT, "dep_delay": 5_000_000_000, "tail_num": "N1", "gate": 7, "Terminal": {"area": "B"},
         "{{ env_var('AWS_SECRET_ACCESS_KEY') }}": "x"},
    ])  # fmt: skip
    result = invoke("drift", "flight_ops.flight_events", "--days", "1", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["flight_ops.flight_events"] == [
        {"kind": "widened", "column": "dep_delay", "declared": "integer", "observed": "bigint"},
        {"kind": "new", "column": "gate", "declared": "", "observed": "integer"},
        {"kind": "renamed", "column": "tailnum", "declared": "tailnum", "observed": "tail_num"},
        {"kind": "new", "column": "terminal.area", "declared": "", "observed": "varchar"},
    ]

    copy = tmp_path / "models/bronze"
    shutil.copytree(PROJECT / "models/bronze", copy)
    monkeypatch.setattr(catalog, "PROJECT", tmp_path)
    before = (copy / "flight_ops.yml").read_text()
    shown = invoke("drift", "flight_ops.flight_events", "--days", "1").stdout
    assert "+          - name: gate\n" in shown
    assert (copy / "flight_ops.yml").read_text() == before
    assert invoke("drift", "flight_ops.flight_events", "--days", "1", "--write").exit_code == 0
    (table,) = yaml.safe_load((copy / "flight_ops.yml").read_text())["sources"][0]["tables"]
    types = {c["name"]: c["config"]["meta"]["type"] for c in table["columns"]}
    assert (types["dep_delay"], types["gate"]) == ("bigint", "integer")
    assert "env_var('AWS" not in (copy / "flight_ops.yml").read_text()
    # What is written is what arrives: only what a person has to decide is left.
    after = (copy / "flight_ops.yml").read_text().splitlines()
    assert [line for line in before.splitlines() if line not in after] == []


def test_a_strict_source_fails_the_command_and_parquet_keeps_what_is_undeclared(
    lakehouse: Lakehouse,
) -> None:
    lakehouse.clock.set(NOON + timedelta(days=1))
    reading = {"origin": "EWR", "observed_at": "2014-02-02T11:00:00Z", "ozone": 1.5}
    arrive(lakehouse, "weather.station_readings", [reading])
    result = invoke("drift", "weather.station_readings", "--days", "1", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["weather.station_readings"]
    assert {"kind": "new", "column": "ozone", "declared": "", "observed": "double"} in found


def test_a_source_that_only_warns_never_fails_the_command(lakehouse: Lakehouse) -> None:
    assert invoke("drift", "registry.carriers", "--days", "1").exit_code == 0


@pytest.mark.parametrize(
    ("declared", "values", "expected"),
    [
        ("integer", ["1", "3000000000"], ("widened", "bigint")),
        ("integer", ["1", "1.5"], ("widened", "double")),
        ("bigint", ["1.5"], ("widened", "double")),
        ("date", ["2014-01-01T00:00:00Z"], ("widened", "timestamp")),
        ("timestamp", ["2014-01-01"], ("narrowed", "date")),
        ("double", ["1", "2"], ("narrowed", "integer")),
        ("integer", ["one", "two"], ("changed", "varchar")),
        ("boolean", ["1"], ("changed", "integer")),
        ("decimal(10,2)", ["1.25"], None),
        ("varchar", ["1"], None),
        ("integer", ["1"] * 99 + ["one"], None),  # a record's fault, quarantined as such
        ("integer", ["1", None, ""], None),
    ],
)
def test_what_a_change_of_type_is(
    declared: str, values: list[str | None], expected: tuple[str, str] | None
) -> None:
    column = declarations.Column("c", declared, None, "")
    source = declarations.Source(
        "s.t", "bronze_s", "t", "s/t/", "json", "stream", ("c",), "c", "2013-01-01", "x", "",
        (column,), "warn", "s.yml",
    )  # fmt: skip
    arrived = observed.Observed()
    for value in values:
        arrived.add({"c": value})
    change = [Change(expected[0], "c", declared, expected[1])] if expected else []
    assert drift.changes(source, arrived) == change


def test_undeclared_files_are_declared_to_start_from(lakehouse: Lakehouse) -> None:
    bucket = lakehouse.environment.bucket("landing")
    rows = [
        {"Order": 1, "placed": "2014-01-01T00:00:00Z", "total": 1.5, "{{ x }}": 1, "a": {"b": 1}}
    ]
    body = gzip.compress("\n".join(json.dumps(row) for row in rows).encode())
    lakehouse.client("s3").put_object(Bucket=bucket, Key="unknown/shop/a.json.gz", Body=body)
    result = invoke("discover", f"s3://{bucket}/unknown/shop/", "shop.orders")
    assert result.exit_code == 0, result.output
    (source,) = yaml.safe_load(result.stdout)["sources"]
    (table,) = source["tables"]
    types = {c["name"]: c["config"]["meta"]["type"] for c in table["columns"]}
    assert types == {"order": "integer", "placed": "timestamp", "total": "double", "a": "varchar"}
    assert table["config"]["meta"]["event_time"] == "placed"
    assert table["config"]["meta"]["start"] == lakehouse.clock.now().date().isoformat()
    assert "{{" not in result.stdout
    nothing = invoke("discover", f"s3://{bucket}/nothing/", "shop.orders")
    assert "no records below" in str(nothing.exception)
