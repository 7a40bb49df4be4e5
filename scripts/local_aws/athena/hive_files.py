"""Files of Hive tables and of UNLOAD: written by DuckDB (ORC by PyArrow), put below a location.

https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from . import engine
from .buckets import Bucketing, file_prefix
from .failure import QueryFailed, not_supported
from .iceberg import MAX_OPEN_PARTITIONS
from .lake import Lake
from .types import Type, literal, quote, to_hive

#: The codecs that are written for each format, the default first.
CODECS = {
    "parquet": ("snappy", "gzip", "zstd", "none"),
    "orc": ("zlib", "snappy", "zstd", "lz4", "none"),
    "avro": ("none",),
    "json": ("gzip", "zstd", "none"),
    "text": ("gzip", "zstd", "none"),
}
_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst", "none": ""}
#: LazySimpleSerDe's field delimiter.
DELIMITER = "\x01"
#: The column of a row's bucket while it is written.
_BUCKET = "strata_bucket"


@dataclass(frozen=True)
class Layout:
    """How files are: a format of CODECS, its codec, and the text's delimiter and NULL."""

    format: str
    codec: str
    delimiter: str = DELIMITER
    null: str = "\\N"

    @property
    def suffix(self) -> str:
        """What the files' names end with."""
        if self.format in ("parquet", "orc", "avro"):
            return f".{self.format}"
        return (".json" if self.format == "json" else "") + _EXTENSIONS[self.codec]

    def copy_options(self) -> str:
        """DuckDB's COPY options."""
        codec = "uncompressed" if self.codec == "none" else self.codec
        if self.format == "orc":
            return "FORMAT parquet, COMPRESSION uncompressed"
        if self.format == "avro":
            return "FORMAT avro"
        if self.format == "json":
            return f"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', COMPRESSION {codec}"
        if self.format == "text":
            style = f"DELIMITER {literal(self.delimiter)}, NULLSTR {literal(self.null)}"
            return f"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', {style}, COMPRESSION {codec}"
        return f"FORMAT {self.format}, COMPRESSION {codec}"


@dataclass(frozen=True)
class Files:
    """What was written: how many rows, and the objects of each partition's values."""

    rows: int
    partitions: dict[tuple[str, ...], list[str]]

    @property
    def uris(self) -> tuple[str, ...]:
        """All objects."""
        return tuple(uri for uris in self.partitions.values() for uri in uris)


def layout(file_format: str, codec: str | None, delimiter: str | None = None) -> Layout:
    """The layout of a format (Athena's name) and a compression; raises QueryFailed for a pair that
    is not written here."""
    name = {"textfile": "text"}.get(file_format.lower(), file_format.lower())
    if name not in CODECS:
        raise not_supported(f"the format {file_format}")
    asked = (codec or CODECS[name][0]).lower()
    asked = {"uncompressed": "none"}.get(asked, asked)
    if asked not in CODECS[name]:
        raise not_supported(f"write_compression {asked} of {file_format.upper()}")
    if delimiter is None:
        return Layout(name, asked)
    if name != "text" or len(delimiter) != 1:
        raise QueryFailed(
            "INVALID_TABLE_PROPERTY", "field_delimiter is one character, of the format TEXTFILE"
        )
    return Layout(name, asked, delimiter)


def check_columns(columns: list[tuple[str, Type]], how: Layout) -> None:
    """Raises QueryFailed for a type that the files cannot hold as Hive would read it."""
    for name, kind in columns:
        if kind.name == "timestamp" and kind.args[0] > 3:
            raise QueryFailed(
                "NOT_SUPPORTED",
                f"Incorrect timestamp precision for {kind}; the configured precision is "
                f"MILLISECONDS; column name: {name}",
            )
        to_hive(kind)
        if how.format == "text" and (kind.items or kind.name == "varbinary"):
            raise not_supported(f"writing {name}, a column of type {kind}, as text")
        if how.format == "json" and kind.name == "varbinary":
            raise not_supported(f"writing {name}, a column of type {kind}, as JSON")
        if how.format == "avro" and _has_map(kind):
            raise not_supported(f"writing {name}, a column of type {kind}, as Avro")


def _has_map(kind: Type) -> bool:
    return kind.name == "map" or any(_has_map(item) for item in kind.items)


def write(
    con: Any,
    sql: str,
    columns: list[tuple[str, Type]],
    keys: list[str],
    location: str,
    how: Layout,
    lake: Lake,
    folder: Path,
    names: dict[str, str],
    bucketing: Bucketing | None = None,
) -> Files:
    """Write the rows of `sql` below a location, `keys` as partitions; no rows are no files.

    Raises QueryFailed for more than 100 partitions, or buckets of partitions.
    """
    check_columns(columns, how)
    by = list(keys)
    if bucketing:
        by.append(_BUCKET)
        sql = f"SELECT *, {bucketing.sql()} AS {quote(_BUCKET)} FROM ({sql})"
    rows, found = _copy(con, _shown(sql, columns, by, how), by, how, folder, names)
    placed: dict[tuple[str, ...], list[tuple[Path, str]]] = {}
    for values, files in found.items():
        own = values[: len(keys)]
        bucket = file_prefix(int(values[-1])) if bucketing else ""
        prefix = f"{location.rstrip('/')}/{partition_path(keys, own)}{bucket}"
        placed.setdefault(own, []).extend(
            (_finished(file, how), f"{prefix}{uuid.uuid4().hex}{how.suffix}") for file in files
        )
    lake.upload(pair for pairs in placed.values() for pair in pairs)
    return Files(rows, {values: [uri for _, uri in pairs] for values, pairs in placed.items()})


def _copy(
    con: Any, sql: str, by: list[str], how: Layout, folder: Path, names: dict[str, str]
) -> tuple[int, dict[tuple[str, ...], list[Path]]]:
    """Write rows into a folder; gives their number, and the files by their values of `by`."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / ("data" if by else "data.out")
    options = how.copy_options()
    if by:
        options += f", PARTITION_BY ({', '.join(map(quote, by))}), FILENAME_PATTERN '{{uuidv7}}'"
    copy = f"COPY ({sql}) TO {literal(str(target))} ({options})"
    rows = int(engine.run(con, copy, names).fetchone()[0])
    found: dict[tuple[str, ...], list[Path]] = {}
    for file in sorted(target.rglob("*.*")) if by else [target] if rows else []:
        folders = file.relative_to(target).parts[:-1]
        found.setdefault(tuple(unquote(f.partition("=")[2]) for f in folders), []).append(file)
    if len(found) > MAX_OPEN_PARTITIONS:
        raise QueryFailed(
            "HIVE_TOO_MANY_OPEN_PARTITIONS",
            f"Exceeded limit of {MAX_OPEN_PARTITIONS} open writers for partitions/buckets",
        )
    return rows, found


def _shown(sql: str, columns: list[tuple[str, Type]], by: list[str], how: Layout) -> str:
    """The query as the format wants it.

    A JSON record is one text (DuckDB's own JSON has no partitions); Avro's smallest number is an
    int.
    """
    if how.format == "json":
        fields = ", ".join(f"{quote(n)} := {quote(n)}" for n, _ in columns if n not in by)
        listed = ", ".join([f"to_json(struct_pack({fields})) AS record", *map(quote, by)])
        return f"SELECT {listed} FROM ({sql})"
    small = [quote(n) for n, t in columns if t.name in ("tinyint", "smallint")]
    if how.format != "avro" or not small:
        return sql
    wider = ", ".join(f"CAST({name} AS INTEGER) AS {name}" for name in small)
    return f"SELECT * REPLACE ({wider}) FROM ({sql})"


def _finished(file: Path, how: Layout) -> Path:
    """The file in its own format: DuckDB writes no ORC, so PyArrow makes it of Parquet."""
    if how.format != "orc":
        return file
    made = file.with_suffix(".orc")
    codec = "uncompressed" if how.codec == "none" else how.codec
    with pq.ParquetFile(file) as source, orc.ORCWriter(str(made), compression=codec) as writer:
        for batch in source.iter_batches():
            writer.write(pa.Table.from_batches([batch]))
    return made


def partition_path(keys: Sequence[str], values: Sequence[str]) -> str:
    """`key=value/` of each key; what a path cannot hold is escaped as Hive does."""
    return "".join(
        f"{key}={url_quote(value, safe=' -_.~+,;@!$&()')}/"
        for key, value in zip(keys, values, strict=True)
    )


def partition_values(keys: Sequence[str], path: str) -> tuple[str, ...]:
    """The values of the first folders `key=value/` of a path, as far as they are the keys."""
    values = []
    for key, folder in zip(keys, path.split("/")[:-1], strict=False):
        name, equals, value = folder.partition("=")
        if name != key or not equals:
            break
        values.append(unquote(value))
    return tuple(values)
