"""Hive buckets: which bucket a row belongs to, and which buckets a static predicate leaves.

The hash is Hive's bucketing version 1, which Trino's Hive connector and Athena write:
https://github.com/apache/hive/blob/ba83fd7bff/serde/src/java/org/apache/hadoop/hive/serde2/objectinspector/ObjectInspectorUtils.java
A row's bucket is `(hash & 0x7fffffff) % buckets`, and the bucket's number stands in the file name.
https://docs.aws.amazon.com/athena/latest/ug/ctas-partitioning-and-bucketing-what-is-bucketing.html
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .failure import QueryFailed
from .predicates import Pred
from .types import Type, literal, quote, to_duckdb

#: 32 bits: hashes are kept as numbers without sign, so that DuckDB's BIGINT holds what overflows.
_WORD = 0xFFFFFFFF
#: How file names carry a bucket's number: Hive's way, and that of older Presto.
_NAMES = (
    re.compile(r"(0\d+)_\d+.*"),
    re.compile(r"\d{8}_\d{6}_\d{5}_[a-z0-9]{5}_bucket-(\d+)(?:[-_.].*)?"),
)
#: Combinations of values that are hashed at least, and for each bucket, as Trino does.
_EXPLORED, _EXPLORED_EACH = 1000, 4


@dataclass(frozen=True)
class Bucketing:
    """The columns whose hash tells a row's bucket, with their types, and how many buckets are."""

    columns: tuple[tuple[str, Type], ...]
    count: int

    @property
    def is_supported(self) -> bool:
        """Whether all columns have types that are hashed."""
        return all(_is_hashed(kind) for _, kind in self.columns)

    def sql(self, values: Mapping[str, str] | None = None) -> str:
        """DuckDB SQL of a row's bucket; `values` are SQL of columns that are no names."""
        total = "0"
        for name, kind in self.columns:
            value = (values or {}).get(name, quote(name))
            total = f"(({total} * 31 + {_hash(value, kind)}) & {_WORD})"
        return f"CAST(({total} & {0x7FFFFFFF}) % {self.count} AS INTEGER)"

    def left_by(self, pred: Pred, fold: Callable[[str], Any]) -> set[int] | None:
        """The buckets that a predicate leaves, or None when it is not known; `fold` computes SQL."""
        if not self.is_supported:
            return None
        choices = []
        for name, kind in self.columns:
            found = _values(pred, name)
            if found is None or not all(map(_has_one_hash, found)):
                return None
            choices.append([(name, _constant(value, kind)) for value in found])
        if math.prod(map(len, choices)) > max(_EXPLORED, _EXPLORED_EACH * self.count):
            return None
        hashed = [self.sql(dict(chosen)) for chosen in itertools.product(*choices)]
        found = fold(f"[{', '.join(hashed)}]")
        # A value that its column's type cannot hold has no hash.
        return set(found) if isinstance(found, list) else None


def of(
    storage: Mapping[str, Any], parameters: Mapping[str, str], columns: list[tuple[str, Type]]
) -> Bucketing | None:
    """The bucketing of a Glue StorageDescriptor; None of a table that another hash bucketed."""
    names = [name.lower() for name in storage.get("BucketColumns") or []]
    count = storage.get("NumberOfBuckets") or 0
    is_hive = parameters.get("bucketing_format", "hive") == "hive"
    if not names or count < 1 or not is_hive or parameters.get("bucketing_version", "1") != "1":
        return None
    known = dict(columns)
    if missing := [name for name in names if name not in known]:
        raise QueryFailed(
            "HIVE_INVALID_METADATA", f"the table is bucketed on non-existent column '{missing[0]}'"
        )
    return Bucketing(tuple((name, known[name]) for name in names), count)


def number(file_name: str) -> int | None:
    """The bucket of a file, or None if its name does not tell it."""
    found = [match for pattern in _NAMES if (match := pattern.fullmatch(file_name))]
    return int(found[0][1]) if found else None


def file_prefix(bucket: int) -> str:
    """What the name of a bucket's file begins with."""
    return f"{bucket:06}_0_"


# --- the hash


_PLAIN = {"boolean", "tinyint", "smallint", "integer"}
_HASHED = _PLAIN | {"bigint", "real", "double", "varchar", "date"}


def _is_hashed(kind: Type) -> bool:
    if kind.name in ("array", "map"):
        return all(map(_is_hashed, kind.items))
    return kind.name in _HASHED


def _hash(value: str, kind: Type, depth: int = 0) -> str:
    """SQL of a value's hash, 32 bits without sign; that of NULL is 0."""
    return f"coalesce({_hash_of(value, kind, depth)} & {_WORD}, 0)"


def _hash_of(value: str, kind: Type, depth: int) -> str:
    if kind.name in _PLAIN:
        return f"CAST({value} AS BIGINT)"
    if kind.name == "bigint":
        return f"xor({value} >> 32, {value})"
    if kind.name == "real":
        return f"strata_from_bytes('>i', strata_to_ieee('>f', {value}))"
    if kind.name == "double":
        bits = f"strata_from_bytes('>q', strata_to_ieee('>d', {value}))"
        return f"xor({bits} >> 32, {bits})"
    if kind.name == "date":
        return f"({value} - DATE '1970-01-01')"
    if kind.name == "varchar":
        # Hive's STRING and VARCHAR(n) begin with another number.
        return f"strata_hive_hash({1 if kind.args else 0}, {value})"
    item = f"strata_b{depth}"
    if kind.name == "array":
        hashes = f"list_transform({value}, lambda {item}: {_hash(item, kind.items[0], depth + 1)})"
        step = f"lambda strata_h, strata_i: (strata_h * 31 + strata_i) & {_WORD}"
        return f"list_reduce(list_prepend(CAST(0 AS BIGINT), {hashes}), {step})"
    key, other = (
        _hash(f"{item}.{part}", inner, depth + 1)
        for part, inner in zip(("key", "value"), kind.items, strict=True)
    )
    hashes = f"list_transform(map_entries({value}), lambda {item}: xor({key}, {other}))"
    return f"CAST(list_sum({hashes}) AS BIGINT)"


# --- predicates


def _values(pred: Pred, column: str) -> set[Any] | None:
    """The only values that a column may have under a predicate, or None if they are not known."""
    if pred[0] == "and":
        known = [found for part in pred[1] if (found := _values(part, column)) is not None]
        return set.intersection(*known) if known else None
    if pred[0] == "or":
        each = [_values(part, column) for part in pred[1]]
        return None if None in each else set().union(*(found for found in each if found))
    return {pred[2]} if pred[0] == "=" and pred[1] == column else None


def _has_one_hash(value: Any) -> bool:
    """Not so of zero, which equals minus zero, and of NaN and the infinities, which have no text."""
    return not isinstance(value, float) or (math.isfinite(value) and value != 0)


def _constant(value: Any, kind: Type) -> str:
    return f"CAST({literal(str(value))} AS {to_duckdb(kind)})"
