"""The `.metadata` object beside a result: its columns, in the binary form that drivers read.

Athena's JDBC drivers read types from it instead of asking GetQueryResults. It is a protocol buffer
(https://protobuf.dev/programming-guides/encoding/): field 1 is the query, each field 4 a column.
"""

from __future__ import annotations

from .results import Result, column_info

_TEXTS = ((1, "CatalogName"), (2, "SchemaName"), (3, "TableName"), (4, "Name"), (5, "Label"),
          (6, "Type"))  # fmt: skip
_UNKNOWN_NULLABLE = 3


def encode(query_id: str, result: Result) -> bytes:
    """The object's content."""
    columns = (_bytes(4, _column(column_info(name, kind))) for name, kind in result.columns)
    return _bytes(1, query_id.encode()) + b"".join(columns)


def _column(info: dict[str, object]) -> bytes:
    texts = b"".join(_bytes(n, str(info[key]).encode()) for n, key in _TEXTS if info[key])
    numbers = (int(str(info["Precision"])), int(str(info["Scale"])), _UNKNOWN_NULLABLE,
               int(bool(info["CaseSensitive"])))  # fmt: skip
    return texts + b"".join(_number(n, value) for n, value in enumerate(numbers, start=7))


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
