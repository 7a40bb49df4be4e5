"""Tables that are computed: Iceberg's metadata tables and `information_schema`.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-table-data.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile, DataFileContent

from local_aws.errors import AwsError

from . import hive, iceberg
from .failure import QueryFailed, not_supported
from .types import (
    BIGINT,
    INTEGER,
    VARCHAR,
    Type,
    from_iceberg,
    map_of,
    quote,
    row,
    timestamptz,
    to_duckdb,
)

Columns = list[tuple[str, Type]]


@dataclass(eq=False)
class Rows:
    """A computed table: its columns and its rows as Python values."""

    columns: Columns
    rows: list[tuple[Any, ...]]

    def load(self, con: Any, name: str) -> None:
        """Make it a temporary table of DuckDB."""
        declared = ", ".join(f"{quote(n)} {to_duckdb(t)}" for n, t in self.columns)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} ({declared})")
        if self.rows:
            marks = ", ".join("?" for _ in self.columns)
            con.executemany(f"INSERT INTO {quote(name)} VALUES ({marks})", self.rows)


def of_table(kind: str, table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    """`"t$kind"` of an Iceberg table; raises QueryFailed for a kind that is not served."""
    makers = {
        "partitions": _partitions,
        "files": _files,
        "snapshots": _snapshots,
        "history": _history,
        "manifests": _manifests,
    }
    if kind not in makers:
        raise not_supported(f'the metadata table "{table.name}${kind}"')
    return makers[kind](table, meta)


def _instant(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


def _snapshots(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    columns: Columns = [
        ("committed_at", timestamptz(3)), ("snapshot_id", BIGINT), ("parent_id", BIGINT),
        ("operation", VARCHAR), ("manifest_list", VARCHAR), ("summary", map_of(VARCHAR, VARCHAR)),
    ]  # fmt: skip
    rows = []
    for item in table.metadata.snapshots:
        summary = item.summary.additional_properties if item.summary else {}
        operation = item.summary.operation.value if item.summary else None
        stamp = _instant(item.timestamp_ms)
        rows.append((stamp, item.snapshot_id, item.parent_snapshot_id, operation,
                     item.manifest_list, summary))  # fmt: skip
    return Rows(columns, rows)


def _history(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    columns: Columns = [
        ("made_current_at", timestamptz(3)), ("snapshot_id", BIGINT), ("parent_id", BIGINT),
        ("is_current_ancestor", Type("boolean")),
    ]  # fmt: skip
    by_id = {s.snapshot_id: s for s in table.metadata.snapshots}
    ancestors, current = set(), table.metadata.current_snapshot()
    while current:
        ancestors.add(current.snapshot_id)
        current = by_id.get(current.parent_snapshot_id or -1)
    rows = []
    for entry in table.metadata.snapshot_log:
        found = by_id.get(entry.snapshot_id)
        parent = found.parent_snapshot_id if found else None
        is_ancestor = entry.snapshot_id in ancestors
        rows.append((_instant(entry.timestamp_ms), entry.snapshot_id, parent, is_ancestor))
    return Rows(columns, rows)


def _manifests(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    columns: Columns = [
        ("path", VARCHAR), ("length", BIGINT), ("partition_spec_id", INTEGER),
        ("added_snapshot_id", BIGINT), ("added_data_files_count", INTEGER),
        ("existing_data_files_count", INTEGER), ("deleted_data_files_count", INTEGER),
    ]  # fmt: skip
    rows = [
        (m.manifest_path, m.manifest_length, m.partition_spec_id, m.added_snapshot_id,
         m.added_files_count, m.existing_files_count, m.deleted_files_count)
        for m in meta.manifests(table.metadata.current_snapshot())
    ]  # fmt: skip
    return Rows(columns, rows)


def _files(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    columns: Columns = [
        ("content", INTEGER), ("file_path", VARCHAR), ("file_format", VARCHAR),
        ("record_count", BIGINT), ("file_size_in_bytes", BIGINT),
    ]  # fmt: skip
    data, deletes = meta.files(table.metadata, table.metadata.current_snapshot())
    files = [entry.data_file for entry in [*data, *deletes]]
    rows = [
        (f.content.value, f.file_path, f.file_format.value, f.record_count, f.file_size_in_bytes)
        for f in files
    ]
    return Rows(columns, rows)


def _partitions(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    """One row a partition: its values, counts, and the bounds of the other columns."""
    metadata = table.metadata
    spec, schema = metadata.spec(), metadata.schema()
    partition_type = spec.partition_type(schema)
    keys = tuple(f.name for f in partition_type.fields)
    kinds = tuple(from_iceberg(f.field_type) for f in partition_type.fields)
    by_source = {f.source_id for f in spec.fields if str(f.transform) == "identity"}
    bounded = [
        f for f in schema.fields if f.field_type.is_primitive and f.field_id not in by_source
    ]
    bounds = [
        row((t := from_iceberg(f.field_type), t, BIGINT, BIGINT),
            ("min", "max", "null_count", "nan_count"))
        for f in bounded
    ]  # fmt: skip
    columns: Columns = [("partition", row(kinds, keys))] if keys else []
    columns += [("record_count", BIGINT), ("file_count", BIGINT), ("total_size", BIGINT)]
    columns.append(("data", row(tuple(bounds), tuple(f.name.lower() for f in bounded))))
    groups: dict[tuple[Any, ...], list[DataFile]] = {}
    data, _ = meta.files(metadata, metadata.current_snapshot())
    for entry in data:
        file = entry.data_file
        if file.content == DataFileContent.DATA:
            values = tuple(file.partition[i] for i in range(len(keys)))
            groups.setdefault(values, []).append(file)
    rows = []
    for values, files in groups.items():
        partition = [dict(zip(keys, values, strict=True))] if keys else []
        totals = [
            sum(f.record_count for f in files),
            len(files),
            sum(f.file_size_in_bytes for f in files),
        ]
        stats = {f.name.lower(): _column_bounds(f, files) for f in bounded}
        rows.append((*partition, *totals, stats))
    return Rows(columns, rows)


def _column_bounds(item: Any, files: list[DataFile]) -> dict[str, Any]:
    """The bounds over files; none where a file does not have them, so that they never lie."""
    number, kind = item.field_id, item.field_type
    all_null = [
        (f.null_value_counts or {}).get(number) == (f.value_counts or {}).get(number) is not None
        for f in files
    ]
    known = [f for f, is_null in zip(files, all_null, strict=True) if not is_null]
    low = [(f.lower_bounds or {}).get(number) for f in known]
    high = [(f.upper_bounds or {}).get(number) for f in known]
    return {
        "min": min(from_bytes(kind, b) for b in low if b) if low and all(low) else None,
        "max": max(from_bytes(kind, b) for b in high if b) if high and all(high) else None,
        "null_count": sum((f.null_value_counts or {}).get(number, 0) for f in files),
        "nan_count": None,
    }


def information_schema(name: str, catalog: Any) -> Rows:
    """A table of `information_schema` over the whole catalog."""
    makers = {"tables": _tables, "columns": _columns, "schemata": _schemata, "views": _views}
    if name not in makers:
        raise QueryFailed("TABLE_NOT_FOUND", f"Table 'information_schema.{name}' does not exist")
    return makers[name](catalog)


def _databases(catalog: Any) -> Iterator[str]:
    token = None
    while True:
        extra = {"NextToken": token} if token else {}
        answer = catalog.get_databases(MaxResults=100, **extra)
        yield from (d["Name"] for d in answer["DatabaseList"])
        token = answer.get("NextToken")
        if not token:
            return


def tables(catalog: Any, database: str) -> Iterator[dict[str, Any]]:
    """The Glue tables of a database; none when it is gone."""
    token = None
    while True:
        extra = {"NextToken": token} if token else {}
        try:
            answer = catalog.get_tables(DatabaseName=database, MaxResults=100, **extra)
        except AwsError:
            return
        yield from answer["TableList"]
        token = answer.get("NextToken")
        if not token:
            return


def table_columns(glue: dict[str, Any], meta: iceberg.Metadata | None = None) -> Columns:
    """Names and Trino types of a Glue table or view."""
    if glue.get("TableType") == "VIRTUAL_VIEW":
        from .plan import view

        return view(glue).columns
    found = hive.columns(glue)
    if iceberg.is_iceberg(glue):
        return [(n, Type(t.name, (6,)) if t.name.startswith("timestamp") else t) for n, t in found]
    return found


def _all(catalog: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for database in _databases(catalog):
        for glue in tables(catalog, database):
            yield database, glue


def _text_columns(*names: str) -> Columns:
    return [(name, VARCHAR) for name in names]


def _tables(catalog: Any) -> Rows:
    rows = [
        ("awsdatacatalog", database, glue["Name"],
         "VIEW" if glue.get("TableType") == "VIRTUAL_VIEW" else "BASE TABLE")
        for database, glue in _all(catalog)
    ]  # fmt: skip
    return Rows(_text_columns("table_catalog", "table_schema", "table_name", "table_type"), rows)


def _columns(catalog: Any) -> Rows:
    names = _text_columns("table_catalog", "table_schema", "table_name", "column_name")
    names += [("ordinal_position", BIGINT), *_text_columns("column_default", "is_nullable")]
    names += _text_columns("data_type", "comment")
    rows = []
    for database, glue in _all(catalog):
        listed = [*glue["StorageDescriptor"].get("Columns", []), *glue.get("PartitionKeys", [])]
        comments = {c["Name"].lower(): c.get("Comment") for c in listed}
        for number, (name, kind) in enumerate(table_columns(glue), start=1):
            rows.append(("awsdatacatalog", database, glue["Name"], name, number, None, "YES",
                         str(kind), comments.get(name)))  # fmt: skip
    return Rows(names, rows)


def _schemata(catalog: Any) -> Rows:
    rows = [("awsdatacatalog", name) for name in _databases(catalog)]
    return Rows(_text_columns("catalog_name", "schema_name"), rows)


def _views(catalog: Any) -> Rows:
    rows = []
    for database, glue in _all(catalog):
        if glue.get("TableType") == "VIRTUAL_VIEW":
            rows.append(("awsdatacatalog", database, glue["Name"], glue["ViewOriginalText"]))
    names = _text_columns("table_catalog", "table_schema", "table_name", "view_definition")
    return Rows(names, rows)
