"""Schema drift: what arrives beside what is declared, and the declaration as it would follow."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from strata.catalog import silver_drift
from strata.catalog.observed import SHARE, WIDER, Observed
from strata.catalog.yaml_nodes import get
from strata.declarations import Column, Source

_ALIKE = 0.6
UNDESCRIBED = "Arrived undeclared; say what it holds, and mask it if it is personal."


@dataclass(frozen=True)
class Change:
    """One difference. `kind` is new, missing, renamed, widened, narrowed or changed; `declared` and
    `observed` are types, and for a rename the two names."""

    kind: str
    column: str
    declared: str
    observed: str

    @property
    def breaks(self) -> bool:
        """Whether records would be lost to the declared column: a narrower type still fits."""
        return self.kind != "narrowed"


def changes(source: Source, observed: Observed) -> list[Change]:
    """The differences of a source, by column; nothing where nothing arrived."""
    if not observed.records:
        return []
    declared = {column.name: column for column in source.columns}
    arrived = {name: column for name, column in observed.columns.items() if column.types}
    new = {name: arrived[name].type for name in sorted(arrived.keys() - declared.keys())}
    missing = sorted(declared.keys() - {name.partition(".")[0] for name in arrived})
    found = _renamed(new, missing)
    found += [Change("new", name, "", kind) for name, kind in new.items()]
    found += [Change("missing", name, declared[name].type, "") for name in missing]
    for name in sorted(declared.keys() & arrived.keys()):
        if declared[name].mask is None and (
            change := _of_type(name, declared[name].type, arrived[name].type)
        ):
            found.append(change)
    for name, count in sorted(observed.wrong_types.items()):
        if name in declared and count >= SHARE * observed.records:
            kind = declared[name].type
            found.append(Change("changed", name, kind, f"not {kind} in {count:,} records"))
    return sorted(set(found), key=lambda change: (change.column, change.kind))


def _renamed(new: dict[str, str], missing: list[str]) -> list[Change]:
    """Pairs of a missing and a new column that look alike; taken out of both."""
    found = []
    for name in list(missing):
        if alike := difflib.get_close_matches(name, list(new), 1, _ALIKE):
            found.append(Change("renamed", name, name, alike[0]))
            missing.remove(name)
            del new[alike[0]]
    return found


def _of_type(name: str, declared: str, observed: str) -> Change | None:
    kind = declared.partition("(")[0]
    if observed == kind or kind == "varchar":
        return None
    if kind == "decimal":
        fits = observed in ("integer", "bigint", "double")
        return None if fits else Change("changed", name, declared, observed)
    if observed in WIDER.get(kind, ()):
        return Change("widened", name, declared, observed)
    if kind in WIDER.get(observed, ()):
        return Change("narrowed", name, declared, observed)
    return Change("changed", name, declared, observed)


def evolved(source: Source, found: list[Change], text: str) -> str:
    """The text of the declaration's file with the new columns and the wider types in it.

    The rest keeps its form. Columns that are missing, renamed, nested or of another type are left to
    a person.
    """
    columns = _columns(yaml.compose(text), source)
    edits: list[tuple[int, int, str]] = []
    end = text.index("\n", _last(columns).end_mark.index)
    for change in found:
        if change.kind == "new" and "." not in change.column:
            edits.append((end, end, _block(change, source, columns.value[0].start_mark.column - 2)))
        elif change.kind == "widened":
            (column,) = (c for c in columns.value if get(c, "name").value == change.column)
            glue = _glue_type(change.observed, source)
            for node, kind in (
                (get(column, "data_type"), glue),
                (get(get(get(column, "config"), "meta"), "type"), change.observed),
            ):
                edits.append((node.start_mark.index, node.end_mark.index, kind))
    for start, stop, kind in sorted(edits, key=lambda edit: edit[0])[::-1]:
        text = text[:start] + kind + text[stop:]
    return text


def patched(source: Source, found: list[Change], project: Path) -> dict[Path, tuple[str, str]]:
    """The files that follow the changes, before and after: the declaration, and the `base_` model with
    its YAML, which pick new columns up.

    A `base_` model that is not there, or not of the scaffold's form, is left to a person.
    """
    new = [
        Column(change.column, change.observed, None, UNDESCRIBED)
        for change in found
        if change.kind == "new" and "." not in change.column
    ]
    declaration = project / source.file
    model = silver_drift.base_model(source, project)
    texts = {declaration: evolved(source, found, declaration.read_text())}
    if new and model.exists():
        texts |= silver_drift.with_columns(model, new, is_text=source.file_format == "json")
    before = {path: path.read_text() for path in texts}
    return {path: (before[path], text) for path, text in texts.items() if text != before[path]}


def _columns(document: Any, source: Source) -> Any:
    system, table = source.name.split(".")
    for item in get(document, "sources").value:
        if get(item, "name").value == system:
            for node in get(item, "tables").value:
                if get(node, "name").value == table:
                    return get(node, "columns")
    raise KeyError(source.name)


def _last(node: Any) -> Any:
    """The last scalar of a node."""
    while not isinstance(node, yaml.ScalarNode):
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node


def _glue_type(kind: str, source: Source) -> str:
    return Column("", kind, None, "").glue_type(source.file_format)


def _block(change: Change, source: Source, indent: int) -> str:
    lines = (
        f"- name: {change.column}",
        f"  description: {UNDESCRIBED}",
        f"  data_type: {_glue_type(change.observed, source)}",
        f"  config: {{meta: {{type: {change.observed}}}}}",
    )
    return "".join(f"\n{' ' * indent}{line}" for line in lines)
