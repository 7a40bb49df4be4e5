"""Change data capture in SQLite: triggers that write every row change to a log table.

The log stands in for the transaction log that DMS reads in a database server: it is written in
the transaction of the change, so what was not committed is not in it.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_LOG = """
create table if not exists _change_log (
    sequence integer primary key autoincrement,
    table_name text not null,
    op text not null check (op in ('I', 'U', 'D')),
    committed_at text not null,
    row text not null,
    key_before text
)
"""
_EVENTS = (("I", "insert", "new"), ("U", "update", "new"), ("D", "delete", "old"))

Value = str | int | float | None


class LogTruncated(Exception):
    """The log no longer has what follows a position: only a reload can go on."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its declared type in capitals, and whether the key has it."""

    name: str
    type: str
    is_key: bool


@dataclass(frozen=True)
class RowChange:
    """A change of one row: its place in the log, when the machine's clock saw it, its values.

    `key_before` has the values of an update's primary key before it.
    """

    sequence: int
    table: str
    op: str
    machine_time: datetime
    row: dict[str, Value]
    key_before: dict[str, Value]


def columns(db: sqlite3.Connection, table: str) -> list[Column]:
    """The columns of a table in order; raises ValueError when there is no such table."""
    rows = db.execute("select name, type, pk from pragma_table_info(?)", (table,))
    found = [Column(name, kind.upper(), bool(pk)) for name, kind, pk in rows]
    if not found:
        raise ValueError(f"the database has no table {table}")
    return found


def enable(db: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Log the changes of `tables` from now on, with the columns that they have now."""
    db.execute("begin immediate")
    db.execute(_LOG)
    for table in tables:
        found = columns(db, table)
        for op, event, row in _EVENTS:
            key = _json("old", [c for c in found if c.is_key]) if op == "U" else "null"
            trigger = quoted(f"_log_{table}_{event}")
            db.execute(f"drop trigger if exists {trigger}")
            db.execute(
                f"create trigger {trigger} after {event} on {quoted(table)} begin "
                "insert into _change_log (table_name, op, committed_at, row, key_before) values "
                f"({_text(table)}, '{op}', strftime('%Y-%m-%dT%H:%M:%f', 'now'), "
                f"{_json(row, found)}, {key}); end"
            )
    db.commit()


def changes(db: sqlite3.Connection, after: int, limit: int) -> Iterator[RowChange]:
    """The logged changes behind position `after`, in order of commit, `limit` at most."""
    rows = db.execute(
        "select sequence, table_name, op, committed_at, row, key_before from _change_log "
        "where sequence > ? order by sequence limit ?",
        (after, limit),
    )
    for sequence, table, op, committed_at, row, key_before in rows:
        before = json.loads(key_before) if key_before else {}
        yield RowChange(sequence, table, op, _instant(committed_at), json.loads(row), before)


def pending(db: sqlite3.Connection, after: int) -> tuple[datetime, int] | None:
    """When the first change behind `after` was made, and the bytes of all of them.

    Raises LogTruncated when changes behind `after` were removed from the log.
    """
    first, oldest, size = db.execute(
        "select min(sequence), min(committed_at), sum(length(row)) from _change_log "
        "where sequence > ?",
        (after,),
    ).fetchone()
    if (first or last_sequence(db) + 1) > after + 1:
        raise LogTruncated(f"the source's log no longer has what follows position {after}")
    return (_instant(oldest), size) if first else None


def last_sequence(db: sqlite3.Connection) -> int:
    """The newest position that the log ever had."""
    row = db.execute("select seq from sqlite_sequence where name = '_change_log'").fetchone()
    return int(row[0]) if row else 0


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def value(expression: str) -> str:
    """SQL of a value as it is written to a file: bytes as hexadecimal text."""
    return f"case typeof({expression}) when 'blob' then hex({expression}) else {expression} end"


def _json(row: str, columns: list[Column]) -> str:
    members = (f"{_text(c.name)}, {value(f'{row}.{quoted(c.name)}')}" for c in columns)
    return f"json_object({', '.join(members)})"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
