"""Compares Lake Formation with what is declared, and makes it so.

Only what is Strata's is touched: tags that start with `strata_`, filters of that name, and the
grants of the environment's own roles. Each step can be repeated after a kill.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from strata.catalog.tables import MANAGED_BY
from strata.environment import Environment, schema
from strata.errors import StrataError
from strata.governance import desired, resources
from strata.governance.declared import GOVERNED, Reader, Table

Json = dict[str, Any]

_ANYBODY = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}
_WORKERS = 8


@dataclass(frozen=True)
class Change:
    """One step: what it does, in words, and the call that does it."""

    what: str
    apply: Callable[[], Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Clients:
    """The clients of Lake Formation, of Glue and of STS' account."""

    lake_formation: Any
    glue: Any


class Planner:
    """Finds what is to change for the declared tables and readers of an environment."""

    def __init__(
        self,
        tables: list[Table],
        readers: list[Reader],
        environment: Environment,
        clients: Clients,
    ) -> None:
        self._tables = tables
        self._readers = readers
        self._environment = environment
        self._lake = clients.lake_formation
        self._glue = clients.glue
        self._account = {"CatalogId": environment.account}

    def changes(self) -> Iterator[Change]:
        """The steps in an order in which each has what it needs.

        A step is found when it is asked for: those before it are to be applied, or not at all.
        """
        yield from self._tags()
        yield from self._databases()
        with ThreadPoolExecutor(_WORKERS) as pool:
            for found in pool.map(self._of_table, self._present_tables):
                yield from found
        yield from self._grants()
        yield from self._stale_tags()

    # Tags

    def _tags(self) -> Iterator[Change]:
        present = self._present_tags()
        wanted = desired.tag_values(self._tables, self._readers)
        for key, values in wanted.items():
            missing = sorted(set(values) - present.get(key, set()))
            if key not in present:
                call = self._call("create_lf_tag", TagKey=key, TagValues=values)
                yield Change(f"+ tag {key}: {', '.join(values)}", call)
            elif missing:
                call = self._call("update_lf_tag", TagKey=key, TagValuesToAdd=missing)
                yield Change(f"~ tag {key}: + {', '.join(missing)}", call)

    def _stale_tags(self) -> Iterator[Change]:
        for name in self._former_readers:
            key = desired.reads(name)
            yield Change(f"- tag {key}", self._call("delete_lf_tag", TagKey=key))

    @cached_property
    def _former_readers(self) -> list[str]:
        """The readers that have a tag and are not declared any more."""
        prefix = desired.reads("")
        known = {reader.name for reader in self._readers}
        tagged = {k.removeprefix(prefix) for k in self._present_tags() if k.startswith(prefix)}
        return sorted(tagged - known)

    def _present_tags(self) -> dict[str, set[str]]:
        pages = self._lake.get_paginator("list_lf_tags").paginate()
        return {tag["TagKey"]: set(tag["TagValues"]) for p in pages for tag in p["LFTags"]}

    # Databases

    def _databases(self) -> Iterator[Change]:
        for layer in GOVERNED:
            name = schema(layer)
            yield from self._closed(name)
            wanted = desired.database_tags(layer, self._readers)
            yield from self._tagged({"Database": {"Name": name}}, wanted, name, "LFTagOnDatabase")

    def _closed(self, name: str) -> Iterator[Change]:
        """Make Lake Formation decide about a database, and not IAM alone."""
        present = self._database(name)
        if present is None:
            body = {
                "Name": name,
                "Parameters": {"managed-by": MANAGED_BY},
                "CreateTableDefaultPermissions": [],
            }
            yield Change(
                f"+ database {name}, governed",
                lambda: self._glue.create_database(DatabaseInput=body),
            )
        elif present.get("CreateTableDefaultPermissions") != []:
            kept = ("Name", "Description", "LocationUri", "Parameters")
            body = {member: present[member] for member in kept if member in present}
            body["CreateTableDefaultPermissions"] = []
            yield Change(
                f"~ database {name}: governed",
                lambda: self._glue.update_database(Name=name, DatabaseInput=body),
            )
        for grant in self._granted(Principal=_ANYBODY):
            if resources.database_of(grant["Resource"]) == name:
                yield self._revoked("IAMAllowedPrincipals", grant)

    def _database(self, name: str) -> Json | None:
        try:
            found: Json = self._glue.get_database(Name=name)["Database"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None
        return found

    # Tables

    @cached_property
    def _present_tables(self) -> list[Table]:
        """The declared tables that are in Glue, with the declared columns that they have there."""
        present: dict[tuple[str, str], set[str]] = {}
        for database in sorted({table.database for table in self._tables}):
            if self._database(database) is None:
                continue
            pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=database)
            for entry in (entry for page in pages for entry in page["TableList"]):
                present[database, entry["Name"]] = resources.columns_of(entry)
        return [
            replace(table, columns={c: k for c, k in table.columns.items() if c in columns})
            for table in self._tables
            if (columns := present.get((table.database, table.name)))
        ]

    def _of_table(self, table: Table) -> list[Change]:
        named = {"DatabaseName": table.database, "Name": table.name}
        words = f"{table.database}.{table.name}"
        found = list(
            self._tagged(
                {"Table": named}, self._tags_of(table), words, "LFTagsOnTable", resources.is_ours
            )
        )
        return [*found, *self._column_tags(table, named, words), *self._filters(table)]

    def _tags_of(self, table: Table) -> dict[str, str]:
        own = desired.table_tags(table)
        return own if table.layer != "bronze" else {**own, desired.LAYER: "bronze"}

    def _column_tags(self, table: Table, named: Json, words: str) -> Iterator[Change]:
        answer = self._lake.get_resource_lf_tags(Resource={"Table": named}, ShowAssignedLFTags=True)
        present = {
            column["Name"]: resources.values(column["LFTags"]).get(desired.PERSONAL_DATA)
            for column in answer.get("LFTagsOnColumns", [])
        }
        for kind in sorted(set(table.columns.values())):
            names = [n for n, k in table.columns.items() if k == kind and present.get(n) != kind]
            if names:
                yield Change(
                    f"~ {words}: {kind} is the class of {', '.join(names)}",
                    self._call(
                        "add_lf_tags_to_resource",
                        Resource={"TableWithColumns": {**named, "ColumnNames": names}},
                        LFTags=[{"TagKey": desired.PERSONAL_DATA, "TagValues": [kind]}],
                    ),
                )

    def _filters(self, table: Table) -> Iterator[Change]:
        place = {"DatabaseName": table.database, "TableName": table.name}
        pages = self._lake.get_paginator("list_data_cells_filter").paginate(
            Table={"DatabaseName": table.database, "Name": table.name, **self._account}
        )
        kept = [item for page in pages for item in page["DataCellsFilters"]]
        present = {item["Name"]: item for item in kept if item["Name"].startswith(resources.OURS)}
        wanted = desired.filters(table, self._readers)
        own = {"TableCatalogId": self._environment.account, **place}
        for name, body in wanted.items():
            data = {**own, "Name": name, **body}
            words = f"filter {name} on {table.database}.{table.name}"
            if name not in present:
                yield Change(f"+ {words}", self._call("create_data_cells_filter", TableData=data))
            elif resources.cells(present[name]) != resources.cells(body):
                yield Change(f"~ {words}", self._call("update_data_cells_filter", TableData=data))
        for name in sorted(present.keys() - wanted.keys()):
            call = self._call("delete_data_cells_filter", **own, Name=name)
            yield Change(f"- filter {name} on {table.database}.{table.name}", call)

    def _tagged(
        self,
        resource: Json,
        wanted: dict[str, str],
        words: str,
        member: str,
        removes: Callable[[str], bool] = lambda key: False,
    ) -> Iterator[Change]:
        """The changes of the tags of a database or table; `removes` says which may be taken away."""
        try:
            answer = self._lake.get_resource_lf_tags(Resource=resource, ShowAssignedLFTags=True)
        except ClientError as error:  # a plan of a database that is not there yet
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            answer = {}
        present = resources.values(answer.get(member, []))
        missing = {key: value for key, value in wanted.items() if present.get(key) != value}
        if missing:
            pairs = [{"TagKey": key, "TagValues": [value]} for key, value in missing.items()]
            shown = ", ".join(f"{key} = {value}" for key, value in missing.items())
            call = self._call("add_lf_tags_to_resource", Resource=resource, LFTags=pairs)
            yield Change(f"~ {words}: {shown}", call)
        stale = sorted(key for key in present.keys() - wanted.keys() if removes(key))
        if stale:
            pairs = [{"TagKey": key, "TagValues": [present[key]]} for key in stale]
            call = self._call("remove_lf_tags_from_resource", Resource=resource, LFTags=pairs)
            yield Change(f"- {words}: {', '.join(stale)}", call)

    # Grants

    def _grants(self) -> Iterator[Change]:
        present_tables = {(t.database, t.name) for t in self._present_tables}
        wanted = [
            grant
            for grant in desired.grants(self._tables, self._readers, self._environment)
            if resources.is_there(grant.resource, present_tables)
        ]
        former = {Reader(name, ()).role for name in self._former_readers}
        for role in sorted({grant.role for grant in wanted} | former):
            own = [grant for grant in wanted if grant.role == role]
            yield from self._grants_of(role, own)

    def _grants_of(self, role: str, wanted: list[desired.Grant]) -> Iterator[Change]:
        name = self._environment.resource(role)
        arn = f"arn:aws:iam::{self._environment.account}:role/{name}"
        principal = {"DataLakePrincipalIdentifier": arn}
        present = list(self._granted(Principal=principal))
        for grant in wanted:
            had = next(
                (g for g in present if resources.are_same(g["Resource"], grant.resource)), None
            )
            missing = sorted(set(grant.permissions) - set(had["Permissions"] if had else ()))
            if missing:
                yield Change(
                    f"+ {role}: {', '.join(missing)} on {resources.words(grant.resource)}",
                    self._call(
                        "grant_permissions",
                        Principal=principal,
                        Resource=self._in_catalog(grant.resource),
                        Permissions=missing,
                    ),
                )
        for had in present:
            is_wanted = any(resources.are_same(had["Resource"], grant.resource) for grant in wanted)
            # Who creates a table gets its permissions from Lake Formation itself.
            if not is_wanted and not {"Table", "TableWithColumns"} & had["Resource"].keys():
                yield self._revoked(role, had)

    def _revoked(self, who: str, grant: Json) -> Change:
        """The end of a grant, as Lake Formation lists it."""
        members = ("Principal", "Resource", "Permissions")
        return Change(
            f"- {who}: {', '.join(grant['Permissions'])} on {resources.words(grant['Resource'])}",
            self._call("revoke_permissions", **{member: grant[member] for member in members}),
        )

    def _granted(self, **given: Any) -> Iterator[Json]:
        while True:
            page = self._lake.list_permissions(**given)
            yield from page["PrincipalResourcePermissions"]
            if not page.get("NextToken"):
                return
            given["NextToken"] = page["NextToken"]

    def _in_catalog(self, resource: Json) -> Json:
        if cells := resource.get("DataCellsFilter"):
            return {"DataCellsFilter": {**cells, "TableCatalogId": self._environment.account}}
        return resource

    def _call(self, operation: str, **given: Any) -> Callable[[], None]:
        def call() -> None:
            answer = getattr(self._lake, operation)(**given)
            if failures := answer.get("Failures"):
                raise StrataError(f"Lake Formation: {failures[0]['Error']['ErrorMessage']}", "")

        return call
