# ruff: noqa: E501 (a statement reads best in one line)
"""Hidden partitioning and delete files: what Athena writes is what Iceberg says, what others write is read.

https://iceberg.apache.org/spec/#partition-transforms
"""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
from pyiceberg.transforms import VoidTransform
from pyiceberg.typedef import Record

from .conftest import Athena
from .test_iceberg import glue_catalog

COLUMNS = {
    "i": ("integer", ["0", "-1", "34", "-2147483640", "2147483647"]),
    "l": ("bigint", ["0", "-10", "34", "9223372036854775807"]),
    "s": ("varchar", ["'iceberg'", "'ünïcödé'", "'a'", "'日本語テキスト'"]),
    "c": ("decimal(9,2)", ["decimal '14.20'", "decimal '-10.65'", "decimal '0.01'"]),
    "d": ("date", ["date '2017-11-16'", "date '1969-12-31'", "date '1970-01-01'", "date '1960-02-29'"]),
    "t": ("timestamp(6)", ["timestamp '2017-11-16 22:31:08.123456'", "timestamp '1969-12-31 23:59:59.999999'", "timestamp '1970-01-01 00:00:00'", "timestamp '1960-02-29 01:00:00'"]),
    "b": ("boolean", ["true", "false"]),
    "u": ("varbinary", ["X'00010203'", "X'ff'"]),
}  # fmt: skip
CASES = [
    *((f"bucket({n}, 16)", n) for n in "ilscdtu"),
    *((f"truncate({n}, 10)", n) for n in "ilc"), ("truncate(s, 3)", "s"),
    *((f"{unit}({n})", n) for unit in ("year", "month", "day") for n in "dt"), ("hour(t)", "t"),
    *((n, n) for n in "ilscdtb"),
]  # fmt: skip


def load(athena: Athena, name: str) -> Table:
    return glue_catalog(athena).load_table((athena.database, name))


def body(athena: Athena, uri: str) -> io.BytesIO:
    key = uri.removeprefix(f"s3://{athena.bucket}/")
    return io.BytesIO(athena.aws.client("s3").get_object(Bucket=athena.bucket, Key=key)["Body"].read())  # fmt: skip


def partitions(table: Table) -> dict[str, Any]:
    """Data files and the value of their only partition field, as their manifests hold it."""
    return {task.file.file_path: task.file.partition[0] for task in table.scan().plan_files()}


@pytest.mark.parametrize(("transform", "column"), CASES)
def test_partition_values_are_icebergs(athena: Athena, transform: str, column: str) -> None:
    """PyIceberg's transform of every row of a file is the file's partition."""
    kind, values = COLUMNS[column]
    rows = ", ".join(f"({v})" for v in [*values, "null"])
    query = f"select cast({column} as {kind}) as {column} from (values {rows}) as t({column})"
    athena.iceberg("t", query, f"'{transform}'")
    table = load(athena, "t")
    field = table.spec().fields[0]
    apply = field.transform.pyarrow_transform(table.schema().find_type(column))
    found = partitions(table)
    seen = 0
    for path, partition in found.items():
        stored = pq.read_table(body(athena, path))[column]
        seen += len(stored)
        for value in apply(stored).to_pylist():
            assert partition == _physical(value), (path, stored)
    assert seen == len(values) + 1
    count = "(select count(*) from t where {} {} {})".format
    each = ", ".join(count(column, "=", value) for value in values)
    assert athena.rows(f"select {each}, {count(column, 'is', 'null')}") == [
        ["1"] * (len(values) + 1)
    ]
    if column in "bu":
        return
    # Each value is once on either side, itself on both.
    sides = ", ".join(f"{count(column, '<=', v)} + {count(column, '>=', v)}" for v in values)
    assert athena.rows(f"select {sides}") == [[str(len(values) + 1)] * len(values)]


def _physical(value: Any) -> Any:
    """A value as manifests hold it: days and microseconds since 1970."""
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value


def test_a_void_partition_is_null(athena: Athena) -> None:
    """A partition field that another engine removed from a table stays, as void."""
    athena.iceberg("t", "select 1 as a, 'x' as b", "'a'")
    table = load(athena, "t")
    with table.update_spec() as update:
        update.remove_field("a")
    athena.ok("insert into t values (2, 'y')")
    assert all(isinstance(f.transform, VoidTransform) for f in load(athena, "t").spec().fields)
    assert sorted(partitions_of(load(athena, "t"))) == ["1", "none"]
    assert athena.rows("select a, b from t where a >= 1 order by a") == [["1", "x"], ["2", "y"]]
    with load(athena, "t").update_spec() as update:
        update.add_field("b", "bucket[4]", "b_bucket")
    athena.ok("insert into t values (3, 'z')")
    assert athena.rows("select a from t where b = 'z'") == [["3"]]
    assert athena.rows("select count(*) from t") == [["3"]]


def partitions_of(table: Table) -> list[str]:
    """The first partition value of each file, or `none`."""
    found = []
    for task in table.scan().plan_files():
        record = task.file.partition
        found.append("none" if not len(record) or record[0] is None else str(record[0]))
    return found


# --- delete files of other writers


class _DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def add_deletes(athena: Athena, table: Table, content: DataFileContent, rows: pa.Table, ids: list[int] | None) -> None:  # fmt: skip
    """Commit one delete file with PyIceberg's classes, as Flink or Spark would."""
    name = f"{content.name.lower()}-{len(table.snapshots())}.parquet"
    stored = io.BytesIO()
    pq.write_table(rows, stored)
    prefix = table.location().removeprefix(f"s3://{athena.bucket}/")
    athena.put(f"{prefix}/data/{name}", stored.getvalue())
    file = DataFile.from_args(
        content=content, file_path=f"{table.location()}/data/{name}", file_format=FileFormat.PARQUET, partition=Record(),
        record_count=rows.num_rows, file_size_in_bytes=len(stored.getvalue()), column_sizes=None, value_counts=None,
        null_value_counts=None, nan_value_counts=None, lower_bounds=None, upper_bounds=None, split_offsets=None,
        equality_ids=ids, sort_order_id=None,
    )  # fmt: skip
    file.spec_id = 0
    metadata, io_, number = table.metadata, table.io, 4_000_000_000 + len(table.snapshots())
    folder = f"{table.location()}/metadata"
    with _DeleteManifest(table.spec(), table.schema(), io_.new_output(f"{folder}/{name}.avro"), number, "deflate") as writer:  # fmt: skip
        writer.add(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=number, data_file=file))  # fmt: skip
    current = table.current_snapshot()
    assert current is not None
    sequence = metadata.last_sequence_number + 1
    output = io_.new_output(f"{folder}/snap-{number}.avro")
    with write_manifest_list(2, output, number, current.snapshot_id, sequence, "deflate") as listed:
        listed.add_manifests([*current.manifests(io_), writer.to_manifest_file()])
    snapshot = Snapshot(
        snapshot_id=number, parent_snapshot_id=current.snapshot_id, sequence_number=sequence,
        timestamp_ms=metadata.last_updated_ms + 1, manifest_list=output.location, summary=Summary(Operation.DELETE),
        schema_id=metadata.current_schema_id,
    )  # fmt: skip
    table.catalog.commit_table(
        table, (),
        (AddSnapshotUpdate(snapshot=snapshot), SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=number)),
    )  # fmt: skip


def field(name: str, kind: pa.DataType, number: int) -> pa.Field:
    return pa.field(name, kind, metadata={"PARQUET:field_id": str(number)})


@pytest.fixture
def numbers(athena: Athena) -> Athena:
    """A table `t` with a file of the numbers 0 to 9."""
    athena.iceberg("t", "select cast(x as bigint) as id, 'n' || cast(x % 3 as varchar) as name, x * 2 as other from unnest(sequence(0, 9)) as s(x)")  # fmt: skip
    return athena


def test_position_deletes_of_others_are_honoured(numbers: Athena) -> None:
    table = load(numbers, "t")
    (path,) = partitions_paths(table)
    stored = pq.read_table(body(numbers, path))["id"].to_pylist()
    rows = pa.table(
        [[path, path], [stored.index(3), stored.index(7)]],
        schema=pa.schema([field("file_path", pa.string(), 2147483546), field("pos", pa.int64(), 2147483545)]),
    )  # fmt: skip
    add_deletes(numbers, table, DataFileContent.POSITION_DELETES, rows, None)
    left = [["0"], ["1"], ["2"], ["4"], ["5"], ["6"], ["8"], ["9"]]
    assert numbers.rows("select id from t order by id") == left
    assert [r["id"] for r in sorted(load(numbers, "t").scan().to_arrow().to_pylist(), key=lambda r: r["id"])] == [int(r[0]) for r in left]  # fmt: skip
    numbers.ok("delete from t where id = 4")
    numbers.ok("update t set other = -1 where id = 5")
    assert numbers.rows("select id, other from t where id in (3, 4, 5)") == [["5", "-1"]]
    numbers.ok("optimize t rewrite data using bin_pack")
    assert numbers.rows("select count(*) from t") == [["7"]]


def partitions_paths(table: Table) -> list[str]:
    return [task.file.file_path for task in table.scan().plan_files()]


def test_equality_deletes_of_others_are_honoured(numbers: Athena) -> None:
    """They delete what is older: a row written afterwards stays (PyIceberg does not read them)."""
    table = load(numbers, "t")
    rows = pa.table([["n0"]], schema=pa.schema([field("name", pa.string(), 2)]))
    add_deletes(numbers, table, DataFileContent.EQUALITY_DELETES, rows, [2])
    left = [["1"], ["2"], ["4"], ["5"], ["7"], ["8"]]
    assert numbers.rows("select id from t order by id") == left
    assert numbers.rows("select count(*) from t where other = 6") == [["0"]]
    numbers.ok("insert into t values (30, 'n0', 60)")
    assert numbers.rows("select id from t order by id") == [*left, ["30"]]
    numbers.ok("delete from t where id = 8")
    numbers.ok("update t set other = 0 where id = 7")
    assert numbers.rows("select id, other from t where id > 5 order by id") == [["7", "0"], ["30", "60"]]  # fmt: skip
    assert numbers.rows("select count(*), sum(id) from t") == [["6", "49"]]
    numbers.ok("optimize t rewrite data using bin_pack")
    assert numbers.rows("select count(*), sum(id) from t") == [["6", "49"]]


def test_equality_deletes_count_the_columns_that_they_compare(numbers: Athena) -> None:
    table = load(numbers, "t")
    before = {c: numbers.scanned(f"select {c} from t") for c in ("id", "name")}
    rows = pa.table([["n0"]], schema=pa.schema([field("name", pa.string(), 2)]))
    add_deletes(numbers, table, DataFileContent.EQUALITY_DELETES, rows, [2])
    (deletes,) = (e.data_file.file_size_in_bytes for m in load(numbers, "t").current_snapshot().manifests(table.io) if m.content == ManifestContent.DELETES for e in m.fetch_manifest_entry(table.io))  # type: ignore[union-attr]  # fmt: skip
    assert numbers.scanned("select id from t") == sum(before.values()) + deletes
