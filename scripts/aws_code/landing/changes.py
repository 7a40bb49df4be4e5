"""The changes of a database as DMS writes them, on their way to Bronze's envelope."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_COLUMNS = {
    "Op": "_op",
    "dms_commit_timestamp": "_committed_at",
    "ar_h_change_seq": "_change_sequence",
}
_BEFORE = "BI_"
_COUNTER = "0" * 19
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")


def split(row: Json) -> Iterator[tuple[Json, Json]]:
    """A row of a DMS file as changes: the fields of each, and its part of the envelope.

    An update that changes the primary key is two changes: the old key is deleted, the new one
    updated, at one place in the log.
    """
    fields = {name: value for name, value in row.items() if not name.startswith(_BEFORE)}
    before = {name[len(_BEFORE) :]: row[name] for name in row.keys() - fields.keys()}
    change = {new: fields.pop(old, None) for old, new in _COLUMNS.items()}
    change["_change_sequence"] = _sequence(change)
    change["_committed_at"] = _iso(change["_committed_at"])
    old_key = {name: value for name, value in before.items() if value is not None}
    if change["_op"] == "U" and any(fields.get(name) != value for name, value in old_key.items()):
        yield old_key, {**change, "_op": "D"}
    yield fields, change


def _sequence(change: Json) -> str | None:
    """35 digits: DMS's own or, for a row of a full load, which has none, its place among them.

    The source's sequences begin with the time of the commit, so the start of a full load does too:
    rows that are loaded again come behind the changes before, and ahead of those after.
    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Expressions.html
    """
    if change["_change_sequence"]:
        return str(change["_change_sequence"]).rjust(35, "0")
    text = str(change["_committed_at"] or "")
    if not _STAMP.fullmatch(text):
        return None
    digits = re.sub(r"\D", "", text)
    return digits[:16].ljust(16, "0") + _COUNTER


def _iso(stamp: Any) -> Any:
    """`yyyy-MM-dd HH:mm:ss.SSSSSS` in UTC as ISO 8601; what is none stays as it is."""
    is_stamp = isinstance(stamp, str) and _STAMP.fullmatch(stamp)
    return stamp.replace(" ", "T") + "Z" if is_stamp else stamp
