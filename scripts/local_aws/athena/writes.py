"""Statements that change rows: CTAS, INSERT, MERGE, UPDATE and DELETE.

An Iceberg statement is one snapshot, merge-on-read: new data files, and position deletes for the
rows that are gone. A failed statement leaves nothing visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyiceberg.table.snapshots import Operation
from sqlglot import exp

from local_aws.errors import AwsError

from . import casts, engine, hive, hive_files, iceberg, table_properties
from .expression import Expr, fail_text
from .failure import QueryFailed, not_supported
from .hive_files import Files, Layout
from .iceberg import Change
from .parser import Statement
from .plan import Session
from .relations import Column, Relation
from .types import Type, common, quote, to_duckdb, to_hive

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
_POSITION = ("strata_file", "strata_pos")


@dataclass(frozen=True)
class Written:
    """How many rows a statement changed; `files` are the objects of new rows."""

    rows: int
    files: tuple[str, ...] | None = None


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
    database, name = session.name(statement.table)
    if not session.has_database(database):
        raise QueryFailed("SCHEMA_NOT_FOUND", f"line 1:1: Schema '{database}' does not exist")
    if _exists(session, database, name):
        if statement.options["if_not_exists"]:
            return Written(0, ())
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
    properties = statement.options["properties"]
    kind = str(properties.get("table_type", "hive")).lower()
    _check_properties(kind, properties)
    if kind == "iceberg":
        return _create_iceberg(session, database, name, sql, columns, properties, folder)
    return _create_hive(session, database, name, sql, columns, properties, folder)


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
    | {"location", "external_location", "partitioned_by", "bucketed_by", "field_delimiter"}
    | {"parquet_compression", "orc_compression"},
}


def _check_properties(kind: str, properties: Json) -> None:
    """Raises QueryFailed for a property that would have no effect here."""
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


def _create_iceberg(
    session: Session,
    database: str,
    name: str,
    sql: str,
    columns: list[tuple[str, Type]],
    properties: Json,
    folder: Path,
) -> Written:
    if "location" not in properties:
        raise QueryFailed(
            "INVALID_TABLE_PROPERTY", "Table location must be specified for an Iceberg table"
        )
    own = {"table_type", "is_external", "location", "partitioning"}
    kept = table_properties.check({k: v for k, v in properties.items() if k not in own})
    for column, kind in columns:
        if kind.name.startswith("timestamp") and kind.args[0] != 6:
            raise QueryFailed(
                "NOT_SUPPORTED",
                f"Timestamp precision ({kind.args[0]}) not supported for Iceberg. "
                f'Use "timestamp(6)" instead: column {column}',
            )
    location = str(properties["location"]).rstrip("/")
    metadata = iceberg.new_metadata(
        [(n, t, None) for n, t in columns],
        [str(item) for item in properties.get("partitioning", [])],
        location,
        {"write.parquet.compression-codec": table_properties.codec(kept), **kept},
    )
    change = _write(session, sql, columns, metadata, folder)
    if change.data:
        metadata = iceberg.with_snapshot(metadata, change, Operation.APPEND, session.meta)
    publish_iceberg(session, database, name, metadata)
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


def _write(
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


def _create_hive(
    session: Session,
    database: str,
    name: str,
    sql: str,
    columns: list[tuple[str, Type]],
    properties: Json,
    folder: Path,
) -> Written:
    if properties.get("bucketed_by"):
        raise not_supported("bucketed_by")
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
    found = _write_hive(session, glue, sql, folder)
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


def _write_hive(session: Session, glue: Json, sql: str, folder: Path) -> Files:
    """Write rows into a Hive table's location and register their partitions."""
    keys = [k["Name"].lower() for k in glue.get("PartitionKeys", [])]
    location = glue["StorageDescriptor"]["Location"]
    found = hive_files.write(
        session.con, sql, hive.columns(glue), keys, location, hive.layout(glue), session.lake,
        folder, session.files,
    )  # fmt: skip
    table = hive.Table(glue["DatabaseName"], glue["Name"], glue)
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
    glue = session.glue_table(statement.table)
    if glue.get("TableType") == "VIRTUAL_VIEW":
        raise QueryFailed("NOT_SUPPORTED", "line 1:1: Inserting into views is not supported")
    is_iceberg = iceberg.is_iceberg(glue)
    table = session.meta.table(glue["DatabaseName"], glue) if is_iceberg else None
    columns = table.columns() if table else hive.columns(glue)
    if statement.query is None:
        raise not_supported("INSERT without a query")
    sql, relation = session.translate(statement.query, statement.text)
    names = statement.options["columns"] or [name for name, _ in columns]
    sql = _coerced(sql, relation, names, columns)
    if table is None:
        found = _write_hive(session, glue, sql, folder)
        _register(session, glue, found)
        return Written(found.rows, found.uris)
    change = _write(session, sql, columns, table.metadata, folder)
    if change.data:
        metadata = iceberg.with_snapshot(table.metadata, change, Operation.APPEND, session.meta)
        iceberg.commit(table, metadata, session.catalog, session.meta)
    return Written(change.rows, _paths(change))


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
        if not _assignable(column.type, known[name]):
            raise QueryFailed(
                "TYPE_MISMATCH",
                "line 1:1: Insert query has mismatched column types: Table: "
                f"{[str(known[n]) for n in names]}, Query: {[str(c.type) for c in given]}",
            )
    stored = {name: _stored(c, known[name]) for name, c in zip(names, given, strict=True)}
    shown = ", ".join(
        f"{stored.get(name, f'CAST(NULL AS {to_duckdb(kind)})')} AS {quote(name)}"
        for name, kind in columns
    )
    return f"SELECT {shown} FROM ({sql})"


def _assignable(given: Type, wanted: Type) -> bool:
    """Whether Trino stores a value of one type in a column of another: they have a common type."""
    return common(given, wanted) is not None


def _stored(column: Column, wanted: Type) -> str:
    """SQL of a column's value as a table's type has it: cast as Trino casts, but never truncated."""
    value = casts.cast(Expr(quote(column.sql_name), column.type), wanted).sql
    if not (wanted.args and wanted.is_text and column.type.is_text):
        return value
    message = f"Cannot truncate non-space characters when casting from {column.type} to {wanted} on INSERT"
    too_long = f"length(rtrim({quote(column.sql_name)})) > {wanted.args[0]}"
    failing = fail_text("INVALID_CAST_ARGUMENT", message, "VARCHAR")
    return f"CASE WHEN {too_long} THEN {failing} ELSE {value} END"


# --- MERGE, UPDATE, DELETE


def merge(session: Session, statement: Statement, folder: Path) -> Written:
    """MERGE INTO: https://docs.aws.amazon.com/athena/latest/ug/merge-into-statement.html

    Raises QueryFailed when a row of the target matches two rows of the source.
    """
    node = statement.node
    if not isinstance(node, exp.Merge):
        raise not_supported("this form of MERGE")
    table = session.iceberg_table(statement.table)
    session.positional = (table.database, table.name)
    target = node.this.alias or table.name
    matched = exp.Not(this=exp.Is(this=_position("strata_pos", target), expression=exp.Null()))
    whens = node.args["whens"].expressions
    actions, values = exp.Case(), {name: exp.Case() for name, _ in table.columns()}
    kinds: list[str] = []
    for number, when in enumerate(whens, start=1):
        condition = matched.copy() if when.args.get("matched") else exp.Not(this=matched.copy())
        if extra := when.args.get("condition"):
            condition = exp.And(this=condition, expression=exp.Paren(this=extra.copy()))
        kind, assigned = _clause(when, table.columns(), target)
        kinds.append(kind)
        actions = actions.when(condition.copy(), exp.Literal.number(number))
        for name, value in assigned.items():
            guard = exp.And(
                this=exp.Paren(this=condition.copy()),
                expression=_none_of(whens[: number - 1], matched),
            )
            values[name] = values[name].when(guard, value)
    shown: list[exp.Expression] = [
        exp.alias_(_position("strata_file", target), "strata_file"),
        exp.alias_(_position("strata_pos", target), "strata_pos"),
        exp.alias_(actions.else_(exp.Literal.number(0)), "strata_action"),
    ]
    shown += [
        exp.alias_(case if case.args.get("ifs") else exp.Null(), name, quoted=True)
        for name, case in values.items()
    ]
    query = exp.Select(expressions=shown)
    query.set("from_", exp.From(this=node.args["using"].copy()))
    joined = exp.Join(this=node.this.copy(), side="LEFT", on=node.args["on"].copy())
    query.set("joins", [joined])
    _materialize(session, query, statement.text, table)
    _refuse_double_matches(session)
    gone = [n for n, kind in enumerate(kinds, start=1) if kind in ("update", "delete")]
    new = [n for n, kind in enumerate(kinds, start=1) if kind in ("update", "insert")]
    return _commit_changes(session, table, gone, new, folder)


def _none_of(whens: list[exp.Expression], matched: exp.Expression) -> exp.Expression:
    """No earlier clause took the row."""
    result: exp.Expression = exp.true()
    for when in whens:
        condition = matched.copy() if when.args.get("matched") else exp.Not(this=matched.copy())
        if extra := when.args.get("condition"):
            condition = exp.And(this=condition, expression=exp.Paren(this=extra.copy()))
        missed = exp.Anonymous(
            this="fn$coalesce", expressions=[exp.Paren(this=condition), exp.false()]
        )
        result = exp.And(this=result, expression=exp.Not(this=missed))
    return exp.Paren(this=result)


def _position(name: str, target: str) -> exp.Column:
    return exp.column(name, table=exp.to_identifier(target, quoted=True))


def _clause(
    when: exp.Expression, columns: list[tuple[str, Type]], target: str
) -> tuple[str, dict[str, exp.Expression]]:
    """What a WHEN clause does, and the values of all columns where it makes a row."""
    then, is_matched = when.args["then"], bool(when.args.get("matched"))
    if when.args.get("source"):
        raise not_supported("WHEN NOT MATCHED BY SOURCE")
    if is_matched == isinstance(then, exp.Insert):
        side = "MATCHED" if is_matched else "NOT MATCHED"
        raise QueryFailed("SYNTAX_ERROR", f"line 1:1: WHEN {side} THEN {then.sql('trino')}")
    if isinstance(then, exp.Update):
        values: dict[str, exp.Expression] = {
            name: exp.column(exp.to_identifier(name, quoted=True), table=target, quoted=True)
            for name, _ in columns
        }
        for assignment in then.expressions:
            values[_column_name(assignment.this, values)] = assignment.expression.copy()
        return "update", values
    if isinstance(then, exp.Insert):
        listed = then.this.expressions if then.this is not None else []
        known = dict.fromkeys(name for name, _ in columns)
        names = [_column_name(c, known) for c in listed] or [name for name, _ in columns]
        given = then.expression.expressions
        if len(given) != len(names):
            raise QueryFailed(
                "TYPE_MISMATCH", "line 1:1: MERGE INSERT has as many values as columns, or fails"
            )
        return "insert", {n: v.copy() for n, v in zip(names, given, strict=True)}
    if str(then.name).upper() == "DELETE":
        return "delete", {}
    raise not_supported(f"WHEN … THEN {then.sql('trino')}")


def _column_name(node: exp.Expression, known: dict[str, Any]) -> str:
    name = node.name.lower().removeprefix("fn$")
    if name not in known:
        raise QueryFailed("COLUMN_NOT_FOUND", f"line 1:1: Column '{name}' cannot be resolved")
    return name


def _materialize(session: Session, query: exp.Expression, text: str, table: iceberg.Table) -> None:
    """Compute what changes: file, position, action and the new values of each row."""
    sql, relation = session.translate(query, text)
    names = [*_POSITION, "strata_action", *(name for name, _ in table.columns())]
    types = dict(table.columns())
    shown = []
    for name, column in zip(names, relation.columns, strict=True):
        if name in types:
            if not _assignable(column.type, types[name]):
                raise QueryFailed(
                    "TYPE_MISMATCH",
                    f"line 1:1: column '{name}' is {types[name]}, the value is {column.type}",
                )
            shown.append(f"{_stored(column, types[name])} AS {quote(name)}")
        else:
            shown.append(f"{quote(column.sql_name)} AS {quote(name)}")
    create = f"CREATE OR REPLACE TEMP TABLE strata_change AS SELECT {', '.join(shown)} FROM ({sql})"
    engine.run(session.con, create, session.files)


def _refuse_double_matches(session: Session) -> None:
    found = session.con.execute(
        "SELECT 1 FROM strata_change WHERE strata_pos IS NOT NULL AND strata_action > 0 "
        "GROUP BY strata_file, strata_pos HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if found:
        raise QueryFailed(
            "MERGE_TARGET_ROW_MULTIPLE_MATCHES",
            "One MERGE target table row matched more than one source row",
        )


def update(session: Session, statement: Statement, folder: Path) -> Written:
    """UPDATE: https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-updating-iceberg-table-data.html"""
    node = statement.node
    if not isinstance(node, exp.Update):
        raise not_supported("this form of UPDATE")
    table = session.iceberg_table(statement.table)
    values: dict[str, exp.Expression] = {
        name: exp.column(exp.to_identifier(name, quoted=True)) for name, _ in table.columns()
    }
    for assignment in node.expressions:
        values[_column_name(assignment.this, values)] = assignment.expression.copy()
    return _change_rows(session, statement, table, values, [1], folder)


def delete(session: Session, statement: Statement, folder: Path) -> Written:
    """DELETE: rows for which the condition holds."""
    table = session.iceberg_table(statement.table)
    values: dict[str, exp.Expression] = {name: exp.Null() for name, _ in table.columns()}
    return _change_rows(session, statement, table, values, [], folder)


def _change_rows(
    session: Session,
    statement: Statement,
    table: iceberg.Table,
    values: dict[str, exp.Expression],
    new: list[int],
    folder: Path,
) -> Written:
    node = statement.node
    if node is None:
        raise not_supported("this statement")
    session.positional = (table.database, table.name)
    shown: list[exp.Expression] = [exp.column(name) for name in _POSITION]
    shown.append(exp.alias_(exp.Literal.number(1), "strata_action"))
    shown += [exp.alias_(value, name, quoted=True) for name, value in values.items()]
    query = exp.Select(expressions=shown)
    query.set("from_", exp.From(this=node.this.copy()))
    if where := node.args.get("where"):
        query.set("where", where.copy())
    _materialize(session, query, statement.text, table)
    return _commit_changes(session, table, [1], new, folder)


def _commit_changes(
    session: Session, table: iceberg.Table, gone: list[int], new: list[int], folder: Path
) -> Written:
    """One snapshot of what `strata_change` holds: `gone` actions delete, `new` ones add."""
    con, metadata = session.con, table.metadata
    change = Change()
    if new:
        rows = f"SELECT * FROM strata_change WHERE strata_action IN ({_list(new)})"
        change = _write(session, rows, table.columns(), metadata, folder / "new")
    deleted = 0
    if gone:
        positions = (
            f"SELECT strata_file, strata_pos FROM strata_change WHERE strata_pos IS NOT NULL "
            f"AND strata_action IN ({_list(gone)})"
        )
        deleted = con.execute(f"SELECT count(*) FROM ({positions})").fetchone()[0]
        if deleted:
            touched, _ = session.meta.files(table)
            change.deletes = iceberg.write_deletes(
                con, positions, table, touched, session.lake, folder / "gone", session.files
            )
    if change.data or change.deletes:
        operation = _operation(change)
        changed = iceberg.with_snapshot(metadata, change, operation, session.meta)
        iceberg.commit(table, changed, session.catalog, session.meta)
    listed = _list([*gone, *new])
    count = f"SELECT count(*) FROM strata_change WHERE strata_action IN ({listed})"
    return Written(con.execute(count).fetchone()[0])


def _operation(change: Change) -> Operation:
    if not change.deletes:
        return Operation.APPEND
    return Operation.OVERWRITE if change.data else Operation.DELETE


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "-1"
