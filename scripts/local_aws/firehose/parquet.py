"""Record format conversion: JSON records to one Parquet file, typed by a Glue table's columns.

https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html
"""

import io
import json
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("ms"),
}


class ConversionError(ValueError):
    """A record does not fit the table's columns."""


def to_parquet(
    columns: list[dict[str, str]], records: list[bytes]
) -> tuple[bytes, list[tuple[int, ConversionError]]]:
    """Convert JSON `records` to a Parquet file of `columns`.

    Returns the file's bytes (empty when no record fits) and the index and error of each record
    that does not fit. Raises ConversionError for a column type that is not served.
    """
    schema = pa.schema([(column["Name"], _arrow_type(column)) for column in columns])
    rows, bad = [], []
    for index, record in enumerate(records):
        try:
            rows.append(_row(record, schema))
        except ConversionError as error:
            bad.append((index, error))
    if not rows:
        return b"", bad
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, buffer, compression="snappy", coerce_timestamps="ms")
    return buffer.getvalue(), bad


def _arrow_type(column: dict[str, str]) -> pa.DataType:
    if column["Type"] not in _TYPES:
        raise ConversionError(f"column {column['Name']}: type {column['Type']} is not served")
    return _TYPES[column["Type"]]


def _row(record: bytes, schema: pa.Schema) -> dict[str, Any]:
    try:
        values = json.loads(record)
    except ValueError as error:
        raise ConversionError(f"not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConversionError("not a JSON object")
    folded = {key.lower(): value for key, value in values.items()}
    return {field.name: _value(folded.get(field.name), field) for field in schema}


def _value(value: Any, field: pa.Field) -> Any:
    try:
        if value is None:
            return None
        if pa.types.is_timestamp(field.type):
            return datetime.fromisoformat(value).replace(tzinfo=None)
        if pa.types.is_date(field.type):
            return date.fromisoformat(value)
        return pa.scalar(value, field.type).as_py()
    except (TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise ConversionError(f"column {field.name} ({field.type}): {error}") from None
