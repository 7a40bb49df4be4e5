"""The plan of a statement: which tables, partitions, files and columns its query reads.

Names are resolved against the Glue catalog while the query is translated; then filters and needed
columns are known, and each scan becomes a temporary view over exactly the files that it needs.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlglot import exp

from local_aws.errors import AwsError

from . import engine, hive, iceberg, metadata_tables
from .failure import QueryCancelled, QueryFailed, not_supported
from .governance import Access, AsOwner, Governance, require_read, require_whole
from .lake import Lake, Object
from .parser import parse
from .predicates import TRUE, Pred
from .projection import Partition
from .relations import Column, Relation, Scan, finish
from .translate import Translator, View
from .types import BIGINT, VARCHAR, Type, quote, to_duckdb
from .types import parse as parse_type

Json = dict[str, Any]

CATALOG = "awsdatacatalog"
_VIEW = re.compile(r"/\* Presto View: ([A-Za-z0-9+/=]+) \*/")


@dataclass(frozen=True)
class Reading:
    """What one scan reads, after static pruning by `filter`; `partitions` of Hive tables only."""

    table: str
    columns: list[str]
    filter: Pred
    files: int
    size: int
    partitions: int | None = None


@dataclass(frozen=True)
class Part:
    """The rows of a table, at a version, that fulfil a condition."""

    name: list[str]
    version: exp.Expression | None
    rows: str


@dataclass
class Session:
    """What one statement works with; `scanned` counts the bytes that it reads.

    `readings` are its scans of tables. `files` maps paths on disk to S3 addresses, for error
    messages; those that end in `/` are folders of Iceberg tables. `positional` is the table whose scans also give the file and the position of each row.
    `output` is where a table without a location goes; `enforced` says that the workgroup allows no
    other. `planned` counts the seconds that planning takes. `governance` says what the caller may
    do.
    """

    catalog: Any
    governance: Governance
    lake: Lake
    meta: iceberg.Metadata
    con: Any
    now: datetime
    database: str
    cutoff: int | None = None
    output: str = ""
    enforced: bool = False
    scanned: int = 0
    planned: float = 0.0
    files: dict[str, str] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    made: int = 0
    positional: tuple[str, str] | None = None

    def name(self, parts: list[str], position: str = "line 1:1: ") -> tuple[str, str]:
        """Database and table of a name; raises QueryFailed for another catalog."""
        if len(parts) == 3 and parts[0] != CATALOG:
            raise QueryFailed("CATALOG_NOT_FOUND", f"{position}Catalog '{parts[0]}' not found")
        if len(parts) > 1:
            return parts[-2], parts[-1]
        if not self.database:
            raise QueryFailed(
                "MISSING_SCHEMA_NAME", "Schema must be specified when session schema is not set"
            )
        return self.database, parts[0]

    def glue_table(self, parts: list[str], position: str = "line 1:1: ") -> Json:
        """The Glue entry of a name. Raises QueryFailed as Athena does when there is none."""
        return self._entry(parts, position, self.governance.whole_table)

    def shown_table(self, parts: list[str]) -> Json:
        """The Glue entry of a name with the columns that the caller may see."""
        return self._entry(
            parts,
            "line 1:1: ",
            lambda database, name: self.catalog.get_table(DatabaseName=database, Name=name)[
                "Table"
            ],
        )

    def _entry(self, parts: list[str], position: str, find: Callable[[str, str], Json]) -> Json:
        database, name = self.name(parts, position)
        try:
            table = find(database, name)
        except AwsError as error:
            if error.code != "EntityNotFoundException":
                raise
            if not self.has_database(database):
                raise QueryFailed(
                    "SCHEMA_NOT_FOUND", f"{position}Schema '{database}' does not exist"
                ) from None
            raise QueryFailed(
                "TABLE_NOT_FOUND",
                f"{position}Table '{CATALOG}.{database}.{name}' does not exist",
            ) from None
        return table

    def has_database(self, name: str) -> bool:
        """Whether Glue has the database."""
        try:
            self.catalog.get_database(Name=name)
        except AwsError as error:
            if error.code == "EntityNotFoundException":
                return False
            raise
        return True

    def require_database(self, name: str) -> None:
        """Raises QueryFailed when Glue does not have the database."""
        if not self.has_database(name):
            raise QueryFailed("SCHEMA_NOT_FOUND", f"line 1:1: Schema '{name}' does not exist")

    def iceberg_table(self, parts: list[str]) -> iceberg.Table:
        """The Iceberg table of a name; raises QueryFailed for a table of another kind."""
        glue = self.glue_table(parts)
        if not iceberg.is_iceberg(glue):
            raise QueryFailed(
                "NOT_SUPPORTED", f"Modifying Hive table rows is not supported: {glue['Name']}"
            )
        return self.meta.table(glue["DatabaseName"], glue)

    def resolve(self, parts: list[str], version: exp.Expression | None, position: str) -> Any:
        """A table as the translator wants it: a Scan or a View."""
        database, name = self.name(parts, position)
        if database == "information_schema":
            return self._computed(metadata_tables.information_schema(name, self.catalog))
        if "$" in name:
            base, _, kind = name.partition("$")
            table = self.iceberg_table([database, base])
            require_whole(self, database, base)
            require_read(self, database, table.location)
            return self._computed(metadata_tables.of_table(kind, table, self.meta))
        glue = self.glue_table(parts, position)
        if glue.get("TableType") == "VIRTUAL_VIEW":
            return view(glue)
        if iceberg.is_iceberg(glue):
            table = self.meta.table(glue["DatabaseName"], glue)
            table = replace(table, snapshot_id=self._snapshot(version, table))
            columns = [Column(n, n, t) for n, t in table.columns()]
            require_read(self, database, table.location)
            access = self._access(database, name, columns)
            if access.rows is not None:
                return self._scan(
                    _seen(columns, access), Part([database, name], version, access.rows)
                )
            if not access.is_whole:
                return self._scan(_seen(columns, access), table)
            columns.append(Column("$path", "$path", VARCHAR, hidden=True))
            if self._is_positional(table):
                columns.append(Column("strata_file", "strata_file", VARCHAR, hidden=True))
                columns.append(Column("strata_pos", "strata_pos", BIGINT, hidden=True))
            return self._scan(columns, table)
        if version is not None:
            raise QueryFailed("NOT_SUPPORTED", "This connector does not support versioned tables")
        columns = [Column(n, n, t) for n, t in hive.columns(glue)]
        require_read(self, database, glue["StorageDescriptor"]["Location"])
        access = self._access(database, name, columns)
        if access.rows is not None:
            return self._scan(_seen(columns, access), Part([database, name], None, access.rows))
        if not access.is_whole:
            return self._scan(_seen(columns, access), glue)
        columns.append(Column("$path", "$path", VARCHAR, hidden=True))
        return self._scan(columns, glue)

    def _access(self, database: str, name: str, columns: list[Column]) -> Access:
        """What the caller may select. Raises QueryFailed when that is nothing."""
        access = self.governance.select(database, name, [c.name for c in columns])
        if access.columns is not None and not access.columns:
            raise QueryFailed(
                "PERMISSION_DENIED", f"Access Denied: Cannot select from table {database}.{name}"
            )
        return access

    def _snapshot(self, version: exp.Expression | None, table: iceberg.Table) -> int | None:
        """The snapshot that `FOR VERSION|TIMESTAMP AS OF` names.

        https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-time-travel-and-version-travel-queries.html
        Raises QueryFailed for one that the table does not have, or an instant before the first.
        """
        if version is None:
            return None
        node = version.args["expression"]
        if str(version.this).upper() == "VERSION":
            text = node.sql("trino")
            if not text.isdigit() or table.metadata.snapshot_by_id(int(text)) is None:
                raise QueryFailed(
                    "INVALID_ARGUMENTS", f"Iceberg snapshot ID does not exists: {text}"
                )
            return int(text)
        millis = self._instant(node)
        found = [e for e in table.metadata.snapshot_log if e.timestamp_ms <= millis]
        if not found:
            raise QueryFailed(
                "INVALID_ARGUMENTS",
                f"No version history table {table.name} at or before {node.sql('trino')}",
            )
        return found[-1].snapshot_id

    def _instant(self, node: exp.Expression) -> int:
        """Milliseconds since 1970 of an expression without columns."""
        sql, relation = self.translator("").query(exp.Select(expressions=[node.copy()]))
        if not relation.columns[0].type.is_time:
            raise QueryFailed(
                "INVALID_ARGUMENTS", f"Type {relation.columns[0].type} is no time to travel to"
            )
        name = quote(relation.columns[0].sql_name)
        found = engine.run(self.con, f"SELECT epoch_ms({name}) FROM ({sql})", self.files).fetchone()
        if found[0] is None:
            raise QueryFailed("INVALID_ARGUMENTS", "Pointer value cannot be NULL")
        return int(found[0])

    def _scan(self, columns: list[Column], table: Any) -> Scan:
        self.made += 1
        return Scan(columns, table=table, view=f"strata_scan_{self.made}")

    def _computed(self, rows: metadata_tables.Rows) -> Scan:
        columns = [Column(n, n, t) for n, t in rows.columns]
        return self._scan(columns, rows)

    def translate(
        self, query: exp.Expression, text: str, printed: bool = False
    ) -> tuple[str, Relation]:
        """DuckDB SQL of a query whose scans are ready to be read; `printed` for a result."""
        started = time.monotonic()
        translator = self.translator(text)
        sql, relation = (translator.result if printed else translator.query)(query)
        self.planned += time.monotonic() - started
        self.prepare(translator, [relation])
        return sql, relation

    def translator(self, text: str) -> Translator:
        """A translator that resolves names here."""
        return Translator(text, self, self.now, lambda sql: engine.fold(self.con, sql))

    def prepare(self, translator: Translator, roots: list[Relation]) -> None:
        """Make the views of all scans, as their filters and needed columns allow."""
        started = time.monotonic()
        finish(translator.relations, roots)
        for scan in translator.scans:
            self._make_view(scan)
        self.planned += time.monotonic() - started
        if self.cutoff and self.scanned > self.cutoff:
            raise QueryCancelled(
                "Query cancelled! Bytes scanned limit was exceeded: "
                f"{self.scanned} bytes, the workgroup allows {self.cutoff}"
            )

    def _make_view(self, scan: Scan) -> None:
        if isinstance(scan.table, metadata_tables.Rows):
            scan.table.load(self.con, scan.view)
            return
        if isinstance(scan.table, Part):
            self._copy_part(scan, scan.table)
            return
        if isinstance(scan.table, iceberg.Table):
            sql = self._iceberg_view(scan)
            self.con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(scan.view)} AS {sql}")
            return
        table = hive.Table(scan.table["DatabaseName"], scan.table["Name"], scan.table)
        pairs = self._hive_files(table, scan.filter())
        hive.create_view(self.con, scan.view, table, pairs, scan.required, self.lake, self.files)
        size = sum(
            hive.scanned_bytes(table, pairs, use, self.lake) * times
            for use, times in scan.uses.items()
        )
        partitions = len({part.location for _, part in pairs}) if table.keys else None
        self._read(f"{table.database}.{table.name}", scan, len(pairs), size, partitions)

    def _copy_part(self, scan: Scan, part: Part) -> None:
        """Copy the rows that the caller may see, so that its predicates meet no others: DuckDB
        would evaluate them in any order, and an error would tell of a row that is not shown."""
        needed = [c.name for c in scan.columns if c.sql_name in scan.required]
        names = needed or [scan.columns[0].name]
        table = exp.table_(part.name[1], db=part.name[0])
        if part.version is not None:
            table.set("version", part.version.copy())
        condition = parse(f"select 1 where {part.rows}").query
        if condition is None:
            raise QueryFailed(
                "INVALID_ARGUMENTS", f"Row filter of {'.'.join(part.name)} is not SQL"
            )
        columns = [exp.column(name, quoted=True) for name in names]
        query = exp.Select(expressions=columns).from_(table)
        query.set("where", condition.args["where"].copy())
        owner = replace(self, governance=AsOwner(self.governance), readings=[], positional=None)
        sql, relation = owner.translate(query, part.rows)
        copied = dict(zip(names, (quote(c.sql_name) for c in relation.columns), strict=True))
        listed = ", ".join(
            f"{copied.get(c.name, f'CAST(NULL AS {to_duckdb(c.type)})')} AS {quote(c.sql_name)}"
            for c in scan.columns
        )
        made = f"CREATE OR REPLACE TEMP TABLE {quote(scan.view)} AS SELECT {listed} FROM ({sql})"
        engine.run(self.con, made, self.files)
        self.made, self.scanned = owner.made, owner.scanned
        self.readings += [replace(reading, filter=TRUE) for reading in owner.readings]

    def _hive_files(self, table: hive.Table, pred: Pred) -> list[tuple[Object, Partition]]:
        found = hive.files(table, pred, self.governance.unfiltered, self.lake, self.now)
        if table.bucketing is None:
            return found
        wanted = table.bucketing.left_by(pred, lambda sql: engine.fold(self.con, sql))
        return hive.in_buckets(found, wanted)

    def _read(
        self, name: str, scan: Scan, files: int, size: int, partitions: int | None = None
    ) -> None:
        columns = [c.name for c in scan.columns if c.sql_name in scan.required]
        reading = Reading(f"{CATALOG}.{name}", columns, scan.filter(), files, size, partitions)
        self.readings.append(reading)
        self.scanned += size

    def _iceberg_view(self, scan: Scan) -> str:
        table: iceberg.Table = scan.table
        filters = {scan.filter(), *(use.filter for use in scan.uses)}
        files = {filtered: self.meta.files(table, filtered) for filtered in filters}
        data, deletes = files[scan.filter()]
        size = sum(
            iceberg.scanned_bytes(table.schema, *files[use.filter], use.columns, self.lake) * times
            for use, times in scan.uses.items()
        )
        self._read(f"{table.database}.{table.name}", scan, len(data) + len(deletes), size)
        folder = f"{iceberg.disk_folder(table, self.lake)}/"
        self.files[folder] = f"{table.location}/"
        return iceberg.scan_sql(table, self.meta, self._is_positional(table))

    def _is_positional(self, table: iceberg.Table) -> bool:
        return self.positional == (table.database, table.name)


def _seen(columns: list[Column], access: Access) -> list[Column]:
    seen = access.columns
    return [c for c in columns if seen is None or c.name.lower() in seen]


def view_text(glue: Json) -> Json:
    """What Presto and Athena keep of a view in Glue: its SQL, columns and schema.

    Raises QueryFailed for a view that another engine made.
    """
    match = _VIEW.search(glue.get("ViewOriginalText") or "")
    if not match:
        raise not_supported(
            f"the view {glue['DatabaseName']}.{glue['Name']}, which is not Athena's"
        )
    return dict(json.loads(base64.b64decode(match[1])))


def view(glue: Json) -> View:
    """A view's query, parsed."""
    kept = view_text(glue)
    query = parse(kept["originalSql"]).query
    if query is None:
        raise QueryFailed("INVALID_VIEW", f"Invalid view: {glue['Name']}")
    columns = [(c["name"].lower(), parse_type(c["type"])) for c in kept["columns"]]
    name = f"{glue['DatabaseName']}.{glue['Name']}"
    return View(query, columns, name, kept.get("schema") or glue["DatabaseName"])


def view_input(
    database: str, name: str, sql: str, columns: list[tuple[str, Type]], comment: str | None = None
) -> Json:
    """The Glue TableInput of a view, in the form that Athena writes and reads."""
    kept = {
        "originalSql": sql,
        "catalog": CATALOG,
        "schema": database,
        "columns": [{"name": n, "type": str(t)} for n, t in columns],
    }
    encoded = base64.b64encode(json.dumps(kept).encode()).decode()
    parameters = {"presto_view": "true", "comment": comment or "Presto View"}
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
        "Parameters": parameters,
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": n, "Type": _view_column_type(t)} for n, t in columns],
            "Location": "",
            "SerdeInfo": {},
        },
    }


def _view_column_type(kind: Type) -> str:
    from .types import to_hive

    if kind.name == "timestamptz":
        return "timestamp"
    return to_hive(kind, iceberg=True)
