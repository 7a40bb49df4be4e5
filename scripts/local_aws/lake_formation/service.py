"""Lake Formation's API: the part of it that Strata and dbt-athena use.

https://docs.aws.amazon.com/lake-formation/latest/APIReference/Welcome.html
"""

import json
import re
from typing import Any

from local_aws.errors import AwsError
from local_aws.lake_formation.store import Store

Json = dict[str, Any]

_OPERATIONS = {
    "RegisterResource", "DeregisterResource", "DescribeResource", "ListResources",
    "GetDataLakeSettings", "PutDataLakeSettings",
    "CreateLFTag", "UpdateLFTag", "DeleteLFTag", "GetLFTag", "ListLFTags",
    "AddLFTagsToResource", "RemoveLFTagsFromResource", "GetResourceLFTags",
    "CreateDataCellsFilter", "UpdateDataCellsFilter", "DeleteDataCellsFilter",
    "GetDataCellsFilter", "ListDataCellsFilter",
    "GrantPermissions", "RevokePermissions", "BatchGrantPermissions", "BatchRevokePermissions",
    "ListPermissions",
}  # fmt: skip
_ANYBODY = "IAM_ALLOWED_PRINCIPALS"


class LakeFormation:
    """Answers Lake Formation's operations from a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handle(self, operation: str, payload: Json) -> Json:
        """Answer `operation`; raises AwsError, also for what is not served here."""
        if operation not in _OPERATIONS:
            message = f"lakeformation:{operation} is not served by the local AWS"
            raise AwsError("InvalidInputException", message)
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).replace("LFTag", "LF_Tag").lower()
        try:
            answer: Json = getattr(self, words)(payload)
        except KeyError as error:
            raise AwsError("InvalidInputException", f"{operation}: {error} is missing") from error
        return answer

    def resources(self, operation: str, payload: Json) -> list[str]:
        """Lake Formation's actions have no resources."""
        return []

    # Locations

    def register_resource(self, payload: Json) -> Json:
        """Let Lake Formation give access to a location; raises AlreadyExistsException."""
        arn = payload["ResourceArn"]
        with self._store.change("locations") as locations:
            if arn in locations:
                raise AwsError("AlreadyExistsException", "Resource is already registered")
            locations[arn] = {"ResourceArn": arn, "RoleArn": payload.get("RoleArn", "")}
        return {}

    def deregister_resource(self, payload: Json) -> Json:
        """Forget a location; raises EntityNotFoundException."""
        with self._store.change("locations") as locations:
            _find(locations, payload["ResourceArn"], "Resource not found")
            del locations[payload["ResourceArn"]]
        return {}

    def describe_resource(self, payload: Json) -> Json:
        """One location; raises EntityNotFoundException."""
        locations = self._store.read("locations")
        return {"ResourceInfo": _find(locations, payload["ResourceArn"], "Resource not found")}

    def list_resources(self, payload: Json) -> Json:
        """The locations."""
        return {"ResourceInfoList": list(self._store.read("locations").values())}

    def get_data_lake_settings(self, payload: Json) -> Json:
        """Administrators and defaults."""
        return {"DataLakeSettings": self._store.read("settings")}

    def put_data_lake_settings(self, payload: Json) -> Json:
        """Replace administrators and defaults."""
        with self._store.change("settings") as settings:
            settings.clear()
            settings.update(payload["DataLakeSettings"])
        return {}

    # Tags

    def create_lf_tag(self, payload: Json) -> Json:
        """Make a tag with its values; raises AlreadyExistsException."""
        with self._store.change("tags") as tags:
            if payload["TagKey"] in tags:
                raise AwsError("AlreadyExistsException", "Tag key already exists")
            tags[payload["TagKey"]] = sorted(payload["TagValues"])
        return {}

    def update_lf_tag(self, payload: Json) -> Json:
        """Add and delete values of a tag."""
        with self._store.change("tags") as tags:
            values = set(_find(tags, payload["TagKey"], "Tag key does not exist"))
            values |= set(payload.get("TagValuesToAdd") or [])
            tags[payload["TagKey"]] = sorted(values - set(payload.get("TagValuesToDelete") or []))
        return {}

    def delete_lf_tag(self, payload: Json) -> Json:
        """Delete a tag, also from what has it."""
        key = payload["TagKey"]
        with self._store.change("tags") as tags:
            _find(tags, key, "Tag key does not exist")
            del tags[key]
        with self._store.change("tagged") as tagged:
            for values in tagged.values():
                values.pop(key, None)
        return {}

    def get_lf_tag(self, payload: Json) -> Json:
        """A tag's values; raises EntityNotFoundException."""
        key = payload["TagKey"]
        values = _find(self._store.read("tags"), key, "Tag key does not exist")
        return {"TagKey": key, "TagValues": values}

    def list_lf_tags(self, payload: Json) -> Json:
        """The tags."""
        tags = self._store.read("tags")
        return {"LFTags": [{"TagKey": k, "TagValues": v} for k, v in sorted(tags.items())]}

    def add_lf_tags_to_resource(self, payload: Json) -> Json:
        """Tag a database, a table or columns: one value a key, which must be a value of the tag."""
        tags = self._store.read("tags")
        with self._store.change("tagged") as tagged:
            for pair in payload["LFTags"]:
                (value,) = pair["TagValues"]
                if value not in _find(tags, pair["TagKey"], "Tag key does not exist"):
                    raise AwsError("InvalidInputException", f"Tag value {value} is not valid")
                for name in _tagged_names(payload["Resource"]):
                    tagged.setdefault(name, {})[pair["TagKey"]] = value
        return {"Failures": []}

    def remove_lf_tags_from_resource(self, payload: Json) -> Json:
        """Take tags away."""
        with self._store.change("tagged") as tagged:
            for pair in payload["LFTags"]:
                for name in _tagged_names(payload["Resource"]):
                    tagged.get(name, {}).pop(pair["TagKey"], None)
        return {"Failures": []}

    def get_resource_lf_tags(self, payload: Json) -> Json:
        """The tags of a database or table, and of its columns; inherited ones where they come from."""
        tagged = self._store.read("tagged")
        names = _tagged_names(payload["Resource"])
        database, _, table = names[0].partition(".")
        answer = {"LFTagOnDatabase": _pairs(tagged.get(database, {}))}
        if table:
            name = ".".join(names[0].split(".")[:2])
            columns = {k: v for k, v in tagged.items() if k.startswith(f"{name}.") and v}
            answer["LFTagsOnTable"] = _pairs(tagged.get(name, {}))
            answer["LFTagsOnColumns"] = [
                {"Name": k.split(".")[2], "LFTags": _pairs(v)} for k, v in sorted(columns.items())
            ]
        return answer

    # Data cells filters

    def create_data_cells_filter(self, payload: Json) -> Json:
        """Make a filter; raises AlreadyExistsException."""
        data = payload["TableData"]
        with self._store.change("filters") as filters:
            if _filter_name(data) in filters:
                raise AwsError("AlreadyExistsException", "Data cells filter already exists")
            filters[_filter_name(data)] = data
        return {}

    def update_data_cells_filter(self, payload: Json) -> Json:
        """Replace a filter; raises EntityNotFoundException."""
        data = payload["TableData"]
        with self._store.change("filters") as filters:
            _find(filters, _filter_name(data), "Data cells filter does not exist")
            filters[_filter_name(data)] = data
        return {}

    def delete_data_cells_filter(self, payload: Json) -> Json:
        """Delete a filter and the grants on it."""
        name = _filter_name(payload)
        with self._store.change("filters") as filters:
            _find(filters, name, "Data cells filter does not exist")
            del filters[name]
        with self._store.change("grants") as grants:
            grants[:] = [
                g
                for g in grants
                if _filter_name(g["Resource"].get("DataCellsFilter") or {}) != name
            ]
        return {}

    def get_data_cells_filter(self, payload: Json) -> Json:
        """One filter; raises EntityNotFoundException."""
        filters = self._store.read("filters")
        return {
            "DataCellsFilter": _find(
                filters, _filter_name(payload), "Data cells filter does not exist"
            )
        }

    def list_data_cells_filter(self, payload: Json) -> Json:
        """The filters of a table, or all."""
        table = payload.get("Table") or {}
        wanted = (table.get("DatabaseName"), table.get("Name"))
        filters = self._store.read("filters").values()
        found = [f for f in filters if not table or (f["DatabaseName"], f["TableName"]) == wanted]
        return {"DataCellsFilters": found}

    # Permissions

    def grant_permissions(self, payload: Json) -> Json:
        """Add permissions to those that the principal has on the resource."""
        self._check(payload)
        with self._store.change("grants") as grants:
            found = _grant(grants, payload)
            if found is None:
                found = {
                    "Principal": payload["Principal"],
                    "Resource": _folded(payload["Resource"]),
                    "Permissions": [],
                    "PermissionsWithGrantOption": [],
                }
                grants.append(found)
            for member in ("Permissions", "PermissionsWithGrantOption"):
                found[member] = sorted({*found[member], *(payload.get(member) or [])})
        return {}

    def revoke_permissions(self, payload: Json) -> Json:
        """Take permissions away; raises InvalidInputException when there are none."""
        with self._store.change("grants") as grants:
            found = _grant(grants, payload)
            if found is None:
                raise AwsError("InvalidInputException", "No permissions revoked. Grantee has none")
            for member in ("Permissions", "PermissionsWithGrantOption"):
                found[member] = sorted(set(found[member]) - set(payload.get(member) or []))
            if not found["Permissions"]:
                grants.remove(found)
        return {}

    def batch_grant_permissions(self, payload: Json) -> Json:
        """Grant each entry; those that fail are answered."""
        return self._each(payload, self.grant_permissions)

    def batch_revoke_permissions(self, payload: Json) -> Json:
        """Revoke each entry; those that fail are answered."""
        return self._each(payload, self.revoke_permissions)

    def list_permissions(self, payload: Json) -> Json:
        """The grants, of a principal and on a resource where these are given."""
        found = self._store.read("grants")
        if principal := payload.get("Principal"):
            found = [g for g in found if g["Principal"] == principal]
        if resource := payload.get("Resource"):
            found = [g for g in found if g["Resource"] == _folded(resource)]
        return {"PrincipalResourcePermissions": found}

    def _each(self, payload: Json, apply: Any) -> Json:
        failures = []
        for entry in payload["Entries"]:
            try:
                apply(entry)
            except AwsError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                failures.append({"RequestEntry": entry, "Error": detail})
        return {"Failures": failures}

    def _check(self, payload: Json) -> None:
        if payload["Principal"]["DataLakePrincipalIdentifier"] == _ANYBODY:
            raise AwsError(
                "InvalidInputException",
                "the local AWS knows IAMAllowedPrincipals by a database's "
                "CreateTableDefaultPermissions in Glue",
            )
        cells = payload["Resource"].get("DataCellsFilter")
        if cells:
            _find(self._store.read("filters"), _filter_name(cells), "no such data cells filter")


def _find(kept: Json, key: str, message: str) -> Any:
    if key not in kept:
        raise AwsError("EntityNotFoundException", f"{message}: {key}")
    return kept[key]


def _grant(grants: list[Json], payload: Json) -> Json | None:
    wanted = (payload["Principal"], _folded(payload["Resource"]))
    return next((g for g in grants if (g["Principal"], g["Resource"]) == wanted), None)


def _folded(resource: Json) -> Json:
    """A resource with names as Glue keeps them, without the catalog's id, in one order."""

    def fold(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: v.lower() if k in _NAMES and isinstance(v, str) else fold(v)
                for k, v in value.items()
                if k not in ("CatalogId", "TableCatalogId")
            }
        return [fold(item) for item in value] if isinstance(value, list) else value

    folded: Json = json.loads(json.dumps(fold(resource), sort_keys=True))
    return folded


_NAMES = ("DatabaseName", "TableName", "Name")


def _tagged_names(resource: Json) -> list[str]:
    """`database`, `database.table`, or one `database.table.column` a column."""
    if database := resource.get("Database"):
        return [database["Name"].lower()]
    table = resource.get("TableWithColumns") or resource.get("Table")
    if table is None:
        raise AwsError("InvalidInputException", "tags are for databases, tables and columns")
    name = f"{table['DatabaseName']}.{table['Name']}".lower()
    columns = table.get("ColumnNames")
    return [f"{name}.{column.lower()}" for column in columns] if columns else [name]


def _filter_name(filter_: Json) -> str:
    parts = (filter_.get(member, "") for member in ("DatabaseName", "TableName", "Name"))
    return ".".join(parts).lower()


def _pairs(tags: dict[str, str]) -> list[Json]:
    return [{"TagKey": key, "TagValues": [value]} for key, value in sorted(tags.items())]
