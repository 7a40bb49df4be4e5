"""Hive external tables: their partitions, their files, and how DuckDB reads and writes them."""

from __future__ import annotations

import functools
import gzip
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from . import engine
from .failure import QueryFailed, not_supported
from .lake import Lake, Object
from .predicates import Pred, may_match
from .types import VARCHAR, Type, literal, parse, quote, to_duckdb

#: Above this many candidate partitions the table is listed once, not partition by partition.
_LIST_ONCE = 64
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Partition:
    """A partition: its values (typed) and its location, ending in `/`."""

    values: tuple[Any, ...]
    location: str


@dataclass
class Table:
    """A Hive table of the Glue catalog."""

    database: str
    name: str
    glue: dict[str, Any]

    @property
    def storage(self) -> dict[str, Any]:
        return dict(self.glue.get("StorageDescriptor") or {})

    @property
    def location(self) -> str:
        """The table's location, ending in `/`."""
        return str(self.storage.get("Location", "")).rstrip("/") + "/"

    @property
    def parameters(self) -> dict[str, str]:
        return self.glue.get("Parameters") or {}

    @property
    def keys(self) -> list[tuple[str, Type]]:
        return [(c["Name"].lower(), parse(c["Type"])) for c in self.glue.get("PartitionKeys") or []]

    @property
    def data_columns(self) -> list[tuple[str, Type]]:
        return [(c["Name"].lower(), parse(c["Type"])) for c in self.storage.get("Columns") or []]

    def columns(self) -> list[tuple[str, Type]]:
        return self.data_columns + self.keys

    @property
    def format(self) -> str:
        """parquet, json, opencsv or text; raises QueryFailed for what is not read here."""
        serde = self.storage.get("SerdeInfo", {}).get("SerializationLibrary", "")
        for part, name in (
            ("ParquetHiveSerDe", "parquet"),
            ("openx.data.jsonserde", "json"),
            ("hcatalog.data.JsonSerDe", "json"),
            ("hive.serde2.JsonSerDe", "json"),
            ("OpenCSVSerde", "opencsv"),
            ("LazySimpleSerDe", "text"),
        ):
            if part.lower() in serde.lower():
                return name
        if "parquet" in str(self.storage.get("InputFormat", "")).lower():
            return "parquet"
        raise not_supported(f"the serde {serde or '(none)'} of table {self.database}.{self.name}")


def columns(glue: dict[str, Any]) -> list[tuple[str, Type]]:
    """Names and types of a Glue table's columns, its partition keys last."""
    return Table(glue["DatabaseName"], glue["Name"], glue).columns()


def file_format(glue: dict[str, Any]) -> str:
    """The format of a Glue table's files, as `Table.format`."""
    return Table(glue["DatabaseName"], glue["Name"], glue).format


# --- partitions


def partitions(table: Table, pred: Pred, catalog: Any, now: datetime) -> list[Partition]:
    """The partitions that may hold rows of a predicate, by projection or from the catalog."""
    if not table.keys:
        return [Partition((), table.location)]
    if table.parameters.get("projection.enabled", "").lower() == "true":
        return list(_projected(table, pred, now))
    found = []
    names = [name for name, _ in table.keys]
    token: str | None = None
    while True:
        request = {"NextToken": token} if token else {}
        page = catalog.get_partitions(DatabaseName=table.database, TableName=table.name, **request)
        for item in page["Partitions"]:
            values = tuple(
                _typed(text, kind)
                for text, (_, kind) in zip(item["Values"], table.keys, strict=True)
            )
            if may_match(pred, dict(zip(names, values, strict=True))):
                location = item["StorageDescriptor"]["Location"].rstrip("/") + "/"
                found.append(Partition(values, location))
        token = page.get("NextToken")
        if not token:
            return found


def _typed(text: str, kind: Type) -> Any:
    if text == NULL_PARTITION:
        return None
    try:
        if kind.is_integer:
            return int(text)
        if kind.name == "date":
            return date.fromisoformat(text)
        if kind.name == "boolean":
            return text.lower() == "true"
        if kind.name in ("double", "real"):
            return float(text)
    except ValueError:
        raise QueryFailed(
            "HIVE_INVALID_PARTITION_VALUE", f"Invalid partition value '{text}' for {kind}"
        ) from None
    return text


def _projected(table: Table, pred: Pred, now: datetime) -> Iterator[Partition]:
    """Partition projection. https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html"""
    names = [name for name, _ in table.keys]
    choices = [
        [
            (value, text)
            for value, text in _projection(table, name, kind, pred, now)
            if may_match(pred, {name: value})
        ]
        for name, kind in table.keys
    ]
    template = table.parameters.get("storage.location.template")
    for combination in itertools.product(*choices):
        values = tuple(value for value, _ in combination)
        if not may_match(pred, dict(zip(names, values, strict=True))):
            continue
        texts = dict(zip(names, (text for _, text in combination), strict=True))
        if template:
            location = template.rstrip("/") + "/"
            for name, value in texts.items():
                location = re.sub(rf"(?i)\$\{{{name}\}}", value, location)
        else:
            location = table.location + "".join(f"{n}={t}/" for n, t in texts.items())
        yield Partition(values, location)


def _projection(
    table: Table, name: str, kind: Type, pred: Pred, now: datetime
) -> Iterable[tuple[Any, str]]:
    """The values of one projected column, typed and as text."""

    def setting(key: str, default: str | None = None) -> str:
        value = table.parameters.get(f"projection.{name}.{key}", default)
        if value is None:
            raise QueryFailed(
                "INVALID_TABLE_PROPERTY",
                f"Table {table.database}.{table.name} lacks projection.{name}.{key}",
            )
        return value

    which = setting("type").lower()
    if which == "integer":
        first, last = (int(v) for v in setting("range").split(","))
        digits = int(setting("digits", "0"))
        step = int(setting("interval", "1"))
        for number in range(first, last + 1, step):
            text = str(number).zfill(digits)
            yield (number if kind.is_integer else text), text
    elif which == "enum":
        for text in setting("values").split(","):
            yield _typed(text.strip(), kind), text.strip()
    elif which == "date":
        yield from _projected_dates(setting, kind, now)
    elif which == "injected":
        found = _equalities(pred, name)
        if not found:
            raise QueryFailed(
                "CONSTRAINT_VIOLATION",
                f"For the injected projected partition column {name}, the WHERE clause must "
                "contain only static equality conditions, and at least one such condition must "
                "be present.",
            )
        for value in found:
            yield value, str(value)
    else:
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"Unknown projection type: {which}")


def _projected_dates(setting: Any, kind: Type, now: datetime) -> Iterator[tuple[Any, str]]:
    pattern = setting("format")
    python = pattern
    for java, code in (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M")):
        python = python.replace(java, code)
    python = python.replace("'", "")
    first, last = (_range_end(v.strip(), python, now) for v in setting("range").split(","))
    smallest = "HOURS" if "HH" in pattern else "DAYS" if "dd" in pattern else "MONTHS"
    unit = setting("interval.unit", smallest).upper()
    step = int(setting("interval", "1"))
    current = first
    while current <= last:
        text = current.strftime(python)
        yield (current.date() if kind.name == "date" else text), text
        if unit == "MONTHS":
            months = current.year * 12 + current.month - 1 + step
            current = current.replace(year=months // 12, month=months % 12 + 1)
        elif unit == "YEARS":
            current = current.replace(year=current.year + step)
        else:
            current += timedelta(**{unit.lower(): step})


def _range_end(text: str, pattern: str, now: datetime) -> datetime:
    match = re.fullmatch(r"NOW(?:([+-]\d+)(YEARS?|MONTHS?|WEEKS?|DAYS?|HOURS?|MINUTES?))?", text)
    if not match:
        return datetime.strptime(text, pattern)
    moment = now.replace(tzinfo=None)
    if match[1]:
        count, unit = int(match[1]), match[2].lower().rstrip("s") + "s"
        days = {"years": 365, "months": 30}.get(unit)
        moment += timedelta(days=count * days) if days else timedelta(**{unit: count})
    return datetime.strptime(moment.strftime(pattern), pattern)


def _equalities(pred: Pred, name: str) -> list[Any]:
    if pred[0] == "=" and pred[1] == name:
        return [pred[2]]
    if pred[0] == "and":
        return next((found for p in pred[1] if (found := _equalities(p, name))), [])
    if pred[0] == "or":
        parts = [_equalities(p, name) for p in pred[1]]
        return sum(parts, []) if all(parts) else []
    return []


# --- files


def files(table: Table, found: list[Partition], lake: Lake) -> list[tuple[Object, Partition]]:
    """The objects of partitions that hold something; hidden ones (`_`, `.`) are skipped."""
    if len(found) <= _LIST_ONCE or not all(p.location.startswith(table.location) for p in found):
        pairs = [(item, part) for part in found for item in lake.list(part.location)]
    else:
        by_location = {part.location: part for part in found}
        pairs = []
        for item in lake.list(table.location):
            folder = item.uri.rpartition("/")[0] + "/"
            while len(folder) >= len(table.location):
                if part := by_location.get(folder):
                    pairs.append((item, part))
                    break
                folder = folder.rstrip("/").rpartition("/")[0] + "/"
    return [
        (item, part)
        for item, part in pairs
        if item.size and not item.key.rpartition("/")[2].startswith(("_", "."))
    ]


@dataclass(frozen=True)
class Footer:
    """What a Parquet footer says: column names, and bytes of each top column's chunks."""

    names: tuple[str, ...]
    sizes: dict[str, int]
    shape: str


@functools.lru_cache(65536)
def footer(path: str, size: int, stamp: int) -> Footer:
    """The footer of a Parquet file; cached while the file does not change."""
    meta = pq.read_metadata(path)
    sizes: dict[str, int] = {}
    for group in range(meta.num_row_groups):
        row_group = meta.row_group(group)
        for index in range(row_group.num_columns):
            chunk = row_group.column(index)
            name = chunk.path_in_schema.split(".")[0].lower()
            sizes[name] = sizes.get(name, 0) + chunk.total_compressed_size
    schema = meta.schema.to_arrow_schema()
    return Footer(tuple(schema.names), sizes, str(schema.remove_metadata()))


def read_footer(item: Object, path: Path) -> Footer:
    """As `footer`. Raises QueryFailed(HIVE_BAD_DATA) for a file that is no Parquet."""
    try:
        stat = path.stat()
        return footer(str(path), stat.st_size, stat.st_mtime_ns)
    except (pa.ArrowException, OSError) as error:
        raise QueryFailed(
            "HIVE_BAD_DATA", f"Malformed Parquet file. {str(error)[:200]} [{item.uri}]"
        ) from None


@functools.lru_cache(65536)
def _gzip_ends(path: str, size: int, stamp: int) -> bool:
    """Whether a gzip file is whole; cached while the file does not change."""
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass
    return True


def check_gzip(item: Object, path: Path) -> None:
    """Raises QueryFailed(HIVE_BAD_DATA) for a truncated or corrupt gzip file: DuckDB reads what is
    there of it and says nothing."""
    stat = path.stat()
    try:
        _gzip_ends(str(path), stat.st_size, stat.st_mtime_ns)
    except (OSError, EOFError, zlib.error) as error:
        raise QueryFailed("HIVE_BAD_DATA", f"Corrupt gzip file: {error} [{item.uri}]") from None


#: Files whose keys were found to be lower case: path, size, time of change.
_LOWER_CASE: set[tuple[str, int, int]] = set()


def check_keys(con: Any, pairs: list[tuple[Object, Partition]], paths: list[Path]) -> None:
    """Raises QueryFailed for JSON keys with upper case letters in new files.

    The serde finds a column in any case, DuckDB's reader in lower case only: it would give NULL.
    """
    new = {}
    for (item, _), path in zip(pairs, paths, strict=True):
        stat = path.stat()
        mark = (str(path), stat.st_size, stat.st_mtime_ns)
        if mark not in _LOWER_CASE:
            new[mark] = item
    if not new:
        return
    listed = ", ".join(literal(path) for path, _, _ in new)
    keys = f"SELECT unnest(json_keys(json)) AS k FROM read_ndjson_objects([{listed}], ignore_errors=true)"
    try:
        found = con.execute(f"SELECT k FROM ({keys}) WHERE k <> lower(k) LIMIT 1").fetchone()
    except duckdb.Error:
        return  # the query itself fails on such a file, and names it
    if found:
        where = next(iter(new.values())).uri if len(new) == 1 else "one of the table's files"
        raise not_supported(f"the JSON key '{found[0]}' with upper case letters in {where}")
    _LOWER_CASE.update(new)


# --- reading


def create_view(
    con: Any,
    view: str,
    table: Table,
    pairs: list[tuple[Object, Partition]],
    required: set[str],
    lake: Lake,
    names: dict[str, str],
) -> int:
    """Make the DuckDB view of a table's files; gives the bytes that the scan needs.

    A column that nobody needs is NULL in the view: a `select *` below still names it. `names`
    collects path on disk → S3 address, for error messages.
    """
    if not pairs:
        empty = ", ".join(_null(n, t) for n, t in table.columns())
        path = ", " + _null("$path", VARCHAR)
        con.execute(f"CREATE TEMP VIEW {quote(view)} AS SELECT {empty}{path} WHERE false")
        return 0
    paths = [lake.path(item) for item, _ in pairs]
    names.update({str(p): item.uri for p, (item, _) in zip(paths, pairs, strict=True)})
    data = [(n, t) for n, t in table.data_columns if n in required]
    if table.format == "json":
        check_keys(con, pairs, paths)
    reader, scanned, present = _reader(table, pairs, paths, data)
    unused = [(n, t) for n, t in table.columns() if n not in required]
    listed = [present[n] for n, _ in data] + [_null(n, t) for n, t in unused]
    joined = ""
    keys = [(n, t) for n, t in table.keys if n in required]
    if keys or "$path" in required:
        joined = _file_table(con, view, table, pairs, paths)
        listed += [f"f.{quote(n)} AS {quote(n)}" for n, _ in keys]
        if "$path" in required:
            listed.append('f.uri AS "$path"')
    sql = f"SELECT {', '.join(listed)} FROM {reader} d{joined}"
    engine.run(con, f"CREATE TEMP VIEW {quote(view)} AS {sql}", names)
    return scanned


def _null(name: str, kind: Type) -> str:
    return f"CAST(NULL AS {to_duckdb(kind)}) AS {quote(name)}"


def _file_table(
    con: Any, view: str, table: Table, pairs: list[tuple[Object, Partition]], paths: list[Path]
) -> str:
    name = quote(view + "_files")
    keys = ", ".join(f"{quote(n)} {to_duckdb(t)}" for n, t in table.keys)
    con.execute(
        f"CREATE TEMP TABLE {name} (path VARCHAR, uri VARCHAR{', ' + keys if keys else ''})"
    )
    rows = []
    for path, (item, part) in zip(paths, pairs, strict=True):
        values = "".join(", " + _sql(v) for v in part.values)
        rows.append(f"({literal(str(path))}, {literal(item.uri)}{values})")
    con.execute(f"INSERT INTO {name} VALUES {', '.join(rows)}")
    return f" JOIN {name} f ON f.path = d.strata_file"


def _sql(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    return literal(str(value))


def _reader(
    table: Table,
    pairs: list[tuple[Object, Partition]],
    paths: list[Path],
    data: list[tuple[str, Type]],
) -> tuple[str, int, dict[str, str]]:
    """(DuckDB table function, bytes scanned, SQL of each column)."""
    listed = "[" + ", ".join(literal(str(p)) for p in paths) + "]"
    kind = table.format
    if kind == "parquet":
        return _parquet(listed, pairs, paths, data)
    scanned = sum(item.size for item, _ in pairs)
    for (item, _), path in zip(pairs, paths, strict=True):
        if item.key.endswith(".gz"):
            check_gzip(item, path)
    if kind == "json":
        return (
            _json(listed, table, data),
            scanned,
            {n: f"d.{quote(n)} AS {quote(n)}" for n, _ in data},
        )
    return _csv(listed, table, kind), scanned, {n: _csv_column(n, t, kind) for n, t in data}


def _parquet(
    listed: str,
    pairs: list[tuple[Object, Partition]],
    paths: list[Path],
    data: list[tuple[str, Type]],
) -> tuple[str, int, dict[str, str]]:
    footers = [read_footer(item, path) for (item, _), path in zip(pairs, paths, strict=True)]
    wanted = {n for n, _ in data}
    scanned = sum(size for f in footers for name, size in f.sizes.items() if name in wanted)
    known = {name.lower(): name for f in footers for name in f.names}
    union = ", union_by_name=true" if len({f.shape for f in footers}) > 1 else ""
    columns = {
        name: (
            f"CAST(d.{quote(known[name])} AS {to_duckdb(kind)})"
            if name in known
            else f"CAST(NULL AS {to_duckdb(kind)})"
        )
        + f" AS {quote(name)}"
        for name, kind in data
    }
    return f"read_parquet({listed}, filename='strata_file'{union})", scanned, columns


def _json(listed: str, table: Table, data: list[tuple[str, Type]]) -> str:
    columns = ", ".join(f"{literal(n)}: {literal(to_duckdb(t))}" for n, t in data)
    if not data:
        columns = "'strata_none': 'VARCHAR'"
    return (
        f"read_json({listed}, format='newline_delimited', records=true, "
        f"columns={{{columns}}}, filename='strata_file', maximum_object_size=67108864)"
    )


def _csv(listed: str, table: Table, kind: str) -> str:
    options = table.storage.get("SerdeInfo", {}).get("Parameters", {}) or {}
    skip = int(table.parameters.get("skip.header.line.count", "0"))
    columns = ", ".join(f"{literal(n)}: 'VARCHAR'" for n, _ in table.data_columns)
    if kind == "opencsv":
        delimiter = options.get("separatorChar", ",")
        quoting = options.get("quoteChar", '"')
        style = f"quote={_char(quoting)}, escape={_char(quoting)}, nullstr={_char(chr(0) + 'N')}"
    else:
        delimiter = options.get("field.delim", options.get("serialization.format", "\x01"))
        delimiter = "\x01" if delimiter == "1" else delimiter
        style = "quote='', escape='', nullstr='\\N'"
    return (
        f"read_csv({listed}, auto_detect=false, header=false, skip={skip}, "
        f"delim={_char(delimiter)}, {style}, columns={{{columns}}}, null_padding=true, "
        "filename='strata_file', max_line_size=16777216)"
    )


def _char(text: str) -> str:
    text = text.encode().decode("unicode_escape") if text.startswith("\\") else text
    if all(c >= " " for c in text):
        return literal(text)
    return "'" + "".join(f"' || chr({ord(c)}) || '" if c < " " else c for c in text) + "'"


def _csv_column(name: str, kind: Type, which: str) -> str:
    if kind.is_text:
        return f"d.{quote(name)} AS {quote(name)}"
    if kind.items:
        raise not_supported(f"a column of type {kind} in a text table")
    # An empty field is no number: LazySimpleSerDe and OpenCSVSerde give NULL.
    return f"CAST(nullif(d.{quote(name)}, '') AS {to_duckdb(kind)}) AS {quote(name)}"
