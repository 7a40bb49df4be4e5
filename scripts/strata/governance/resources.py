"""Resources of Lake Formation, as its API gives and takes them: compared, and put in words."""

from typing import Any

Json = dict[str, Any]

OURS = "strata_"


def columns_of(entry: Json) -> set[str]:
    """The columns of a table's entry in Glue, partition keys among them, in lower case."""
    listed = [*entry["StorageDescriptor"].get("Columns", []), *entry.get("PartitionKeys", [])]
    return {column["Name"].lower() for column in listed}


def is_ours(key: str) -> bool:
    """Whether a tag, or a filter, is one of Strata's."""
    return key.startswith(OURS)


def values(pairs: list[Json]) -> dict[str, str]:
    """Tags by key."""
    return {pair["TagKey"]: pair["TagValues"][0] for pair in pairs}


def cells(body: Json) -> tuple[str | None, list[str]]:
    """What a data cells filter shows: its rows, and its columns in order."""
    return body["RowFilter"].get("FilterExpression"), sorted(body.get("ColumnNames") or [])


def are_same(one: Json, other: Json) -> bool:
    """Whether two resources are one: AWS adds catalog ids, and orders a tag's values."""
    return _plain(one) == _plain(other)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: sorted(item) if key == "TagValues" else _plain(item)
            for key, item in value.items()
            if not key.endswith("CatalogId")
        }
    if isinstance(value, list):
        return sorted((_plain(item) for item in value), key=str)
    return value


def is_there(resource: Json, present: set[tuple[str, str]]) -> bool:
    """Whether what a grant is on is there: a filter is, where its table is."""
    cells = resource.get("DataCellsFilter")
    return cells is None or (cells["DatabaseName"], cells["TableName"]) in present


def database_of(resource: Json) -> str | None:
    """The database that a resource is, or is in."""
    for kind in ("Table", "TableWithColumns"):
        if kind in resource:
            return str(resource[kind]["DatabaseName"])
    return resource["Database"]["Name"] if "Database" in resource else None


def words(resource: Json) -> str:
    """A resource as a person names it."""
    if policy := resource.get("LFTagPolicy"):
        tags = (f"{t['TagKey']} in ({', '.join(t['TagValues'])})" for t in policy["Expression"])
        return f"{policy['ResourceType'].lower()}s where {' and '.join(tags)}"
    if cells := resource.get("DataCellsFilter"):
        return f"{cells['DatabaseName']}.{cells['TableName']} through {cells['Name']}"
    if place := resource.get("DataLocation"):
        return str(place["ResourceArn"])
    database = database_of(resource)
    table = resource.get("Table") or resource.get("TableWithColumns")
    return f"{database}.{table.get('Name', '*')}" if table else f"database {database}"
