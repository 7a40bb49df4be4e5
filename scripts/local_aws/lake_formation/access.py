"""What Lake Formation's grants let a principal do and see.

https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local_aws.arns import s3_object
from local_aws.errors import AwsError
from local_aws.lake_formation.store import Store

Json = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """The columns of a table that a principal may select, in lower case, and the SQL condition that
    its rows fulfil; None: all of them."""

    columns: frozenset[str] | None = None
    rows: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the whole table may be seen."""
        return self.columns is None and self.rows is None


WHOLE = Access()


class Permissions:
    """Decides by the grants of a store.

    `database` gives a database's entry in Glue: its tables are governed when it says that new ones
    get no default permissions, which is how an account turns IAMAllowedPrincipals off.
    https://docs.aws.amazon.com/lake-formation/latest/dg/change-settings.html
    """

    def __init__(self, store: Store, database: Callable[[str], Json]) -> None:
        self._store = store
        self._database = database

    def governs(self, database: str) -> bool:
        """Whether Lake Formation decides about a database and its tables, and not IAM alone."""
        try:
            found = self._database(database)
        except AwsError:
            return False
        return found.get("CreateTableDefaultPermissions") == []

    def is_registered(self, location: str) -> bool:
        """Whether Lake Formation gives access to the objects below an `s3://` location."""
        return self.role_of(location) is not None

    def role_of(self, location: str) -> str | None:
        """The role that Lake Formation reads an `s3://` location with; None where it is not
        registered."""
        path = s3_object(location).rstrip("/") + "/"
        for arn, registered in self._store.read("locations").items():
            if path.startswith(f"{arn.rstrip('/')}/"):
                role: str = registered["RoleArn"]
                return role
        return None

    def on_database(self, principal: str, database: str) -> set[str]:
        """The permissions of a principal on a database."""
        tags = self._tags(database)
        found = self._as_administrator(principal)
        for grant in self._of(principal):
            resource = grant["Resource"]
            if resource.get("Database", {}).get("Name") == database:
                found |= set(grant["Permissions"])
            if _is_for(resource, "DATABASE", tags):
                found |= set(grant["Permissions"])
        return found

    def on_table(self, principal: str, database: str, table: str) -> set[str]:
        """The permissions of a principal on a table; SELECT may be of some columns or rows only."""
        tags = self._tags(database, table)
        columns = self._tagged_columns(database, table)
        found = self._as_administrator(principal)
        for grant in self._of(principal):
            resource = grant["Resource"]
            named = any(_names(resource.get(k), database, table) for k in _TABLE_KINDS)
            cells = resource.get("DataCellsFilter", {})
            is_filter = (cells.get("DatabaseName"), cells.get("TableName")) == (database, table)
            tagged = any(_is_for(resource, "TABLE", t) for t in (tags, *columns.values()))
            if named or is_filter or tagged:
                found |= set(grant["Permissions"])
        return found

    def on_location(self, principal: str, location: str) -> bool:
        """Whether a principal may create tables at an `s3://` location that is registered."""
        path = s3_object(location).rstrip("/") + "/"
        return any(
            path.startswith(f"{grant['Resource']['DataLocation']['ResourceArn'].rstrip('/')}/")
            for grant in self._of(principal)
            if "DataLocation" in grant["Resource"]
        )

    def select(self, principal: str, database: str, table: str, columns: Iterable[str]) -> Access:
        """What a principal may select of a table that has `columns`.

        Grants add up: what one gives without a row filter is seen in every row. Raises AwsError for
        filters that would give one row other columns than another.
        """
        every = {column.lower() for column in columns}
        seen = self._columns_of_all_rows(principal, database, table, every)
        if seen == every:
            return WHOLE
        filters = list(self._filters(principal, database, table))
        if not filters:
            return Access(frozenset(seen))
        cells = [_filter_columns(item, every) for item in filters]
        if any(item != cells[0] for item in cells) or not seen <= cells[0] or seen:
            raise AwsError(
                "InvalidInputException",
                f"filters that differ in their columns, on {database}.{table}, are not served by "
                "the local AWS",
            )
        shown = None if cells[0] == every else frozenset(cells[0])
        conditions = [item["RowFilter"].get("FilterExpression") for item in filters]
        if None in conditions:
            return Access(shown)
        return Access(shown, " or ".join(f"({condition})" for condition in conditions))

    def _columns_of_all_rows(
        self, principal: str, database: str, table: str, every: set[str]
    ) -> set[str]:
        """The columns that are granted by name or by tags."""
        seen: set[str] = set()
        tags = self._tagged_columns(database, table)
        inherited = self._tags(database, table)
        for grant in self._of(principal):
            if not {"SELECT", "ALL"} & set(grant["Permissions"]):
                continue
            resource = grant["Resource"]
            if _names(resource.get("Table"), database, table):
                seen |= every
            if _names(listed := resource.get("TableWithColumns"), database, table):
                seen |= _filter_columns(listed, every)
            seen |= {c for c in every if _is_for(resource, "TABLE", tags.get(c, inherited))}
        return seen

    def _filters(self, principal: str, database: str, table: str) -> Iterable[Json]:
        kept = self._store.read("filters")
        for grant in self._of(principal):
            cells = grant["Resource"].get("DataCellsFilter", {})
            if (cells.get("DatabaseName"), cells.get("TableName")) == (database, table):
                yield kept[f"{database}.{table}.{cells['Name']}"]

    def _as_administrator(self, principal: str) -> set[str]:
        """What a data lake administrator may do everywhere, without a grant: not read data.

        https://docs.aws.amazon.com/lake-formation/latest/dg/implicit-permissions.html
        """
        settings, found = self._store.read("settings"), set()
        for member, permissions in _ADMINISTRATORS.items():
            listed = settings.get(member) or []
            if {"DataLakePrincipalIdentifier": principal} in listed:
                found |= permissions
        return found

    def _of(self, principal: str) -> list[Json]:
        grants = self._store.read("grants")
        return [g for g in grants if g["Principal"]["DataLakePrincipalIdentifier"] == principal]

    def _tags(self, database: str, table: str | None = None) -> dict[str, str]:
        """A resource's tags; a table has those of its database, unless it has others."""
        kept = self._store.read("tagged")
        own = kept.get(f"{database}.{table}", {}) if table else {}
        return {**kept.get(database, {}), **own}

    def _tagged_columns(self, database: str, table: str) -> dict[str, dict[str, str]]:
        """The tags of the columns that have some of their own."""
        prefix = f"{database}.{table}."
        inherited = self._tags(database, table)
        return {
            name.removeprefix(prefix): {**inherited, **tags}
            for name, tags in self._store.read("tagged").items()
            if name.startswith(prefix)
        }


_ADMINISTRATORS = {
    "DataLakeAdmins": {"ALTER", "CREATE_TABLE", "DESCRIBE", "DROP"},
    "ReadOnlyAdmins": {"DESCRIBE"},
}
_TABLE_KINDS = ("Table", "TableWithColumns")


def _names(resource: Json | None, database: str, table: str) -> bool:
    """Whether a resource of a grant is the table, or all tables of its database."""
    if not resource or resource["DatabaseName"] != database:
        return False
    return "TableWildcard" in resource or resource.get("Name") == table


def _is_for(resource: Json, kind: str, tags: dict[str, str]) -> bool:
    """Whether a grant by tags is for a resource that has `tags`: every key, one of its values."""
    policy = resource.get("LFTagPolicy")
    if not policy or policy["ResourceType"] != kind:
        return False
    return all(tags.get(t["TagKey"]) in t["TagValues"] for t in policy["Expression"])


def _filter_columns(resource: Json, every: set[str]) -> set[str]:
    """The columns that a filter or a grant on columns lists, or does not exclude."""
    if "ColumnWildcard" in resource:
        excluded = resource["ColumnWildcard"].get("ExcludedColumnNames") or []
        return every - {name.lower() for name in excluded}
    return every & {name.lower() for name in resource.get("ColumnNames") or []}
