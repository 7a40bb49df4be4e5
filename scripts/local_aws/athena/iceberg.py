"""Iceberg v2 tables: reading metadata, planning files, writing and committing snapshots.

DuckDB writes data and position-delete files, PyIceberg the manifests and metadata, and one Glue
UpdateTable with its VersionId is the commit. https://iceberg.apache.org/spec/
"""

from __future__ import annotations

import functools
import itertools
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyiceberg import expressions as ix
from pyiceberg import types as ice
from pyiceberg.conversions import to_bytes
from pyiceberg.expressions.visitors import inclusive_projection, manifest_evaluator
from pyiceberg.io import OutputFile
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import FromByteStream
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
    update_table_metadata,
)
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TimeTransform,
    Transform,
    TruncateTransform,
    VoidTransform,
    YearTransform,
    parse_transform,
)
from pyiceberg.typedef import Record

from local_aws.errors import AwsError

from . import engine
from .failure import QueryFailed, not_supported
from .footers import footer
from .lake import Lake, LakeIO, Object, split_uri
from .predicates import TRUE, Pred
from .types import Type, from_iceberg, literal, quote, to_duckdb, to_hive, to_iceberg

#: Field ids of a position-delete file. https://iceberg.apache.org/spec/#position-delete-files
_DELETE_IDS = "{file_path: 2147483546, pos: 2147483545}"
#: https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html
MAX_OPEN_PARTITIONS = 100


@dataclass
class Table:
    """An Iceberg table at one version: its Glue entry and its metadata; `snapshot_id` is the
    snapshot that time travel reads, with the schema that it was written with."""

    database: str
    name: str
    glue: dict[str, Any]
    metadata: TableMetadata
    snapshot_id: int | None = None

    @property
    def metadata_location(self) -> str:
        return str(self.glue["Parameters"]["metadata_location"])

    @property
    def location(self) -> str:
        return self.metadata.location.rstrip("/")

    @property
    def snapshot(self) -> Snapshot | None:
        if self.snapshot_id is None:
            return self.metadata.current_snapshot()
        return self.metadata.snapshot_by_id(self.snapshot_id)

    @property
    def schema(self) -> Schema:
        if self.snapshot_id is not None and self.snapshot and self.snapshot.schema_id is not None:
            return next(s for s in self.metadata.schemas if s.schema_id == self.snapshot.schema_id)
        return self.metadata.schema()

    def columns(self) -> list[tuple[str, Type]]:
        """Names in lower case, with their Trino types."""
        return [(f.name.lower(), from_iceberg(f.field_type)) for f in self.schema.fields]


def is_iceberg(glue: dict[str, Any]) -> bool:
    """Whether a Glue table is an Iceberg table."""
    return str(glue.get("Parameters", {}).get("table_type", "")).upper() == "ICEBERG"


class Metadata:
    """Reads table metadata and manifests; both never change, so both are cached."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.io = LakeIO(lake)
        self._load = functools.lru_cache(512)(self._read)
        self._entries = functools.lru_cache(4096)(self._read_entries)
        self._manifests = functools.lru_cache(1024)(self._read_manifests)

    def table(self, database: str, glue: dict[str, Any]) -> Table:
        """The table of a Glue entry. Raises QueryFailed when its metadata cannot be read."""
        location = glue["Parameters"].get("metadata_location")
        if not location:
            raise QueryFailed(
                "ICEBERG_INVALID_METADATA",
                f"Table is missing metadata_location: {database}.{glue['Name']}",
            )
        return Table(database, glue["Name"], glue, self._load(location))

    def _read(self, location: str) -> TableMetadata:
        try:
            body = self.lake.read(location)
        except QueryFailed:
            raise QueryFailed(
                "ICEBERG_MISSING_METADATA", f"Metadata not found in metadata location: {location}"
            ) from None
        import io

        try:
            return FromByteStream.table_metadata(io.BytesIO(body))
        except Exception as error:
            raise QueryFailed(
                "ICEBERG_INVALID_METADATA", f"Invalid metadata file {location}: {error}"
            ) from None

    def manifests(self, snapshot: Snapshot | None) -> tuple[ManifestFile, ...]:
        """The manifests of a snapshot."""
        return self._manifests(snapshot.manifest_list, snapshot) if snapshot else ()

    def _read_manifests(self, _location: str, snapshot: Snapshot) -> tuple[ManifestFile, ...]:
        with _reading(snapshot.manifest_list):
            return tuple(snapshot.manifests(self.io))

    def entries(self, manifest: ManifestFile) -> tuple[ManifestEntry, ...]:
        """The live entries of a manifest, with their sequence numbers."""
        return self._entries(manifest.manifest_path, manifest)

    def _read_entries(self, _path: str, manifest: ManifestFile) -> tuple[ManifestEntry, ...]:
        with _reading(manifest.manifest_path):
            found = tuple(manifest.fetch_manifest_entry(self.io, discard_deleted=True))
        for entry in found:
            entry.data_file.spec_id = manifest.partition_spec_id
        return found

    def files(
        self, table: Table, pred: Pred = TRUE
    ) -> tuple[list[ManifestEntry], list[ManifestEntry]]:
        """Data and delete files of a table that may hold rows of `pred`."""
        data: list[ManifestEntry] = []
        deletes: list[ManifestEntry] = []
        keep = _Keep(table, to_expression(pred, table.schema))
        for manifest in self.manifests(table.snapshot):
            if not keep.manifest(manifest):
                continue
            for entry in self.entries(manifest):
                if manifest.content == ManifestContent.DELETES:
                    if keep.partition(entry.data_file):
                        deletes.append(entry)
                elif keep.partition(entry.data_file) and keep.metrics(entry.data_file):
                    data.append(entry)
        return data, deletes


@contextmanager
def _reading(uri: str) -> Iterator[None]:
    """Any fault of a file of metadata is the table's, and names the file."""
    try:
        yield
    except Exception as error:
        message = f"Error reading metadata of the table: {uri}: {error}"
        raise QueryFailed("ICEBERG_INVALID_METADATA", message) from None


class _Keep:
    """Which manifests and files may match an expression."""

    def __init__(self, table: Table, where: ix.BooleanExpression) -> None:
        from pyiceberg.expressions.visitors import _InclusiveMetricsEvaluator

        self._table, self._where = table, where
        self._all = isinstance(where, ix.AlwaysTrue)
        self._by_spec: dict[int, tuple[Any, Any]] = {}
        self._metrics = _InclusiveMetricsEvaluator(table.schema, where)

    def _spec(self, spec_id: int) -> tuple[Any, Any]:
        if spec_id not in self._by_spec:
            from pyiceberg.expressions.visitors import expression_evaluator

            schema, spec = self._table.schema, self._table.metadata.specs()[spec_id]
            projected = inclusive_projection(schema, spec)(self._where)
            evaluate = manifest_evaluator(spec, schema, projected, case_sensitive=False)
            row_schema = Schema(*spec.partition_type(schema).fields)
            self._by_spec[spec_id] = (
                evaluate,
                expression_evaluator(row_schema, projected, case_sensitive=False),
            )
        return self._by_spec[spec_id]

    def manifest(self, manifest: ManifestFile) -> bool:
        return self._all or bool(self._spec(manifest.partition_spec_id)[0](manifest))

    def partition(self, file: DataFile) -> bool:
        return self._all or bool(self._spec(file.spec_id)[1](file.partition))

    def metrics(self, file: DataFile) -> bool:
        return self._all or bool(self._metrics.eval(file))


_COMPARABLE = ice.IntegerType | ice.LongType | ice.StringType | ice.DoubleType | ice.BooleanType


def to_expression(pred: Pred, schema: Schema) -> ix.BooleanExpression:
    """A predicate as PyIceberg's expression; what it cannot say is true."""
    if pred == TRUE:
        return ix.AlwaysTrue()
    if pred[0] in ("and", "or"):
        parts = [to_expression(p, schema) for p in pred[1]]
        join = ix.And if pred[0] == "and" else ix.Or
        return functools.reduce(join, parts)
    op, column, value = pred
    names = {f.name.lower(): f for f in schema.fields}
    if column not in names or op == "<>":
        return ix.AlwaysTrue()
    kinds: dict[str, Any] = {
        "=": ix.EqualTo, "<": ix.LessThan, "<=": ix.LessThanOrEqual,
        ">": ix.GreaterThan, ">=": ix.GreaterThanOrEqual,
    }  # fmt: skip
    kind = names[column].field_type
    if isinstance(value, datetime):
        value = value.isoformat()
        if not isinstance(kind, ice.TimestampType):
            return ix.AlwaysTrue()
    elif isinstance(value, date):
        value = value.isoformat()
        if not isinstance(kind, ice.DateType):
            return ix.AlwaysTrue()
    elif not isinstance(kind, _COMPARABLE):
        return ix.AlwaysTrue()
    return kinds[op](names[column].name, value)


def scanned_bytes(
    schema: Schema,
    data: list[ManifestEntry],
    deletes: list[ManifestEntry],
    columns: frozenset[str],
    lake: Lake,
) -> int:
    """Bytes of the column chunks and delete files that one use of a table needs."""
    tops = {f.field_id for f in schema.fields if f.name.lower() in columns}
    # Equality deletes are joined on columns of the data.
    tops.update(*(entry.data_file.equality_ids or () for entry in deletes))
    wanted = {
        number
        for top in schema.fields
        for _, number, _, _ in _leaves(Schema(top))
        if top.field_id in tops or number in tops
    }
    total = sum(entry.data_file.file_size_in_bytes for entry in deletes)
    return total + sum(_chunk_bytes(entry.data_file, wanted, lake) for entry in data)


def _chunk_bytes(file: DataFile, wanted: set[int], lake: Lake) -> int:
    """Bytes of a file's chunks, by its footer where its manifest does not tell."""
    sizes = file.column_sizes or {}
    if not wanted <= set(sizes):
        if file.file_format != FileFormat.PARQUET:
            return int(file.file_size_in_bytes)
        bucket, key = split_uri(file.file_path)
        sizes = footer(lake.path(Object(bucket, key, file.file_size_in_bytes))).sizes_by_id
    return sum(size for number, size in sizes.items() if number in wanted)


def disk_folder(table: Table, lake: Lake) -> Path:
    """The folder on disk of a table's manifests and data, for DuckDB's reader."""
    current = table.metadata.current_snapshot()
    return lake.disk_path(current.manifest_list if current else table.metadata_location).parents[1]


def scan_sql(table: Table, meta: Metadata, positions: bool = False) -> str:
    """DuckDB SQL that reads the table's snapshot."""
    hidden = _misjudged(table, meta)
    names = [(f.name, f.name.lower(), f.field_id in hidden) for f in table.schema.fields]
    # A filter on an item of a list stays above the scan.
    listed = ", ".join(
        f"{f'[{quote(n)}][1]' if is_hidden else quote(n)} AS {quote(low)}"
        for n, low, is_hidden in names
    )
    place = literal(table.location)
    if table.metadata.current_snapshot() is None:
        empty = ", ".join(
            f"CAST(NULL AS {to_duckdb(kind)}) AS {quote(name)}" for name, kind in table.columns()
        )
        extra = ", '' AS strata_file, CAST(0 AS BIGINT) AS strata_pos" if positions else ""
        return f'SELECT {empty}, {place} AS "$path"{extra} WHERE false'
    folder = disk_folder(table, meta.lake)
    # A registered table's metadata file may lie elsewhere than its manifests and its data.
    file = os.path.relpath(meta.lake.disk_path(table.metadata_location), folder / "metadata")
    name = file.removesuffix(".metadata.json")
    options = (
        f"version={literal(name)}, version_name_format='%s%s.metadata.json', allow_moved_paths=true"
    )
    if table.snapshot_id is not None:
        options += f", snapshot_from_id={table.snapshot_id}"
    extra = ", filename AS strata_file, file_row_number AS strata_pos" if positions else ""
    path = f"{place} || substr(filename, {len(str(folder)) + 1})"
    return f'SELECT {listed}, {path} AS "$path"{extra} FROM iceberg_scan({literal(str(folder))}, {options})'


def _misjudged(table: Table, meta: Metadata) -> set[int]:
    """Columns by whose partitions DuckDB's reader skips files that it should read: it rounds
    instants before 1970 up, and fails on truncated decimals."""
    manifests = meta.manifests(table.snapshot)
    kinds = {f.field_id: f.field_type for f in table.schema.fields}
    found = set()
    for number, spec in table.metadata.specs().items():
        own = [m.partitions or [] for m in manifests if m.partition_spec_id == number]
        for place, part in enumerate(spec.fields):
            kind, transform = kinds.get(part.source_id), part.transform
            if isinstance(kind, ice.DecimalType) and isinstance(transform, TruncateTransform):
                found.add(part.source_id)
            elif isinstance(kind, ice.TimestampType | ice.TimestamptzType) and isinstance(
                transform, TimeTransform
            ):
                lowest = [summary[place].lower_bound for summary in own if len(summary) > place]
                if any(int.from_bytes(b, "little", signed=True) < 0 for b in lowest if b):
                    found.add(part.source_id)
    return found


# --- writing


@dataclass
class Change:
    """Files that one statement adds to a table."""

    data: list[DataFile] = field(default_factory=list)
    deletes: list[DataFile] = field(default_factory=list)
    rows: int = 0
    removed: list[ManifestEntry] = field(default_factory=list)


def field_ids(schema: Schema) -> str:
    """DuckDB's FIELD_IDS of a schema."""
    return "{" + ", ".join(f"{quote(f.name)}: {_ids(f)}" for f in schema.fields) + "}"


def _ids(item: ice.NestedField) -> str:
    return _type_ids(item.field_id, item.field_type)


def _type_ids(number: int, kind: ice.IcebergType) -> str:
    inner: list[str] = []
    if isinstance(kind, ice.StructType):
        inner = [f"{quote(f.name)}: {_ids(f)}" for f in kind.fields]
    elif isinstance(kind, ice.ListType):
        inner = [f"element: {_type_ids(kind.element_id, kind.element_type)}"]
    elif isinstance(kind, ice.MapType):
        inner = [
            f"key: {_type_ids(kind.key_id, kind.key_type)}",
            f"value: {_type_ids(kind.value_id, kind.value_type)}",
        ]
    return f"{{__duckdb_field_id: {number}, {', '.join(inner)}}}" if inner else str(number)


def transform_sql(item: PartitionField, schema: Schema) -> str:
    """DuckDB SQL of a partition field's value."""
    column = quote(schema.find_field(item.source_id).name)
    transform = item.transform
    if isinstance(transform, IdentityTransform):
        return column
    if isinstance(transform, YearTransform):
        return f"CAST(year({column}) - 1970 AS INTEGER)"
    if isinstance(transform, MonthTransform):
        return f"CAST((year({column}) - 1970) * 12 + month({column}) - 1 AS INTEGER)"
    if isinstance(transform, DayTransform):
        return f"CAST(date_diff('day', DATE '1970-01-01', CAST({column} AS DATE)) AS INTEGER)"
    if isinstance(transform, HourTransform):
        return f"CAST(floor(epoch({column}) / 3600) AS INTEGER)"
    if isinstance(transform, BucketTransform):
        return f"iceberg_bucket({transform.num_buckets}, {column})"
    if isinstance(transform, TruncateTransform):
        return f"iceberg_truncate({transform.width}, {column})"
    if isinstance(transform, VoidTransform):
        return "CAST(NULL AS INTEGER)"
    raise not_supported(f"the partition transform {transform}")


def write_data(
    con: Any,
    sql: str,
    schema: Schema,
    spec: PartitionSpec,
    location: str,
    lake: Lake,
    folder: Path,
    files: dict[str, str],
    codec: str,
) -> list[DataFile]:
    """Write the rows of a query (whose columns are the schema's) as data files in S3."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [f"__p{i}" for i in range(len(spec.fields))]
    computed = "".join(
        f", {transform_sql(item, schema)} AS {key}"
        for item, key in zip(spec.fields, keys, strict=True)
    )
    options = f"FORMAT parquet, COMPRESSION {codec}, FIELD_IDS {field_ids(schema)}, RETURN_STATS"
    if keys:
        options += f", PARTITION_BY ({', '.join(keys)}), FILENAME_PATTERN '{{uuidv7}}'"
        target = str(folder / "data")
    else:
        target = str(folder / "data.parquet")
    # Other readers refuse a file whose types are not the schema's.
    shown = ", ".join(
        f"CAST({quote(f.name)} AS {to_duckdb(from_iceberg(f.field_type))}) AS {quote(f.name)}"
        for f in schema.fields
    )
    copy = f"COPY (SELECT {shown}{computed} FROM ({sql})) TO {literal(target)} ({options})"
    written = engine.run(con, copy, files).fetchall()
    written = [row for row in written if row[1]]
    partitions = {tuple(sorted((row[5] or {}).items())) for row in written}
    if len(partitions) > MAX_OPEN_PARTITIONS:
        raise QueryFailed(
            "ICEBERG_TOO_MANY_OPEN_PARTITIONS",
            f"Exceeded limit of {MAX_OPEN_PARTITIONS} open writers for partitions/buckets",
        )
    made, uploads = [], []
    for name, count, size, _, stats, values in written:
        uri = f"{location}/data/{uuid.uuid4().hex}.parquet"
        uploads.append((Path(name), uri))
        partition = [
            partition_value((values or {}).get(key), item, schema)
            for item, key in zip(spec.fields, keys, strict=True)
        ]
        made.append(_data_file(uri, count, size, stats, partition, schema, spec.spec_id))
    lake.upload(uploads)
    return made


def partition_value(text: str | None, item: PartitionField, schema: Schema) -> Any:
    """A partition value, from DuckDB's text, as manifests hold it."""
    if text is None:
        return None
    source = schema.find_type(item.source_id)
    kind = item.transform.result_type(source)
    if isinstance(kind, ice.DateType) and not isinstance(item.transform, IdentityTransform):
        return int(text)
    return _physical(kind, text)


def _physical(kind: ice.IcebergType, text: str) -> Any:
    if isinstance(kind, ice.IntegerType | ice.LongType):
        return int(text)
    if isinstance(kind, ice.BooleanType):
        return text in ("1", "true")
    if isinstance(kind, ice.DateType):
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    if isinstance(kind, ice.TimestampType | ice.TimestamptzType):
        stamp = datetime.fromisoformat(text.replace("+00", "")).replace(tzinfo=None)
        delta = stamp - datetime(1970, 1, 1)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    if isinstance(kind, ice.DecimalType):
        return Decimal(text)
    if isinstance(kind, ice.FloatType | ice.DoubleType):
        return float(text)
    if isinstance(kind, ice.StringType):
        return text
    raise not_supported(f"a partition of type {kind}")


def _data_file(
    uri: str,
    count: int,
    size: int,
    stats: dict[str, dict[str, str]],
    partition: list[Any],
    schema: Schema,
    spec_id: int,
) -> DataFile:
    columns = {path: (number, kind, flat) for path, number, kind, flat in _leaves(schema)}
    sizes, counts, nulls, lower, upper = {}, {}, {}, {}, {}
    for path, values in (stats or {}).items():
        found = columns.get(path)
        if found is None:
            continue
        number, kind, flat = found
        sizes[number] = int(values["column_size_bytes"])
        if not flat:
            continue
        nulls[number] = int(values.get("null_count") or 0)
        counts[number] = int(values.get("num_values") or 0) + 0
        low, high = bounds(kind, values)
        if low is not None:
            lower[number] = low
        if high is not None:
            upper[number] = high
    made = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=uri,
        file_format=FileFormat.PARQUET,
        partition=Record(*partition),
        record_count=count,
        file_size_in_bytes=size,
        column_sizes=sizes,
        value_counts={k: count for k in counts},
        null_value_counts=nulls,
        nan_value_counts={},
        lower_bounds=lower,
        upper_bounds=upper,
        split_offsets=None,
        equality_ids=None,
        sort_order_id=None,
    )
    made.spec_id = spec_id
    return made


def _leaves(schema: Schema) -> Iterator[tuple[str, int, ice.IcebergType, bool]]:
    """(DuckDB's path, field id, type, has bounds) of every leaf."""

    def walk(prefix: str, number: int, kind: ice.IcebergType, flat: bool) -> Any:
        if isinstance(kind, ice.StructType):
            for item in kind.fields:
                yield from walk(
                    f"{prefix}.{quote(item.name)}", item.field_id, item.field_type, flat
                )
        elif isinstance(kind, ice.ListType):
            yield from walk(f'{prefix}."element"', kind.element_id, kind.element_type, False)
        elif isinstance(kind, ice.MapType):
            yield from walk(f'{prefix}."key"', kind.key_id, kind.key_type, False)
            yield from walk(f'{prefix}."value"', kind.value_id, kind.value_type, False)
        else:
            yield prefix, number, kind, flat

    for item in schema.fields:
        yield from walk(quote(item.name), item.field_id, item.field_type, True)


def bounds(kind: ice.IcebergType, values: dict[str, str]) -> tuple[bytes | None, bytes | None]:
    """Lower and upper bound of a column as manifests hold them, where DuckDB's are exact."""
    low, high = values.get("min"), values.get("max")
    if low is None or high is None:
        return None, None
    if isinstance(kind, ice.StringType):
        return (
            to_bytes(kind, low[:16]) if low else None,
            to_bytes(kind, high) if high and len(high) <= 16 else None,
        )
    if isinstance(kind, ice.FloatType | ice.DoubleType) and values.get("has_nan") != "false":
        return None, None
    exact = (
        ice.IntegerType | ice.LongType | ice.DateType | ice.TimestampType | ice.TimestamptzType
        | ice.DecimalType | ice.BooleanType | ice.FloatType | ice.DoubleType
    )  # fmt: skip
    if not isinstance(kind, exact):
        return None, None
    try:
        return to_bytes(kind, _physical(kind, low)), to_bytes(kind, _physical(kind, high))
    except ValueError:
        return None, None


def write_deletes(
    con: Any,
    positions: str,
    table: Table,
    touched: list[ManifestEntry],
    lake: Lake,
    folder: Path,
    files: dict[str, str],
) -> list[DataFile]:
    """Write position-delete files, one a touched data file.

    `positions` is a query of (strata_file, strata_pos) with paths on disk.
    """
    base = disk_folder(table, lake)
    by_path: dict[str, tuple[int, ManifestEntry]] = {}
    rows = []
    for number, entry in enumerate(touched):
        uri = entry.data_file.file_path
        path = uri.replace(table.location, str(base), 1)
        by_path[str(number)] = (number, entry)
        rows.append(f"({literal(path)}, {literal(uri)}, {number})")
    if not rows:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    con.execute("CREATE TEMP TABLE strata_paths (path VARCHAR, uri VARCHAR, number INTEGER)")
    con.execute(f"INSERT INTO strata_paths VALUES {', '.join(rows)}")
    total = engine.run(con, f"SELECT count(*) FROM ({positions})", files).fetchone()[0]
    source = (
        f"SELECT uri AS file_path, CAST(strata_pos AS BIGINT) AS pos, number AS __n "
        f"FROM ({positions}) JOIN strata_paths ON path = strata_file ORDER BY number, pos"
    )
    options = (
        f"FORMAT parquet, COMPRESSION zstd, FIELD_IDS {_DELETE_IDS}, RETURN_STATS, "
        "PARTITION_BY (__n), FILENAME_PATTERN '{uuidv7}'"
    )
    target = literal(str(folder / "deletes"))
    written = engine.run(con, f"COPY ({source}) TO {target} ({options})", files).fetchall()
    con.execute("DROP TABLE strata_paths")
    if sum(row[1] for row in written) != total:
        raise QueryFailed(
            "ICEBERG_INVALID_METADATA", "rows to delete lie in files not of the table"
        )
    made, uploads = [], []
    for name, count, size, _, _stats, values in written:
        entry = by_path[values["__n"]][1]
        uri = f"{table.location}/data/{uuid.uuid4().hex}-deletes.parquet"
        uploads.append((Path(name), uri))
        path_bytes = entry.data_file.file_path.encode()
        deleted = DataFile.from_args(
            content=DataFileContent.POSITION_DELETES,
            file_path=uri,
            file_format=FileFormat.PARQUET,
            partition=entry.data_file.partition,
            record_count=count,
            file_size_in_bytes=size,
            column_sizes={},
            value_counts={},
            null_value_counts={},
            nan_value_counts={},
            lower_bounds={2147483546: path_bytes},
            upper_bounds={2147483546: path_bytes},
            split_offsets=None,
            equality_ids=None,
            sort_order_id=None,
        )
        deleted.spec_id = entry.data_file.spec_id
        made.append(deleted)
    lake.upload(uploads)
    return made


class _DeleteManifestWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def _manifest(
    kind: type[ManifestWriterV2],
    files: list[DataFile],
    metadata: TableMetadata,
    snapshot_id: int,
    meta: Metadata,
) -> list[ManifestFile]:
    made = []
    for spec_id, group in itertools.groupby(
        sorted(files, key=lambda f: f.spec_id), key=lambda f: f.spec_id
    ):
        output = _metadata_file(metadata.location, "-m0.avro", meta)
        with kind(
            metadata.specs()[spec_id], metadata.schema(), output, snapshot_id, "deflate"
        ) as w:
            for file in group:
                w.add(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED,
                        snapshot_id=snapshot_id,
                        data_file=file,
                    )
                )
        made.append(w.to_manifest_file())
    return made


def _metadata_file(location: str, suffix: str, meta: Metadata) -> OutputFile:
    return meta.io.new_output(f"{location.rstrip('/')}/metadata/{uuid.uuid4()}{suffix}")


def _surviving(
    metadata: TableMetadata, removed: list[ManifestEntry], snapshot_id: int, meta: Metadata
) -> list[ManifestFile]:
    """The snapshot's manifests, rewritten where files are removed."""
    gone = {entry.data_file.file_path for entry in removed}
    kept: list[ManifestFile] = []
    for manifest in meta.manifests(metadata.current_snapshot()):
        entries = meta.entries(manifest) if gone else ()
        if not any(e.data_file.file_path in gone for e in entries):
            kept.append(manifest)
            continue
        kind = (
            _DeleteManifestWriter
            if manifest.content == ManifestContent.DELETES
            else ManifestWriterV2
        )
        output = _metadata_file(metadata.location, "-m1.avro", meta)
        spec = metadata.specs()[manifest.partition_spec_id]
        with kind(spec, metadata.schema(), output, snapshot_id, "deflate") as writer:
            for entry in entries:
                if entry.data_file.file_path in gone:
                    writer.delete(entry)
                else:
                    writer.existing(entry)
        kept.append(writer.to_manifest_file())
    return kept


_SNAPSHOT_LOCK = threading.Lock()


def with_snapshot(
    metadata: TableMetadata, change: Change, operation: Operation, meta: Metadata
) -> TableMetadata:
    """The metadata with one more snapshot that holds a change."""
    with _SNAPSHOT_LOCK:
        snapshot_id = random.SystemRandom().getrandbits(62)
    sequence = metadata.last_sequence_number + 1
    parent = metadata.current_snapshot()
    manifests = _surviving(metadata, change.removed, snapshot_id, meta)
    manifests += _manifest(ManifestWriterV2, change.data, metadata, snapshot_id, meta)
    manifests += _manifest(_DeleteManifestWriter, change.deletes, metadata, snapshot_id, meta)
    output = meta.io.new_output(
        f"{metadata.location.rstrip('/')}/metadata/snap-{snapshot_id}-1-{uuid.uuid4()}.avro"
    )
    parent_id = parent.snapshot_id if parent else None
    with write_manifest_list(2, output, snapshot_id, parent_id, sequence, "deflate") as writer:
        writer.add_manifests(manifests)
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        parent_snapshot_id=parent_id,
        sequence_number=sequence,
        timestamp_ms=max(int(time.time() * 1000), metadata.last_updated_ms + 1),
        manifest_list=output.location,
        summary=_summary(parent, change, operation),
        schema_id=metadata.current_schema_id,
    )
    updates: tuple[TableUpdate, ...] = (
        AddSnapshotUpdate(snapshot=snapshot),
        SetSnapshotRefUpdate(
            ref_name="main",
            type="branch",
            snapshot_id=snapshot_id,
            max_ref_age_ms=None,
            max_snapshot_age_ms=None,
            min_snapshots_to_keep=None,
        ),
    )
    return update_table_metadata(metadata, updates)


def _summary(parent: Snapshot | None, change: Change, operation: Operation) -> Summary:
    before = parent.summary if parent and parent.summary else None

    def total(name: str, delta: int) -> str:
        old = before[f"total-{name}"] if before else None
        return str(int(old or 0) + delta)

    added = sum(f.record_count for f in change.data)
    deleted = sum(f.record_count for f in change.deletes)
    gone = [e.data_file for e in change.removed]
    gone_data = [f for f in gone if f.content == DataFileContent.DATA]
    gone_deletes = [f for f in gone if f.content != DataFileContent.DATA]
    gone_rows = sum(f.record_count for f in gone_data)
    equality = [f for f in gone_deletes if f.content == DataFileContent.EQUALITY_DELETES]
    gone_equality = sum(f.record_count for f in equality)
    gone_positions = sum(f.record_count for f in gone_deletes) - gone_equality
    size = sum(f.file_size_in_bytes for f in change.data + change.deletes) - sum(
        f.file_size_in_bytes for f in gone
    )
    values = {
        "added-data-files": str(len(change.data)),
        "added-records": str(added),
        "added-delete-files": str(len(change.deletes)),
        "added-position-deletes": str(deleted),
        "deleted-data-files": str(len(gone_data)),
        "deleted-records": str(gone_rows),
        "total-records": total("records", added - gone_rows),
        "total-data-files": total("data-files", len(change.data) - len(gone_data)),
        "total-delete-files": total("delete-files", len(change.deletes) - len(gone_deletes)),
        "total-position-deletes": total("position-deletes", deleted - gone_positions),
        "total-equality-deletes": total("equality-deletes", -gone_equality),
        "total-files-size": total("files-size", size),
    }
    zero = {k for k, v in values.items() if v == "0" and not k.startswith("total")}
    return Summary(operation, **{k: v for k, v in values.items() if k not in zero})


# --- metadata and Glue


def write_metadata(metadata: TableMetadata, version: int, meta: Metadata) -> str:
    """Write a metadata file; gives its location."""
    uri = f"{metadata.location.rstrip('/')}/metadata/{version:05d}-{uuid.uuid4()}.metadata.json"
    meta.lake.write(uri, metadata.model_dump_json(exclude_none=True).encode())
    return uri


def glue_columns(schema: Schema, old: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Glue's columns of a schema, with the comments that they had."""
    comments = {c["Name"]: c.get("Comment") for c in old or []}
    columns = []
    for item in schema.fields:
        column: dict[str, Any] = {
            "Name": item.name.lower(),
            "Type": to_hive(from_iceberg(item.field_type), iceberg=True),
            "Parameters": {
                "iceberg.field.id": str(item.field_id),
                "iceberg.field.optional": str(item.optional).lower(),
                "iceberg.field.current": "true",
            },
        }
        comment = item.doc or comments.get(item.name.lower())
        if comment:
            column["Comment"] = comment
        columns.append(column)
    return columns


_INPUT_KEYS = ("Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys",
               "ViewOriginalText", "ViewExpandedText", "TableType", "Parameters")  # fmt: skip


def table_input(glue: dict[str, Any]) -> dict[str, Any]:
    """A Glue table as the input of UpdateTable or CreateTable."""
    return {k: glue[k] for k in _INPUT_KEYS if k in glue}


def commit(table: Table, metadata: TableMetadata, catalog: Any, meta: Metadata) -> None:
    """Make `metadata` the table's, if nobody changed the table since it was read.

    Raises QueryFailed(ICEBERG_COMMIT_ERROR) when somebody did.
    """
    old = table.metadata_location.rsplit("/", 1)[1].partition("-")[0]
    version = int(old) + 1 if old.isdigit() else 1
    location = write_metadata(metadata, version, meta)
    new = table_input(table.glue)
    new["Parameters"] = {
        **table.glue["Parameters"],
        "table_type": "ICEBERG",
        "metadata_location": location,
        "previous_metadata_location": table.metadata_location,
    }
    storage = dict(new["StorageDescriptor"])
    storage["Columns"] = glue_columns(metadata.schema(), storage.get("Columns"))
    storage["Location"] = metadata.location
    new["StorageDescriptor"] = storage
    try:
        catalog.update_table(
            DatabaseName=table.database,
            TableInput=new,
            VersionId=table.glue["VersionId"],
            SkipArchive=True,
        )
    except AwsError as error:
        meta.lake.delete([location])
        if error.code in ("ConcurrentModificationException", "EntityNotFoundException"):
            raise QueryFailed(
                "ICEBERG_COMMIT_ERROR",
                f"Failed to commit the transaction during write to table "
                f"{table.database}.{table.name}: {error.message}",
            ) from None
        raise


def new_metadata(
    columns: list[tuple[str, Type, str | None]],
    partitioning: list[str],
    location: str,
    properties: dict[str, str],
) -> TableMetadata:
    """Metadata of a new table. Raises QueryFailed for a type or transform that is not supported."""
    ids = itertools.count(1)
    top = [next(ids) for _ in columns]
    fields = [
        ice.NestedField(number, name, to_iceberg(kind, ids), required=False, doc=doc)
        for number, (name, kind, doc) in zip(top, columns, strict=True)
    ]
    schema = Schema(*fields)
    spec = PartitionSpec(
        *(_partition_field(text, schema, 1000 + index) for index, text in enumerate(partitioning))
    )
    bucket, key = split_uri(location)
    return new_table_metadata(
        schema, spec, UNSORTED_SORT_ORDER, f"s3://{bucket}/{key.strip('/')}", dict(properties)
    )


def _partition_field(text: str, schema: Schema, number: int) -> PartitionField:
    import re

    clean = text.strip().replace('"', "").replace("`", "").lower()
    match = re.fullmatch(r"(\w+)\s*\(\s*(\w+)\s*(?:,\s*(\w+)\s*)?\)", clean)
    transform: Transform[Any, Any]
    if match is None:
        name, transform, suffix = clean, IdentityTransform(), ""
    else:
        kind = (
            match[1].rstrip("s") if match[1] in ("years", "months", "days", "hours") else match[1]
        )
        first, second = match[2], match[3]
        name = second if first.isdigit() else first
        size = first if first.isdigit() else second
        if kind not in ("year", "month", "day", "hour", "bucket", "truncate"):
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"Invalid partition field: {text}")
        transform = parse_transform(f"{kind}[{size}]" if size else kind)
        suffix = f"_{'trunc' if kind == 'truncate' else kind}"
    try:
        source = schema.find_field(name, case_sensitive=False)
    except ValueError:
        raise QueryFailed("COLUMN_NOT_FOUND", f"Partition column not found: {name}") from None
    if not transform.can_transform(source.field_type):
        raise QueryFailed(
            "INVALID_TABLE_PROPERTY", f"Cannot partition {source.field_type} by {text}"
        )
    return PartitionField(source.field_id, number, transform, name + suffix)
