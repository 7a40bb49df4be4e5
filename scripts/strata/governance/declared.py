"""What Lake Formation is to hold, as the project declares it: tables with their tags, and readers.

dbt's own `grants` say who selects from a published model: `grants: {select: [analyst]}`. The roles
are `vars.readers` of dbt_project.yml, each with the classes of personal data that it may see.
`config.meta.row_filters` of a model leaves a role some rows:
`{agency_desk: "channel = 'agency'"}`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from strata.dbt import declared_in
from strata.environment import PROJECT, schema
from strata.errors import StrataError
from strata.governance.classification import CLASSES, classify
from strata.operate import policy

Json = dict[str, Any]

SERVING = "serving"
#: Layers that Lake Formation governs; Bronze belongs to machines, whom IAM governs.
GOVERNED = ("silver", "gold", "seeds", "snapshots", SERVING)
LAYERS = ("bronze", *GOVERNED)
_ROLE = re.compile(r"[a-z][a-z0-9_]{1,30}")


@dataclass(frozen=True)
class Reader:
    """A role that reads what is published, and the classes of personal data that it may see."""

    name: str
    personal_data: tuple[str, ...]

    @property
    def role(self) -> str:
        """The name of its IAM role and workgroup, behind their prefixes."""
        return self.name.replace("_", "-")


@dataclass(frozen=True)
class Table:
    """A table of the catalog as it is declared.

    `columns` gives each column's class; `readers` the condition on rows of each role that may select,
    empty for all rows.
    """

    database: str
    name: str
    layer: str
    domain: str
    columns: dict[str, str] = field(hash=False)
    readers: dict[str, str] = field(hash=False, default_factory=dict)


def readers(project: Path = PROJECT) -> list[Reader]:
    """The declared roles by name. Raises StrataError for one that is not well-formed."""
    file = project / "dbt_project.yml"
    given = (yaml.safe_load(file.read_text()).get("vars") or {}).get("readers") or {}
    return [_reader(name, body or {}, file.name) for name, body in sorted(given.items())]


def find(name: str) -> Reader:
    """The reader `name`; raises StrataError with the names there are."""
    known = readers()
    for reader in known:
        if reader.name == name:
            return reader
    names = ", ".join(reader.name for reader in known) or "none"
    raise StrataError(
        f"no reader is named {name!r}", f"declared in vars.readers of dbt_project.yml: {names}"
    )


def _reader(name: str, body: Json, file: str) -> Reader:
    classes = tuple(body.get("personal_data") or (CLASSES[0],))
    if not _ROLE.fullmatch(name) or set(body) - {"personal_data"} or set(classes) - set(CLASSES):
        raise StrataError(
            f"{file}: vars.readers.{name} is {body!r}",
            f"write {{personal_data: [{', '.join(CLASSES)}]}}, and names of a-z, 0-9 and _",
        )
    return Reader(name, classes)


def tables(manifest: Json, known: list[Reader]) -> list[Table]:
    """All declared tables, those of serving among them, by database and name."""
    classes = classify(manifest)
    found = [_source(node, classes) for node in manifest["sources"].values()]
    for node in manifest["nodes"].values():
        if node["resource_type"] not in ("model", "seed", "snapshot"):
            continue
        if node["config"]["materialized"] == "ephemeral":
            continue
        layer = node["config"].get("schema")
        if layer not in GOVERNED:
            continue
        own = classes[node["unique_id"]]
        found.append(Table(schema(layer), node["alias"], layer, _domain(node), own))
        if layer == "gold" and policy.is_iceberg_table(node):
            granted = _granted(node, known)
            found.append(
                Table(schema(SERVING), node["alias"], SERVING, _domain(node), own, granted)
            )
    return sorted(found, key=lambda table: (table.database, table.name))


def _source(node: Json, classes: dict[str, dict[str, str]]) -> Table:
    own = classes[node["unique_id"]]
    return Table(node["schema"], node["name"], "bronze", node["source_name"], own)


def _domain(node: Json) -> str:
    """The folder below the layer's: the source system in Silver, the business domain in Gold."""
    return str(node["fqn"][2] if len(node["fqn"]) > 3 else node["config"]["schema"])


def _granted(node: Json, known: list[Reader]) -> dict[str, str]:
    where = f"{declared_in(node)}: {node['name']}"
    names = {reader.name for reader in known}
    select = (node["config"].get("grants") or {}).get("select") or []
    roles = [select] if isinstance(select, str) else list(select)
    filters = (node["config"].get("meta") or {}).get("row_filters") or {}
    for what, listed in (("grants.select", roles), ("meta.row_filters", filters)):
        if unknown := sorted(set(listed) - names):
            raise StrataError(
                f"{where}: {what} names {unknown}",
                f"declare the role in vars.readers of dbt_project.yml: {sorted(names)}",
            )
    if beside := sorted(set(filters) - set(roles)):
        raise StrataError(
            f"{where}: meta.row_filters of {beside} without a grant", "add them to grants.select"
        )
    return {role: str(filters.get(role, "")) for role in roles}
