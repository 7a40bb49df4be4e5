"""Results: rows as the text that Athena prints, in a CSV object and in pages.

https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from . import addresses
from .json_text import java_double
from .types import VARCHAR, Type

Json = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a statement gives: columns, rows of text (None is NULL), and the rows it changed.

    `has_header` says that the columns' names are the first row, `is_text` that the result object is
    text and no CSV. `written` are the objects that the statement wrote, for its manifest.
    """

    columns: list[tuple[str, Type]]
    rows: list[list[str | None]]
    update_count: int | None = None
    has_header: bool = True
    is_text: bool = False
    written: tuple[str, ...] | None = None


def text(value: Any, kind: Type) -> str | None:
    """A value as Athena prints it, by its Trino type."""
    if value is None:
        return None
    name = kind.name
    if name == "boolean":
        return "true" if value else "false"
    if name in ("double", "real"):
        return _floating(float(value), name)
    if name == "decimal":
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if name == "timestamp":
        return _timestamp(value, kind.args[0] if kind.args else 3)
    if name == "ipaddress":
        return addresses.text(value)
    if name == "time":
        digits = kind.args[0] if kind.args else 3
        return f"{value:%H:%M:%S.%f}"[: 9 + digits if digits else 8]
    if name == "timestamptz" and isinstance(value, str):
        return value  # printed by SQL, in the value's own zone
    if name == "timestamptz":
        return f"{_timestamp(value, kind.args[0] if kind.args else 3)} UTC"
    if name == "date":
        return value.isoformat() if isinstance(value, date) else f"+{value}"  # beyond 9999
    if name == "char":
        return str(value).ljust(kind.args[0])
    if name == "interval day to second":
        return _interval(value)
    if name == "interval year to month":
        return f"{'-' if value < 0 else ''}{abs(value) // 12}-{abs(value) % 12}"
    if name == "varbinary":
        return " ".join(f"{byte:02x}" for byte in value)
    if name == "array":
        return "[" + ", ".join(_inner(item, kind.items[0]) for item in value) + "]"
    if name == "map":
        key_type, value_type = kind.items
        shown = (f"{_inner(k, key_type)}={_inner(v, value_type)}" for k, v in pairs(value, kind))
        return "{" + ", ".join(shown) + "}"
    if name == "row":
        parts = value.values() if isinstance(value, dict) else value
        fields = zip(kind.fields, kind.items, parts, strict=True)
        return "{" + ", ".join(
            f"{field or f'field{i}'}={_inner(part, t)}" for i, (field, t, part) in enumerate(fields)
        ) + "}"  # fmt: skip
    return str(value)


def pairs(value: Any, kind: Type) -> list[tuple[Any, Any]]:
    """The entries of a map as DuckDB gives it to Python."""
    if kind.items[0].items and isinstance(value, dict):
        return list(zip(value["key"], value["value"], strict=True))  # keys without a hash
    return list(value.items()) if isinstance(value, dict) else list(value)


def _interval(millis: int) -> str:
    seconds, fraction = divmod(abs(millis), 1000)
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:03}"
    return f"{'-' if millis < 0 else ''}{days} {clock}"


def _inner(value: Any, kind: Type) -> str:
    return "null" if value is None else str(text(value, kind))


def _floating(value: float, name: str) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if name == "real":
        import struct

        import numpy

        value_text = str(numpy.float32(struct.unpack("f", struct.pack("f", value))[0]))
        value = float(value_text)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    return java_double(value)


def _timestamp(value: datetime, precision: int) -> str:
    precision = max(precision, 3)  # Athena prints milliseconds at least
    whole = value.strftime("%Y-%m-%d %H:%M:%S")
    if value.year < 1000:
        whole = f"{value.year:04}{whole[whole.index('-') :]}"
    return f"{whole}.{value.microsecond:06}".ljust(len(whole) + 1 + precision, "0")[
        : len(whole) + 1 + precision
    ]


def csv(result: Result) -> bytes:
    """The result file: every value quoted, NULL empty, a header for queries; or lines of text."""
    rows = _with_header(result)
    if result.is_text:
        lines = ["\t".join(v or "" for v in row) for row in rows]
    else:
        lines = [",".join("" if v is None else _quoted(v) for v in row) for row in rows]
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _with_header(result: Result) -> list[list[str | None]]:
    header: list[list[str | None]] = [[name for name, _ in result.columns]]
    return header + result.rows if result.has_header and result.columns else result.rows


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def column_info(name: str, kind: Type) -> Json:
    """A ColumnInfo of GetQueryResults."""
    base = {"integer": "integer", "row": "row", "timestamptz": "timestamp with time zone",
            "timetz": "time with time zone"}  # fmt: skip
    type_name = base.get(kind.name, kind.name)
    if kind.name == "real":
        type_name = "float"
    precision, scale = _precision(kind)
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": type_name,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind.is_text,
    }


def _precision(kind: Type) -> tuple[int, int]:
    if kind.name == "decimal":
        return kind.args[0], kind.args[1]
    fixed = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "real": 17, "double": 17}
    if kind.is_text:
        return (kind.args[0] if kind.args else 2147483647), 0
    return fixed.get(kind.name, 3 if kind.name.startswith("timestamp") else 0), 0


def page(result: Result, token: str | None, size: int) -> Json:
    """A page of GetQueryResults; the header is the first row of the first page."""
    rows = _with_header(result)
    start = int(token or 0)
    part = rows[start : start + size]
    answer: Json = {
        "ResultSet": {
            "Rows": [
                {"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in part
            ],
            "ResultSetMetadata": {"ColumnInfo": [column_info(n, t) for n, t in result.columns]},
        },
    }
    if result.update_count is not None:
        answer["UpdateCount"] = result.update_count
    if start + size < len(rows):
        answer["NextToken"] = str(start + size)
    return answer


def lines(rows: list[list[str]], *columns: str) -> Result:
    """The result of DDL, SHOW and DESCRIBE: lines of text (with tabs between columns), no header."""
    return Result(
        [(name, VARCHAR) for name in columns or ("result",)],
        [list(row) for row in rows],
        None,
        False,
        True,
    )


def dump(result: Result) -> str:
    """A result as text to keep, read back by `load`."""
    columns = [(name, str(kind)) for name, kind in result.columns]
    kept = [columns, result.rows, result.update_count, result.has_header, result.is_text]
    return json.dumps(kept)


def load(kept: str) -> Result:
    """A result from the text of `dump`."""
    from .types import parse

    columns, rows, *rest = json.loads(kept)
    return Result([(name, parse(kind)) for name, kind in columns], rows, *rest)
