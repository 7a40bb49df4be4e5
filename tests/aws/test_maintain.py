"""Maintenance: what it plans, what it leaves, and that what consumers read stays readable."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from strata import dbt, query
from strata.cli import app
from strata.errors import StrataError
from strata.operate import iceberg, maintain, policy, publications, serving
from strata.operate.evidence import Evidence
from strata.operate.policy import Kept, Policy
from tests.conftest import Lakehouse

PREFIX = "keep_"
# Every snapshot but the newest may go as soon as it is a second old.
EAGER = Policy(snapshot_days=0)


def node(name: str, meta: Any = None) -> dict[str, Any]:
    """A model as dbt's manifest has it."""
    return {
        "name": name, "alias": name, "schema": f"{PREFIX}gold",
        "original_file_path": f"models/gold/{name}.sql",
        "config": {"table_type": "iceberg", "materialized": "incremental", "meta": meta or {}},
    }  # fmt: skip


class Gold:
    """A table of Gold that is written through Athena: one file an insert."""

    def __init__(self, lakehouse: Lakehouse, name: str, rows: int) -> None:
        self.name, self.table = name, f"{PREFIX}gold.{name}"
        self.clients = iceberg.Clients(
            *(lakehouse.client(service) for service in ("glue", "s3", "athena"))
        )
        bucket = lakehouse.environment.bucket("gold")
        self.location = f"s3://{bucket}/{PREFIX}gold/{name}/u"
        self.rows(
            f"create table {self.table} with (table_type='ICEBERG', is_external=false, "
            f"location='{self.location}/') as select 1 as id"
        )
        for number in range(2, rows + 1):
            self.rows(f"insert into {self.table} values {number}")

    def rows(self, sql: str) -> list[list[str | None]]:
        return query.rows(sql, self.clients.athena)

    def plan(self, how: Policy, published: set[int] = frozenset()) -> maintain.Plan:  # type: ignore[assignment]
        planned = maintain.plan(Kept(self.table, self.name, how), published, self.clients)
        assert planned
        return planned

    def maintain(self, how: Policy, published: set[int] = frozenset()) -> maintain.Done:  # type: ignore[assignment]
        time.sleep(1.1)
        kept = Kept(self.table, self.name, how)
        return maintain.carry_out(kept, self.plan(how, published), published, self.clients)

    def publish(self) -> set[int]:
        """Publish the present snapshot; gives the published ones."""
        time.sleep(0.01)
        now = datetime.now(UTC)
        serving.publish(Evidence(node(self.name), "run", 1, None, now, now), self.clients)
        return serving.published_snapshots(self.table, publications.served(self.clients.glue))


@pytest.fixture
def prefixed(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lakehouse]:
    monkeypatch.setenv("STRATA_SCHEMA_PREFIX", PREFIX)
    glue = lakehouse.client("glue")
    glue.create_database(DatabaseInput={"Name": f"{PREFIX}gold"})
    yield lakehouse
    for database in ("gold", "serving"):
        try:
            glue.delete_database(Name=PREFIX + database)
        except glue.exceptions.EntityNotFoundException:
            continue


def test_small_files_are_packed_and_old_snapshots_expire(prefixed: Lakehouse) -> None:
    gold = Gold(prefixed, "packed", rows=6)
    gold.rows(f"delete from {gold.table} where id = 1")
    assert gold.plan(Policy()).reasons == ("6 small files",)
    done = gold.maintain(EAGER)
    # Six files of a row each and one that deletes a row become one file of five rows; of the eight
    # snapshots (create, five inserts, delete, optimize) the newest stays.
    assert (done.before.data_files, done.before.delete_files, done.before.snapshots) == (6, 1, 7)
    assert (done.after.data_files, done.after.delete_files, done.after.snapshots) == (1, 0, 1)
    assert done.before.histogram["<1 MB"] == 6
    assert done.after.histogram == {
        "<1 MB": 1, "<8 MB": 0, "<32 MB": 0, "<128 MB": 0, "<512 MB": 0, ">=512 MB": 0,
    }  # fmt: skip
    assert gold.rows(f"select count(*), sum(id) from {gold.table}") == [["5", "20"]]
    assert gold.plan(Policy()).statements == ()


def test_thresholds_are_the_policys(prefixed: Lakehouse) -> None:
    gold = Gold(prefixed, "few", rows=4)
    assert gold.plan(Policy()).statements == ()
    assert gold.plan(Policy(small_files=4)).reasons == ("4 small files",)
    gold.rows(f"delete from {gold.table} where id in (1, 2)")
    # A delete file for each data file that it touches.
    assert gold.plan(Policy()).reasons == ("2 delete files",)
    assert gold.plan(Policy(delete_files=3)).statements == ()
    properties, optimize, vacuum = gold.plan(
        Policy(small_files=4, target_file_megabytes=64)
    ).statements
    assert "'write_target_data_file_size_bytes'='67108864'" in properties
    assert "'vacuum_max_snapshot_age_seconds'='432000'" in properties
    assert optimize == f"optimize {gold.table} rewrite data using bin_pack"
    assert vacuum == f"vacuum {gold.table}"


def test_published_snapshots_stay_readable(prefixed: Lakehouse) -> None:
    gold = Gold(prefixed, "shown", rows=3)
    published = gold.publish()
    for number in range(4, 9):
        gold.rows(f"insert into {gold.table} values {number}")
    gold.rows(f"delete from {gold.table} where id <= 3")
    done = gold.maintain(EAGER, published)
    assert (done.after.data_files, done.after.published) == (1, 1)
    assert gold.rows(f"select sum(id) from {PREFIX}serving.shown") == [["6"]]
    assert gold.rows(f"select sum(id) from {gold.table}") == [["30"]]  # 4 + 5 + 6 + 7 + 8
    # Published anew and forgotten by no one, the first can still be gone back to.
    published = gold.publish()
    gold.maintain(EAGER, published)
    present = publications.find(f"{PREFIX}serving.shown", gold.clients.glue)
    assert present
    assert serving.rollback(present, None, gold.clients).state == "rolled back"
    assert gold.rows(f"select sum(id) from {PREFIX}serving.shown") == [["6"]]


def test_a_published_snapshot_without_its_tag_stops_maintenance(prefixed: Lakehouse) -> None:
    gold = Gold(prefixed, "untagged", rows=2)
    snapshot = iceberg.load(gold.table, gold.clients).metadata.snapshots[0].snapshot_id
    with pytest.raises(StrataError, match=f"snapshot {snapshot} has lost its tag"):
        gold.plan(EAGER, {snapshot})


def test_orphans_are_counted_and_removed(prefixed: Lakehouse) -> None:
    gold = Gold(prefixed, "littered", rows=1)
    bucket, _, prefix = gold.location.removeprefix("s3://").partition("/")
    gold.clients.s3.put_object(Bucket=bucket, Key=f"{prefix}/data/left.parquet", Body=b"12345")
    assert gold.plan(Policy()).state.orphans == 0  # younger than five days: a writer may be at it
    time.sleep(1.1)
    planned = gold.plan(EAGER)
    assert (planned.state.orphans, planned.state.orphan_bytes) == (1, 5)
    assert gold.maintain(EAGER).after.orphans == 0
    assert gold.rows(f"select id from {gold.table}") == [["1"]]


def test_a_long_statement_is_repeated_until_athena_is_done() -> None:
    asked: list[str] = []

    def run(statement: str) -> None:
        asked.append(statement)
        if len(asked) < 3:
            raise StrataError("query failed: ICEBERG_VACUUM_MORE_RUNS_NEEDED: more")

    maintain._run_until_done(run, "vacuum t")
    assert asked == ["vacuum t"] * 3

    def fail(_: str) -> None:
        raise StrataError("query failed: TABLE_NOT_FOUND")

    with pytest.raises(StrataError, match="TABLE_NOT_FOUND"):
        maintain._run_until_done(fail, "vacuum t")


def test_the_command_plans_and_maintains(
    prefixed: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    Gold(prefixed, "told", rows=5)
    nodes = {"told": node("told"), "unbuilt": node("unbuilt")}
    monkeypatch.setattr(dbt, "manifest", lambda: {"nodes": nodes})

    def strata(*arguments: str) -> Any:
        return json.loads(
            CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False).stdout
        )

    (planned,) = strata("maintain", "plan")
    assert (planned["table"], planned["state"]["data_files"]) == (f"{PREFIX}gold.told", 5)
    (done,) = strata("maintain", "run", "--select", "told")
    assert (done["before"]["data_files"], done["after"]["data_files"]) == (5, 1)
    assert done["after"]["snapshots"] == 6  # five days are kept
    assert strata("maintain", "run") == []


@pytest.mark.parametrize(
    "meta, message",
    [
        ({"days": 3}, "unknown 'days'"),
        ({"snapshot_days": "3"}, "snapshot_days is '3'"),
        ({"publications": 0}, "publications is 0"),
    ],
)
def test_a_bad_policy_is_named(meta: Any, message: str) -> None:
    with pytest.raises(StrataError, match=f"models/gold/fct.sql: fct: meta.maintenance.*{message}"):
        policy.of(node("fct", {"maintenance": meta}))
    good = policy.of(node("fct", {"maintenance": {"snapshot_days": 9}}))
    assert good == replace(Policy(), snapshot_days=9)
