"""What Lake Formation keeps, in one JSON file: locations, tags, grants, data cells filters."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.files import write_atomically

Json = dict[str, Any]


class Store:
    """The kept state; `change` saves it when its block ends without an error.

    `locations` by ARN, `tags` (a key's values), `tagged` (tags by `database`, `database.table` or
    `database.table.column`), `filters` by `database.table.name`, `grants` as a list, `settings`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        empty: Json = {
            "locations": {}, "tags": {}, "tagged": {}, "filters": {}, "grants": [], "settings": {},
        }  # fmt: skip
        self._state = {**empty, **(json.loads(path.read_text()) if path.exists() else {})}

    def read(self, part: str) -> Any:
        """A part of the state; not to be changed."""
        return self._state[part]

    @contextmanager
    def change(self, part: str) -> Iterator[Any]:
        """A copy of a part of the state, to be changed."""
        with self._lock:
            changed = json.loads(json.dumps(self._state[part]))
            yield changed
            self._keep({**self._state, part: changed})

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Drop tags and filters whose names are gone, and the grants on what they name."""
        with self._lock:
            state = dict(self._state)
            for part in ("tagged", "filters"):
                state[part] = {name: v for name, v in state[part].items() if not is_gone(name)}
            state["grants"] = [g for g in state["grants"] if not is_gone(grant_name(g))]
            if state != self._state:
                self._keep(state)

    def _keep(self, state: Json) -> None:
        write_atomically(self._path, json.dumps(state, sort_keys=True))
        self._state = state


def grant_name(grant: Json) -> str:
    """`database` or `database.table` of what a grant is on; empty for other resources."""
    resource = grant["Resource"]
    if database := resource.get("Database"):
        return str(database["Name"])
    for kind in ("Table", "TableWithColumns"):
        if table := resource.get(kind):
            return f"{table['DatabaseName']}.{table.get('Name', '*')}"
    if cells := resource.get("DataCellsFilter"):
        return f"{cells['DatabaseName']}.{cells['TableName']}"
    return ""
