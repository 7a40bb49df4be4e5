# ruff: noqa: E501 (a statement reads best in one line)
"""Iceberg tables: writing, changing, evolving, metadata tables, commits that race."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import Athena

EVENTS = (
    "select cast(id as bigint) as id, 'n' || cast(id as varchar) as name, "
    "cast(timestamp '2013-01-01 00:00:00' + interval '20' day * id as timestamp(6)) as at, "
    "cast(1.5 as decimal(10,2)) as amount from unnest(sequence(1, 10)) as t(id)"
)


@pytest.fixture
def events(athena: Athena) -> Athena:
    athena.iceberg("events", EVENTS, "'month(at)'")
    return athena


def glue_catalog(athena: Athena) -> Any:
    """PyIceberg's catalog over the local AWS."""
    from pyiceberg.catalog.glue import GlueCatalog

    endpoint = athena.aws.settings.endpoint
    access = {"access-key-id": "test", "secret-access-key": "test", "region": "us-east-1"}
    properties = {"glue.endpoint": endpoint, "s3.endpoint": endpoint}
    properties |= {
        f"{service}.{key}": value for service in ("glue", "s3") for key, value in access.items()
    }
    return GlueCatalog("strata", **properties)


def pyiceberg_rows(athena: Athena, table: str) -> list[dict[str, Any]]:
    """The table as PyIceberg reads it through Glue and S3: another reader agrees."""
    found = glue_catalog(athena).load_table((athena.database, table))
    return found.scan().to_arrow().to_pylist()


def test_create_table_as_and_read(events: Athena) -> None:
    assert events.rows("select count(*), sum(id), min(at), sum(amount) from events") == [
        ["10", "55", "2013-01-21 00:00:00.000000", "15.00"]
    ]
    assert sorted(r["id"] for r in pyiceberg_rows(events, "events")) == list(range(1, 11))


def test_merge_updates_deletes_and_inserts_in_one_snapshot(events: Athena) -> None:
    execution = events.ok(
        """merge into events as target
        using (select * from (values (1, 'x', false), (2, 'y', true), (99, 'new', false))
               as s(id, name, gone)) as src
        on target.id = src.id and target.at between timestamp '2013-01-01 00:00:00'
            and timestamp '2014-01-01 00:00:00'
        when matched and src.gone then delete
        when matched then update set name = src.name
        when not matched then insert (id, name) values (src.id, src.name)"""
    )
    assert execution["StatementType"] == "DML"
    assert events.rows("select id, name from events where id in (1, 2, 99) order by id") == [
        ["1", "x"], ["99", "new"],
    ]  # fmt: skip
    assert events.rows('select count(*) from "events$snapshots"') == [["2"]]
    assert sorted(r["id"] for r in pyiceberg_rows(events, "events")) == [1, *range(3, 11), 99]


def test_merge_fails_when_a_target_row_matches_twice(events: Athena) -> None:
    reason = events.fails(
        "merge into events t using (values 1, 1) as s(id) on t.id = s.id "
        "when matched then update set name = 'twice'"
    )
    assert reason.startswith("MERGE_TARGET_ROW_MULTIPLE_MATCHES")
    assert events.rows("select name from events where id = 1") == [["n1"]]


def test_merge_conditions_choose_the_first_that_holds(events: Athena) -> None:
    events.ok(
        "merge into events t using (values (1, 5), (2, 0)) as s(id, rank) on t.id = s.id "
        "when matched and s.rank > 1 then update set name = 'high' "
        "when matched and s.rank > 9 then delete"
    )
    assert events.rows("select id, name from events where id < 3 order by id") == [
        ["1", "high"], ["2", "n2"],
    ]  # fmt: skip


def test_update_and_delete(events: Athena) -> None:
    events.ok("update events set name = upper(name), amount = amount * 2 where id <= 2")
    events.ok("delete from events where id in (select 3 union select 4)")
    assert events.rows("select id, name, amount from events where id < 6 order by id") == [
        ["1", "N1", "3.00"], ["2", "N2", "3.00"], ["5", "n5", "1.50"],
    ]  # fmt: skip
    events.ok("delete from events")
    assert events.rows("select count(*) from events") == [["0"]]
    assert pyiceberg_rows(events, "events") == []


def test_insert_fills_missing_columns_with_null_and_coerces(events: Athena) -> None:
    events.ok("insert into events (name, id) select 'e', 11")
    assert events.rows("select id, name, at from events where id = 11") == [["11", "e", None]]
    assert "TYPE_MISMATCH" in events.fails("insert into events (id) select 'text'")


def test_schema_evolution_follows_field_ids(events: Athena) -> None:
    db = events.database
    events.ok(f"alter table `{db}`.`events` add columns (`extra` int, `note` string)")
    events.ok("update events set extra = 7 where id = 5")
    events.ok(f"alter table {db}.events change column extra bonus bigint")
    events.ok(f"alter table `{db}`.`events` drop column `note`")
    assert events.rows("select id, bonus from events where id in (5, 6) order by id") == [
        ["5", "7"], ["6", None],
    ]  # fmt: skip
    assert "COLUMN_NOT_FOUND" in events.fails("select note from events")
    events.ok(f"alter table `{db}`.`events` add columns (`note` string)")
    assert events.rows("select count(note) from events") == [["0"]]


def test_rename_keeps_the_rows(events: Athena) -> None:
    events.ok(f"alter table `{events.database}`.`events` rename to `{events.database}`.`moved`")
    assert events.rows("select count(*) from moved") == [["10"]]
    assert "TABLE_NOT_FOUND" in events.fails("select * from events")


def test_partition_bounds_of_the_metadata_tables(events: Athena) -> None:
    assert events.rows(
        'select max(data.at.max), min(data.id.min), sum(record_count) from "events$partitions"'
    ) == [["2013-07-20 00:00:00.000000", "1", "10"]]
    assert events.rows(
        'select partition.at_month, record_count from "events$partitions" order by 1 limit 1'
    ) == [["516", "1"]]
    assert events.rows('select count(*), sum(record_count) from "events$files"') == [["7", "10"]]
    assert events.rows('select count(*) from "events$history"') == [["1"]]


@pytest.mark.parametrize(
    ("transform", "column"),
    [("id", "id"), ("bucket(id, 4)", "id"), ("truncate(name, 1)", "name"), ("day(at)", "at"), ("year(at)", "at")],
)  # fmt: skip
def test_partition_transforms(athena: Athena, transform: str, column: str) -> None:
    athena.iceberg("parts", EVENTS, f"'{transform}'")
    assert athena.rows("select count(*), count(distinct id) from parts") == [["10", "10"]]
    assert athena.rows(f"select id from parts where {column} = (select max({column}) from parts where id = 3)") in (
        [["3"]], [[str(i)] for i in range(1, 11)],
    )  # fmt: skip
    assert len(pyiceberg_rows(athena, "parts")) == 10


def test_nested_types_survive(athena: Athena) -> None:
    athena.iceberg(
        "nested",
        "select array['a', null] as items, map(array['k'], array[1.5e0]) as scores, "
        "cast(row(date '2013-01-01', array['x']) as row(d date, l array(varchar))) as r, true as ok, "
        "to_utf8('b') as raw",
    )
    assert athena.rows("select items, scores, r, r.d, ok, raw from nested") == [
        ["[a, null]", "{k=1.5}", "{d=2013-01-01, l=[x]}", "2013-01-01", "true", "62"]
    ]
    (row,) = pyiceberg_rows(athena, "nested")
    assert row["items"] == ["a", None]


def test_more_than_a_hundred_open_partitions_are_refused(athena: Athena) -> None:
    many = "select id from unnest(sequence(1, 101)) as t(id)"
    reason = athena.fails(
        f"create table many with (table_type='iceberg', is_external=false, "
        f"location='{athena.location('many')}', partitioning=array['id']) as {many}"
    )
    assert "TOO_MANY_OPEN_PARTITIONS" in reason
    assert "TABLE_NOT_FOUND" in athena.fails("select * from many")


def test_types_that_athena_refuses(athena: Athena) -> None:
    where = f"location='{athena.location('t')}'"
    assert 'Use "timestamp(6)"' in athena.fails(
        f"create table t with (table_type='iceberg', is_external=false, {where}) "
        "as select timestamp '2013-01-01 00:00:00.000' as x"
    )
    assert "timestamp(6)" in athena.fails(
        f"create table t with (external_{where}) as select cast(now() as timestamp(6)) as x"
    )


def test_only_static_pruning_lowers_the_bytes(events: Athena) -> None:
    everything = events.scanned("select * from events")
    one_column = events.scanned("select id from events")
    assert 0 < one_column < everything
    month = events.scanned("select * from events where at >= timestamp '2013-07-01 00:00:00'")
    assert 0 < month < everything
    through_cte = events.scanned(
        "with a as (select * from events), b as (select *, 1 as one from a) "
        "select * from b where at >= timestamp '2013-07-01 00:00:00'"
    )
    assert through_cte == month
    dynamic = events.scanned("select * from events where at >= (select max(at) from events)")
    assert dynamic > everything


def test_a_filter_is_not_pushed_where_it_would_change_the_answer(events: Athena) -> None:
    assert events.rows(
        "select id, n from (select id, row_number() over (order by id) as n from events) where id > 8 order by id"
    ) == [["9", "9"], ["10", "10"]]
    assert events.rows(
        "select count(*) from (select id, at from events order by id limit 2) where id > 2"
    ) == [["0"]]
    assert events.rows("select count(*) from (select max(id) as id from events) where id > 3") == [
        ["1"]
    ]
    assert events.rows(
        "select a.id, b.id from events a left join events b on a.id = b.id and b.id > 9 where a.id > 8 order by 1"
    ) == [["9", None], ["10", "10"]]


def test_time_travel(events: Athena) -> None:
    (snapshot,) = events.rows('select snapshot_id from "events$snapshots"')[0]
    events.ok("delete from events where id > 5")
    assert events.rows(f"select count(*) from events for version as of {snapshot}") == [["10"]]
    assert "INVALID_ARGUMENTS" in events.fails("select * from events for version as of 1")
    assert "INVALID_ARGUMENTS" in events.fails(
        "select * from events for timestamp as of timestamp '2001-01-01 00:00:00 UTC'"
    )


def test_optimize_packs_files_and_vacuum_expires_snapshots(events: Athena) -> None:
    for number in range(11, 14):
        events.ok(f"insert into events select {number}, 'n', timestamp '2013-01-05 00:00:00', 1")
    events.ok("delete from events where id = 11")
    before = int(events.rows('select count(*) from "events$files"')[0][0] or 0)
    events.ok("optimize events rewrite data using bin_pack")
    assert int(events.rows('select count(*) from "events$files"')[0][0] or 0) < before
    assert events.rows("select count(*), sum(id) from events") == [["12", "80"]]
    db = events.database
    events.ok(f"alter table {db}.events set tblproperties ('vacuum_max_snapshot_age_seconds'='1')")
    threading.Event().wait(1.2)
    events.ok("vacuum events")
    assert events.rows('select count(*) from "events$snapshots"') == [["1"]]
    assert events.rows("select count(*), sum(id) from events") == [["12", "80"]]
    assert len(pyiceberg_rows(events, "events")) == 12


def test_concurrent_inserts_lose_nothing_and_conflicts_have_athenas_name(events: Athena) -> None:
    def insert(number: int) -> str:
        execution = events.run(f"insert into events (id) select {number}")
        return str(execution["Status"].get("StateChangeReason", "ok"))

    with ThreadPoolExecutor(6) as pool:
        ended = list(pool.map(insert, range(100, 118)))
    assert all(e == "ok" or e.startswith("ICEBERG_COMMIT_ERROR") for e in ended), ended
    acknowledged = {str(100 + i) for i, e in enumerate(ended) if e == "ok"}
    found = {r[0] for r in events.rows("select id from events where id >= 100")}
    assert found == acknowledged
    failed = [e for e in events.executions if e["Status"]["State"] == "FAILED"]
    assert all(e["Status"]["AthenaError"]["ErrorType"] == 233 for e in failed)


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        ("integer", "decimal '12.7'", "13"), ("integer", "1.5e0", "2"), ("integer", "bigint '3'", "3"),
        ("timestamp(6)", "timestamp '2020-01-04 12:00:00 UTC'", "2020-01-04 12:00:00.000000"),
        ("timestamp(6)", "date '2020-01-04'", "2020-01-04 00:00:00.000000"),
        ("date", "timestamp '2020-01-04 12:00:00'", "2020-01-04"),
        ("decimal(2,1)", "decimal '2.55'", "2.6"), ("double", "decimal '2.5'", "2.5"),
    ],
)  # fmt: skip
def test_insert_casts_to_a_type_that_is_compatible(
    athena: Athena, column: str, value: str, stored: str
) -> None:
    """As Trino does, where a common type exists (asked of Trino 435 with its memory connector)."""
    athena.iceberg("t", f"select cast(null as {column}) as a")
    athena.ok(f"insert into t select {value}")
    assert athena.rows("select a from t where a is not null") == [[stored]]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("decimal(2,1)", "25", "INVALID_CAST_ARGUMENT"),
        ("integer", "'1'", "TYPE_MISMATCH"), ("varchar", "1", "TYPE_MISMATCH"),
        ("boolean", "1", "TYPE_MISMATCH"), ("varchar", "date '2020-01-04'", "TYPE_MISMATCH"),
    ],
)  # fmt: skip
def test_insert_refuses_what_would_not_fit(
    athena: Athena, column: str, value: str, reason: str
) -> None:
    athena.iceberg("t", f"select cast(null as {column}) as a")
    assert athena.fails(f"insert into t select {value}").startswith(reason)


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ("when not matched by source then delete", "NOT_SUPPORTED: WHEN NOT MATCHED BY SOURCE"),
        ("when not matched then delete", "SYNTAX_ERROR"),
        ("when matched then insert (a) values (1)", "SYNTAX_ERROR"),
    ],
)
def test_merge_refuses_what_trino_does_not_have(athena: Athena, clause: str, reason: str) -> None:
    athena.iceberg("t", "select 1 as a")
    merge = f"merge into t using (select 2 as a) s on t.a = s.a {clause}"
    assert athena.fails(merge).startswith(reason)
    assert athena.rows("select a from t") == [["1"]]


def test_expressions_without_columns_prune_as_literals_do(athena: Athena) -> None:
    """Trino's planner folds them: https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html"""
    days = "select x, date_add('day', -x, current_date) as d, year(current_date) - x as y from unnest(sequence(0, 40)) as s(x)"
    athena.iceberg("t", days, "'d'")
    everything = athena.scanned("select sum(x) from t where d >= (select min(d) from t)")
    for condition in (
        "d >= current_date - interval '7' day", "d > date_add('day', -8, current_date)",
        "d between cast(now() as date) - interval '7' day and current_date", "y >= year(current_date) - 7",
    ):  # fmt: skip
        assert athena.rows(f"select count(*) from t where {condition}") == [["8"]]
        assert athena.scanned(f"select sum(x) from t where {condition}") < everything / 4
    drawn = athena.scanned("select sum(x) from t where x >= rand() * 0")
    assert drawn == athena.scanned("select sum(x) from t")
