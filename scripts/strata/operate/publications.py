"""What consumers read and have read: the history that each Glue entry of `serving` carries.

It is a parameter of the entry, so that the pointer and its history change in one UpdateTable.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from strata.environment import schema
from strata.errors import StrataError
from strata.operate import iceberg

Json = dict[str, Any]

_HISTORY = "strata.publications"


@dataclass(frozen=True)
class Publication:
    """A snapshot that consumers read, have read, or may read again.

    `location` is the table's, `metadata_location` the file that serving points to, `invocation`
    the dbt run whose tests passed; `withdrawn_at` is set while it is rolled back.
    """

    snapshot_id: int
    metadata_location: str
    location: str
    published_at: str
    invocation: str
    withdrawn_at: str | None = None


@dataclass(frozen=True)
class Served:
    """A table of serving: its Glue entry and its publications, from old to new."""

    glue: Json
    publications: tuple[Publication, ...]

    @property
    def name(self) -> str:
        """The table's name, without its database."""
        return str(self.glue["Name"])

    @property
    def table(self) -> str:
        """`<database>.<table>`."""
        return f"{self.glue['DatabaseName']}.{self.name}"

    @property
    def place(self) -> int:
        """The index of the publication that consumers read."""
        pointer = self.glue["Parameters"]["metadata_location"]
        for number, publication in enumerate(self.publications):
            if publication.metadata_location == pointer:
                return number
        raise StrataError(
            f"{self.table} points to {pointer}, which was not published",
            "somebody wrote to it: delete the Glue entry (glue delete-table, not DROP TABLE, which "
            "deletes files) and publish again",
        )

    @property
    def current(self) -> Publication:
        """The publication that consumers read."""
        return self.publications[self.place]

    def of(self, snapshot_id: int | None) -> Publication | None:
        """The publication of a snapshot."""
        return next((p for p in self.publications if p.snapshot_id == snapshot_id), None)


def served(glue: Any) -> list[Served]:
    """The tables of serving by name; none when nothing was ever published."""
    try:
        pages = list(glue.get_paginator("get_tables").paginate(DatabaseName=schema("serving")))
    except glue.exceptions.EntityNotFoundException:
        return []
    entries = [entry for page in pages for entry in page["TableList"]]
    return [_served(entry) for entry in entries if _HISTORY in entry.get("Parameters", {})]


def find(table: str, glue: Any) -> Served | None:
    """`<database>.<table>` of serving; raises StrataError when it is somebody else's table."""
    entry = iceberg.glue_entry(table, glue)
    if entry is None:
        return None
    if _HISTORY not in entry.get("Parameters", {}):
        raise StrataError(f"{table} was not made by strata publish", "rename it, or delete it")
    return _served(entry)


def parameters(pointer: str, history: Sequence[Publication]) -> dict[str, str]:
    """The parameters of an entry that points to a metadata file."""
    return {
        "table_type": "ICEBERG",
        "metadata_location": pointer,
        _HISTORY: json.dumps([asdict(publication) for publication in history]),
    }


def save(present: Served, history: Iterable[Publication], pointer: str, glue: Any) -> None:
    """Change the pointer and the history of an entry, if nobody else did meanwhile."""
    iceberg.update_entry(present.glue, {"Parameters": parameters(pointer, tuple(history))}, glue)


def now() -> str:
    """The present as histories write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _served(entry: Json) -> Served:
    history = json.loads(entry["Parameters"][_HISTORY])
    return Served(entry, tuple(Publication(**one) for one in history))
