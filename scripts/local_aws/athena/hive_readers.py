"""How DuckDB reads the files of a Hive table: one reader a format.

https://docs.aws.amazon.com/athena/latest/ug/supported-serdes.html
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.orc as orc

from .expression import fail_text
from .failure import QueryFailed, not_supported
from .footers import footer
from .lake import Object
from .types import Type, literal, quote, to_duckdb

if TYPE_CHECKING:
    from .hive import Table

Columns = list[tuple[str, Type]]


@dataclass(frozen=True)
class File:
    """An object and the file on disk that holds it."""

    item: Object
    path: Path

    @property
    def mark(self) -> tuple[str, int, int]:
        """Changes when the file does: a key to keep what was found out about it."""
        stat = self.path.stat()
        return str(self.path), stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True)
class Reading:
    """`source` in DuckDB SQL under the alias d with a column `strata_file`, the SQL of the wanted
    columns, and a condition that fails on what is not read right."""

    source: str
    columns: list[str]
    check: str = ""


def read(con: Any, view: str, table: Table, files: list[File], wanted: Columns) -> Reading:
    """How the files of a table are read. Raises QueryFailed(HIVE_BAD_DATA) for a broken file."""
    readers: dict[str, Callable[[], Reading]] = {
        "parquet": lambda: _parquet(files, wanted),
        "orc": lambda: _orc(con, view, table, files, wanted),
        "avro": lambda: _avro(con, files, wanted),
        "json": lambda: _json(con, table, files, wanted),
        "opencsv": lambda: _opencsv(table, files, wanted),
        "text": lambda: _text(table, files, wanted),
    }
    if table.format in ("json", "opencsv", "text"):
        for file in files:
            _check_compression(file)
    return readers[table.format]()


def _listed(files: list[File]) -> str:
    return "[" + ", ".join(literal(str(f.path)) for f in files) + "]"


def scanned_bytes(table: Table, files: Iterable[File], columns: frozenset[str]) -> int:
    """Bytes that a scan needs: column chunks of Parquet, whole files of other formats."""
    if table.format != "parquet":
        return sum(file.item.size for file in files)
    sizes = (footer(file.path).sizes for file in files)
    return sum(size for by_name in sizes for name, size in by_name.items() if name in columns)


def _cast(sql: str, kind: Type) -> str:
    return f"CAST({sql} AS {to_duckdb(kind)})"


def _by_name(known: dict[str, str], wanted: Columns) -> list[str]:
    """Columns found by name in any case; one that no file has is NULL."""
    return [_cast(f"d.{quote(known[n])}" if n in known else "NULL", t) for n, t in wanted]


# --- Parquet


def _parquet(files: list[File], wanted: Columns) -> Reading:
    footers = []
    for file in files:
        with _opening(file, "Parquet"):
            footers.append(footer(file.path))
        _check_types(file, footers[-1].types, dict(wanted))
    known = {name.lower(): name for f in footers for name in f.types}
    union = ", union_by_name=true" if len({f.shape for f in footers}) > 1 else ""
    source = f"read_parquet({_listed(files)}, filename='strata_file'{union})"
    return Reading(source, _by_name(known, wanted))


def _check_types(file: File, types: dict[str, pa.DataType], wanted: dict[str, Type]) -> None:
    """Raises QueryFailed where DuckDB would cast text, numbers and booleans to each other."""
    for name, stored in types.items():
        declared = wanted.get(name.lower())
        families = {_arrow_family(stored), _family(declared) if declared else ""} - {""}
        if declared and len(families) > 1:
            raise QueryFailed(
                "HIVE_BAD_DATA",
                f"Field {name}'s type {stored} in parquet file {file.item.uri} is incompatible "
                f"with type {declared} defined in table schema",
            )


def _arrow_family(kind: pa.DataType) -> str:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean"
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return "number" if is_number else ""


def _family(kind: Type) -> str:
    if kind.is_text or kind.name == "boolean":
        return "text" if kind.is_text else "boolean"
    return "number" if kind.is_numeric else ""


@contextmanager
def _opening(file: File, what: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, duckdb.Error, OSError) as error:
        message = f"Malformed {what} file. {str(error)[:200]} [{file.item.uri}]"
        raise QueryFailed("HIVE_BAD_DATA", message) from None


# --- ORC and Avro: a reader a file, as files may differ in their columns


def _orc(con: Any, view: str, table: Table, files: list[File], wanted: Columns) -> Reading:
    """ORC by PyArrow, as Arrow batches. Columns are found by their place, as Athena does by default:
    https://docs.aws.amazon.com/athena/latest/ug/handling-schema-updates-chapter.html"""
    by_place = table.serde_parameters.get("orc.column.index.access", "true").lower() != "false"
    order = [n for n, _ in table.data_columns]
    parts = []
    for number, file in enumerate(files):
        with _opening(file, "ORC"):
            names = orc.ORCFile(str(file.path)).schema.names
        source = f"{view}_orc{number}"
        con.register(source, ds.dataset(str(file.path), format="orc"))
        known = dict(zip(order if by_place else [n.lower() for n in names], names, strict=False))
        parts.append(_part(file, quote(source), known, wanted))
    return _united(parts, wanted)


def _avro(con: Any, files: list[File], wanted: Columns) -> Reading:
    parts = []
    for file in files:
        source = f"read_avro({literal(str(file.path))})"
        with _opening(file, "Avro"):
            names = [row[0] for row in con.execute(f"DESCRIBE FROM {source}").fetchall()]
        parts.append(_part(file, source, {n.lower(): n for n in names}, wanted))
    return _united(parts, wanted)


def _part(file: File, source: str, known: dict[str, str], wanted: Columns) -> str:
    columns = [
        f"{sql} AS {quote(n)}" for (n, _), sql in zip(wanted, _by_name(known, wanted), strict=True)
    ]
    columns.append(f"{literal(str(file.path))} AS strata_file")
    return f"SELECT {', '.join(columns)} FROM {source} d"


def _united(parts: list[str], wanted: Columns) -> Reading:
    columns = [f"d.{quote(n)}" for n, _ in wanted]
    return Reading(f"({' UNION ALL '.join(parts)})", columns)


# --- JSON


#: A key with an upper case letter, as text (or a value that looks like one).
_UPPER = r"""'"[^"]*[A-Z][^"]*"\s*:'"""
#: Files whose keys were found to be lower case.
_LOWER_CASE: set[tuple[str, int, int]] = set()
#: The keys of other files, and what is below them.
_STRUCTURES: dict[tuple[str, int, int], Any] = {}


#: Properties of the JSON serdes that change nothing here.
_JSON_PROPERTIES = {"serialization.format", "paths"}


def _json(con: Any, table: Table, files: list[File], wanted: Columns) -> Reading:
    """JSON lines. The serdes find a column by its key in any case, DuckDB's reader in one spelling
    only: https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html"""
    for key, value in table.serde_parameters.items():
        neutral = {"case.insensitive": "true", "ignore.malformed.json": "false"}.get(key.lower())
        if key.lower() not in _JSON_PROPERTIES and str(value).lower() != neutral:
            raise not_supported(f"the serde property {key}")
    found = _structure(con, files)
    spelled = {n: _spelling(found, n) for n, _ in wanted}
    columns = ", ".join(
        f"{literal(spelled[n])}: {literal(_spelled_type(t, _below(found, spelled[n])))}"
        for n, t in wanted
    )
    source = (
        f"read_json({_listed(files)}, format='newline_delimited', records=true, "
        f"columns={{{columns or _NO_COLUMN}}}, filename='strata_file', "
        "maximum_object_size=67108864)"
    )
    return Reading(source, [_cast(f"d.{quote(spelled[n])}", t) for n, t in wanted])


_NO_COLUMN = "'strata_none': 'VARCHAR'"


def _structure(con: Any, files: list[File]) -> Any:
    """The keys of all files, nested as they are; None when all are lower case."""
    by_path = {str(file.path): file for file in files}
    new = [f for f in files if f.mark not in _LOWER_CASE and f.mark not in _STRUCTURES]
    try:
        if new:
            upper = _found(con, new, "DISTINCT filename", f"WHERE regexp_matches(json, {_UPPER})")
            _LOWER_CASE.update(f.mark for f in {*new} - {by_path[row[0]] for row in upper})
        if all(f.mark in _LOWER_CASE for f in files):
            return None
        unknown = [f for f in files if f.mark not in _STRUCTURES]
        if unknown:
            found = _found(
                con, unknown, "filename, json_group_structure(json)", "GROUP BY filename"
            )
            _STRUCTURES.update({f.mark: None for f in unknown})
            _STRUCTURES.update({by_path[path].mark: json.loads(text) for path, text in found})
    except duckdb.Error:
        return None  # the query itself fails on such a file, and names it
    return functools.reduce(_merged, (_STRUCTURES[f.mark] for f in files))


def _found(con: Any, files: list[File], what: str, clause: str) -> list[tuple[Any, ...]]:
    options = "ignore_errors=true, filename=true, maximum_object_size=67108864"
    sql = f"SELECT {what} FROM read_ndjson_objects({_listed(files)}, {options}) {clause}"
    return list(con.execute(sql).fetchall())


def _merged(a: Any, b: Any) -> Any:
    """Two structures as one: objects have the keys of both, lists the items' structure."""
    if isinstance(a, dict) and isinstance(b, dict):
        return {key: _merged(a.get(key), b.get(key)) for key in {**a, **b}}
    if isinstance(a, list) and isinstance(b, list):
        items = [*a[:1], *b[:1]]
        return [functools.reduce(_merged, items)] if items else []
    return b if isinstance(b, dict | list) else a if a is not None else b


def _spelling(structure: Any, name: str) -> str:
    """How the files spell a key. Raises QueryFailed when they do so in two ways."""
    found = [k for k in structure if k.lower() == name] if isinstance(structure, dict) else []
    if len(found) > 1:
        raise not_supported(f"the JSON key '{name}' in two spellings, {' and '.join(found)},")
    return found[0] if found else name


def _below(structure: Any, name: str) -> Any:
    return structure.get(name) if isinstance(structure, dict) else None


def _spelled_type(kind: Type, structure: Any) -> str:
    """DuckDB's type of a column, with the fields of rows spelled as the files do."""
    if kind.name == "array":
        inner = structure[0] if isinstance(structure, list) and structure else None
        return f"{_spelled_type(kind.items[0], inner)}[]"
    if kind.name != "row":
        return to_duckdb(kind)
    names = [_spelling(structure, str(name).lower()) for name in kind.fields]
    fields = (
        f"{quote(name)} {_spelled_type(item, _below(structure, name))}"
        for name, item in zip(names, kind.items, strict=True)
    )
    return f"STRUCT({', '.join(fields)})"


# --- text


def _opencsv(table: Table, files: list[File], wanted: Columns) -> Reading:
    options = table.serde_parameters
    quoting = _character(options.get("quoteChar", '"'))
    style = f"quote={quoting}, escape={quoting}, nullstr={_character(chr(0) + 'N')}"
    escape = options.get("escapeChar", "\\")
    return _csv(table, files, wanted, options.get("separatorChar", ","), style, escape)


def _text(table: Table, files: list[File], wanted: Columns) -> Reading:
    """LazySimpleSerDe: https://docs.aws.amazon.com/athena/latest/ug/lazy-simple-serde.html"""
    style = f"quote='', escape='', nullstr={_character(table.null_text)}"
    escape = table.serde_parameters.get("escape.delim", "")
    return _csv(table, files, wanted, table.delimiter, style, escape)


def _csv(
    table: Table, files: list[File], wanted: Columns, delimiter: str, style: str, escape: str
) -> Reading:
    skip = int(table.parameters.get("skip.header.line.count", "0"))
    columns = ", ".join(f"{literal(n)}: 'VARCHAR'" for n, _ in table.data_columns)
    source = (
        f"read_csv({_listed(files)}, auto_detect=false, header=false, skip={skip}, "
        f"delim={_character(delimiter)}, {style}, columns={{{columns}}}, null_padding=true, "
        "filename='strata_file', max_line_size=16777216)"
    )
    shown = [_text_column(n, t) for n, t in wanted]
    return Reading(source, shown, _no_escape(table, escape))


def _no_escape(table: Table, escape: str) -> str:
    """A condition that fails on a row with an escape character, which DuckDB would keep as text."""
    if not escape:
        return ""
    character = escape.encode().decode("unicode_escape") if len(escape) == 2 else escape
    row = ", ".join(f"d.{quote(n)}" for n, _ in table.data_columns)
    message = f"the escape character {character} in a file of {table.database}.{table.name}"
    failing = fail_text(
        "NOT_SUPPORTED", f"{message} is not supported by the local Athena", "BOOLEAN"
    )
    return f"CASE WHEN contains(concat_ws('', {row}), {literal(character)}) THEN {failing} ELSE true END"


def _character(text: str) -> str:
    text = (
        text.encode().decode("unicode_escape") if text.startswith("\\") and text != "\\N" else text
    )
    if all(c >= " " for c in text):
        return literal(text)
    return "'" + "".join(f"' || chr({ord(c)}) || '" if c < " " else c for c in text) + "'"


def _text_column(name: str, kind: Type) -> str:
    if kind.is_text:
        return f"d.{quote(name)}"
    if kind.items:
        raise not_supported(f"a column of type {kind} in a text table")
    # An empty field is no number: LazySimpleSerDe and OpenCSVSerde give NULL.
    return _cast(f"nullif(d.{quote(name)}, '')", kind)


@functools.lru_cache(65536)
def _is_whole(path: str, size: int, stamp: int, codec: str) -> bool:
    with pa.input_stream(path, compression=codec) as stream:
        while stream.read(1 << 20):
            pass
    return True


def _check_compression(file: File) -> None:
    """Raises QueryFailed for a compression that DuckDB would read as text, and for a truncated or
    corrupt file, of which it reads what is there and says nothing."""
    extension = file.item.key.rpartition(".")[2].lower()
    if extension in ("bz2", "deflate", "lz4", "lzo", "snappy", "zip"):
        raise not_supported(f"the compression {extension} of {file.item.uri}")
    codec = {"gz": "gzip", "zst": "zstd"}.get(extension)
    if codec is None:
        return
    try:
        _is_whole(*file.mark, codec)
    except (pa.ArrowException, OSError) as error:
        message = f"Corrupt {codec} file: {error} [{file.item.uri}]"
        raise QueryFailed("HIVE_BAD_DATA", message) from None
