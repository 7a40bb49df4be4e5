"""What arrives: the columns of Bronze objects or of undeclared files, with the types of their values.

Types are those of the declarations. A value counts as the narrowest that takes its text.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from aws_code.landing import files
from strata.declarations import Source
from strata.errors import StrataError

Json = dict[str, Any]

NAME = re.compile(r"[a-z_][a-z0-9_]*")
#: What is rarer among a column's values is a fault of records, not of the schema.
SHARE = 0.05
_SAMPLE_OBJECTS = 20
_DEEPEST = 3
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
#: A type and what it takes beside itself, without loss.
WIDER = {
    "integer": ("bigint", "double"),
    "bigint": ("double",),
    "date": ("timestamp",),
}


@dataclass
class Column:
    """The non-null values of one column, counted by type."""

    types: Counter[str] = field(default_factory=Counter)

    @property
    def type(self) -> str:
        """The narrowest declared type that takes all but stray values; varchar takes everything."""
        total = self.types.total()
        return joined(name for name, count in self.types.items() if count >= SHARE * total)


@dataclass
class Observed:
    """What was looked at: the records, their columns by name (`a.b` for a field of an object), and
    how many fields had a name that no column can have."""

    records: int = 0
    columns: dict[str, Column] = field(default_factory=dict)
    bad_names: int = 0
    wrong_types: Counter[str] = field(default_factory=Counter)

    def add(self, fields: Json) -> None:
        """Count one record."""
        self.records += 1
        for name, value in fields.items():
            self._add(name.strip().lower(), value, 1)

    def _add(self, name: str, value: Any, depth: int) -> None:
        if not NAME.fullmatch(name.rpartition(".")[2]):
            self.bad_names += 1
            return
        nested = _nested(value)
        if isinstance(nested, dict) and depth < _DEEPEST:
            for key, item in nested.items():
                self._add(f"{name}.{key.strip().lower()}", item, depth + 1)
            return
        column = self.columns.setdefault(name, Column())
        if (kind := type_of(value)) is not None:
            column.types[kind] += 1


def type_of(value: Any) -> str | None:
    """The narrowest type that takes a value; None for what is empty."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        value = repr(value)
    if isinstance(value, datetime | date):
        return "timestamp" if isinstance(value, datetime) else "date"
    if value is None or value == "":
        return None
    text = value.strip() if isinstance(value, str) else ""
    if text.lower() in ("true", "false"):
        return "boolean"
    if _INTEGER.fullmatch(text):
        return "integer" if -(2**31) <= int(text) < 2**31 else "bigint"
    if _NUMBER.fullmatch(text):
        return "double"
    for parse, kind in ((date.fromisoformat, "date"), (datetime.fromisoformat, "timestamp")):
        try:
            if len(text) >= 10:
                parse(text)
                return kind
        except ValueError:
            continue
    return "varchar"


def joined(types: Iterable[str]) -> str:
    """The narrowest type that takes all of `types`."""
    found = ""
    for kind in types:
        if not found or found == kind or kind in WIDER.get(found, ()):
            found = kind
        elif found not in WIDER.get(kind, ()):
            return "varchar"
    return found or "varchar"


def in_bronze(source: Source, bucket: str, s3: Any, last: date, days: int) -> Observed:
    """What arrived for a source in the `days` up to `last`, by its newest objects (masked, as they
    are there)."""
    observed = Observed()
    keys: list[str] = []
    for back in range(days):
        day = last - timedelta(days=back)
        prefix = f"{source.location}year={day:%Y}/month={day:%m}/day={day:%d}/"
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        names = (item["Key"] for item in listed)
        keys += sorted((n for n in names if "/_" not in n.rpartition("day=")[2]), reverse=True)
    for key in keys[:_SAMPLE_OBJECTS]:
        for record in _records(bucket, key, s3):
            undeclared = json.loads(record.pop("_undeclared", None) or "{}")
            for reason in (record.get("_rejection") or "").split("|"):
                if reason.startswith("wrong_type:"):
                    observed.wrong_types[reason.removeprefix("wrong_type:")] += 1
            if not record.get("_payload_sha256"):
                own = {name: value for name, value in record.items() if not name.startswith("_")}
                observed.add({**own, **undeclared})
    return observed


def in_files(address: str, s3: Any) -> Observed:
    """What the files below an S3 address hold; raises StrataError where there are none to read."""
    match = re.fullmatch(r"s3://([^/]+)/(.*)", address)
    if not match:
        raise StrataError(f"{address!r} is no S3 address", "write it as s3://bucket/prefix/")
    bucket, prefix = match.groups()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", []) if item["Size"]]
    observed = Observed()
    for key in keys[-_SAMPLE_OBJECTS:]:
        for record in _records(bucket, key, s3):
            observed.add(record)
    if not observed.records:
        raise StrataError(
            f"no records below {address}", "CSV, JSON lines, Avro or Parquet are read"
        )
    return observed


def _records(bucket: str, key: str, s3: Any) -> Iterator[Json]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        s3.download_file(bucket, key, str(path))
        # Firehose names its gzipped JSON lines .gz alone.
        is_firehose_s = key.endswith(".gz") and files.format_of(key) is None
        name = f"{key[:-3]}.json.gz" if is_firehose_s else key
        try:
            for item in files.read(path, name):
                fields = item.fields if item.payload == b"" else _json(item.payload)
                if isinstance(fields, dict):
                    yield fields
        except files.UnknownFormat:
            return


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload, parse_float=str, parse_int=str)
    except ValueError:
        return None


def _nested(value: Any) -> Any:
    """An object, also one that Bronze keeps as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return _json(value.encode())
    return value
