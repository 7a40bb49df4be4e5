"""The names of a statement: tables, views, metadata tables and information_schema of the catalog."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyiceberg import types as ice
from pyiceberg.conversions import from_bytes
from sqlglot import exp

from local_aws.errors import AwsError

from . import hive, iceberg
from .failure import QueryFailed, not_supported
from .lake import Lake
from .parser import parse_query
from .relations import Column, Scan
from .translate import View
from .types import (
    BIGINT,
    BOOLEAN,
    INTEGER,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    from_iceberg,
    literal,
    map_of,
    parse,
    quote,
    row,
    timestamptz,
    to_duckdb,
)

CATALOG = "awsdatacatalog"


@dataclass
class Rows:
    """A small table in memory: metadata tables and information_schema."""

    columns: list[tuple[str, Type]]
    rows: list[tuple[Any, ...]]

    def view(self, con: Any, name: str) -> None:
        """Create it as a DuckDB view."""
        kinds = [t for _, t in self.columns]
        listed = ", ".join(quote(n) for n, _ in self.columns)
        if not self.rows:
            cells = ", ".join(f"CAST(NULL AS {to_duckdb(t)})" for t in kinds)
            body = f"SELECT * FROM (VALUES ({cells})) WHERE false"
        else:
            body = "VALUES " + ", ".join(
                "(" + ", ".join(sql_value(v, t) for v, t in zip(r, kinds, strict=True)) + ")"
                for r in self.rows
            )
        con.execute(f"CREATE TEMP VIEW {quote(name)}({listed}) AS {body}")


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


@dataclass
class IcebergScan:
    """What a scan of an Iceberg table reads."""

    table: iceberg.Table
    snapshot_id: int | None = None
    positions: bool = False


@dataclass
class Names:
    """Resolves table names of one statement against the Glue catalog."""

    catalog: Any
    lake: Lake
    meta: iceberg.Metadata
    now: datetime
    database: str
    seen: set[str] = field(default_factory=set)
    counter: int = 0

    def split(self, parts: list[str], position: str = "") -> tuple[str, str]:
        """(database, table) of a name of one to three parts."""
        if len(parts) == 3:
            if parts[0] != CATALOG:
                raise QueryFailed(
                    "CATALOG_NOT_FOUND", f"{position}Catalog '{parts[0]}' does not exist"
                )
            parts = parts[1:]
        if len(parts) == 2:
            return parts[0], parts[1]
        if not self.database:
            raise QueryFailed(
                "MISSING_SCHEMA_NAME",
                f"{position}Schema must be specified when session schema is not set",
            )
        return self.database, parts[0]

    def glue(self, parts: list[str], position: str = "") -> dict[str, Any]:
        """The Glue table of a name. Raises QueryFailed when it does not exist."""
        database, name = self.split(parts, position)
        try:
            return dict(self.catalog.get_table(DatabaseName=database, Name=name)["Table"])
        except AwsError as error:
            if error.code != "EntityNotFoundException":
                raise
        try:
            self.catalog.get_database(Name=database)
        except AwsError:
            raise QueryFailed(
                "SCHEMA_NOT_FOUND", f"{position}Schema '{database}' does not exist"
            ) from None
        raise QueryFailed(
            "TABLE_NOT_FOUND", f"{position}Table '{CATALOG}.{database}.{name}' does not exist"
        )

    def exists(self, parts: list[str]) -> bool:
        """Whether a table or view of this name exists; its schema has to."""
        try:
            self.glue(parts)
        except QueryFailed as error:
            if error.code == "TABLE_NOT_FOUND":
                return False
            raise
        return True

    def iceberg(self, parts: list[str], position: str = "") -> iceberg.Table:
        """The Iceberg table of a name."""
        database, _ = self.split(parts, position)
        glue = self.glue(parts, position)
        if not iceberg.is_iceberg(glue):
            raise QueryFailed(
                "NOT_SUPPORTED", f"{position}Modifying Hive table rows is only supported for transactional tables"
            )  # fmt: skip
        return self.meta.table(database, glue)

    def resolve(
        self, parts: list[str], version: exp.Expression | None, position: str
    ) -> Scan | View:
        """A table of FROM, as the translator asks for it."""
        database, name = self.split(parts, position)
        if database == "information_schema":
            return self._rows_scan(self._information(name, position))
        name, _, suffix = name.partition("$")
        glue = self.glue([database, name], position)
        if glue.get("TableType") == "VIRTUAL_VIEW":
            if suffix or version:
                raise QueryFailed("NOT_SUPPORTED", f"{position}{name} is a view")
            return view_of(database, glue)
        if iceberg.is_iceberg(glue):
            table = self.meta.table(database, glue)
            snapshot_id = self._snapshot(table, version)
            if suffix:
                return self._rows_scan(self._metadata_table(table, suffix, position, snapshot_id))
            return self.scan(IcebergScan(table, snapshot_id), table.columns())
        if version is not None:
            raise QueryFailed(
                "NOT_SUPPORTED", f"{position}This connector does not support versioned tables"
            )
        hive_table = hive.Table(database, name, glue)
        if suffix == "partitions":
            return self._rows_scan(self._hive_partitions(hive_table))
        if suffix:
            raise QueryFailed(
                "TABLE_NOT_FOUND",
                f"{position}Table '{CATALOG}.{database}.{name}${suffix}' does not exist",
            )
        return self.scan(hive_table, hive_table.columns())

    def scan(self, table: Any, columns: list[tuple[str, Type]]) -> Scan:
        """A new scan of a table."""
        self.counter += 1
        listed = [Column(n, n, t) for n, t in columns]
        if not isinstance(table, Rows):
            listed.append(Column("$path", "$path", VARCHAR, hidden=True))
        return Scan(listed, table=table, view=f"strata_scan_{self.counter}")

    def _rows_scan(self, rows: Rows) -> Scan:
        return self.scan(rows, rows.columns)

    def _snapshot(self, table: iceberg.Table, version: exp.Expression | None) -> int | None:
        """Time travel. https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-time-travel-and-version-travel-queries.html"""
        if version is None:
            return None
        value = version.expression
        if str(version.this).upper() == "VERSION":
            if not (isinstance(value, exp.Literal) and value.this.isdigit()):
                raise not_supported("FOR VERSION AS OF anything but a snapshot id")
            number = int(value.this)
            if table.metadata.snapshot_by_id(number) is None:
                raise QueryFailed(
                    "INVALID_ARGUMENTS", f"Iceberg snapshot ID does not exists: {number}"
                )
            return number
        moment = self._moment(value)
        past = [e for e in table.metadata.snapshot_log if e.timestamp_ms <= moment]
        if not past:
            raise QueryFailed(
                "INVALID_ARGUMENTS",
                f'No version history table "{table.database}"."{table.name}" at or before '
                f"{datetime.fromtimestamp(moment / 1000, UTC)}",
            )
        return past[-1].snapshot_id

    def _moment(self, value: exp.Expression) -> int:
        if isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal):
            text = value.this.this.replace(" UTC", "+00:00")
            try:
                stamp = datetime.fromisoformat(text)
            except ValueError:
                raise not_supported(f"the timestamp '{text}' in time travel") from None
            stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
            return int(stamp.timestamp() * 1000)
        raise not_supported("FOR TIMESTAMP AS OF anything but a timestamp literal")

    # --- metadata tables: https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-table-metadata.html

    def _metadata_table(
        self, table: iceberg.Table, suffix: str, position: str, snapshot_id: int | None
    ) -> Rows:
        snapshot = (
            table.metadata.snapshot_by_id(snapshot_id)
            if snapshot_id is not None
            else table.metadata.current_snapshot()
        )
        if suffix == "snapshots":
            return _snapshots(table)
        if suffix == "history":
            return _history(table)
        if suffix == "refs":
            refs = [
                (name, str(ref.snapshot_ref_type).split(".")[-1].upper(), ref.snapshot_id)
                for name, ref in table.metadata.refs.items()
            ]
            return Rows([("name", VARCHAR), ("type", VARCHAR), ("snapshot_id", BIGINT)], refs)
        if suffix == "manifests":
            return _manifests(self.meta.manifests(snapshot))
        data, deletes = self.meta.files(table.metadata, snapshot)
        if suffix == "files":
            return _files(table, [e.data_file for e in data + deletes])
        if suffix == "partitions":
            return _partitions(table, [e.data_file for e in data])
        raise QueryFailed(
            "TABLE_NOT_FOUND",
            f"{position}Table '{CATALOG}.{table.database}.{table.name}${suffix}' does not exist",
        )

    def _hive_partitions(self, table: hive.Table) -> Rows:
        found = hive.partitions(table, ("true",), self.catalog, self.now)
        return Rows(table.keys, [p.values for p in found])

    # --- information_schema

    def _information(self, name: str, position: str) -> Rows:
        if name == "schemata":
            return Rows(
                [("catalog_name", VARCHAR), ("schema_name", VARCHAR)],
                [(CATALOG, d) for d in self.databases()],
            )
        if name == "tables":
            rows = [
                (
                    CATALOG,
                    d,
                    t["Name"],
                    "VIEW" if t.get("TableType") == "VIRTUAL_VIEW" else "BASE TABLE",
                )
                for d, t in self.tables()
            ]
            columns = ("table_catalog", "table_schema", "table_name", "table_type")
            return Rows([(c, VARCHAR) for c in columns], rows)
        if name == "columns":
            return self._information_columns()
        raise QueryFailed(
            "TABLE_NOT_FOUND",
            f"{position}Table '{CATALOG}.information_schema.{name}' does not exist",
        )

    def _information_columns(self) -> Rows:
        rows = []
        for database, table in self.tables():
            listed = [
                *(table.get("StorageDescriptor") or {}).get("Columns", []),
                *(table.get("PartitionKeys") or []),
            ]
            keys = {c["Name"] for c in table.get("PartitionKeys") or []}
            for index, column in enumerate(listed, 1):
                kind = str(parse(column["Type"])) if column.get("Type") else "unknown"
                extra = "partition key" if column["Name"] in keys else None
                rows.append((CATALOG, database, table["Name"], column["Name"], index, "YES", kind,
                             column.get("Comment"), extra))  # fmt: skip
        names = [
            ("table_catalog", VARCHAR), ("table_schema", VARCHAR), ("table_name", VARCHAR),
            ("column_name", VARCHAR), ("ordinal_position", BIGINT), ("is_nullable", VARCHAR),
            ("data_type", VARCHAR), ("comment", VARCHAR), ("extra_info", VARCHAR),
        ]  # fmt: skip
        return Rows(names, rows)

    def databases(self) -> list[str]:
        return [d["Name"] for d in _pages(self.catalog.get_databases, "DatabaseList")]

    def tables(self, database: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Every table of a database, or of all."""
        names = [database] if database else self.databases()
        return [
            (name, table)
            for name in names
            for table in _pages(self.catalog.get_tables, "TableList", DatabaseName=name)
        ]


def _pages(call: Any, member: str, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        page = call(**request, **({"NextToken": token} if token else {}))
        found += page[member]
        token = page.get("NextToken")
        if not token:
            return found


def view_of(database: str, glue: dict[str, Any]) -> View:
    """The view of a Glue VIRTUAL_VIEW: its text is base64 JSON in a comment."""
    text = glue.get("ViewOriginalText") or ""
    match = re.fullmatch(r"/\* Presto View: (\S+) \*/", text.strip())
    if not match:
        raise QueryFailed("HIVE_INVALID_VIEW_DATA", f"Invalid view: {database}.{glue['Name']}")
    definition = json.loads(base64.b64decode(match[1]))
    columns = [(c["name"].lower(), parse(c["type"])) for c in definition["columns"]]
    return View(
        parse_query(definition["originalSql"]),
        columns,
        f"{database}.{glue['Name']}",
        definition.get("schema") or database,
    )


def _snapshots(table: iceberg.Table) -> Rows:
    rows = [
        (
            datetime.fromtimestamp(s.timestamp_ms / 1000, UTC),
            s.snapshot_id,
            s.parent_snapshot_id,
            s.summary.operation.value if s.summary else None,
            s.manifest_list,
            dict(s.summary.additional_properties) if s.summary else {},
        )
        for s in table.metadata.snapshots
    ]
    names = [
        ("committed_at", timestamptz(3)), ("snapshot_id", BIGINT), ("parent_id", BIGINT),
        ("operation", VARCHAR), ("manifest_list", VARCHAR), ("summary", map_of(VARCHAR, VARCHAR)),
    ]  # fmt: skip
    return Rows(names, rows)


def _history(table: iceberg.Table) -> Rows:
    ancestors = set()
    current = table.metadata.current_snapshot()
    while current:
        ancestors.add(current.snapshot_id)
        parent = current.parent_snapshot_id
        current = table.metadata.snapshot_by_id(parent) if parent is not None else None
    rows = []
    for entry in table.metadata.snapshot_log:
        snapshot = table.metadata.snapshot_by_id(entry.snapshot_id)
        parent = snapshot.parent_snapshot_id if snapshot else None
        made = datetime.fromtimestamp(entry.timestamp_ms / 1000, UTC)
        rows.append((made, entry.snapshot_id, parent, entry.snapshot_id in ancestors))
    names = [
        ("made_current_at", timestamptz(3)), ("snapshot_id", BIGINT), ("parent_id", BIGINT),
        ("is_current_ancestor", BOOLEAN),
    ]  # fmt: skip
    return Rows(names, rows)


def _manifests(manifests: Any) -> Rows:
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


def _files(table: iceberg.Table, files: list[Any]) -> Rows:
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


def _partitions(table: iceberg.Table, files: list[Any]) -> Rows:
    schema = table.schema
    spec = table.metadata.spec()
    leaves = [f for f in schema.fields if isinstance(f.field_type, ice.PrimitiveType)]
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
