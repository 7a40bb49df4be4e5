"""checksum(): the XXH64 of values of each type, as Trino's operators give it, and their sum.

https://trino.io/docs/current/functions/aggregate.html#checksum
"""

from __future__ import annotations

from . import clocks
from .failure import not_supported
from .types import Type, to_duckdb

#: XXH64's first prime: every hash counts so many times, and NULL once.
_PRIME = 0x9E3779B185EBCA87
_WORD = 2**64


def summand(value: str, kind: Type) -> str:
    """SQL of what a value adds: a number without sign below 2^64."""
    hashed = f"coalesce({_hash(value, kind, 0)}, 1)"
    product = f"CAST({hashed} AS UHUGEINT) * {_PRIME}::UHUGEINT % {_WORD}::UHUGEINT"
    return f"CAST({product} AS HUGEINT)"


def result(total: str) -> str:
    """SQL of a sum of summands as Trino shows it: eight bytes, the lowest first."""
    return f"strata_little_endian(CAST({total} % {_WORD}::HUGEINT AS UBIGINT))"


def _hash(value: str, kind: Type, depth: int) -> str:
    """SQL of a value's hash, NULL for NULL."""
    if kind.is_text or kind.name in ("varbinary", "json"):
        data = value if kind.name == "varbinary" else f"encode(CAST({value} AS VARCHAR))"
        return f"strata_xxhash64_bytes({data})"
    if kind.items:
        return _nested(value, kind, depth)
    if kind.name == "decimal" and kind.args[0] > 18:
        whole = _unscaled(value, kind)
        halves = f"CAST({whole} >> 64 AS BIGINT)", _low(whole)
        return f"xor({', '.join(f'strata_xxhash64_long({half})' for half in halves)})"
    return f"strata_xxhash64_long({_long(value, kind)})"


def _long(value: str, kind: Type) -> str:
    """SQL of a value as the 64 bits that Trino keeps."""
    if kind.is_integer or kind.name == "boolean":
        return f"CAST({value} AS BIGINT)"
    if kind.name == "double":
        return f"strata_from_bytes('>q', strata_to_ieee('>d', {value} + 0))"
    if kind.name == "real":
        return f"strata_from_bytes('>i', strata_to_ieee('>f', {value} + 0))"
    if kind.name == "date":
        return f"({value} - DATE '1970-01-01')"
    if kind.name == "decimal":
        return f"CAST({_unscaled(value, kind)} AS BIGINT)"
    if kind.name == "timestamp" and kind.args[0] <= 6:
        return f"epoch_us({value})"
    if kind.name == "time":
        return f"epoch_us({clocks.stamp(value)}) * 1000000"
    if kind.name == "timestamptz" and kind.args[0] <= 3:
        return f"epoch_ms({value})"
    raise not_supported(f"checksum of {kind}")


def _unscaled(value: str, kind: Type) -> str:
    digits = f"CAST(CAST({value} AS {to_duckdb(kind)}) AS VARCHAR)"
    return f"CAST(replace({digits}, '.', '') AS HUGEINT)"


def _low(whole: str) -> str:
    """SQL of the lower half of a number of 128 bits, with its sign."""
    return f"CAST(strata_wrap({whole} & {_WORD - 1}::HUGEINT, 64) AS BIGINT)"


def _nested(value: str, kind: Type, depth: int) -> str:
    each = f"strata_c{depth}"
    if kind.name == "map":
        key, item = (
            f"coalesce({_hash(f'{each}.{part}', inner, depth + 1)}, 0)"
            for part, inner in zip(("key", "value"), kind.items, strict=True)
        )
        each_hash = f"CAST(xor({key}, {item}) AS HUGEINT)"
        hashes = f"list_transform(map_entries({value}), lambda {each}: {each_hash})"
        made = f"coalesce(list_sum({hashes}), 0) % {_WORD}::HUGEINT"
    elif kind.name == "array":
        item = f"CAST(coalesce({_hash(each, kind.items[0], depth + 1)}, 0) AS HUGEINT)"
        hashes = f"list_transform({value}, lambda {each}: {item})"
        step = f"lambda strata_h, strata_i: (strata_h * 31 + strata_i) % {_WORD}::HUGEINT"
        made = f"list_reduce(list_prepend(0::HUGEINT, {hashes}), {step})"
    else:
        # Trino hashes rows by another function.
        raise not_supported(f"checksum of {kind}")
    return f"CASE WHEN {value} IS NOT NULL THEN CAST({made} AS UBIGINT) END"
