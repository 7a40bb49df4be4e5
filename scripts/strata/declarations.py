"""The sources as they are declared: read from dbt's manifest, checked, as plain data."""

import re
from dataclasses import dataclass, fields
from typing import Any

from strata.errors import StrataError

Json = dict[str, Any]

INGEST = ("stream", "cdc", "batch")
FORMATS = ("json", "parquet")
MASKS = ("hash", "redact", "last4")
DRIFT = ("strict", "evolve", "warn")
ENGINES = (
    "postgres", "aurora-postgresql", "mysql", "mariadb", "aurora", "sqlserver",
)  # fmt: skip
CHANGE_FILES = ("csv", "parquet")
JOB_ENGINES = ("python-shell", "spark")
# https://docs.aws.amazon.com/glue/latest/dg/worker-types.html
WORKER_TYPES = (
    "G.1X", "G.2X", "G.4X", "G.8X", "G.12X", "G.16X", "R.1X", "R.2X", "R.4X", "R.8X",
)  # fmt: skip
_FEWEST_WORKERS = 2
_TYPE = re.compile(
    r"varchar|integer|bigint|double|boolean|date|timestamp|decimal\(\d{1,2},\s*\d{1,2}\)"
)
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_GLUE_TYPES = {"varchar": "string", "integer": "int"}


@dataclass(frozen=True)
class Column:
    """A declared column: `type` is the Trino type that is meant, `mask` how it is masked."""

    name: str
    type: str
    mask: str | None
    description: str

    def glue_type(self, file_format: str) -> str:
        """The type in Glue: text formats are strings at the leaves, Parquet is typed."""
        return "string" if file_format == "json" else _GLUE_TYPES.get(self.type, self.type)


@dataclass(frozen=True)
class Capture:
    """How the changes of a database are captured: its engine, its name (by default the system's),
    its schema and the format of the files.

    The laptop's databases are SQLite files of the system's name, whatever is declared.
    """

    engine: str = "postgres"
    database: str = ""
    schema: str = "public"
    file_format: str = "csv"


@dataclass(frozen=True)
class Spark:
    """The Glue Spark workers that carry a `batch` source: their type and how many they are."""

    worker_type: str
    workers: int


@dataclass(frozen=True)
class Source:
    """A declared source table; `name` is `<system>.<table>`, `file` the YAML that declares it.

    A stream with a `kafka_topic` comes from Amazon MSK instead of a Kinesis stream of its own. Its
    records keep their order by `ordered_by` (by default the key); `consumer` names the stack that
    reads it in flight.
    `capture` says how a `cdc` source is captured, `spark` which workers carry a `batch` source (None:
    the Python-shell job does).
    """

    name: str
    database: str
    table: str
    location: str
    file_format: str
    ingest: str
    key: tuple[str, ...]
    event_time: str
    start: str
    owner: str
    description: str
    columns: tuple[Column, ...]
    drift: str
    file: str
    kafka_topic: str | None = None
    ordered_by: tuple[str, ...] = ()
    consumer: str | None = None
    capture: Capture = Capture()
    spark: Spark | None = None

    @property
    def system(self) -> str:
        """The source system, which dbt calls the source."""
        return self.name.partition(".")[0]


def sources(manifest: Json) -> list[Source]:
    """All declared sources by name; raises StrataError that names the file of a bad one."""
    return sorted(
        (_source(node) for node in manifest["sources"].values()), key=lambda source: source.name
    )


def find(declared: list[Source], name: str, ingest: str | None = None) -> Source:
    """The source `name`; raises StrataError with the names there are."""
    names = [s.name for s in declared if ingest in (None, s.ingest)]
    for source in declared:
        if source.name == name and name in names:
            return source
    kind = f"{ingest} " if ingest else ""
    raise StrataError(f"no {kind}source is named {name!r}", f"declared: {', '.join(names)}")


def _source(node: Json) -> Source:
    where = f"{node['original_file_path']}: source {node['source_name']}.{node['name']}"
    meta = node["config"].get("meta") or node.get("meta") or {}
    external = node.get("external") or {}
    for member, of, allowed in (
        ("ingest", meta, INGEST),
        ("file_format", external, FORMATS),
        ("drift", {"drift": "warn", **meta}, DRIFT),
    ):
        if of.get(member) not in allowed:
            raise StrataError(
                f"{where}: {member} is {of.get(member)!r}", f"use one of {', '.join(allowed)}"
            )
    for member in ("key", "event_time", "start", "owner"):
        if not meta.get(member):
            raise StrataError(f"{where}: meta.{member} is missing", "see docs/sources.md")
    location = external.get("location") or ""
    if not re.fullmatch(r"([a-z0-9_]+/)+", location):
        raise StrataError(
            f"{where}: location is {location!r}",
            "write it relative to the Bronze bucket, as <system>/<table>/",
        )
    if meta["ingest"] == "cdc" and location != f"{node['source_name']}/{node['name']}/":
        raise StrataError(
            f"{where}: location is {location!r}",
            "change files come by system and table: write <system>/<table>/",
        )
    columns = tuple(_column(column, where) for column in node["columns"].values())
    for member in ("key", "ordered_by"):
        unknown = set(meta.get(member) or ()) - {column.name for column in columns}
        if unknown:
            raise StrataError(
                f"{where}: {member} names no column: {sorted(unknown)}", "declare the column"
            )
    return Source(
        name=f"{node['source_name']}.{node['name']}",
        database=node["schema"],
        table=node["name"],
        location=location,
        file_format=external["file_format"],
        ingest=meta["ingest"],
        key=tuple(meta["key"]),
        event_time=meta["event_time"],
        start=str(meta["start"]),
        owner=meta["owner"],
        description=node["description"].strip(),
        columns=columns,
        drift=meta.get("drift", "warn"),
        file=node["original_file_path"],
        kafka_topic=meta.get("kafka_topic"),
        ordered_by=tuple(meta.get("ordered_by") or ()),
        consumer=_consumer(meta, where),
        capture=_capture(meta.get("capture") or {}, where),
        spark=_spark(meta, where),
    )


def _consumer(meta: Json, where: str) -> str | None:
    name = meta.get("consumer")
    if name is not None and (meta["ingest"] != "stream" or meta.get("kafka_topic")):
        raise StrataError(f"{where}: meta.consumer is for a Kinesis stream", "see docs/sources.md")
    if name is not None and not _NAME.fullmatch(str(name)):
        raise StrataError(
            f"{where}: meta.consumer is {name!r}", "name a template of infra/, without its ending"
        )
    return name


def _capture(given: Json, where: str) -> Capture:
    unknown = given.keys() - {field.name for field in fields(Capture)}
    if unknown:
        raise StrataError(f"{where}: meta.capture has {sorted(unknown)}", "see docs/cdc.md")
    found = Capture(**{name: str(value) for name, value in given.items()})
    for member, value, allowed in (
        ("engine", found.engine, ENGINES),
        ("file_format", found.file_format, CHANGE_FILES),
    ):
        if value not in allowed:
            raise StrataError(
                f"{where}: meta.capture.{member} is {value!r}", f"use one of {', '.join(allowed)}"
            )
    if not _NAME.fullmatch(found.schema):
        raise StrataError(
            f"{where}: meta.capture.schema is {found.schema!r}",
            "use lower-case letters, digits and underscores",
        )
    return found


def _spark(meta: Json, where: str) -> Spark | None:
    engine = meta.get("engine", "python-shell")
    if engine not in JOB_ENGINES:
        raise StrataError(
            f"{where}: meta.engine is {engine!r}", f"use one of {', '.join(JOB_ENGINES)}"
        )
    if engine != "spark":
        stray = [member for member in ("worker_type", "workers") if member in meta]
        if stray:
            raise StrataError(
                f"{where}: meta.{stray[0]} is for engine: spark", "declare the engine"
            )
        return None
    if meta["ingest"] != "batch":
        raise StrataError(
            f"{where}: meta.engine is 'spark', and ingest {meta['ingest']!r}",
            "Spark carries the files of ingest: batch alone",
        )
    kind, count = meta.get("worker_type"), meta.get("workers")
    if kind not in WORKER_TYPES:
        raise StrataError(
            f"{where}: meta.worker_type is {kind!r}", f"use one of {', '.join(WORKER_TYPES)}"
        )
    if type(count) is not int or count < _FEWEST_WORKERS:
        raise StrataError(
            f"{where}: meta.workers is {count!r}",
            f"write a number, {_FEWEST_WORKERS} at least: one worker is the driver",
        )
    return Spark(kind, count)


def _column(column: Json, where: str) -> Column:
    meta = (column.get("config") or {}).get("meta") or column.get("meta") or {}
    declared, mask = str(meta.get("type") or ""), meta.get("mask")
    if not _NAME.fullmatch(column["name"]):
        raise StrataError(
            f"{where}: a column has the name {column['name']!r}",
            "use lower-case letters, digits and underscores",
        )
    if not _TYPE.fullmatch(declared):
        raise StrataError(
            f"{where}: column {column['name']} has the unknown type {declared!r}",
            "use varchar, integer, bigint, double, boolean, date, timestamp or decimal(p,s) "
            "in config.meta.type",
        )
    if mask not in (None, *MASKS):
        raise StrataError(
            f"{where}: column {column['name']} has the unknown mask {mask!r}",
            f"use one of {', '.join(MASKS)}",
        )
    return Column(column["name"], declared, mask, (column.get("description") or "").strip())
