"""Which columns hold personal data, and how masked: from the sources' masks, along the lineage.

A source column with a `mask` is personal data. So is a column of the same name in every model
behind it; a model that renames it says `config.meta.personal_data` once, and the models behind take
it from there. `personal_data: none` says that a name is only the same by chance.
"""

from typing import Any

from strata.dbt import declared_in
from strata.declarations import MASKS
from strata.errors import StrataError

Json = dict[str, Any]

NONE = "none"
#: What a column may be: no personal data, or how it is masked.
CLASSES = (NONE, *MASKS)


def classify(manifest: Json) -> dict[str, dict[str, str]]:
    """The class of each column of each source, seed, snapshot and model, by dbt's unique id.

    Raises StrataError that names the file of a class that is unknown.
    """
    nodes = {**manifest["sources"], **manifest["nodes"]}
    found: dict[str, dict[str, str]] = {}

    def of(unique_id: str) -> dict[str, str]:
        if unique_id not in found:
            node = nodes[unique_id]
            parents = [p for p in manifest["parent_map"].get(unique_id, []) if p in nodes]
            found[unique_id] = _of_node(node, [of(parent) for parent in parents])
        return found[unique_id]

    kinds = ("source", "model", "seed", "snapshot")
    return {u: of(u) for u in sorted(nodes) if nodes[u]["resource_type"] in kinds}


def _of_node(node: Json, parents: list[dict[str, str]]) -> dict[str, str]:
    inherited: dict[str, str] = {}
    for parent in parents:
        for name, kind in parent.items():
            if kind != NONE:
                inherited[name] = _stricter(kind, inherited.get(name, NONE))
    return {
        name: _declared(column, node) or inherited.get(name, NONE)
        for name, column in node["columns"].items()
    }


def _declared(column: Json, node: Json) -> str | None:
    meta = (column.get("config") or {}).get("meta") or column.get("meta") or {}
    kind = meta.get("mask") or meta.get("personal_data")
    if kind is not None and kind not in CLASSES:
        raise StrataError(
            f"{declared_in(node)}: column {column['name']} has the unknown class {kind!r}",
            f"use one of {', '.join(CLASSES)} in config.meta.personal_data",
        )
    return kind


def _stricter(one: str, other: str) -> str:
    """Of two classes that meet in a column, the one that tells more of a person."""
    order = (NONE, "redact", "last4", "hash")
    return max(one, other, key=order.index)
