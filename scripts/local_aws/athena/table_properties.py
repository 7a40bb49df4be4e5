"""The properties of Iceberg tables that Athena knows; it refuses all others.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html
"""

from __future__ import annotations

from collections.abc import Mapping

from .failure import QueryFailed, not_supported

#: Kept with the table. `optimize_…` and sizes steer where Athena's files end, never what they say.
MAINTENANCE = {
    "optimize_rewrite_data_file_threshold",
    "optimize_rewrite_delete_file_threshold",
    "optimize_rewrite_min_data_file_size_bytes",
    "optimize_rewrite_max_data_file_size_bytes",
    "vacuum_max_metadata_files_to_keep",
    "vacuum_max_snapshot_age_seconds",
    "vacuum_min_snapshots_to_keep",
    "write_target_data_file_size_bytes",
}
_KNOWN = MAINTENANCE | {"format", "write_compression"}
_CODECS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "none": "uncompressed"}


def check(properties: Mapping[str, object]) -> dict[str, str]:
    """The properties as the table keeps them.

    Raises QueryFailed for a key that Athena refuses, or a value that has no effect here.
    """
    found = {key.lower(): str(value) for key, value in properties.items()}
    if unknown := sorted(set(found) - _KNOWN):
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported table property key: {unknown[0]}")
    if found.get("format", "parquet").lower() != "parquet":
        raise not_supported(f"the Iceberg format {found['format']}")
    if found.get("write_compression", "zstd").lower() not in _CODECS:
        raise not_supported(f"write_compression {found['write_compression']} of an Iceberg table")
    for key in MAINTENANCE & set(found):
        if not found[key].isdigit():
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"{key} is a whole number: {found[key]}")
    return found


def codec(properties: Mapping[str, str]) -> str:
    """DuckDB's name of the codec that a table's files are written with."""
    return _CODECS[properties.get("write_compression", "zstd").lower()]
