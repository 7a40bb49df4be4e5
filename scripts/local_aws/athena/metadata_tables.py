"""Tables that are computed: Iceberg's metadata tables and `information_schema`.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-table-data.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyiceberg import types as ice
from pyiceberg.conversions import from_bytes

from local_aws.errors import AwsError

from . import hive, iceberg
from .failure import QueryFailed, not_supported
from .types import (
    BIGINT,
    INTEGER,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    from_iceberg,
    literal,
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
        """Make it a temporary view of DuckDB."""
        kinds = [kind for _, kind in self.columns]
        listed = ", ".join(quote(column) for column, _ in self.columns)
        if self.rows:
            body = "VALUES " + ", ".join(
                "(" + ", ".join(sql_value(v, t) for v, t in zip(row_, kinds, strict=True)) + ")"
                for row_ in self.rows
            )
        else:
            empty = ", ".join(f"CAST(NULL AS {to_duckdb(kind)})" for kind in kinds)
            body = f"SELECT * FROM (VALUES ({empty})) WHERE false"
        con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(name)}({listed}) AS {body}")


def sql_value(value: Any, kind: Type) -> str:
    """DuckDB SQL of a Python value."""
    if value is None:
        return f"CAST(NULL AS {to_duckdb(kind)})"
    if kind.name == "row":
        parts = ", ".join(
            f"{literal(n or f'field{i}')}: {sql_value(v, t)}"
            for i, (n, t, v) in enumerate(zip(kind.fields, kind.items, value, strict=True))
        )
        return f"{{{parts}}}"
    if kind.name == "array":
        return (
            f"CAST([{', '.join(sql_value(v, kind.items[0]) for v in value)}] AS {to_duckdb(kind)})"
        )
    if kind.name == "map":
        keys = ", ".join(sql_value(k, kind.items[0]) for k in value)
        values = ", ".join(sql_value(v, kind.items[1]) for v in value.values())
        return f"CAST(map([{keys}], [{values}]) AS {to_duckdb(kind)})"
    if isinstance(value, bytes):
        return f"unhex('{value.hex()}')"
    if isinstance(value, datetime):
        text = f"TIMESTAMP '{value.replace(tzinfo=None)}'"
        return f"timezone('UTC', {text})" if kind.name == "timestamptz" else text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal | date):
        return f"CAST('{value}' AS {to_duckdb(kind)})"
    return f"CAST({literal(str(value))} AS {to_duckdb(kind)})"


def of_table(kind: str, table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    """`"t$kind"` of an Iceberg table; raises QueryFailed for a kind that is not served."""
    makers = {
        "partitions": _partitions,
        "files": _files,
        "snapshots": _snapshots,
        "history": _history,
        "manifests": _manifests,
        "refs": _refs,
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


def _refs(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    columns: Columns = [
        ("name", VARCHAR), ("type", VARCHAR), ("snapshot_id", BIGINT),
        ("max_reference_age_in_ms", BIGINT), ("min_snapshots_to_keep", INTEGER),
        ("max_snapshot_age_in_ms", BIGINT),
    ]  # fmt: skip
    rows = [
        (name, ref.snapshot_ref_type.value.upper(), ref.snapshot_id, ref.max_ref_age_ms,
         ref.min_snapshots_to_keep, ref.max_snapshot_age_ms)
        for name, ref in table.metadata.refs.items()
    ]  # fmt: skip
    return Rows(columns, rows)


def _manifests(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    manifests = meta.manifests(table.metadata.current_snapshot())
    rows = [
        (
            m.manifest_path, m.manifest_length, m.partition_spec_id, m.added_snapshot_id,
            m.added_files_count, m.added_rows_count, m.existing_files_count,
            m.existing_rows_count, m.deleted_files_count, m.deleted_rows_count,
        )
        for m in manifests
    ]  # fmt: skip
    names = [
        ("path", VARCHAR), ("length", BIGINT), ("partition_spec_id", INTEGER),
        ("added_snapshot_id", BIGINT), ("added_data_files_count", INTEGER),
        ("added_rows_count", BIGINT), ("existing_data_files_count", INTEGER),
        ("existing_rows_count", BIGINT), ("deleted_data_files_count", INTEGER),
        ("deleted_rows_count", BIGINT),
    ]  # fmt: skip
    return Rows(names, rows)


def _files(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    data, deletes = meta.files(table)
    files = [entry.data_file for entry in (*data, *deletes)]
    rows = [
        (
            f.content.value, f.file_path, str(f.file_format.value), f.record_count,
            f.file_size_in_bytes, f.column_sizes or {}, f.value_counts or {},
            f.null_value_counts or {}, f.nan_value_counts or {},
            _texts(table, f.lower_bounds), _texts(table, f.upper_bounds),
            f.key_metadata, f.split_offsets, f.equality_ids,
        )
        for f in files
    ]  # fmt: skip
    counts, texts = map_of(INTEGER, BIGINT), map_of(INTEGER, VARCHAR)
    names = [
        ("content", INTEGER), ("file_path", VARCHAR), ("file_format", VARCHAR),
        ("record_count", BIGINT), ("file_size_in_bytes", BIGINT), ("column_sizes", counts),
        ("value_counts", counts), ("null_value_counts", counts), ("nan_value_counts", counts),
        ("lower_bounds", texts), ("upper_bounds", texts), ("key_metadata", VARBINARY),
        ("split_offsets", array(BIGINT)), ("equality_ids", array(INTEGER)),
    ]  # fmt: skip
    return Rows(names, rows)


def _texts(table: iceberg.Table, bounds: dict[int, bytes] | None) -> dict[int, str]:
    found = {}
    for number, value in (bounds or {}).items():
        try:
            kind = table.schema.find_type(number)
        except ValueError:
            continue
        if isinstance(kind, ice.PrimitiveType):
            found[number] = str(python_value(kind, from_bytes(kind, value)))
    return found


def python_value(kind: ice.IcebergType, value: Any) -> Any:
    """A value of manifests (days, microseconds) as a Python value."""
    if value is None:
        return None
    if isinstance(kind, ice.DateType) and isinstance(value, int):
        return date.fromordinal(date(1970, 1, 1).toordinal() + value)
    if isinstance(kind, ice.TimestampType | ice.TimestamptzType) and isinstance(value, int):
        seconds, micros = divmod(value, 1_000_000)
        stamp = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
        return stamp.replace(tzinfo=None) if isinstance(kind, ice.TimestampType) else stamp
    return value


def _partitions(table: iceberg.Table, meta: iceberg.Metadata) -> Rows:
    """One row a partition: its values, counts, and the bounds of the other columns."""
    data, _ = meta.files(table)
    files = [entry.data_file for entry in data]
    schema = table.schema
    spec = table.metadata.spec()
    keys = {f.source_id for f in spec.fields if str(f.transform) == "identity"}
    leaves = [
        f
        for f in schema.fields
        if isinstance(f.field_type, ice.PrimitiveType) and f.field_id not in keys
    ]
    kinds = [from_iceberg(f.field_type) for f in leaves]
    stats = [row((k, k, BIGINT, BIGINT), ("min", "max", "null_count", "nan_count")) for k in kinds]
    groups: dict[tuple[int, tuple[Any, ...]], list[Any]] = {}
    for file in files:
        values = tuple(file.partition[i] for i in range(len(file.partition)))
        groups.setdefault((file.spec_id, values), []).append(file)
    results = [f.transform.result_type(schema.find_type(f.source_id)) for f in spec.fields]
    names: list[tuple[str, Type]] = []
    if spec.fields:
        kind = row(
            tuple(from_iceberg(r) for r in results), tuple(f.name.lower() for f in spec.fields)
        )
        names.append(("partition", kind))
    names += [("record_count", BIGINT), ("file_count", BIGINT), ("total_size", BIGINT)]
    if leaves:
        names.append(("data", row(tuple(stats), tuple(f.name.lower() for f in leaves))))
    rows = []
    for (spec_id, values), group in groups.items():
        cells: list[Any] = []
        if spec.fields:
            known = values if spec_id == spec.spec_id else (None,) * len(spec.fields)
            cells.append(tuple(python_value(r, v) for r, v in zip(results, known, strict=True)))
        cells += [
            sum(f.record_count for f in group),
            len(group),
            sum(f.file_size_in_bytes for f in group),
        ]
        if leaves:
            cells.append(tuple(_column_stats(f, group) for f in leaves))
        rows.append(tuple(cells))
    return Rows(names, rows)


def _column_stats(item: ice.NestedField, group: list[Any]) -> tuple[Any, ...]:
    kind, number = item.field_type, item.field_id
    lows, highs, complete = [], [], True
    for file in group:
        nulls = (file.null_value_counts or {}).get(number)
        if nulls is not None and nulls == file.record_count:
            continue
        low = (file.lower_bounds or {}).get(number)
        high = (file.upper_bounds or {}).get(number)
        if low is None or high is None:
            complete = False
            continue
        lows.append(from_bytes(kind, low))
        highs.append(from_bytes(kind, high))
    counts = [(f.null_value_counts or {}).get(number) for f in group]
    total = sum(c for c in counts if c is not None) if None not in counts else None
    if not complete or not lows:
        return None, None, total, None
    return python_value(kind, min(lows)), python_value(kind, max(highs)), total, None


def information_schema(name: str, catalog: Any) -> Rows:
    """A table of `information_schema` over the whole catalog."""
    makers = {"tables": _tables, "columns": _columns, "schemata": _schemata, "views": _views}
    if name not in makers:
        raise QueryFailed("TABLE_NOT_FOUND", f"Table 'information_schema.{name}' does not exist")
    return makers[name](catalog)


def _databases(catalog: Any) -> Iterator[str]:
    token = None
    while True:
        extra: dict[str, Any] = {"NextToken": token} if token else {}
        answer = catalog.get_databases(MaxResults=100, **extra)
        yield from (d["Name"] for d in answer["DatabaseList"])
        token = answer.get("NextToken")
        if not token:
            return


def tables(catalog: Any, database: str) -> Iterator[dict[str, Any]]:
    """The Glue tables of a database; none when it is gone."""
    token = None
    while True:
        extra: dict[str, Any] = {"NextToken": token} if token else {}
        try:
            answer = catalog.get_tables(DatabaseName=database, MaxResults=100, **extra)
        except AwsError:
            return
        yield from answer["TableList"]
        token = answer.get("NextToken")
        if not token:
            return


def table_columns(glue: dict[str, Any]) -> Columns:
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
