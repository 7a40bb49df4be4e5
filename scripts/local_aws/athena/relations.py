"""What a FROM reads: scans and derived tables, and how filters and columns reach the scans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .predicates import TRUE, Pred, both, either, rename
from .types import Type


@dataclass(frozen=True)
class Column:
    """A column of a relation: its Trino name, its name in the DuckDB SQL, its type."""

    name: str
    sql_name: str
    type: Type
    zone: str | None = None
    hidden: bool = False


@dataclass(eq=False)
class Relation:
    """Base of scans and derived tables: who uses it (with which filter) and which columns."""

    columns: list[Column]
    uses: list[Pred] = field(default_factory=list)
    required: set[str] = field(default_factory=set)

    def filter(self) -> Pred:
        """What is filtered from it by every one of its uses."""
        return either(self.uses)

    def finish(self) -> None:
        """Hand filters and required columns down to what this relation reads."""


@dataclass(eq=False)
class Scan(Relation):
    """One reading of a catalog table; `view` names it in the DuckDB SQL."""

    table: Any = None
    view: str = ""
    version: Any = None


@dataclass(eq=False)
class Source:
    """A relation in a FROM clause under an alias."""

    alias: str
    relation: Relation
    columns: list[Column]
    schema: tuple[str, ...] = ()
    local: list[Pred] = field(default_factory=list)
    #: Columns joined by USING that this source does not show in `*` or by their bare name.
    merged: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Select(Relation):
    """A SELECT: where each output comes from."""

    sources: list[Source] = field(default_factory=list)
    deps: dict[str, set[tuple[Relation, str]]] = field(default_factory=dict)
    base: set[tuple[Relation, str]] = field(default_factory=set)
    passes: dict[str, tuple[Source, str]] = field(default_factory=dict)
    distinct: bool = False

    def finish(self) -> None:
        outer = self.filter()
        for source in self.sources:
            names = {out: col for out, (src, col) in self.passes.items() if src is source}
            source.relation.uses.append(both([*source.local, rename(outer, names)]))
        wanted = set(self.deps) if self.distinct else self.required
        for name in wanted:
            for relation, column in self.deps.get(name, ()):
                relation.required.add(column)
        for relation, column in self.base:
            relation.required.add(column)


@dataclass(eq=False)
class Combined(Relation):
    """UNION, INTERSECT, EXCEPT."""

    branches: list[Relation] = field(default_factory=list)
    whole: bool = True

    def finish(self) -> None:
        outer = self.filter()
        names = [c.sql_name for c in self.columns]
        for branch in self.branches:
            own = [c.sql_name for c in branch.columns]
            branch.uses.append(rename(outer, dict(zip(names, own, strict=True))))
            for name, inner in zip(names, own, strict=True):
                if self.whole or name in self.required:
                    branch.required.add(inner)


def finish(relations: list[Relation], roots: list[Relation]) -> None:
    """Push filters and required columns from the outermost relations to the scans.

    `relations` are in order of completion: what is read comes before what reads it.
    """
    for root in roots:
        root.uses.append(TRUE)
        root.required.update(c.sql_name for c in root.columns)
    for relation in reversed(relations):
        relation.finish()
