"""Hive external tables: their partitions, their files, and how DuckDB reads and writes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from . import buckets, engine, hive_files, hive_readers
from .failure import QueryFailed, not_supported
from .lake import Lake, Object
from .predicates import Pred, both, compare, may_match
from .projection import Partition, Projected, typed
from .relations import Use
from .types import VARCHAR, Type, literal, parse, quote, to_duckdb

#: Above this many candidate partitions the table is listed once, not partition by partition.
_LIST_ONCE = 64


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
        return [(c["Name"].lower(), parse(c["Type"])) for c in current_columns(self.glue)]

    def columns(self) -> list[tuple[str, Type]]:
        return self.data_columns + self.keys

    @property
    def serde_parameters(self) -> dict[str, str]:
        return dict(self.storage.get("SerdeInfo", {}).get("Parameters") or {})

    @property
    def bucketing(self) -> buckets.Bucketing | None:
        """How its rows lie in buckets."""
        return buckets.of(self.storage, self.parameters, self.data_columns)

    @property
    def is_projected(self) -> bool:
        """Whether its partitions are computed, not kept in the catalog."""
        return self.parameters.get("projection.enabled", "").lower() == "true"

    @property
    def delimiter(self) -> str:
        """LazySimpleSerDe's field delimiter."""
        options = self.serde_parameters
        found = options.get("field.delim", options.get("serialization.format", "1"))
        return hive_files.DELIMITER if found == "1" else found

    @property
    def null_text(self) -> str:
        """LazySimpleSerDe's text of NULL."""
        return self.serde_parameters.get("serialization.null.format", "\\N")

    @property
    def format(self) -> str:
        """parquet, orc, avro, json, opencsv or text; raises QueryFailed for another serde."""
        serde = self.storage.get("SerdeInfo", {}).get("SerializationLibrary", "")
        other = f"{self.parameters.get('table_type', '')} {self.storage.get('InputFormat', '')}"
        for name in ("Delta", "Hoodie", "Hudi", "Symlink"):
            # Their files are not their rows: logs and lists say which count.
            if name.lower() in other.lower():
                raise not_supported(f"the {name} table {self.database}.{self.name}")
        for part, name in (
            ("ParquetHiveSerDe", "parquet"),
            ("OrcSerde", "orc"),
            ("AvroSerDe", "avro"),
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


def current_columns(glue: dict[str, Any]) -> list[dict[str, Any]]:
    """Glue's columns of a table. Iceberg's writers leave those that are gone there, and say so."""
    return [
        column
        for column in glue["StorageDescriptor"].get("Columns") or []
        if column.get("Parameters", {}).get("iceberg.field.current") != "false"
    ]


def columns(glue: dict[str, Any]) -> list[tuple[str, Type]]:
    """Names and types of a Glue table's columns, its partition keys last."""
    return Table(glue["DatabaseName"], glue["Name"], glue).columns()


def layout(glue: dict[str, Any]) -> hive_files.Layout:
    """How an INSERT writes the files of a table, so that the table reads them.

    Raises QueryFailed for a table whose files cannot be written.
    """
    table = Table(glue["DatabaseName"], glue["Name"], glue)
    kind, parameters = table.format, table.parameters
    if kind == "opencsv" or int(parameters.get("skip.header.line.count", "0")):
        raise not_supported("INSERT into a table of OpenCSVSerde or with header lines")
    codec = parameters.get("write.compression") or parameters.get(f"{kind}.compression")
    how = hive_files.layout(kind, codec)
    if kind != "text":
        return how
    if table.serde_parameters.get("escape.delim"):
        raise not_supported("INSERT into a text table with an escape character")
    return dataclasses.replace(how, delimiter=table.delimiter, null=table.null_text)


# --- partitions


def partitions(table: Table, pred: Pred, catalog: Any, now: datetime) -> list[Partition]:
    """The partitions that may hold rows of a predicate, by projection or from the catalog."""
    if not table.keys:
        return [Partition((), table.location)]
    if table.is_projected:
        return list(Projected(table, pred, now))
    found = []
    names = [name for name, _ in table.keys]
    for item in registered(table.glue, catalog):
        values = tuple(
            typed(text, kind) for text, (_, kind) in zip(item["Values"], table.keys, strict=True)
        )
        if may_match(pred, dict(zip(names, values, strict=True))):
            _check_buckets(table, item)
            location = item["StorageDescriptor"]["Location"].rstrip("/") + "/"
            found.append(Partition(values, location))
    return found


def _check_buckets(table: Table, item: dict[str, Any]) -> None:
    """Raises QueryFailed for a partition in other buckets than its table, as Trino does."""
    if table.bucketing is None:
        return
    own = buckets.of(item["StorageDescriptor"], table.parameters, table.data_columns)
    if own != table.bucketing:
        raise QueryFailed(
            "HIVE_PARTITION_SCHEMA_MISMATCH",
            f"Hive table ({table.database}.{table.name}) bucketing is not compatible with "
            f"partition ({'/'.join(item['Values'])}) bucketing",
        )


def registered(glue: dict[str, Any], catalog: Any) -> Iterator[dict[str, Any]]:
    """The partitions of a table in the catalog, page by page."""
    place = {"DatabaseName": glue["DatabaseName"], "TableName": glue["Name"]}
    token: str | None = None
    while True:
        page = catalog.get_partitions(**place, **({"NextToken": token} if token else {}))
        yield from page["Partitions"]
        token = page.get("NextToken")
        if not token:
            return


def unreachable(
    table: Table, written: Iterable[tuple[str, ...]], catalog: Any, now: datetime
) -> str | None:
    """The first partition of new files that a projected table would not read, if there is one."""
    if not table.is_projected:
        return None
    names = [name for name, _ in table.keys]
    for texts in written:
        values = [typed(text, kind) for text, (_, kind) in zip(texts, table.keys, strict=True)]
        pred = both(compare("=", n, v) for n, v in zip(names, values, strict=True) if v is not None)
        path = hive_files.partition_path(names, texts)
        if table.location + path not in [p.location for p in partitions(table, pred, catalog, now)]:
            return path
    return None


# --- files


def files(
    table: Table, pred: Pred, catalog: Any, lake: Lake, now: datetime
) -> list[tuple[Object, Partition]]:
    """The objects that may hold rows of a predicate, each with its partition.

    Empty and hidden ones (`_`, `.`) are skipped.
    """
    return [
        (item, part)
        for item, part in _objects(table, pred, catalog, lake, now)
        if item.size and not item.key.rpartition("/")[2].startswith(("_", "."))
    ]


def in_buckets(
    pairs: list[tuple[Object, Partition]], wanted: set[int] | None
) -> list[tuple[Object, Partition]]:
    """The files of wanted buckets, and those whose names do not tell their bucket."""
    if wanted is None:
        return pairs
    kept = wanted | {None}
    return [p for p in pairs if buckets.number(p[0].key.rpartition("/")[2]) in kept]


def _objects(
    table: Table, pred: Pred, catalog: Any, lake: Lake, now: datetime
) -> Iterator[tuple[Object, Partition]]:
    """Few partitions are listed one by one; of many, the objects that are there tell them."""
    if table.keys and table.is_projected:
        projected = Projected(table, pred, now)
        if len(projected) > _LIST_ONCE and (find := projected.finder()):
            for item in lake.list(projected.root):
                if part := find(item.uri):
                    yield item, part
            return
    found = partitions(table, pred, catalog, now)
    if len(found) <= _LIST_ONCE or not all(p.location.startswith(table.location) for p in found):
        for part in found:
            yield from ((item, part) for item in lake.list(part.location))
        return
    by_location = {part.location: part for part in found}
    for item in lake.list(table.location):
        folder = item.uri.rpartition("/")[0] + "/"
        while len(folder) >= len(table.location):
            if part := by_location.get(folder):
                yield item, part
                break
            folder = folder.rstrip("/").rpartition("/")[0] + "/"


# --- reading


def create_view(
    con: Any,
    view: str,
    table: Table,
    pairs: list[tuple[Object, Partition]],
    required: set[str],
    lake: Lake,
    names: dict[str, str],
) -> None:
    """Make the DuckDB view of a table's files.

    A column that nobody needs is NULL in the view: a `select *` below still names it. `names`
    collects path on disk → S3 address, for error messages.
    """
    if not pairs:
        empty = ", ".join(_null(n, t) for n, t in table.columns())
        path = ", " + _null("$path", VARCHAR)
        con.execute(f"CREATE TEMP VIEW {quote(view)} AS SELECT {empty}{path} WHERE false")
        return
    paths = [lake.path(item) for item, _ in pairs]
    names.update({str(p): item.uri for p, (item, _) in zip(paths, pairs, strict=True)})
    data = [(n, t) for n, t in table.data_columns if n in required]
    found = [hive_readers.File(item, path) for (item, _), path in zip(pairs, paths, strict=True)]
    reading = hive_readers.read(con, view, table, found, data)
    unused = [(n, t) for n, t in table.columns() if n not in required]
    listed = [f"{sql} AS {quote(n)}" for (n, _), sql in zip(data, reading.columns, strict=True)]
    listed += [_null(n, t) for n, t in unused]
    joined = ""
    keys = [(n, t) for n, t in table.keys if n in required]
    if keys or "$path" in required:
        joined = _file_table(con, view, table, pairs, paths)
        listed += [f"f.{quote(n)} AS {quote(n)}" for n, _ in keys]
        if "$path" in required:
            listed.append('f.uri AS "$path"')
    where = f" WHERE {reading.check}" if reading.check else ""
    sql = f"SELECT {', '.join(listed)} FROM {reading.source} d{joined}{where}"
    engine.run(con, f"CREATE TEMP VIEW {quote(view)} AS {sql}", names)


def scanned_bytes(table: Table, pairs: list[tuple[Object, Partition]], use: Use, lake: Lake) -> int:
    """Bytes of the files in `pairs` that one use of the table needs."""
    names = [name for name, _ in table.keys]
    kept = (
        hive_readers.File(item, lake.path(item))
        for item, part in pairs
        if may_match(use.filter, dict(zip(names, part.values, strict=True)))
    )
    return hive_readers.scanned_bytes(table, kept, use.columns)


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
