"""Writes records as Bronze objects of a bounded size, under names that a repeated run repeats."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from aws_code.masking.rules import Source

Json = dict[str, Any]
Put = Callable[[Path, str], None]

#: What is good for Athena lies between 128 and 512 MB.
_OBJECT_BYTES = 256 * 1024 * 1024
_ROW_GROUP = 50_000

_ENVELOPE = ("_delivery_id", "_payload_sha256", "_record_id", "_rejection", "_undeclared")


class Objects:
    """Takes one source's records and puts them as `<prefix>-00001.parquet` (or `.json.gz`), ….

    `put(path, key)` uploads a file; an object is there whole or not at all. `keys` has what was
    put; call `close` after the last record.
    """

    def __init__(self, source: Source, prefix: str, folder: Path, put: Put) -> None:
        self._source = source
        self._prefix = prefix
        self._path = folder / "object"
        self._put = put
        self._rows: list[Json] = []
        self._file: Any = None
        self.keys: list[str] = []

    def add(self, row: Json) -> None:
        """Take one record."""
        self._rows.append(row)
        if len(self._rows) == _ROW_GROUP:
            self._flush()
            if self._path.stat().st_size >= _OBJECT_BYTES:
                self._finish()

    def close(self) -> None:
        """Put what is left."""
        if self._rows:
            self._flush()
        if self._file is not None:
            self._finish()

    def _flush(self) -> None:
        if self._source.file_format == "parquet":
            import pyarrow.parquet as pq

            table = _table(self._source, self._rows)
            if self._file is None:
                self._file = pq.ParquetWriter(str(self._path), table.schema, compression="snappy")
            self._file.write_table(table)
        else:
            if self._file is None:
                raw = self._path.open("wb")
                # No name and no time inside: the same records are the same bytes.
                self._file = gzip.GzipFile("", "wb", fileobj=raw, mtime=0)
            lines = "".join(json.dumps(row) + "\n" for row in self._rows)
            self._file.write(lines.encode())
        self._rows.clear()

    def _finish(self) -> None:
        raw = getattr(self._file, "fileobj", None)
        self._file.close()
        if raw is not None:
            raw.close()
        self._file = None
        suffix = "parquet" if self._source.file_format == "parquet" else "json.gz"
        key = f"{self._prefix}-{len(self.keys) + 1:05}.{suffix}"
        self._put(self._path, key)
        self.keys.append(key)


def _table(source: Source, rows: list[Json]) -> Any:
    import pyarrow as pa

    types = {
        "varchar": pa.string(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("ms"),
    }
    schema = pa.schema(
        [(column.name, types[column.type]) for column in source.columns.values()]
        + [(name, pa.string()) for name in _ENVELOPE]
        + [("_arrived_at", pa.timestamp("ms"))]
    )
    typed = [{field.name: _python(row.get(field.name), field) for field in schema} for row in rows]
    return pa.Table.from_pylist(typed, schema=schema)


def _python(value: Any, field: Any) -> Any:
    if value is None:
        return None
    if str(field.type).startswith("timestamp"):
        return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=None)
    return date.fromisoformat(value) if str(field.type).startswith("date") else value
