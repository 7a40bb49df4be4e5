"""Change data capture in SQLite: triggers that write every row change to a log table.

The log stands in for the transaction log that DMS reads in a database server: it is written in
the transaction of the change, so what was not committed is not in it.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_LOG = """
create table if not exists _change_log (
    sequence integer primary key autoincrement,
    table_name text not null,
    op text not null check (op in ('I', 'U', 'D')),
    committed_at text not null,
    row text not null
)
"""


@dataclass(frozen=True)
class RowChange:
    """A change of one row: its place in the log, when the machine's clock saw it, its values."""

    sequence: int
    op: str
    machine_time: datetime
    row: dict[str, str | int | float | None]


def columns(db: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table in order; raises ValueError when there is no such table."""
    names = [row[0] for row in db.execute("select name from pragma_table_info(?)", (table,))]
    if not names:
        raise ValueError(f"the database has no table {table}")
    return names


def enable(db: sqlite3.Connection, table: str) -> None:
    """Start to log the changes of `table`; safe to repeat."""
    names = columns(db, table)
    db.execute(_LOG)
    for op, event, row in (("I", "insert", "new"), ("U", "update", "new"), ("D", "delete", "old")):
        values = ", ".join(f"'{name}', {row}.\"{name}\"" for name in names)
        db.execute(
            f'create trigger if not exists "_log_{table}_{event}" after {event} on "{table}" '
            "begin insert into _change_log (table_name, op, committed_at, row) values "
            f"('{table}', '{op}', strftime('%Y-%m-%dT%H:%M:%f', 'now'), json_object({values})); end"
        )
    db.commit()


def changes(db: sqlite3.Connection, table: str, after: int) -> Iterator[RowChange]:
    """The logged changes of `table` behind sequence `after`, in order of commit."""
    rows = db.execute(
        "select sequence, op, committed_at, row from _change_log "
        "where table_name = ? and sequence > ? order by sequence",
        (table, after),
    )
    for sequence, op, committed_at, row in rows:
        stamp = datetime.fromisoformat(committed_at).replace(tzinfo=UTC)
        yield RowChange(sequence, op, stamp, json.loads(row))


def last_sequence(db: sqlite3.Connection) -> int:
    """The newest place in the log."""
    row = db.execute("select coalesce(max(sequence), 0) from _change_log").fetchone()
    return int(row[0])
