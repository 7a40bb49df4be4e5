"""The declaration of a source that is not declared yet, from the files that it has."""

import re
from datetime import date

import yaml

from strata.catalog.observed import Observed
from strata.declarations import Column
from strata.errors import StrataError

#: What only a person knows; the reader of the catalog sees it until it is said.
_WHAT = "Say what it is, for who reads the catalog."


def declaration(name: str, observed: Observed, start: date) -> str:
    """The YAML of a batch source `<system>.<table>` to start from; nested fields are left as JSON text.

    `start` is the first day of its arrival. Raises StrataError for a name that is none.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*", name):
        raise StrataError(f"{name!r} is no source", "name it <system>.<table>, in lower case")
    system, table = name.split(".")
    types: dict[str, str] = {}
    for column, found in observed.columns.items():
        top, _, below = column.partition(".")
        types[top] = "varchar" if below else found.type
    columns = [
        {
            "name": column,
            "description": _WHAT,
            "data_type": Column(column, kind, None, "").glue_type("parquet"),
            "config": {"meta": {"type": kind}},
        }
        for column, kind in types.items()
    ]
    times = [column for column, kind in types.items() if kind in ("timestamp", "date")]
    meta = {
        "ingest": "batch", "key": [next(iter(types))], "event_time": [*times, *types][0],
        "drift": "warn", "start": start.isoformat(), "owner": "nobody yet",
    }  # fmt: skip
    declared = {
        "name": table,
        "description": _WHAT,
        "external": {"location": f"{system}/{table}/", "file_format": "parquet"},
        "config": {"loaded_at_field": "_arrived_at", "meta": meta},
        "columns": columns,
    }
    source = {
        "name": system, "description": _WHAT, "database": "awsdatacatalog",
        "schema": f"bronze_{system}", "tables": [declared],
    }  # fmt: skip
    document: str = yaml.safe_dump({"version": 2, "sources": [source]}, sort_keys=False, width=100)
    return document
