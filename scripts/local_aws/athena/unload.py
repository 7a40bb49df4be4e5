"""UNLOAD: the rows of a query as files in S3, without a table.

https://docs.aws.amazon.com/athena/latest/ug/unload.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import hive_files
from .failure import QueryFailed, not_supported
from .plan import Session
from .statement import Statement
from .writes import Written, check_partition_keys, require_empty

_PROPERTIES = {"format", "compression", "field_delimiter", "partitioned_by"}


def unload(session: Session, statement: Statement, folder: Path) -> Written:
    """Write the rows below a location that is empty.

    Raises QueryFailed for a property, format or type that is not written.
    """
    location, properties = statement.options["location"], statement.options["properties"]
    how = _layout(properties)
    if statement.query is None:
        raise not_supported("UNLOAD without a query")
    sql, relation = session.translate(statement.query, statement.text)
    columns = [(c.sql_name, c.type) for c in relation.columns]
    keys = [str(key).lower() for key in properties.get("partitioned_by", [])]
    check_partition_keys([name for name, _ in columns], keys)
    require_empty(session, location)
    found = hive_files.write(
        session.con, sql, columns, keys, location, how, session.lake, folder, session.files
    )
    return Written(found.rows, found.uris)


def _layout(properties: dict[str, Any]) -> hive_files.Layout:
    if unknown := sorted(set(properties) - _PROPERTIES):
        raise not_supported(f"the property {unknown[0]} of UNLOAD")
    if "format" not in properties:
        raise QueryFailed("INVALID_TABLE_PROPERTY", "UNLOAD needs the property format")
    file_format = str(properties["format"])
    codec = properties.get("compression")
    if codec is None and file_format.lower() == "parquet":
        codec = "gzip"
    return hive_files.layout(file_format, codec, properties.get("field_delimiter"))
