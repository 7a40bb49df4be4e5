"""Statements that add rows: CTAS and INSERT. A failed statement leaves nothing visible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyiceberg.table.snapshots import Operation

from local_aws.errors import AwsError

from . import casts, hive, hive_files, iceberg, table_properties
from .buckets import Bucketing
from .expression import Expr, fail_text
from .failure import QueryFailed, not_supported
from .hive_files import Files, Layout
from .iceberg import Change
from .plan import Session
from .relations import Column, Relation
from .statement import Statement
from .types import Type, common, parse, quote, to_duckdb, to_hive

Json = dict[str, Any]

_HIVE_SERDES = {
    "parquet": (
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    ),
    "textfile": (
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    "json": (
        "org.openx.data.jsonserde.JsonSerDe",
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    "avro": (
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
    ),
    "orc": (
        "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
        "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
        "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
    ),
}


@dataclass(frozen=True)
class Written:
    """How many rows a statement changed; `files` are the objects of new rows."""

    rows: int
    files: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Planned:
    """What a statement is to write: its table, the columns, and DuckDB SQL of the rows."""

    database: str
    name: str
    columns: list[tuple[str, Type]]
    sql: str


def storage(file_format: str, columns: list[Json], location: str) -> Json:
    """A Glue StorageDescriptor. Raises QueryFailed for a format that is not written here."""
    if file_format not in _HIVE_SERDES:
        raise not_supported(f"the format {file_format}")
    serde, reads, writes = _HIVE_SERDES[file_format]
    return {
        "Columns": columns,
        "Location": location.rstrip("/"),
        "InputFormat": reads,
        "OutputFormat": writes,
        "SerdeInfo": {
            "SerializationLibrary": serde,
            "Parameters": {"serialization.format": "1"} if file_format != "json" else {},
        },
    }


# --- CREATE TABLE AS


def create_table_as(session: Session, statement: Statement, folder: Path) -> Written:
    """CTAS: https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html"""
    planned = plan_create(session, statement)
    if planned is None:
        return Written(0, ())
    properties = statement.options["properties"]
    if _kind(properties) == "iceberg":
        return _create_iceberg(session, planned, properties, folder)
    return _create_hive(session, planned, properties, folder)


def plan_create(session: Session, statement: Statement) -> Planned | None:
    """What a CTAS is to write: nothing where IF NOT EXISTS finds its table."""
    database, name = session.name(statement.table)
    if not session.has_database(database):
        raise QueryFailed("SCHEMA_NOT_FOUND", f"line 1:1: Schema '{database}' does not exist")
    if _exists(session, database, name):
        if statement.options["if_not_exists"]:
            return None
        raise QueryFailed(
            "TABLE_ALREADY_EXISTS",
            f"line 1:1: Destination table 'awsdatacatalog.{database}.{name}' already exists",
        )
    if statement.query is None:
        raise not_supported("CREATE TABLE AS without a query")
    sql, relation = session.translate(statement.query, statement.text)
    columns = _named(relation)
    if statement.options["no_data"]:
        sql = f"SELECT * FROM ({sql}) WHERE false"
    _check_properties(statement.options["properties"])
    return Planned(database, name, columns, sql)


def _named(relation: Relation) -> list[tuple[str, Type]]:
    columns = [(c.name, c.type) for c in relation.columns]
    names = [name for name, _ in columns]
    for index, (name, kind) in enumerate(columns):
        if name.startswith("_col") and name == f"_col{index}":
            raise QueryFailed(
                "MISSING_COLUMN_NAME",
                f"line 1:1: Column name not specified at position {index + 1}",
            )
        if names.count(name) > 1:
            raise QueryFailed(
                "DUPLICATE_COLUMN_NAME", f"line 1:1: Column name '{name}' specified more than once"
            )
        if kind.name == "unknown":
            raise QueryFailed(
                "COLUMN_TYPE_UNKNOWN", f"line 1:1: Column type is unknown at position {index + 1}"
            )
    return columns


_COMMON = {"table_type", "is_external", "format", "write_compression"}
_PROPERTIES = {
    "iceberg": _COMMON | {"location", "partitioning"} | table_properties.MAINTENANCE,
    "hive": _COMMON
    | {"location", "external_location", "partitioned_by", "field_delimiter"}
    | {"bucketed_by", "bucket_count"}
    | {"parquet_compression", "orc_compression"},
}


def _kind(properties: Json) -> str:
    return str(properties.get("table_type", "hive")).lower()


def _check_properties(properties: Json) -> None:
    """Raises QueryFailed for a property that would have no effect here."""
    kind = _kind(properties)
    if kind not in _PROPERTIES:
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"Unknown table_type: {kind}")
    unknown = sorted(set(properties) - _PROPERTIES[kind])
    if unknown:
        raise not_supported(f"the table property {unknown[0]} in CREATE TABLE AS")


def _exists(session: Session, database: str, name: str) -> bool:
    try:
        session.catalog.get_table(DatabaseName=database, Name=name)
    except AwsError as error:
        if error.code == "EntityNotFoundException":
            return False
        raise
    return True


def _create_iceberg(session: Session, planned: Planned, properties: Json, folder: Path) -> Written:
    if "location" not in properties:
        raise QueryFailed(
            "INVALID_TABLE_PROPERTY", "Table location must be specified for an Iceberg table"
        )
    own = {"table_type", "is_external", "location", "partitioning"}
    kept = table_properties.check({k: v for k, v in properties.items() if k not in own})
    for column, kind in planned.columns:
        if kind.name.startswith("timestamp") and kind.args[0] != 6:
            raise QueryFailed(
                "NOT_SUPPORTED",
                f"Timestamp precision ({kind.args[0]}) not supported for Iceberg. "
                f'Use "timestamp(6)" instead: column {column}',
            )
    location = str(properties["location"]).rstrip("/")
    metadata = iceberg.new_metadata(
        [(n, t, None) for n, t in planned.columns],
        [str(item) for item in properties.get("partitioning", [])],
        location,
        {"write.parquet.compression-codec": table_properties.codec(kept), **kept},
    )
    change = write_iceberg(session, planned.sql, planned.columns, metadata, folder)
    if change.data:
        metadata = iceberg.with_snapshot(metadata, change, Operation.APPEND, session.meta)
    publish_iceberg(session, planned.database, planned.name, metadata)
    return Written(change.rows, _paths(change))


def publish_iceberg(session: Session, database: str, name: str, metadata: Any) -> None:
    """The one step that makes a new table visible."""
    location = iceberg.write_metadata(metadata, 0, session.meta)
    table_input = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"table_type": "ICEBERG", "metadata_location": location},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": iceberg.glue_columns(metadata.schema()),
            "Location": metadata.location,
        },
    }
    _create_in_glue(session, database, table_input)


def _create_in_glue(session: Session, database: str, table_input: Json) -> None:
    try:
        session.catalog.create_table(DatabaseName=database, TableInput=table_input)
    except AwsError as error:
        if error.code == "AlreadyExistsException":
            raise QueryFailed(
                "TABLE_ALREADY_EXISTS",
                f"line 1:1: Table 'awsdatacatalog.{database}.{table_input['Name']}' already exists",
            ) from None
        raise


def write_iceberg(
    session: Session, sql: str, columns: list[tuple[str, Type]], metadata: Any, folder: Path
) -> Change:
    """Data files of the rows of `sql`, whose columns are the table's in order."""
    fields = [f.name for f in metadata.schema().fields]
    shown = ", ".join(
        f"{quote(name)} AS {quote(own)}" for (name, _), own in zip(columns, fields, strict=True)
    )
    files = iceberg.write_data(
        session.con,
        f"SELECT {shown} FROM ({sql})",
        metadata.schema(),
        metadata.spec(),
        metadata.location.rstrip("/"),
        session.lake,
        folder,
        session.files,
        table_properties.codec(metadata.properties),
    )
    return Change(data=files, rows=sum(f.record_count for f in files))


def _paths(change: Change) -> tuple[str, ...]:
    return tuple(file.file_path for file in change.data)


def _create_hive(session: Session, planned: Planned, properties: Json, folder: Path) -> Written:
    database, name, columns = planned.database, planned.name, planned.columns
    location = properties.get("external_location") or properties.get("location")
    if location and session.enforced:
        raise QueryFailed(
            "INVALID_TABLE_PROPERTY",
            "The Create Table As Select query failed because it was submitted with an "
            "'external_location' property to an Athena Workgroup that enforces a centralized "
            "output location for all queries",
        )
    location = str(location or session.output).rstrip("/") + "/"
    require_empty(session, location)
    keys = [str(k).lower() for k in properties.get("partitioned_by", [])]
    check_partition_keys([n for n, _ in columns], keys)
    how = _layout(properties)
    hive_files.check_columns(columns, how)
    glue_columns = [{"Name": n, "Type": to_hive(t)} for n, t in columns]
    split = len(columns) - len(keys)
    described = storage(_GLUE_FORMATS.get(how.format, how.format), glue_columns[:split], location)
    if how.delimiter != hive_files.DELIMITER:
        described["SerdeInfo"]["Parameters"]["field.delim"] = how.delimiter
    described.update(_buckets(properties, glue_columns[:split]))
    table_input = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": how.format,
            "write.compression": how.codec.upper(),
        },
        "PartitionKeys": glue_columns[split:],
        "StorageDescriptor": described,
    }
    glue = {**table_input, "DatabaseName": database}
    found = _write_hive(session, glue, planned.sql, folder)
    _create_in_glue(session, database, table_input)
    _register(session, glue, found)
    return Written(found.rows, found.uris)


def require_empty(session: Session, location: str) -> None:
    """Raises QueryFailed when there is something at a location already."""
    location = location.rstrip("/") + "/"
    if session.lake.list(location):
        raise QueryFailed(
            "HIVE_PATH_ALREADY_EXISTS", f"Target directory for table already exists: {location}"
        )


def check_partition_keys(names: list[str], keys: list[str]) -> None:
    """Raises QueryFailed when the keys are not the last columns, or all of them."""
    if names[len(names) - len(keys) :] != keys:
        raise QueryFailed(
            "HIVE_COLUMN_ORDER_MISMATCH", "Partition keys must be the last columns in the table"
        )
    if keys and len(keys) == len(names):
        raise QueryFailed("INVALID_TABLE_PROPERTY", "Table contains only partition columns")


_GLUE_FORMATS = {"text": "textfile"}


def _layout(properties: Json) -> Layout:
    """The files that the properties of a CTAS ask for."""
    file_format = str(properties.get("format", "parquet"))
    older = properties.get(f"{file_format.lower()}_compression")
    return hive_files.layout(
        file_format, properties.get("write_compression") or older, properties.get("field_delimiter")
    )


def _buckets(properties: Json, columns: list[Json]) -> Json:
    """What a StorageDescriptor says of the buckets that a CTAS asks for."""
    names = [str(name).lower() for name in properties.get("bucketed_by", [])]
    count = int(properties.get("bucket_count", 0))
    if not names and not count:
        return {}
    if not names or not count:
        raise QueryFailed(
            "INVALID_TABLE_PROPERTY", "bucketed_by and bucket_count must be specified together"
        )
    if count < 0:
        raise QueryFailed("INVALID_TABLE_PROPERTY", "bucket_count must be greater than zero")
    known = {c["Name"]: parse(c["Type"]) for c in columns}
    if missing := [name for name in names if name not in known]:
        raise QueryFailed(
            "INVALID_TABLE_PROPERTY",
            f"Bucketing columns [{', '.join(missing)}] not present in schema",
        )
    if not Bucketing(tuple((name, known[name]) for name in names), count).is_supported:
        raise QueryFailed("NOT_SUPPORTED", "Cannot create a table bucketed on an unsupported type")
    return {"BucketColumns": names, "NumberOfBuckets": count}


def _write_hive(session: Session, glue: Json, sql: str, folder: Path) -> Files:
    """Write rows into a Hive table's location and register their partitions."""
    keys = [k["Name"].lower() for k in glue.get("PartitionKeys", [])]
    location = glue["StorageDescriptor"]["Location"]
    table = hive.Table(glue["DatabaseName"], glue["Name"], glue)
    found = hive_files.write(
        session.con, sql, hive.columns(glue), keys, location, hive.layout(glue), session.lake,
        folder, session.files, table.bucketing,
    )  # fmt: skip
    if lost := hive.unreachable(table, found.partitions, session.catalog, session.now):
        session.lake.delete(found.uris)
        raise not_supported(
            f"INSERT of the partition {lost}, which the table's projection does not read,"
        )
    return found


def _register(session: Session, glue: Json, found: Files) -> None:
    """Add new partitions to Glue; those that exist stay."""
    keys = [k["Name"] for k in glue.get("PartitionKeys", [])]
    if (
        not keys
        or not found.partitions
        or glue.get("Parameters", {}).get("projection.enabled") == "true"
    ):
        return
    base = glue["StorageDescriptor"]
    inputs = []
    for values in found.partitions:
        location = f"{base['Location'].rstrip('/')}/{hive_files.partition_path(keys, values)}"
        described = {**base, "Location": location}
        inputs.append({"Values": list(values), "StorageDescriptor": described})
    session.catalog.batch_create_partition(
        DatabaseName=glue["DatabaseName"], TableName=glue["Name"], PartitionInputList=inputs
    )


# --- INSERT


def insert(session: Session, statement: Statement, folder: Path) -> Written:
    """INSERT INTO: https://docs.aws.amazon.com/athena/latest/ug/insert-into.html"""
    glue, table = _target(session, statement)
    planned = _inserted(session, statement, glue, table)
    if table is None:
        found = _write_hive(session, glue, planned.sql, folder)
        _register(session, glue, found)
        return Written(found.rows, found.uris)
    change = write_iceberg(session, planned.sql, planned.columns, table.metadata, folder)
    if change.data:
        metadata = iceberg.with_snapshot(table.metadata, change, Operation.APPEND, session.meta)
        iceberg.commit(table, metadata, session.catalog, session.meta)
    return Written(change.rows, _paths(change))


def plan_insert(session: Session, statement: Statement) -> Planned:
    """What an INSERT is to write."""
    return _inserted(session, statement, *_target(session, statement))


def _target(session: Session, statement: Statement) -> tuple[Json, iceberg.Table | None]:
    """A table that takes rows: its Glue entry, and what it is if it is Iceberg's.

    Raises QueryFailed for what takes none.
    """
    glue = session.glue_table(statement.table)
    if glue.get("TableType") == "VIRTUAL_VIEW":
        raise QueryFailed("NOT_SUPPORTED", "line 1:1: Inserting into views is not supported")
    if iceberg.is_iceberg(glue):
        return glue, session.meta.table(glue["DatabaseName"], glue)
    if glue["StorageDescriptor"].get("BucketColumns"):
        raise QueryFailed(
            "NOT_SUPPORTED", "INSERT INTO is not supported on bucketed tables: " + glue["Name"]
        )
    return glue, None


def _inserted(
    session: Session, statement: Statement, glue: Json, table: iceberg.Table | None
) -> Planned:
    columns = table.columns() if table else hive.columns(glue)
    if statement.query is None:
        raise not_supported("INSERT without a query")
    sql, relation = session.translate(statement.query, statement.text)
    names = statement.options["columns"] or [name for name, _ in columns]
    sql = _coerced(sql, relation, names, columns)
    return Planned(glue["DatabaseName"], glue["Name"], columns, sql)


def _coerced(
    sql: str, relation: Relation, names: list[str], columns: list[tuple[str, Type]]
) -> str:
    """The query with all columns of the table in order, as far as Trino coerces their types."""
    given = [c for c in relation.columns if not c.hidden]
    known = dict(columns)
    for name in names:
        if name not in known:
            raise QueryFailed(
                "COLUMN_NOT_FOUND",
                f"line 1:1: Insert column name does not exist in target table: {name}",
            )
    if len(given) != len(names):
        raise QueryFailed(
            "TYPE_MISMATCH",
            f"line 1:1: Insert query has mismatched column types: Table: "
            f"{[str(known[n]) for n in names]}, Query: {[str(c.type) for c in given]}",
        )
    for column, name in zip(given, names, strict=True):
        if not assignable(column.type, known[name]):
            raise QueryFailed(
                "TYPE_MISMATCH",
                "line 1:1: Insert query has mismatched column types: Table: "
                f"{[str(known[n]) for n in names]}, Query: {[str(c.type) for c in given]}",
            )
    values = {name: stored(c, known[name]) for name, c in zip(names, given, strict=True)}
    shown = ", ".join(
        f"{values.get(name, f'CAST(NULL AS {to_duckdb(kind)})')} AS {quote(name)}"
        for name, kind in columns
    )
    return f"SELECT {shown} FROM ({sql})"


def assignable(given: Type, wanted: Type) -> bool:
    """Whether Trino stores a value of one type in a column of another: they have a common type."""
    return common(given, wanted) is not None


def stored(column: Column, wanted: Type) -> str:
    """SQL of a column's value as a table's type has it: cast as Trino casts, but never truncated."""
    value = casts.cast(Expr(quote(column.sql_name), column.type), wanted).sql
    if not (wanted.args and wanted.is_text and column.type.is_text):
        return value
    message = f"Cannot truncate non-space characters when casting from {column.type} to {wanted} on INSERT"
    too_long = f"length(rtrim({quote(column.sql_name)})) > {wanted.args[0]}"
    failing = fail_text("INVALID_CAST_ARGUMENT", message, "VARCHAR")
    return f"CASE WHEN {too_long} THEN {failing} ELSE {value} END"
