"""OPTIMIZE and VACUUM of Iceberg tables.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
"""

from __future__ import annotations

import time
from pathlib import Path

from pyiceberg.manifest import DataFileContent, ManifestEntry
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Operation, ancestors_of
from pyiceberg.table.update import RemoveSnapshotsUpdate, update_table_metadata
from pyiceberg.transforms import IdentityTransform
from sqlglot import exp

from . import engine, iceberg, metadata_tables, table_properties
from .failure import QueryFailed, not_supported
from .iceberg import Change
from .plan import Session
from .statement import Statement
from .writes import Written

_TARGET_BYTES = 536_870_912
_DEFAULT_MAX_AGE_SECONDS = 432_000


def optimize(session: Session, statement: Statement, folder: Path) -> Written:
    """OPTIMIZE … BIN_PACK [WHERE]: small files and files with deletes are written anew, in one
    snapshot. WHERE chooses partitions.

    Raises QueryFailed for a WHERE on what is no partition column.
    """
    table = session.iceberg_table(statement.table)
    metadata = table.metadata
    where = statement.options["where"]
    data, deletes = _chosen(session, table, where)
    small = [e for e in data if e.data_file.file_size_in_bytes < _TARGET_BYTES * 0.75]
    partitions = {(e.data_file.spec_id, tuple(_values(e))) for e in small}
    if not deletes and len(small) <= len(partitions):
        return Written(0)
    files = iceberg.write_data(
        session.con, _rows(session, table, where), metadata.schema(), metadata.spec(),
        table.location, session.lake, folder, session.files,
        table_properties.codec(metadata.properties),
    )  # fmt: skip
    kept = sum(e.data_file.record_count for e in data) - sum(f.record_count for f in files)
    deleted = sum(e.data_file.record_count for e in deletes)
    # A row of an equality delete file may delete many.
    is_known = all(e.data_file.content == DataFileContent.POSITION_DELETES for e in deletes)
    if kept < 0 or (is_known and kept > deleted):
        raise QueryFailed(
            "ICEBERG_INVALID_METADATA", "OPTIMIZE would lose rows: nothing is changed"
        )
    change = Change(data=files, removed=[*data, *deletes])
    changed = iceberg.with_snapshot(metadata, change, Operation.OVERWRITE, session.meta)
    iceberg.commit(table, changed, session.catalog, session.meta)
    return Written(sum(f.record_count for f in files))


def _chosen(
    session: Session, table: iceberg.Table, where: exp.Expression | None
) -> tuple[list[ManifestEntry], list[ManifestEntry]]:
    """The files of the partitions that WHERE chooses."""
    if where is None:
        return session.meta.files(table)
    spec, schema = table.metadata.spec(), table.metadata.schema()
    identity = {
        schema.find_field(f.source_id).name.lower(): place
        for place, f in enumerate(spec.fields)
        if isinstance(f.transform, IdentityTransform)
    }
    used = {column.name.lower() for column in where.find_all(exp.Column)}
    if not used or not used <= set(identity):
        raise QueryFailed(
            "NOT_SUPPORTED",
            f"Unexpected FilterNode found in plan: WHERE of OPTIMIZE is on partition columns only, "
            f"which are {sorted(identity)}",
        )
    data, deletes = session.meta.files(table)
    if any(e.data_file.spec_id != spec.spec_id for e in (*data, *deletes)):
        raise not_supported("OPTIMIZE … WHERE on a table whose partitioning has changed")
    keys = sorted(used)
    chosen = _true_for(session, table, where, keys)

    def is_chosen(entry: ManifestEntry) -> bool:
        return tuple(_value(entry, identity[k], schema, spec) for k in keys) in chosen

    return [e for e in data if is_chosen(e)], [e for e in deletes if is_chosen(e)]


def _value(entry: ManifestEntry, place: int, schema: Schema, spec: PartitionSpec) -> object:
    kind = schema.find_type(spec.fields[place].source_id)
    return metadata_tables.python_value(kind, entry.data_file.partition[place])


def _true_for(
    session: Session, table: iceberg.Table, where: exp.Expression, keys: list[str]
) -> set[tuple[object, ...]]:
    """The partitions' values, of the columns `keys`, for which the condition holds."""
    partition = exp.column("partition")
    shown = [
        exp.alias_(
            exp.Dot(this=partition.copy(), expression=exp.to_identifier(k, True)), k, quoted=True
        )
        for k in keys
    ]
    inner = exp.Select(expressions=shown)
    inner.set(
        "from_",
        exp.From(this=exp.table_(f"{table.name}$partitions", db=table.database, quoted=True)),
    )
    query = exp.Select(expressions=[exp.column(k, quoted=True) for k in keys])
    query.set(
        "from_",
        exp.From(this=exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("p")))),
    )
    query.set("where", exp.Where(this=where.copy()))
    sql, _ = session.translate(query, "")
    return set(engine.run(session.con, sql, session.files).fetchall())


def _rows(session: Session, table: iceberg.Table, where: exp.Expression | None) -> str:
    """The rows of the chosen partitions."""
    query = exp.Select(expressions=[exp.column(n, quoted=True) for n, _ in table.columns()])
    query.set("from_", exp.From(this=exp.table_(table.name, db=table.database, quoted=True)))
    if where is not None:
        query.set("where", exp.Where(this=where.copy()))
    return session.translate(query, "")[0]


def _values(entry: object) -> list[object]:
    partition = entry.data_file.partition  # type: ignore[attr-defined]
    return [partition[i] for i in range(len(partition))]


def vacuum(session: Session, statement: Statement, folder: Path) -> Written:
    """VACUUM: old snapshots are expired as the table's properties say, then orphans removed that
    are as old. https://docs.aws.amazon.com/athena/latest/ug/vacuum-statement.html
    """
    table = session.iceberg_table(statement.table)
    metadata, properties = table.metadata, table.metadata.properties
    seconds = int(properties.get("vacuum_max_snapshot_age_seconds", _DEFAULT_MAX_AGE_SECONDS))
    keep = int(properties.get("vacuum_min_snapshots_to_keep", 1))
    expired = _expired(metadata, (time.time() - seconds) * 1000, keep)
    if expired:
        updates = (RemoveSnapshotsUpdate(snapshot_ids=expired),)
        metadata = update_table_metadata(metadata, updates)
        iceberg.commit(table, metadata, session.catalog, session.meta)
        table = session.iceberg_table(statement.table)
    _remove_orphans(session, table, seconds)
    return Written(0)


def _expired(metadata: TableMetadata, oldest_ms: float, keep: int) -> list[int]:
    """The snapshots older than `oldest_ms` that no reference keeps: a tag keeps its snapshot, a
    branch its newest `keep`. https://iceberg.apache.org/spec/#snapshot-retention-policy
    """
    kept = set()
    for ref in metadata.refs.values():
        newest = list(ancestors_of(metadata.snapshot_by_id(ref.snapshot_id), metadata))
        is_tag = ref.snapshot_ref_type == SnapshotRefType.TAG
        kept |= {s.snapshot_id for s in newest[: 1 if is_tag else keep]}
    return [
        s.snapshot_id
        for s in metadata.snapshots
        if s.snapshot_id not in kept and s.timestamp_ms < oldest_ms
    ]


def _remove_orphans(session: Session, table: iceberg.Table, seconds: int) -> None:
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
        and time.time() - item["LastModified"].timestamp() > seconds
    ]
    session.lake.delete(orphans)
