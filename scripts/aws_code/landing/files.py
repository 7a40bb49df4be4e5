"""Readers of landing files: CSV, JSON lines, Avro, Parquet, and Firehose's error records.

Each gives the file's records one by one, so that memory does not grow with the file.
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import IO, Any, cast

Json = dict[str, Any]

#: A line that is longer is no record, and a file that unpacks to more is no delivery.
_LONGEST_LINE = 16 * 1024 * 1024
_MOST_BYTES = 64 * 1024**3
_BOM = b"\xef\xbb\xbf"
_MAGIC = {b"PAR1": ".parquet", b"Obj\x01": ".avro", b"{": ".jsonl"}

csv.field_size_limit(_LONGEST_LINE)


class UnknownFormat(ValueError):
    """Neither the file's name nor its first bytes are of a format that is read."""


class _TooLarge(OSError):
    pass


@dataclass(frozen=True)
class Item:
    """One record of a file: its place, and its fields or its JSON payload, or why it has neither.

    `arrived_at` is when a stream took it, where one did.
    """

    place: str
    fields: Json | None = None
    payload: bytes = b""
    fault: str | None = None
    arrived_at: datetime | None = None


def read(path: Path, name: str) -> Iterator[Item]:
    """The records of the file at `path` whose key is `name`.

    One that cannot be read to its end has a last item that says so: `truncated_file`,
    `corrupt_file` or `too_large`. Raises UnknownFormat.
    """
    extension = format_of(name) or _format_within(path, name)
    if extension is None:
        known = ", ".join(_READERS)
        raise UnknownFormat(f"{name}: its name ends in none of {known} (with .gz or without)")
    return _to_the_end(_READERS[extension], path, is_packed=name.lower().endswith(".gz"))


def format_of(name: str) -> str | None:
    """The extension by which a file of this name is read."""
    stem = name.lower()[:-3] if name.lower().endswith(".gz") else name.lower()
    return next((extension for extension in _READERS if stem.endswith(extension)), None)


def _format_within(path: Path, name: str) -> str | None:
    """The extension for the first bytes of a file whose name has none, as AppFlow writes them."""
    if "." in name.rpartition("/")[2]:
        return None
    with path.open("rb") as file:
        start = file.read(4)
    return next((known for magic, known in _MAGIC.items() if start.startswith(magic)), None)


def read_firehose_errors(path: Path) -> Iterator[Item]:
    """The records that Firehose kept because its Lambda failed.

    https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
    """
    with gzip.open(path) as file:
        for number, line in enumerate(file, start=1):
            error = json.loads(line)
            arrived_at = datetime.fromtimestamp(error["arrivalTimestamp"] / 1000, timezone.utc)
            payload = base64.b64decode(error["rawData"])
            yield Item(str(number), payload=payload, arrived_at=arrived_at)


def _to_the_end(
    reader: Callable[[IO[bytes]], Iterator[Item]], path: Path, is_packed: bool
) -> Iterator[Item]:
    with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if is_packed else raw as file:
        try:
            yield from reader(cast("IO[bytes]", file))
        except EOFError:
            yield Item("end", fault="truncated_file")
        except _TooLarge:
            yield Item("end", fault="too_large")
        except (OSError, zlib.error, _avro_fault()):
            yield Item("end", fault="corrupt_file")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines without their ends; one that is too long is cut there, as it is no record anyway."""
    size = 0
    while line := file.readline(_LONGEST_LINE):
        if not size:
            line = line[len(_BOM) :] if line.startswith(_BOM) else line
        size += len(line)
        if size > _MOST_BYTES:
            raise _TooLarge
        yield line


def _csv(file: IO[bytes]) -> Iterator[Item]:
    # Bytes that are no UTF-8 come through as lone surrogates, which no good row has.
    rows = csv.reader((line.decode(errors="surrogateescape") for line in _lines(file)), strict=True)
    names = next(rows, [])
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Item(str(number), payload=str(error).encode(), fault="malformed_row")
            continue
        if not row:
            number -= 1
        elif len(row) != len(names):
            yield Item(str(number), payload=json.dumps(row).encode(), fault="malformed_row")
        else:
            yield Item(str(number), {name: value or None for name, value in zip(names, row)})


def _json_lines(file: IO[bytes]) -> Iterator[Item]:
    for number, line in enumerate(_lines(file), start=1):
        if line.strip():
            yield Item(str(number), payload=line.rstrip(b"\r\n"))


def _avro(file: IO[bytes]) -> Iterator[Item]:
    from avro.datafile import DataFileReader
    from avro.io import DatumReader

    for number, fields in enumerate(DataFileReader(file, DatumReader()), start=1):
        if not isinstance(fields, dict):
            yield Item(str(number), payload=repr(fields).encode(), fault="not_an_object")
            continue
        yield Item(str(number), {name: _plain(value) for name, value in fields.items()})


def _avro_fault() -> type[Exception]:
    """What the Avro library raises; only a job that reads Avro has imported it."""
    import sys

    module = sys.modules.get("avro.errors")
    found: type[Exception] = module.AvroException if module else EOFError
    return found


def _parquet(file: IO[bytes]) -> Iterator[Item]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        for batch in pq.ParquetFile(file).iter_batches(batch_size=10_000):
            for fields in batch.to_pylist():
                number += 1
                yield Item(str(number), {name: _plain(value) for name, value in fields.items()})
    except pa.ArrowException as error:
        raise OSError(str(error)) from None


def _plain(value: Any) -> Any:
    """A typed value as JSON would carry it: instants in UTC as ISO 8601, bytes in base64."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value)


_READERS: dict[str, Callable[[IO[bytes]], Iterator[Item]]] = {
    ".csv": _csv,
    ".json": _json_lines,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".avro": _avro,
    ".parquet": _parquet,
}
