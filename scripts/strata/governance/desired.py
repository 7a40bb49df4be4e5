"""The tags, filters and grants of Lake Formation that the declarations ask for, as plain data.

A reader's grants never change as tables come: it selects what is tagged as its own. Everything
starts closed: a database's tags say that nobody reads it and that its columns are unclassified, so a
table or a column that is new is hidden until it is classified.
https://docs.aws.amazon.com/lake-formation/latest/dg/tag-based-access-control.html
"""

from dataclasses import dataclass
from typing import Any

from strata.environment import Environment, schema
from strata.governance.classification import CLASSES
from strata.governance.declared import GOVERNED, LAYERS, SERVING, Reader, Table

Json = dict[str, Any]

LAYER, DOMAIN, PERSONAL_DATA = "strata_layer", "strata_domain", "strata_personal_data"
UNCLASSIFIED = "unclassified"
#: Whether a reader selects a table: not, all of it, or through its row filter.
NO, ALL, ROWS = "no", "all", "rows"


@dataclass(frozen=True)
class Grant:
    """Permissions of a role on a resource of Lake Formation."""

    role: str
    resource: Json
    permissions: tuple[str, ...]


def reads(reader: str) -> str:
    """The key of the tag that says whether a reader selects a table."""
    return f"strata_reads_{reader}"


def tag_values(tables: list[Table], readers: list[Reader]) -> dict[str, list[str]]:
    """All tags with their values."""
    return {
        LAYER: sorted(LAYERS),
        DOMAIN: sorted({table.domain for table in tables}),
        PERSONAL_DATA: sorted((UNCLASSIFIED, *CLASSES)),
        **{reads(reader.name): sorted((NO, ALL, ROWS)) for reader in readers},
    }


def database_tags(layer: str, readers: list[Reader]) -> dict[str, str]:
    """What the tables of a layer inherit."""
    closed = {reads(reader.name): NO for reader in readers}
    return {LAYER: layer, PERSONAL_DATA: UNCLASSIFIED, **closed}


def table_tags(table: Table) -> dict[str, str]:
    """The tags of a table that its database does not give."""
    selected = {reads(name): ROWS if rows else ALL for name, rows in table.readers.items()}
    return {DOMAIN: table.domain, **selected}


def filters(table: Table, readers: list[Reader]) -> dict[str, Json]:
    """The data cells filters of a table by name: a reader's rows, and the columns it may see."""
    known = {reader.name: reader for reader in readers}
    found = {}
    for name, rows in table.readers.items():
        if rows:
            seen = [c for c, kind in table.columns.items() if kind in known[name].personal_data]
            body = {"RowFilter": {"FilterExpression": rows}, "ColumnNames": sorted(seen)}
            found[f"strata_{name}"] = body
    return found


def grants(tables: list[Table], readers: list[Reader], environment: Environment) -> list[Grant]:
    """The grants of the readers, and of the role that builds."""
    found = [grant for reader in readers for grant in _of_reader(reader, tables)]
    layers = [{"TagKey": LAYER, "TagValues": sorted(GOVERNED)}]
    on_databases = {"LFTagPolicy": {"ResourceType": "DATABASE", "Expression": layers}}
    on_tables = {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": layers}}
    found.append(Grant("dbt", on_databases, ("ALTER", "CREATE_TABLE", "DESCRIBE", "DROP")))
    found.append(Grant("dbt", on_tables, ("ALL",)))
    for layer in ("silver", "gold"):
        place = {"DataLocation": {"ResourceArn": f"arn:aws:s3:::{environment.bucket(layer)}"}}
        found.append(Grant("dbt", place, ("DATA_LOCATION_ACCESS",)))
    return found


def _of_reader(reader: Reader, tables: list[Table]) -> list[Grant]:
    expression = [
        {"TagKey": PERSONAL_DATA, "TagValues": sorted(reader.personal_data)},
        {"TagKey": reads(reader.name), "TagValues": [ALL]},
    ]
    database = {"Database": {"Name": schema(SERVING)}}
    tagged = {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": expression}}
    found = [
        Grant(reader.role, database, ("DESCRIBE",)),
        Grant(reader.role, tagged, ("SELECT",)),
    ]
    for table in tables:
        if table.readers.get(reader.name):
            cells = {"DatabaseName": table.database, "TableName": table.name}
            named = {"DataCellsFilter": {**cells, "Name": f"strata_{reader.name}"}}
            found.append(Grant(reader.role, named, ("SELECT",)))
    return found
