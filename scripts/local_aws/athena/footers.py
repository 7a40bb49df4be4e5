"""What Parquet footers say of the bytes that a scan needs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True)
class Footer:
    """Columns with their types, bytes of each top column's chunks (by its name in lower case),
    bytes of the chunks of each Iceberg field id, and the schema as text."""

    types: dict[str, pa.DataType]
    sizes: dict[str, int]
    sizes_by_id: dict[int, int]
    shape: str


def footer(path: Path) -> Footer:
    """The footer of a file. Raises pyarrow.ArrowException or OSError for one that has none."""
    stat = path.stat()
    return _footer(str(path), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(65536)
def _footer(path: str, size: int, stamp: int) -> Footer:
    meta = pq.read_metadata(path)
    schema = meta.schema.to_arrow_schema()
    leaves = [(top.name.lower(), leaf) for top in schema for leaf in _leaves(top)]
    sizes: dict[str, int] = {}
    by_id: dict[int, int] = {}
    for group in range(meta.num_row_groups):
        for index, (name, leaf) in enumerate(leaves):
            found = meta.row_group(group).column(index).total_compressed_size
            sizes[name] = sizes.get(name, 0) + found
            if number := (leaf.metadata or {}).get(_FIELD_ID):
                by_id[int(number)] = by_id.get(int(number), 0) + found
    types = dict(zip(schema.names, schema.types, strict=True))
    return Footer(types, sizes, by_id, str(schema.remove_metadata()))


def _leaves(field: pa.Field) -> Iterator[pa.Field]:
    """The fields that are columns of the file, in its order."""
    kind = field.type
    if pa.types.is_map(kind):
        children = [kind.key_field, kind.item_field]
    else:
        children = [kind.field(i) for i in range(kind.num_fields)]
    if not children:
        yield field
    for child in children:
        yield from _leaves(child)
