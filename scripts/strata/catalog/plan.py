"""The difference between the declared sources and Glue, and its application.

Only tables that carry Strata's mark are ever changed or removed. A change that would make readers
fail (a column gone or of another type, another location or format) is breaking, as is a removal.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from strata.catalog.tables import MANAGED_BY, table_input
from strata.declarations import Source
from strata.environment import Environment
from strata.errors import StrataError

Json = dict[str, Any]

_WORKERS = 16


@dataclass(frozen=True)
class Change:
    """One table that differs: `kind` is create, change or remove; `details` says how."""

    kind: str
    database: str
    table: str
    details: tuple[str, ...] = ()
    is_breaking: bool = False
    table_input: Json | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Plan:
    """The databases to create, the tables to create, change or remove, and how many fit."""

    databases: tuple[str, ...]
    changes: tuple[Change, ...]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether Glue is as declared."""
        return not self.databases and not self.changes


def make_plan(sources: list[Source], environment: Environment, glue: Any) -> Plan:
    """Compare the sources with Glue.

    Raises StrataError when a declared table exists and Strata did not create it.
    """
    present_databases = {
        database["Name"]
        for page in glue.get_paginator("get_databases").paginate()
        for database in page["DatabaseList"]
    }
    declared = {(s.database, s.table): table_input(s, environment) for s in sources}
    databases = sorted({database for database, _ in declared})
    # A database whose last source was removed from the declarations still has its tables.
    scanned = sorted(name for name in present_databases if _is_bronze(name))
    with ThreadPoolExecutor(_WORKERS) as pool:
        found = dict(pool.map(lambda name: (name, list(_tables(glue, name))), scanned))
    present = {(d, table["Name"]): table for d, tables in found.items() for table in tables}
    changes = [
        change
        for (database, name), wanted in declared.items()
        if (change := _compare(database, name, present.get((database, name)), wanted))
    ]
    changes += [
        Change("remove", database, name, ("no longer declared",), is_breaking=True)
        for (database, name), table in present.items()
        if (database, name) not in declared and _is_managed(table)
    ]
    missing = tuple(name for name in databases if name not in present_databases)
    touched = sum(1 for change in changes if change.kind != "remove")
    return Plan(missing, tuple(changes), len(declared) - touched)


def apply_plan(plan: Plan, glue: Any, allow_breaking: bool) -> Iterator[Change]:
    """Apply a plan, yielding each change as it is done.

    Raises StrataError before anything is done when the plan has a breaking change that is not
    allowed. Killed half-way, the next plan holds what is left.
    """
    breaking = [change for change in plan.changes if change.is_breaking]
    if breaking and not allow_breaking:
        names = ", ".join(f"{c.database}.{c.table} ({'; '.join(c.details)})" for c in breaking)
        raise StrataError(
            f"breaking: {names}", "read `strata catalog plan`, then apply with --allow-breaking"
        )
    for name in plan.databases:
        glue.create_database(DatabaseInput={"Name": name, "Parameters": {"managed-by": MANAGED_BY}})
    with ThreadPoolExecutor(_WORKERS) as pool:
        yield from pool.map(lambda change: _apply(change, glue), plan.changes)


def _apply(change: Change, glue: Any) -> Change:
    if change.kind == "create":
        glue.create_table(DatabaseName=change.database, TableInput=change.table_input)
    elif change.kind == "change":
        glue.update_table(DatabaseName=change.database, TableInput=change.table_input)
    else:
        glue.delete_table(DatabaseName=change.database, Name=change.table)
    return change


def _is_bronze(database: str) -> bool:
    return database.startswith("bronze_")


def _tables(glue: Any, database: str) -> Iterator[Json]:
    try:
        for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
            yield from page["TableList"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityNotFoundException":
            raise


def _is_managed(table: Json) -> bool:
    return bool(table.get("Parameters", {}).get("managed-by") == MANAGED_BY)


def _compare(database: str, name: str, present: Json | None, wanted: Json) -> Change | None:
    if present is None:
        return Change("create", database, name, table_input=wanted)
    if not _is_managed(present):
        raise StrataError(
            f"Glue has a table {database}.{name} that Strata did not create",
            "rename the source's table, or remove the table yourself if nobody needs it",
        )
    details = list(_differences(_shape(present), _shape(wanted)))
    if not details:
        return None
    breaking = any(is_breaking for _, is_breaking in details)
    texts = tuple(text for text, _ in details)
    return Change("change", database, name, texts, breaking, wanted)


def _shape(table: Json) -> dict[str, Any]:
    """What a table means to its readers, one entry a thing that may differ."""
    storage = table["StorageDescriptor"]
    shape = {
        "location": storage["Location"],
        "format": storage["SerdeInfo"]["SerializationLibrary"],
        "partitions": [(key["Name"], key["Type"]) for key in table["PartitionKeys"]],
        "description": table.get("Description", ""),
        "owner": table.get("Owner", ""),
    }
    shape |= {f"column {c['Name']}": c["Type"] for c in storage["Columns"]}
    shape |= {f"comment of {c['Name']}": c.get("Comment", "") for c in storage["Columns"]}
    shape |= {f"parameter {k}": v for k, v in table.get("Parameters", {}).items()}
    return shape


def _differences(present: dict[str, Any], wanted: dict[str, Any]) -> Iterable[tuple[str, bool]]:
    for name in sorted(present.keys() | wanted.keys()):
        old, new = present.get(name), wanted.get(name)
        if old == new:
            continue
        if old is None:
            yield f"+ {name} {new}", False
        elif new is None:
            yield f"- {name}", name.startswith("column ")
        else:
            harmless = name.startswith(("comment ", "parameter ", "description", "owner"))
            yield f"~ {name}: {old} → {new}", not harmless
