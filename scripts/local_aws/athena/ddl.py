"""Statements on the catalog: databases, tables, views, columns, properties, partitions, SHOW.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from pyiceberg import types as ice
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import (
    AddSchemaUpdate,
    RemovePropertiesUpdate,
    SetCurrentSchemaUpdate,
    SetPropertiesUpdate,
    TableUpdate,
    update_table_metadata,
)

from local_aws.errors import AwsError

from . import hive, hive_files, iceberg, table_properties
from .failure import QueryFailed, not_supported
from .metadata_tables import tables
from .plan import Session, view_input
from .statement import Statement
from .types import from_iceberg, parse, to_hive, to_iceberg
from .writes import publish_iceberg, storage

Json = dict[str, Any]
Lines = list[list[str]]


def create_schema(session: Session, statement: Statement) -> Lines:
    """CREATE DATABASE | SCHEMA."""
    options, name = statement.options, statement.table[-1]
    if session.has_database(name):
        if options["if_not_exists"]:
            return []
        raise QueryFailed("SCHEMA_ALREADY_EXISTS", f"Database {name} already exists")
    created: Json = {"Name": name, "Parameters": options["properties"]}
    if options["comment"]:
        created["Description"] = options["comment"]
    if options["location"]:
        created["LocationUri"] = options["location"]
    session.catalog.create_database(DatabaseInput=created)
    return []


def drop_schema(session: Session, statement: Statement) -> Lines:
    """DROP DATABASE: only an empty one, unless CASCADE."""
    name = statement.table[-1]
    if not session.has_database(name):
        if statement.options["if_exists"]:
            return []
        raise QueryFailed("SCHEMA_NOT_FOUND", f"Database {name} does not exist")
    if not statement.options["cascade"] and any(tables(session.catalog, name)):
        raise QueryFailed("SCHEMA_NOT_EMPTY", f"Database {name} is not empty")
    session.catalog.delete_database(Name=name)
    return []


def create_view(session: Session, statement: Statement) -> Lines:
    """CREATE [OR REPLACE] VIEW."""
    database, name = session.name(statement.table)
    options = statement.options
    if statement.query is None:
        raise not_supported("CREATE VIEW without a query")
    translator = session.translator(statement.text)
    _, relation = translator.query(statement.query)
    columns = [(c.name, c.type) for c in relation.columns]
    created = view_input(database, name, options["sql"], columns)
    present = _find(session, database, name)
    if present is None:
        session.require_database(database)
        session.catalog.create_table(DatabaseName=database, TableInput=created)
    elif present.get("TableType") != "VIRTUAL_VIEW":
        raise QueryFailed("TABLE_ALREADY_EXISTS", f"line 1:1: Table already exists: {name}")
    elif not options["replace"]:
        raise QueryFailed("TABLE_ALREADY_EXISTS", f"line 1:1: View already exists: {name}")
    else:
        session.catalog.update_table(DatabaseName=database, TableInput=created)
    return []


def _find(session: Session, database: str, name: str) -> Json | None:
    try:
        found: Json = session.catalog.get_table(DatabaseName=database, Name=name)["Table"]
    except AwsError as error:
        if error.code == "EntityNotFoundException":
            return None
        raise
    return found


def create_table(session: Session, statement: Statement) -> Lines:
    """CREATE [EXTERNAL] TABLE with columns: Hive's, or Athena's for Iceberg."""
    database, name = session.name(statement.table)
    options = statement.options
    if _find(session, database, name) is not None:
        if options["if_not_exists"]:
            return []
        raise QueryFailed(
            "TABLE_ALREADY_EXISTS", f"AlreadyExistsException: Table {name} already exists"
        )
    session.require_database(database)
    if not options["location"]:
        raise QueryFailed("INVALID_TABLE_PROPERTY", "Table location must be specified")
    if options["properties"].get("table_type", "").upper() == "ICEBERG":
        properties = _iceberg_properties(options)
        columns = [(n, _iceberg_type(t), comment) for n, t, comment in options["columns"]]
        metadata = iceberg.new_metadata(
            columns,
            [n for n, _, _ in options["partitions"]],
            options["location"],
            properties,
        )
        publish_iceberg(session, database, name, metadata)
        return []
    if not options["external"]:
        raise QueryFailed("NOT_SUPPORTED", "CREATE TABLE without EXTERNAL is for Iceberg tables")
    session.catalog.create_table(DatabaseName=database, TableInput=_hive_table(name, options))
    return []


def _iceberg_properties(options: Json) -> dict[str, str]:
    """The properties of a new Iceberg table; raises QueryFailed for a clause of Hive's tables."""
    if options["external"]:
        raise QueryFailed("NOT_SUPPORTED", "External keyword not supported for table type ICEBERG")
    for clause in ("serde", "stored_as", "classes", "delimited", "comment", "buckets"):
        if options[clause]:
            raise QueryFailed("NOT_SUPPORTED", f"an Iceberg table has no clause {clause.upper()}")
    if any(kind for _, kind, _ in options["partitions"]):
        raise QueryFailed(
            "NOT_SUPPORTED", "the partition columns of an Iceberg table have no types"
        )
    given = {k: v for k, v in options["properties"].items() if k != "table_type"}
    return table_properties.check(given)


def _iceberg_type(text: str) -> Any:
    kind = parse(text)
    return parse("timestamp(6)") if kind.name == "timestamp" else kind


#: LazySimpleSerDe's property of each clause of ROW FORMAT DELIMITED.
_DELIMITED = {
    "fields": "field.delim",
    "escaped": "escape.delim",
    "collection items": "collection.delim",
    "map keys": "mapkey.delim",
    "null": "serialization.null.format",
}


def _hive_table(name: str, options: Json) -> Json:
    def listed(columns: list[tuple[str, str, str | None]]) -> list[Json]:
        found = []
        for column, kind, comment in columns:
            entry = {"Name": column, "Type": to_hive(parse(kind))}
            found.append({**entry, "Comment": comment} if comment else entry)
        return found

    file_format = options["stored_as"] or "textfile"
    described = storage(file_format, listed(options["columns"]), options["location"])
    if options["serde"]:
        described["SerdeInfo"] = {
            "SerializationLibrary": options["serde"],
            "Parameters": options["serde_properties"],
        }
    if options["classes"]:
        described["InputFormat"], described["OutputFormat"] = options["classes"]
    for clause, text in options["delimited"].items():
        if clause == "lines":
            if text != "\n":
                raise QueryFailed(
                    "NOT_SUPPORTED", "LINES TERMINATED BY only supports newline '\\n'"
                )
            continue
        described["SerdeInfo"]["Parameters"][_DELIMITED[clause]] = text
    if options["buckets"]:
        names, count = options["buckets"]
        if missing := set(names) - {column for column, _, _ in options["columns"]}:
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"Invalid column reference: {min(missing)}")
        described.update(BucketColumns=names, NumberOfBuckets=count)
    parameters = {"EXTERNAL": "TRUE", **options["properties"]}
    if options["comment"]:
        parameters["comment"] = options["comment"]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": listed(options["partitions"]),
        "StorageDescriptor": described,
    }


def drop(session: Session, statement: Statement) -> Lines:
    """DROP TABLE | VIEW. An Iceberg table's data goes with it, a Hive table's stays."""
    database, name = session.name(statement.table)
    glue = _find(session, database, name)
    if glue is None:
        if statement.options["if_exists"]:
            return []
        raise QueryFailed("TABLE_NOT_FOUND", f"Table {database}.{name} does not exist")
    is_view = glue.get("TableType") == "VIRTUAL_VIEW"
    if is_view != (statement.kind == "drop_view"):
        raise QueryFailed("NOT_SUPPORTED", f"{database}.{name} is {'a' if is_view else 'no'} view")
    session.catalog.delete_table(DatabaseName=database, Name=name)
    if iceberg.is_iceberg(glue):
        location = glue["StorageDescriptor"]["Location"].rstrip("/") + "/"
        session.lake.delete(item.uri for item in session.lake.list(location))
    return []


def rename(session: Session, statement: Statement) -> Lines:
    """ALTER TABLE … RENAME TO: for Iceberg tables, by a new Glue entry."""
    table = session.iceberg_table(statement.table)
    database, name = session.name(statement.options["to"])
    renamed = {**iceberg.table_input(table.glue), "Name": name}
    if _find(session, database, name) is not None:
        raise QueryFailed("TABLE_ALREADY_EXISTS", f"line 1:1: Table already exists: {name}")
    session.catalog.create_table(DatabaseName=database, TableInput=renamed)
    session.catalog.delete_table(DatabaseName=table.database, Name=table.name)
    return []


# --- columns and properties


def alter_columns(session: Session, statement: Statement) -> Lines:
    """ADD COLUMNS, DROP COLUMN, CHANGE COLUMN; REPLACE COLUMNS of Hive tables.

    https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-alter-table-change-column.html
    """
    glue = session.glue_table(statement.table)
    if iceberg.is_iceberg(glue):
        if statement.kind == "replace_columns":
            raise QueryFailed(
                "NOT_SUPPORTED", "REPLACE COLUMNS is not supported for Iceberg tables"
            )
        table = session.meta.table(glue["DatabaseName"], glue)
        fields = _changed_fields(table.schema, table.metadata.last_column_id, statement)
        _keep_partitions(table.metadata, fields)
        schema = Schema(*fields, schema_id=max(s.schema_id for s in table.metadata.schemas) + 1)
        updates: tuple[TableUpdate, ...] = (
            AddSchemaUpdate(schema=schema),
            SetCurrentSchemaUpdate(schema_id=-1),
        )
        changed = update_table_metadata(table.metadata, updates)
        iceberg.commit(table, changed, session.catalog, session.meta)
        return []
    described = dict(glue["StorageDescriptor"])
    described["Columns"] = _changed_hive(described["Columns"], statement)
    updated = {**iceberg.table_input(glue), "StorageDescriptor": described}
    session.catalog.update_table(DatabaseName=glue["DatabaseName"], TableInput=updated)
    return []


def _keep_partitions(metadata: TableMetadata, fields: list[ice.NestedField]) -> None:
    kept = {field.field_id for field in fields}
    for part in metadata.spec().fields:
        if part.source_id not in kept:
            name = metadata.schema().find_column_name(part.source_id)
            raise QueryFailed("NOT_SUPPORTED", f"Cannot drop partition field: {name}")


def _changed_fields(schema: Schema, last_id: int, statement: Statement) -> list[ice.NestedField]:
    """The fields of an Iceberg schema after ALTER: ids stay with what they named."""
    ids, options = itertools.count(last_id + 1), statement.options
    fields = list(schema.fields)
    names = [f.name.lower() for f in fields]

    def new(name: str, text: str, comment: str | None) -> ice.NestedField:
        number = next(ids)
        kind = to_iceberg(_iceberg_type(text), ids)
        return ice.NestedField(number, name, kind, required=False, doc=comment)

    if statement.kind == "add_columns":
        for name, text, comment in options["columns"]:
            if name in names:
                raise _already_exists(name)
            fields.append(new(name, text, comment))
        return fields
    if statement.kind == "drop_column":
        place = _place(names, options["column"])
        return fields[:place] + fields[place + 1 :]
    place = _place(names, options["from"])
    if options["to"] != options["from"] and options["to"] in names:
        raise _already_exists(options["to"])
    return _moved(fields, names, _changed_field(fields[place], options), options)


def _place(names: list[str], name: str) -> int:
    if name not in names:
        raise QueryFailed("COLUMN_NOT_FOUND", f"line 1:1: Column '{name}' does not exist")
    return names.index(name)


def _already_exists(name: str) -> QueryFailed:
    return QueryFailed("COLUMN_ALREADY_EXISTS", f"line 1:1: Column '{name}' already exists")


def _moved(items: list[Any], names: list[str], changed: Any, options: Json) -> list[Any]:
    """The columns with one changed, and put FIRST or AFTER another if asked."""
    place = _place(names, options["from"])
    others, left = items[:place] + items[place + 1 :], names[:place] + names[place + 1 :]
    if options["first"]:
        place = 0
    elif options["after"]:
        place = _place(left, options["after"]) + 1
    return [*others[:place], changed, *others[place:]]


_WIDER = {("int", "long"), ("float", "double")}


def _changed_field(field: ice.NestedField, options: Json) -> ice.NestedField:
    """A field renamed or widened as Iceberg allows."""
    kind = to_iceberg(_iceberg_type(options["type"]), itertools.count(field.field_id + 1))
    old = field.field_type
    widened = (str(old), str(kind)) in _WIDER or (
        isinstance(old, ice.DecimalType)
        and isinstance(kind, ice.DecimalType)
        and old.scale == kind.scale
        and old.precision <= kind.precision
    )
    if from_iceberg(kind) != from_iceberg(old) and not widened:
        raise QueryFailed(
            "NOT_SUPPORTED",
            f"Cannot change column type: {field.name}: {from_iceberg(old)} -> {options['type']}",
        )
    return ice.NestedField(
        field.field_id,
        options["to"],
        kind if old.is_primitive else old,
        required=field.required,
        doc=options["comment"] or field.doc,
    )


def _changed_hive(columns: list[Json], statement: Statement) -> list[Json]:
    options = statement.options

    def entry(name: str, text: str, comment: str | None) -> Json:
        made = {"Name": name, "Type": to_hive(parse(text))}
        return {**made, "Comment": comment} if comment else made

    if statement.kind == "add_columns":
        return columns + [entry(*column) for column in options["columns"]]
    if statement.kind == "replace_columns":
        return [entry(*column) for column in options["columns"]]
    if statement.kind == "change_column":
        names = [c["Name"].lower() for c in columns]
        old = columns[_place(names, options["from"])]
        changed = entry(options["to"], options["type"], options["comment"] or old.get("Comment"))
        return _moved(columns, names, changed, options)
    raise QueryFailed("NOT_SUPPORTED", "DROP COLUMN is supported for Iceberg tables only")


def set_properties(session: Session, statement: Statement) -> Lines:
    """SET and UNSET TBLPROPERTIES."""
    glue = session.glue_table(statement.table)
    added = statement.options.get("properties", {})
    removed = statement.options.get("keys", [])
    if iceberg.is_iceberg(glue):
        table = session.meta.table(glue["DatabaseName"], glue)
        updates: list[TableUpdate] = []
        if added := table_properties.check(added):
            updates.append(SetPropertiesUpdate(updates=added))
        if removed:
            updates.append(RemovePropertiesUpdate(removals=removed))
        changed = update_table_metadata(table.metadata, tuple(updates))
        iceberg.commit(table, changed, session.catalog, session.meta)
        return []
    updated = iceberg.table_input(glue)
    parameters = {k: v for k, v in glue.get("Parameters", {}).items() if k not in removed}
    updated["Parameters"] = {**parameters, **added}
    session.catalog.update_table(DatabaseName=glue["DatabaseName"], TableInput=updated)
    return []


def set_location(session: Session, statement: Statement) -> Lines:
    """SET LOCATION of a Hive table."""
    glue = session.glue_table(statement.table)
    if iceberg.is_iceberg(glue):
        raise QueryFailed("NOT_SUPPORTED", "SET LOCATION is not supported for Iceberg tables")
    described = {**glue["StorageDescriptor"], "Location": statement.options["location"]}
    updated = {**iceberg.table_input(glue), "StorageDescriptor": described}
    session.catalog.update_table(DatabaseName=glue["DatabaseName"], TableInput=updated)
    return []


def alter_partitions(session: Session, statement: Statement) -> Lines:
    """ADD | DROP PARTITION of a Hive table."""
    glue = session.glue_table(statement.table)
    if iceberg.is_iceberg(glue):
        raise QueryFailed("NOT_SUPPORTED", "partitions of Iceberg tables are not added or dropped")
    keys = [k["Name"].lower() for k in glue.get("PartitionKeys", [])]
    place = {"DatabaseName": glue["DatabaseName"], "TableName": glue["Name"]}
    inputs = []
    for values, location in statement.options["partitions"]:
        listed = _partition_values(glue, values)
        base = glue["StorageDescriptor"]
        path = hive_files.partition_path(keys, listed)
        at = location or f"{base['Location'].rstrip('/')}/{path}"
        inputs.append({"Values": listed, "StorageDescriptor": {**base, "Location": at}})
    if statement.kind == "add_partitions":
        errors = session.catalog.batch_create_partition(**place, PartitionInputList=inputs)
    else:
        gone = [{"Values": item["Values"]} for item in inputs]
        errors = session.catalog.batch_delete_partition(**place, PartitionsToDelete=gone)
    if errors["Errors"] and not statement.options["quiet"]:
        raise QueryFailed("INVALID_PARTITION", str(errors["Errors"][0]["ErrorDetail"]))
    return []


def _partition_values(glue: Json, values: dict[str, str]) -> list[str]:
    """The values in the keys' order; raises QueryFailed when they are not of all keys."""
    keys = [k["Name"].lower() for k in glue.get("PartitionKeys", [])]
    if set(values) != set(keys):
        raise QueryFailed("INVALID_PARTITION", f"partition columns are {keys}")
    return [values[key] for key in keys]


def alter_partition(session: Session, statement: Statement) -> Lines:
    """PARTITION … SET LOCATION, PARTITION … RENAME TO PARTITION: in the catalog only, no data moves.

    https://docs.aws.amazon.com/athena/latest/ug/alter-table-rename-partition.html
    """
    glue, options = session.glue_table(statement.table), statement.options
    if iceberg.is_iceberg(glue):
        raise QueryFailed("NOT_SUPPORTED", "partitions of Iceberg tables are not altered")
    place = {"DatabaseName": glue["DatabaseName"], "TableName": glue["Name"]}
    old, new = (_partition_values(glue, options[key]) for key in ("from", "to"))
    try:
        found = session.catalog.get_partition(**place, PartitionValues=old)["Partition"]
        described = dict(found["StorageDescriptor"])
        if options["location"]:
            described["Location"] = options["location"]
        changed = {"Values": new, "StorageDescriptor": described}
        changed["Parameters"] = found.get("Parameters", {})
        session.catalog.update_partition(**place, PartitionValueList=old, PartitionInput=changed)
    except AwsError as error:
        raise QueryFailed("INVALID_PARTITION", error.message) from None
    return []


def alter_schema(session: Session, statement: Statement) -> Lines:
    """ALTER DATABASE … SET DBPROPERTIES."""
    name = statement.table[-1]
    session.require_database(name)
    database = session.catalog.get_database(Name=name)["Database"]
    kept = {k: database[k] for k in ("Name", "Description", "LocationUri") if k in database}
    kept["Parameters"] = {**database.get("Parameters", {}), **statement.options["properties"]}
    session.catalog.update_database(Name=name, DatabaseInput=kept)
    return []


def repair(session: Session, statement: Statement) -> Lines:
    """MSCK REPAIR TABLE: folders `key=value/` below the location become partitions; none is removed.

    https://docs.aws.amazon.com/athena/latest/ug/msck-repair-table.html
    """
    glue = session.glue_table(statement.table)
    keys = [k["Name"] for k in glue.get("PartitionKeys", [])]
    if iceberg.is_iceberg(glue) or not keys:
        raise QueryFailed(
            "NOT_SUPPORTED", f"Table {glue['Name']} is not a partitioned Hive table: MSCK REPAIR"
        )
    base = glue["StorageDescriptor"]
    location = base["Location"].rstrip("/") + "/"
    known = {tuple(p["Values"]) for p in hive.registered(glue, session.catalog)}
    found = dict.fromkeys(
        values
        for item in session.lake.list(location)
        if len(values := hive_files.partition_values(keys, item.uri.removeprefix(location)))
        == len(keys)
    )
    new = {
        values: hive_files.partition_path(keys, values) for values in found if values not in known
    }
    inputs = [
        {"Values": list(v), "StorageDescriptor": {**base, "Location": location + path}}
        for v, path in new.items()
    ]
    session.catalog.batch_create_partition(
        DatabaseName=glue["DatabaseName"], TableName=glue["Name"], PartitionInputList=inputs
    )
    names = [f"{glue['Name']}:{path.rstrip('/')}" for path in new.values()]
    missing = [["Partitions not in metastore:\t" + "\t".join(names)]] if names else []
    return missing + [[f"Repair: Added partition to metastore {name}"] for name in names]


RUNNERS: dict[str, Callable[[Session, Statement], Lines]] = {
    "create_schema": create_schema,
    "drop_schema": drop_schema,
    "create_view": create_view,
    "create_table": create_table,
    "drop_table": drop,
    "drop_view": drop,
    "rename_table": rename,
    "add_columns": alter_columns,
    "replace_columns": alter_columns,
    "drop_column": alter_columns,
    "change_column": alter_columns,
    "set_properties": set_properties,
    "unset_properties": set_properties,
    "set_location": set_location,
    "add_partitions": alter_partitions,
    "drop_partitions": alter_partitions,
    "alter_partition": alter_partition,
    "alter_schema": alter_schema,
    "repair": repair,
}
