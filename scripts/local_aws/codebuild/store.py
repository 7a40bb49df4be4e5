"""Projects and builds, kept in SQLite."""

import json
import sqlite3
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
create table if not exists projects (name text primary key, body text not null);
create table if not exists builds (id text primary key, project text not null, body text not null);
"""


class Store:
    """The records of CodeBuild in the database at `path`, each as its API gives it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._db() as db:
            db.executescript(_SCHEMA)

    def _db(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)

    def add_project(self, project: Json) -> bool:
        """Keep a new project; False where there is one of its name."""
        try:
            with self._db() as db:
                body = json.dumps(project)
                db.execute("insert into projects values (?, ?)", (project["name"], body))
        except sqlite3.IntegrityError:
            return False
        return True

    def replace_project(self, project: Json) -> None:
        """Keep what a project has become."""
        with self._db() as db:
            row = (json.dumps(project), project["name"])
            db.execute("update projects set body = ? where name = ?", row)

    def delete_project(self, name: str) -> None:
        """Forget a project and, as CodeBuild does, its builds."""
        with self._db() as db:
            db.execute("delete from projects where name = ?", (name,))
            db.execute("delete from builds where project = ?", (name,))

    def projects(self) -> list[Json]:
        """All projects by name."""
        with self._db() as db:
            rows = db.execute("select body from projects order by name").fetchall()
        return [json.loads(row[0]) for row in rows]

    def project(self, name: str) -> Json | None:
        """One project, by its name or its ARN."""
        wanted = name.rpartition("project/")[2]
        return next((one for one in self.projects() if one["name"] == wanted), None)

    def save_build(self, build: Json) -> None:
        """Keep a build, new or changed."""
        with self._db() as db:
            db.execute(
                "insert into builds values (?, ?, ?) on conflict (id) do update set body = ?",
                (build["id"], build["projectName"], body := json.dumps(build), body),
            )

    def builds(self, project: str | None = None) -> list[Json]:
        """The builds, of a project or of all, newest first."""
        where, values = ("where project = ?", (project,)) if project else ("", ())
        with self._db() as db:
            rows = db.execute(f"select body from builds {where} order by rowid desc", values)
            return [json.loads(row[0]) for row in rows]

    def build(self, id_: str) -> Json | None:
        """One build, by its id or its ARN."""
        wanted = id_.rpartition("build/")[2]
        with self._db() as db:
            row = db.execute("select body from builds where id = ?", (wanted,)).fetchone()
        return json.loads(row[0]) if row else None
