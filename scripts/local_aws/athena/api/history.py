"""What is kept over a restart, in SQLite: workgroups, saved queries, executions and results."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
create table if not exists work_groups (name text primary key, body text not null);
create table if not exists saved_queries (
    kind text, work_group text, id text, body text not null, primary key (kind, work_group, id)
);
create table if not exists executions (
    number integer primary key autoincrement, id text unique not null, work_group text not null,
    token text, body text not null, result text
);
create index if not exists executions_of_group on executions (work_group, number);
create index if not exists executions_of_token on executions (token);
"""


class History:
    """The store of one Athena; safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            self._db.close()

    def work_groups(self) -> dict[str, Json]:
        """All workgroups by name."""
        rows = self._rows("select name, body from work_groups order by name")
        return {name: json.loads(body) for name, body in rows}

    def save_work_group(self, name: str, body: Json) -> None:
        """Create or replace a workgroup."""
        self._rows("insert or replace into work_groups values (?, ?)", name, json.dumps(body))

    def delete_work_group(self, name: str) -> None:
        """Forget a workgroup and its saved queries; its executions stay."""
        self._rows("delete from saved_queries where work_group = ?", name)
        self._rows("delete from work_groups where name = ?", name)

    def is_in_use(self, work_group: str) -> bool:
        """Whether a workgroup has executions or saved queries."""
        return bool(self.ids(work_group, None, 1)) or bool(
            self._rows("select 1 from saved_queries where work_group = ? limit 1", work_group)
        )

    def save_query(self, kind: str, work_group: str, query_id: str, body: Json) -> None:
        """Create or replace a saved query; `kind` is named or prepared."""
        values = (kind, work_group, query_id, json.dumps(body))
        self._rows("insert or replace into saved_queries values (?, ?, ?, ?)", *values)

    def saved_query(self, kind: str, work_group: str, query_id: str) -> Json | None:
        """A saved query."""
        rows = self._rows(
            "select body from saved_queries where kind = ? and work_group = ? and id = ?",
            kind,
            work_group,
            query_id,
        )
        return json.loads(rows[0][0]) if rows else None

    def named_query(self, query_id: str) -> Json | None:
        """A named query, whatever its workgroup."""
        rows = self._rows(
            "select body from saved_queries where kind = 'named' and id = ?", query_id
        )
        return json.loads(rows[0][0]) if rows else None

    def saved_queries(self, kind: str, work_group: str) -> list[Json]:
        """A workgroup's saved queries, by their ids."""
        rows = self._rows(
            "select body from saved_queries where kind = ? and work_group = ? order by id",
            kind,
            work_group,
        )
        return [json.loads(row[0]) for row in rows]

    def delete_query(self, kind: str, work_group: str, query_id: str) -> None:
        """Forget a saved query."""
        self._rows(
            "delete from saved_queries where kind = ? and work_group = ? and id = ?",
            kind,
            work_group,
            query_id,
        )

    def save(self, execution: Json, token: str | None = None) -> None:
        """Create or replace an execution."""
        body = json.dumps(execution)
        self._rows(
            "insert into executions (id, work_group, token, body) values (?, ?, ?, ?) "
            "on conflict (id) do update set body = excluded.body",
            execution["QueryExecutionId"],
            execution["WorkGroup"],
            token,
            body,
        )

    def save_result(self, execution_id: str, result: str) -> None:
        """Keep the result of an execution."""
        self._rows("update executions set result = ? where id = ?", result, execution_id)

    def execution(self, execution_id: str) -> Json | None:
        """One execution."""
        rows = self._rows("select body from executions where id = ?", execution_id)
        return json.loads(rows[0][0]) if rows else None

    def result(self, execution_id: str) -> str | None:
        """The result of an execution."""
        rows = self._rows("select result from executions where id = ?", execution_id)
        return rows[0][0] if rows else None

    def by_token(self, token: str) -> Json | None:
        """The execution that a client request token started."""
        rows = self._rows("select body from executions where token = ?", token)
        return json.loads(rows[0][0]) if rows else None

    def ids(self, work_group: str, before: int | None, count: int) -> list[tuple[int, str]]:
        """Executions of a workgroup, newest first, as (number, id)."""
        return self._rows(
            "select number, id from executions where work_group = ? and number < ? "
            "order by number desc limit ?",
            work_group,
            before or 2**62,
            count,
        )

    def unfinished(self) -> list[Json]:
        """Executions that a stopped server left behind."""
        rows = self._rows(
            "select body from executions where json_extract(body, '$.Status.State') "
            "in ('QUEUED', 'RUNNING')"
        )
        return [json.loads(row[0]) for row in rows]
