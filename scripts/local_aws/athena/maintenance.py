"""OPTIMIZE and VACUUM of Iceberg tables.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
"""

from __future__ import annotations

import time
from pathlib import Path

from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import RemoveSnapshotsUpdate, update_table_metadata

from . import iceberg
from .failure import not_supported
from .iceberg import Change
from .parser import Statement
from .plan import Session
from .types import quote
from .writes import Written

_TARGET_BYTES = 536_870_912
_DEFAULT_MAX_AGE_SECONDS = 432_000
_ORPHAN_SECONDS = 3 * 86_400


def optimize(session: Session, statement: Statement, folder: Path) -> Written:
    """OPTIMIZE … BIN_PACK: small files and files with deletes are written anew, in one snapshot.

    Raises QueryFailed for a WHERE, which is not served.
    """
    if statement.options["where"] is not None:
        raise not_supported("OPTIMIZE … WHERE")
    table = session.iceberg_table(statement.table)
    metadata = table.metadata
    data, deletes = session.meta.files(metadata, metadata.current_snapshot())
    small = [e for e in data if e.data_file.file_size_in_bytes < _TARGET_BYTES * 0.75]
    partitions = {(e.data_file.spec_id, tuple(_values(e))) for e in small}
    if not deletes and len(small) <= len(partitions):
        return Written(0)
    columns = ", ".join(quote(name) for name, _ in table.columns())
    sql = f"SELECT {columns} FROM ({iceberg.scan_sql(table, session.lake)})"
    files = iceberg.write_data(
        session.con, sql, metadata.schema(), metadata.spec(), table.location, session.lake,
        folder, session.files,
    )  # fmt: skip
    change = Change(data=files, removed=[*data, *deletes])
    session.scanned += sum(e.data_file.file_size_in_bytes for e in [*data, *deletes])
    changed = iceberg.with_snapshot(metadata, change, Operation.OVERWRITE, session.meta)
    iceberg.commit(table, changed, session.catalog, session.meta)
    return Written(sum(f.record_count for f in files))


def _values(entry: object) -> list[object]:
    partition = entry.data_file.partition  # type: ignore[attr-defined]
    return [partition[i] for i in range(len(partition))]


def vacuum(session: Session, statement: Statement, folder: Path) -> Written:
    """VACUUM: old snapshots are expired as the table's properties say, then orphans removed."""
    table = session.iceberg_table(statement.table)
    metadata, properties = table.metadata, table.metadata.properties
    seconds = int(properties.get("vacuum_max_snapshot_age_seconds", _DEFAULT_MAX_AGE_SECONDS))
    keep = int(properties.get("vacuum_min_snapshots_to_keep", 1))
    oldest = (time.time() - seconds) * 1000
    by_age = sorted(metadata.snapshots, key=lambda s: s.timestamp_ms, reverse=True)
    expired = [s.snapshot_id for s in by_age[keep:] if s.timestamp_ms < oldest]
    if expired:
        updates = (RemoveSnapshotsUpdate(snapshot_ids=expired),)
        metadata = update_table_metadata(metadata, updates)
        iceberg.commit(table, metadata, session.catalog, session.meta)
        table = session.iceberg_table(statement.table)
    _remove_orphans(session, table)
    return Written(0)


def _remove_orphans(session: Session, table: iceberg.Table) -> None:
    """Delete files under the table's location that no snapshot needs and no writer may be at."""
    needed = {table.metadata_location}
    needed |= {entry.metadata_file for entry in table.metadata.metadata_log}
    for snapshot in table.metadata.snapshots:
        needed.add(snapshot.manifest_list)
        for manifest in session.meta.manifests(snapshot):
            needed.add(manifest.manifest_path)
            needed |= {e.data_file.file_path for e in session.meta.entries(manifest)}
    bucket, prefix = table.location.removeprefix("s3://").split("/", 1)
    pages = session.lake.s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix + "/"
    )
    orphans = [
        uri
        for page in pages
        for item in page.get("Contents", [])
        if (uri := f"s3://{bucket}/{item['Key']}") not in needed
        and time.time() - item["LastModified"].timestamp() > _ORPHAN_SECONDS
    ]
    session.lake.delete(orphans)
