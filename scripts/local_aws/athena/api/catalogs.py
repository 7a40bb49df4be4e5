"""Data catalogs, databases and table metadata, as the API shows what Glue has.

https://docs.aws.amazon.com/athena/latest/APIReference/API_GetTableMetadata.html
"""

from __future__ import annotations

import re
from typing import Any

from local_aws.errors import AwsError

from .. import hive, metadata_tables
from ..types import to_hive
from .requests import Json, Operations, invalid, page

_CATALOG = {
    "Name": "AwsDataCatalog",
    "Type": "GLUE",
    "Description": "",
    "Parameters": {"catalog-id": "000000000000"},
}


class Catalogs:
    """The one data catalog, over Glue."""

    def __init__(self, glue: Any) -> None:
        self._glue = glue

    def operations(self) -> Operations:
        """What this part of the API serves."""
        return {
            "ListDataCatalogs": self._list_catalogs,
            "GetDataCatalog": self._get_catalog,
            "ListDatabases": self._list_databases,
            "GetDatabase": self._get_database,
            "GetTableMetadata": self._get_table,
            "ListTableMetadata": self._list_tables,
        }

    def _list_catalogs(self, payload: Json) -> Json:
        summary = {"CatalogName": _CATALOG["Name"], "Type": "GLUE", "Status": "CREATE_COMPLETE"}
        return page([summary], payload, "DataCatalogsSummary")

    def _get_catalog(self, payload: Json) -> Json:
        _check_catalog(payload["Name"])
        return {"DataCatalog": _CATALOG}

    def _list_databases(self, payload: Json) -> Json:
        _check_catalog(payload["CatalogName"])
        extra = {"NextToken": payload["NextToken"]} if payload.get("NextToken") else {}
        answer = self._glue.get_databases(MaxResults=payload.get("MaxResults", 50), **extra)
        listed: Json = {"DatabaseList": [_database(d) for d in answer["DatabaseList"]]}
        if "NextToken" in answer:
            listed["NextToken"] = answer["NextToken"]
        return listed

    def _get_database(self, payload: Json) -> Json:
        _check_catalog(payload["CatalogName"])
        try:
            found = self._glue.get_database(Name=payload["DatabaseName"])["Database"]
        except AwsError as error:
            raise AwsError("MetadataException", error.message) from None
        return {"Database": _database(found)}

    def _get_table(self, payload: Json) -> Json:
        _check_catalog(payload["CatalogName"])
        try:
            glue = self._glue.get_table(
                DatabaseName=payload["DatabaseName"], Name=payload["TableName"]
            )["Table"]
        except AwsError as error:
            raise AwsError("MetadataException", error.message) from None
        return {"TableMetadata": _table(glue)}

    def _list_tables(self, payload: Json) -> Json:
        self._get_database(payload)
        found = metadata_tables.tables(self._glue, payload["DatabaseName"])
        pattern = re.compile(payload.get("Expression") or ".*")
        listed = [_table(glue) for glue in found if pattern.fullmatch(glue["Name"])]
        return page(listed, payload, "TableMetadataList")


def _check_catalog(name: str) -> None:
    if name.lower() != "awsdatacatalog":
        raise invalid(f"Data catalog {name} was not found")


def _database(found: Json) -> Json:
    described = {"Name": found["Name"], "Parameters": found.get("Parameters", {})}
    return {**described, "Description": found.get("Description", "")}


def _table(glue: Json) -> Json:
    keys = glue.get("PartitionKeys", [])
    columns = dict(metadata_tables.table_columns(glue))
    listed = [
        {"Name": c["Name"], "Type": to_hive(columns[c["Name"].lower()], iceberg=True)}
        | ({"Comment": c["Comment"]} if c.get("Comment") else {})
        for c in hive.current_columns(glue)
    ]
    return {
        "Name": glue["Name"],
        "CreateTime": glue["CreateTime"],
        "TableType": glue.get("TableType", ""),
        "Columns": listed,
        "PartitionKeys": [{"Name": k["Name"], "Type": k["Type"]} for k in keys],
        "Parameters": glue.get("Parameters", {}),
    }
