"""A table's return to one of its earlier snapshots."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.table.snapshots import Snapshot

from strata.environment import schema
from strata.errors import StrataError
from strata.operate import iceberg
from strata.operate.iceberg import Clients, Table


@dataclass(frozen=True)
class Version:
    """A snapshot of a table: when it was made and by what, the rows that the table then had."""

    snapshot_id: int
    committed_at: str
    operation: str
    rows: int | None
    is_current: bool


def table_of(name: str, clients: Clients) -> Table:
    """The table `<schema>.<table>` as the project names it, without the prefix of its schemas.

    Raises StrataError for a table of serving, which goes back by a publication.
    """
    database, _, table = name.partition(".")
    if not table:
        raise StrataError(
            f"{name} names no table", "write <schema>.<table>, as in gold.fct_flights"
        )
    if database == "serving":
        raise StrataError(
            f"{name} shows a publication", f"strata publish --select {table} --rollback"
        )
    return iceberg.load(f"{schema(database)}.{table}", clients)


def versions(table: Table) -> list[Version]:
    """The snapshots that the table still has, newest first."""
    current = table.metadata.current_snapshot_id
    found = sorted(table.metadata.snapshots, key=lambda s: s.timestamp_ms, reverse=True)
    return [
        Version(
            snapshot_id=s.snapshot_id,
            committed_at=_iso(s.timestamp_ms),
            operation=s.summary.operation.value if s.summary else "",
            rows=_rows(s),
            is_current=s.snapshot_id == current,
        )
        for s in found
    ]


def at(table: Table, instant: datetime) -> int:
    """The snapshot that was current at an instant (UTC).

    Raises StrataError when the table is younger, or that snapshot has expired.
    """
    milliseconds = instant.replace(tzinfo=instant.tzinfo or UTC).timestamp() * 1000
    log = [e.snapshot_id for e in table.metadata.snapshot_log if e.timestamp_ms <= milliseconds]
    if not log:
        raise StrataError(
            f"{table.name} knows nothing of {instant.isoformat()}",
            f"its oldest snapshot is of {versions(table)[-1].committed_at}"
            if table.metadata.snapshots
            else "it has no snapshot",
        )
    return table.snapshot(log[-1]).snapshot_id


def restore(table: Table, snapshot_id: int, clients: Clients) -> bool:
    """Make a snapshot the table's current one, by one commit; False when it is already.

    The snapshots after it stay until they expire: the way back is the same command.
    """
    table.snapshot(snapshot_id)
    restored = iceberg.commit(table, [iceberg.set_ref(snapshot_id)], clients)
    return restored is not table


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _rows(snapshot: Snapshot) -> int | None:
    """The records less those deleted; not known where keys and not positions are deleted."""
    summary = snapshot.summary
    if summary is None or summary["total-records"] is None:
        return None
    if int(summary["total-equality-deletes"] or 0):
        return None
    return int(summary["total-records"]) - int(summary["total-position-deletes"] or 0)
