"""The catalog as a caller may use it: IAM allows each call, Lake Formation decides what it shows.

https://docs.aws.amazon.com/lake-formation/latest/dg/access-control-underlying-data.html
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from local_aws.arns import glue_table
from local_aws.caller import Caller, current
from local_aws.errors import AwsError
from local_aws.glue.catalog import GlueCatalog
from local_aws.glue.service import catalog_resources
from local_aws.lake_formation.access import WHOLE, Access, Permissions
from local_aws.lake_formation.store import Store

Json = dict[str, Any]

#: What an operation needs, one of these, on its database or on its table.
_ON_DATABASE = {
    "create_table": {"CREATE_TABLE"},
    "update_database": {"ALTER"},
    "delete_database": {"DROP"},
}
_CHANGES = {"ALTER", "INSERT"}
_ON_TABLE = {
    "update_table": _CHANGES,
    "create_partition": _CHANGES,
    "batch_create_partition": _CHANGES,
    "update_partition": _CHANGES,
    "delete_partition": _CHANGES,
    "batch_delete_partition": _CHANGES,
    "delete_table": {"DROP"},
    "batch_delete_table": {"DROP"},
    "delete_table_version": {"DROP"},
    "batch_delete_table_version": {"DROP"},
}
#: Permissions on metadata are not of columns.
_SEES_ALL_COLUMNS = {"ALL", "ALTER", "DESCRIBE"}
_OF_PARTITIONS = {"get_partition", "get_partitions", "batch_get_partition"}


class GovernedCatalog:
    """A catalog with the methods of GlueCatalog, each for the caller of the moment.

    The account may do everything. For others a governed database shows the tables on which they
    have a permission, each with the columns that they may select. `acting` gives a role as IAM
    knows it.
    """

    def __init__(self, catalog: GlueCatalog, store: Store, acting: Callable[[str], Caller]) -> None:
        self._acting = acting
        self._catalog = catalog
        self._store = store
        self._permissions = Permissions(store, self._database)

    def __getattr__(self, name: str) -> Callable[..., Json]:
        method = getattr(self._catalog, name)
        operation = name.title().replace("_", "")

        def call(**payload: Any) -> Json:
            caller = current()
            if not caller.is_root:
                caller.require(f"glue:{operation}", *catalog_resources(operation, payload))
                self._check(name, payload)
            answer: Json = method(**payload)
            self._follow(name, payload)
            return answer if caller.is_root else self._shown(name, answer)

        return call

    # What Athena asks

    def whole_table(self, database: str, name: str) -> Json:
        """A table's entry with all its columns, for an engine that lets the caller see its own only.

        Raises AwsError when the caller has no permission on the table, or there is none.
        """
        current().require("glue:GetTable", *glue_table(database, name))
        if self.is_governed(database):
            self._require(set(), database, name)
        found: Json = self._catalog.get_table(DatabaseName=database, Name=name)["Table"]
        return found

    @property
    def unfiltered(self) -> "Unfiltered":
        """The partitions of tables, for the same engine."""
        return Unfiltered(self._catalog)

    def is_governed(self, database: str) -> bool:
        """Whether Lake Formation decides what the caller sees of a database."""
        return not current().is_root and self._permissions.governs(database)

    def select(self, database: str, name: str, columns: Iterable[str]) -> Access:
        """What the caller may select of a table that has `columns`."""
        if not self.is_governed(database):
            return WHOLE
        return self._permissions.select(current().arn, database, name, columns)

    def require(self, permissions: set[str], database: str, name: str | None = None) -> None:
        """Raise AwsError when the caller has none of `permissions` on a database or its table."""
        if self.is_governed(database):
            self._require(permissions, database, name)

    def reader_of(self, database: str, location: str) -> Caller:
        """Who reads a table's objects for the caller: the role that Lake Formation has registered
        their location with, if IAM lets the caller have that; else the caller."""
        role = self._permissions.role_of(location) if self.is_governed(database) else None
        if role is None:
            return current()
        current().require("lakeformation:GetDataAccess")
        return self._acting(role)

    # How a call is checked

    def _check(self, name: str, payload: Json) -> None:
        database = payload.get("DatabaseName") or payload.get("Name", "")
        if not database or not self.is_governed(database):
            return
        if name in _ON_DATABASE:
            self._require(_ON_DATABASE[name], database)
        if name == "create_table":
            self._require_location(payload["TableInput"])
        for table in _named_tables(payload):
            if name in _ON_TABLE:
                self._require(_ON_TABLE[name], database, table)
            if name in _OF_PARTITIONS and not self._sees_keys(database, table):
                raise _refusal({"SELECT"}, f"the partitions of {database}.{table}")

    def _require(self, permissions: set[str], database: str, name: str | None = None) -> None:
        arn = current().arn
        found = (
            self._permissions.on_table(arn, database, name)
            if name
            else self._permissions.on_database(arn, database)
        )
        if not found or (permissions and not found & {*permissions, "ALL"}):
            raise _refusal(permissions or {"DESCRIBE"}, f"{database}.{name}" if name else database)

    def _require_location(self, table: Json) -> None:
        location = table.get("StorageDescriptor", {}).get("Location") or ""
        is_registered = self._permissions.is_registered(location)
        if is_registered and not self._permissions.on_location(current().arn, location):
            raise _refusal({"DATA_LOCATION_ACCESS"}, location)

    def _sees_keys(self, database: str, table: str) -> bool:
        found = self._catalog.get_table(DatabaseName=database, Name=table)["Table"]
        access = self.select(database, table, _columns(found))
        keys = {key["Name"].lower() for key in found.get("PartitionKeys", [])}
        return access.rows is None and (access.columns is None or keys <= access.columns)

    # What is shown, and what follows

    def _shown(self, name: str, answer: Json) -> Json:
        if name == "get_database":
            self._require_seen(answer["Database"]["Name"])
        if name == "get_databases":
            return {**answer, "DatabaseList": [*filter(self._sees, answer["DatabaseList"])]}
        if name == "get_table":
            return {**answer, "Table": self._own_columns(answer["Table"])}
        if name == "get_tables":
            return {**answer, "TableList": [*self._own_tables(answer["TableList"])]}
        if name == "get_table_version":
            version = answer["TableVersion"]
            return {"TableVersion": {**version, "Table": self._own_columns(version["Table"])}}
        if name == "get_table_versions":
            versions = [
                {**version, "Table": self._own_columns(version["Table"])}
                for version in answer["TableVersions"]
            ]
            return {**answer, "TableVersions": versions}
        return answer

    def _require_seen(self, database: str) -> None:
        if self.is_governed(database):
            self._require(set(), database)

    def _sees(self, database: Json) -> bool:
        name = database["Name"]
        governed = self.is_governed(name)
        return not governed or bool(self._permissions.on_database(current().arn, name))

    def _own_tables(self, tables: list[Json]) -> Iterator[Json]:
        for table in tables:
            database, name = table["DatabaseName"], table["Name"]
            governed = self.is_governed(database)
            if not governed or self._permissions.on_table(current().arn, database, name):
                yield self._own_columns(table)

    def _own_columns(self, table: Json) -> Json:
        database, name = table["DatabaseName"], table["Name"]
        if not self.is_governed(database):
            return table
        self._require(set(), database, name)
        if self._permissions.on_table(current().arn, database, name) & _SEES_ALL_COLUMNS:
            return table
        seen = self.select(database, name, _columns(table)).columns
        if seen is None or table.get("TableType") == "VIRTUAL_VIEW":
            return table
        storage = table["StorageDescriptor"]
        columns = [c for c in storage["Columns"] if c["Name"].lower() in seen]
        keys = [k for k in table.get("PartitionKeys", []) if k["Name"].lower() in seen]
        return {
            **table,
            "StorageDescriptor": {**storage, "Columns": columns},
            "PartitionKeys": keys,
        }

    def _follow(self, name: str, payload: Json) -> None:
        """Who creates a table has all permissions on it; what is dropped takes them along."""
        database = (payload.get("DatabaseName") or "").lower()
        if name == "create_table" and self.is_governed(database):
            self._grant_all(database, payload["TableInput"]["Name"].lower())
        if name == "delete_database":
            gone = payload["Name"].lower()
            self._store.forget(lambda item: item == gone or item.startswith(f"{gone}."))
        if name in ("delete_table", "batch_delete_table"):
            dropped = tuple(f"{database}.{table.lower()}" for table in _named_tables(payload))
            self._store.forget(
                lambda item: any(item == d or item.startswith(f"{d}.") for d in dropped)
            )

    def _grant_all(self, database: str, table: str) -> None:
        with self._store.change("grants") as grants:
            grants.append(
                {
                    "Principal": {"DataLakePrincipalIdentifier": current().arn},
                    "Resource": {"Table": {"DatabaseName": database, "Name": table}},
                    "Permissions": ["ALL"],
                    "PermissionsWithGrantOption": ["ALL"],
                }
            )

    def _database(self, name: str) -> Json:
        found: Json = self._catalog.get_database(Name=name)["Database"]
        return found


class Unfiltered:
    """All partitions of a table, if IAM allows the caller to ask for partitions.

    https://docs.aws.amazon.com/glue/latest/webapi/API_GetUnfilteredPartitionsMetadata.html
    """

    def __init__(self, catalog: GlueCatalog) -> None:
        self._catalog = catalog

    def get_partitions(self, **payload: Any) -> Json:
        """A page of a table's partitions."""
        current().require("glue:GetPartitions", *catalog_resources("GetPartitions", payload))
        answer: Json = self._catalog.get_partitions(**payload)
        return answer


def _named_tables(payload: Json) -> list[str]:
    if "TablesToDelete" in payload:
        return list(payload["TablesToDelete"])
    name = payload.get("TableName") or payload.get("Name") if "DatabaseName" in payload else None
    name = name or payload.get("TableInput", {}).get("Name")
    return [name] if name else []


def _columns(table: Json) -> list[str]:
    listed = [*table["StorageDescriptor"].get("Columns", []), *table.get("PartitionKeys", [])]
    return [column["Name"] for column in listed]


def _refusal(permissions: set[str], what: str) -> AwsError:
    wanted = " or ".join(sorted(permissions))
    return AwsError(
        "AccessDeniedException",
        f"Insufficient Lake Formation permission(s): Required {wanted} on {what}",
    )
