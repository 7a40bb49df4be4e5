"""SHOW and DESCRIBE: what the catalog says, as lines of text.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pyiceberg.partitioning import PartitionField

from . import hive, iceberg
from .failure import QueryFailed, not_supported
from .governance import require_whole
from .metadata_tables import table_columns, tables
from .plan import Session, view_text
from .statement import Statement
from .types import from_iceberg, literal, to_hive

Json = dict[str, Any]
Lines = list[list[str]]


def show_databases(session: Session, statement: Statement) -> Lines:
    """SHOW DATABASES | SCHEMAS [LIKE 'regular expression']."""
    found: list[str] = []
    token: str | None = None
    while True:
        answer = session.catalog.get_databases(**({"NextToken": token} if token else {}))
        found += [d["Name"] for d in answer["DatabaseList"]]
        token = answer.get("NextToken")
        if not token:
            return [[name] for name in _like(found, statement)]


def show_tables(session: Session, statement: Statement) -> Lines:
    """SHOW TABLES and SHOW VIEWS."""
    database = statement.table[-1] if statement.table else session.database
    session.require_database(database)
    views_only = statement.kind == "show_views"
    found = [
        table["Name"]
        for table in tables(session.catalog, database)
        if not views_only or table.get("TableType") == "VIRTUAL_VIEW"
    ]
    return [[name] for name in _like(found, statement)]


def _like(names: list[str], statement: Statement) -> list[str]:
    pattern = statement.options.get("like")
    if not pattern:
        return names
    expression = re.compile(pattern.replace("*", ".*").replace("..*", ".*"))
    return [name for name in names if expression.fullmatch(name)]


def show_columns(session: Session, statement: Statement) -> Lines:
    """SHOW COLUMNS."""
    parts = statement.table
    if database := statement.options.get("database"):
        parts = [database.strip('`"').lower(), parts[-1]]
    return [[name] for name, _ in table_columns(session.shown_table(parts))]


def show_partitions(session: Session, statement: Statement) -> Lines:
    """SHOW PARTITIONS of a Hive table without projection."""
    glue = session.shown_table(statement.table)
    require_whole(session, glue["DatabaseName"], glue["Name"])
    if iceberg.is_iceberg(glue):
        raise QueryFailed("NOT_SUPPORTED", 'use "table$partitions" for an Iceberg table')
    keys = [k["Name"] for k in glue.get("PartitionKeys", [])]
    if not keys:
        raise QueryFailed(
            "NOT_SUPPORTED", f"Table {glue['DatabaseName']}.{glue['Name']} is not partitioned"
        )
    return [
        ["/".join(f"{k}={v}" for k, v in zip(keys, partition["Values"], strict=True))]
        for partition in hive.registered(glue, session.catalog)
    ]


def show_properties(session: Session, statement: Statement) -> Lines:
    """SHOW TBLPROPERTIES [('key')]."""
    parameters = session.shown_table(statement.table).get("Parameters", {})
    if key := statement.options.get("key"):
        return [[parameters.get(key, f"Table does not have property: {key}")]]
    return [[f"{key}\t{value}"] for key, value in sorted(parameters.items())]


def show_create_view(session: Session, statement: Statement) -> Lines:
    """SHOW CREATE VIEW."""
    glue = session.shown_table(statement.table)
    if glue.get("TableType") != "VIRTUAL_VIEW":
        raise QueryFailed("NOT_SUPPORTED", f"{glue['Name']} is not a view")
    sql = view_text(glue)["originalSql"]
    return _lines([f"CREATE VIEW {glue['DatabaseName']}.{glue['Name']} AS", sql])


def describe(session: Session, statement: Statement) -> Lines:
    """DESCRIBE: a line a column, its name, type and comment; the partition keys once more below."""
    glue = session.shown_table(statement.table)
    keys = glue.get("PartitionKeys", [])
    lines = [_described(column) for column in [*hive.current_columns(glue), *keys]]
    if keys:
        head = f"{'# col_name':<20}\t{'data_type':<20}\t{'comment':<20}"
        lines += ["\t \t ", "# Partition Information\t \t ", head, "\t \t "]
        lines += [_described(key) for key in keys]
    return [[line] for line in lines]


def _described(column: Json) -> str:
    return f"{column['Name']:<20}\t{column['Type']:<20}\t{column.get('Comment', ''):<20}"


# --- SHOW CREATE TABLE


def show_create_table(session: Session, statement: Statement) -> Lines:
    """SHOW CREATE TABLE: a statement that makes the same table again.

    https://docs.aws.amazon.com/athena/latest/ug/show-create-table.html
    """
    glue = session.shown_table(statement.table)
    if glue.get("TableType") == "VIRTUAL_VIEW":
        raise QueryFailed("NOT_SUPPORTED", f"{glue['Name']} is a view: use SHOW CREATE VIEW")
    require_whole(session, glue["DatabaseName"], glue["Name"])
    if iceberg.is_iceberg(glue):
        return _lines(_iceberg_clauses(session.meta.table(glue["DatabaseName"], glue)))
    return _lines(_hive_clauses(glue))


def _lines(clauses: list[str]) -> Lines:
    return [[line] for clause in clauses for line in clause.split("\n")]


def _iceberg_clauses(table: iceberg.Table) -> list[str]:
    columns = [
        {"Name": f.name, "Type": to_hive(from_iceberg(f.field_type), True), "Comment": f.doc}
        for f in table.schema.fields
    ]
    parts = [_partition(item, table) for item in table.metadata.spec().fields]
    properties = {"table_type": "iceberg", **table.metadata.properties}
    return [
        f"CREATE TABLE {table.database}.{table.name} (\n{_columns(columns)})",
        *([f"PARTITIONED BY ({', '.join(parts)})"] if parts else []),
        f"LOCATION {literal(table.location)}",
        f"TBLPROPERTIES (\n{_pairs(properties)}\n)",
    ]


def _partition(item: PartitionField, table: iceberg.Table) -> str:
    name = f"`{table.schema.find_field(item.source_id).name}`"
    kind, _, size = str(item.transform).rstrip("]").partition("[")
    if kind == "identity":
        return name
    return f"{kind}({size}, {name})" if size else f"{kind}({name})"


def _hive_clauses(glue: Json) -> list[str]:
    storage = glue["StorageDescriptor"]
    if storage.get("SortColumns"):
        raise not_supported("SHOW CREATE TABLE of a table with sorted buckets")
    buckets = storage.get("BucketColumns") or []
    clustered = ", \n".join(f"  {name}" for name in buckets)
    serde = storage.get("SerdeInfo", {})
    keys = glue.get("PartitionKeys", [])
    parameters = {k: v for k, v in glue.get("Parameters", {}).items() if k != "EXTERNAL"}
    comment = parameters.pop("comment", None)
    return [
        f"CREATE EXTERNAL TABLE `{glue['Name']}`(\n{_columns(storage['Columns'])})",
        *([f"COMMENT {literal(comment)}"] if comment else []),
        *([f"PARTITIONED BY ( \n{_columns(keys)})"] if keys else []),
        *([f"CLUSTERED BY ( \n{clustered}) "] if buckets else []),
        *([f"INTO {storage['NumberOfBuckets']} BUCKETS"] if buckets else []),
        f"ROW FORMAT SERDE \n  {literal(serde.get('SerializationLibrary', ''))} ",
        *(
            [f"WITH SERDEPROPERTIES ( \n{_pairs(serde['Parameters'])}) "]
            if serde.get("Parameters")
            else []
        ),
        f"STORED AS INPUTFORMAT \n  {literal(storage.get('InputFormat', ''))} ",
        f"OUTPUTFORMAT \n  {literal(storage.get('OutputFormat', ''))}",
        f"LOCATION\n  {literal(storage['Location'])}",
        *([f"TBLPROPERTIES (\n{_pairs(parameters)})"] if parameters else []),
    ]


def _columns(columns: list[Json]) -> str:
    return ", \n".join(
        f"  `{c['Name']}` {c['Type']}"
        + (f" COMMENT {literal(c['Comment'])}" if c.get("Comment") else "")
        for c in columns
    )


def _pairs(values: dict[str, str]) -> str:
    return ", \n".join(f"  {_text(k)}={_text(v)}" for k, v in sorted(values.items()))


def _text(value: str) -> str:
    """A literal; what is not seen is escaped as Hive does."""
    escaped = "".join(c if c >= " " else f"\\u{ord(c):04x}" for c in value.replace("\\", "\\\\"))
    return literal(escaped)


#: What answers each statement, and the names of its columns.
RUNNERS: dict[str, tuple[Callable[[Session, Statement], Lines], tuple[str, ...]]] = {
    "show_databases": (show_databases, ("database_name",)),
    "show_tables": (show_tables, ("tab_name",)),
    "show_views": (show_tables, ("views",)),
    "show_columns": (show_columns, ("field",)),
    "show_partitions": (show_partitions, ("partition",)),
    "show_properties": (show_properties, ("prpt_name", "prpt_value")),
    "show_create_view": (show_create_view, ("Create View",)),
    "show_create_table": (show_create_table, ("createtab_stmt",)),
    "describe": (describe, ("col_name", "data_type", "comment")),
}
