"""What a statement's caller may do: asked of whoever governs the catalog.

A caller that sees a part of a table reads it through a copy of that part, so that neither a
predicate nor an error reaches the rest.
https://docs.aws.amazon.com/athena/latest/ug/security-athena-lake-formation.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from local_aws.caller import Caller, current

from .failure import QueryFailed
from .lake import split_uri

if TYPE_CHECKING:
    from .plan import Session
    from .statement import Statement


class Access(Protocol):
    """The columns that may be selected and the condition that rows fulfil; None: all of them."""

    @property
    def columns(self) -> frozenset[str] | None: ...

    @property
    def rows(self) -> str | None: ...

    @property
    def is_whole(self) -> bool: ...


class Governance(Protocol):
    """Decides for the caller of the moment; see local_aws.glue.governed."""

    @property
    def unfiltered(self) -> Any: ...

    def whole_table(self, database: str, name: str) -> dict[str, Any]: ...

    def select(self, database: str, name: str, columns: Iterable[str]) -> Access: ...

    def require(self, permissions: set[str], database: str, name: str | None = None) -> None: ...

    def reader_of(self, database: str, location: str) -> Caller: ...


@dataclass(frozen=True)
class _Whole:
    """All columns of all rows."""

    columns: None = None
    rows: None = None
    is_whole: bool = True


class AsOwner:
    """Reads all of what the caller sees a part of, to make that part."""

    def __init__(self, governance: Governance) -> None:
        self._governance = governance

    @property
    def unfiltered(self) -> Any:
        return self._governance.unfiltered

    def whole_table(self, database: str, name: str) -> dict[str, Any]:
        return self._governance.whole_table(database, name)

    def select(self, database: str, name: str, columns: Iterable[str]) -> Access:
        return _Whole()

    def require(self, permissions: set[str], database: str, name: str | None = None) -> None:
        return None

    def reader_of(self, database: str, location: str) -> Caller:
        return self._governance.reader_of(database, location)


#: Permissions of Lake Formation, all of which a statement needs on the table that it names.
#: https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html
_ON_TABLE = {
    "insert": ("INSERT",),
    "update": ("SELECT", "INSERT", "DELETE"),
    "delete": ("SELECT", "DELETE"),
    "merge": ("SELECT", "INSERT", "DELETE"),
    "optimize": ("INSERT", "DELETE"),
    "vacuum": ("INSERT", "DELETE"),
    "drop_table": ("DROP",),
    "drop_view": ("DROP",),
    "rename_table": ("ALTER", "DROP"),
    "add_columns": ("ALTER",),
    "replace_columns": ("ALTER",),
    "drop_column": ("ALTER",),
    "change_column": ("ALTER",),
    "set_properties": ("ALTER",),
    "unset_properties": ("ALTER",),
    "set_location": ("ALTER",),
    "add_partitions": ("ALTER",),
    "drop_partitions": ("ALTER",),
    "alter_partition": ("ALTER",),
    "repair": ("ALTER",),
}
_CREATES = ("create_table", "create_view", "ctas")
_CHANGES_ROWS = ("update", "delete", "merge", "optimize", "vacuum")


def check(session: Session, statement: Statement) -> None:
    """Raise AwsError or QueryFailed when the caller may not run a statement on the table that it
    names. What the statement reads is checked as it is planned."""
    if current().is_root:
        return
    if statement.kind == "explain":
        check(session, statement.options["statement"])
    if statement.kind not in (*_CREATES, *_ON_TABLE):
        return
    database, name = session.name(statement.table)
    if statement.kind in _CREATES:
        session.governance.require({"CREATE_TABLE"}, database)
    for permission in _ON_TABLE.get(statement.kind, ()):
        session.governance.require({permission}, database, name)
    if statement.kind in _CHANGES_ROWS:
        require_whole(session, database, name)


def require_whole(session: Session, database: str, name: str) -> None:
    """Raise QueryFailed when the caller sees a part of a table only."""
    from .metadata_tables import table_columns

    glue = session.governance.whole_table(database, name)
    columns = [column for column, _ in table_columns(glue)]
    if not session.governance.select(database, name, columns).is_whole:
        raise QueryFailed(
            "PERMISSION_DENIED",
            f"Access Denied: {database}.{name} is restricted for you, and this needs all of it",
        )


def require_read(session: Session, database: str, location: str) -> None:
    """Raise AwsError when whoever reads a table's objects for the caller may not."""
    reader = session.governance.reader_of(database, location)
    if reader.is_root:
        return
    bucket, key = split_uri(location)
    reader.require("s3:ListBucket", f"arn:aws:s3:::{bucket}")
    reader.require("s3:GetObject", f"arn:aws:s3:::{bucket}/{key.rstrip('/')}/*")
