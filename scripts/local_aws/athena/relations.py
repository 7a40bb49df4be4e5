"""What a FROM reads: scans and derived tables, and how filters and columns reach the scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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


@dataclass(frozen=True)
class Use:
    """What one reference to a relation reads of it."""

    filter: Pred
    columns: frozenset[str]


@dataclass(eq=False)
class Relation:
    """Base of scans and derived tables. `uses` counts how often it is read in which way: a CTE is
    read anew by each reference, as Trino's planner puts its query there. `correlated` are the
    columns that subqueries need which stand beside it."""

    columns: list[Column]
    uses: Counter[Use] = field(default_factory=Counter)
    correlated: set[str] = field(default_factory=set)

    def use(self, filtered: Pred, columns: Iterable[str], times: int = 1) -> None:
        """Note that something reads the relation."""
        self.uses[Use(filtered, frozenset(columns))] += times

    def filter(self) -> Pred:
        """What is filtered from it by every one of its uses."""
        return either(use.filter for use in self.uses)

    @property
    def required(self) -> set[str]:
        """The columns that some use needs."""
        return self.correlated.union(*(use.columns for use in self.uses))

    def finish(self) -> None:
        """Hand filters and required columns down to what this relation reads."""


@dataclass(eq=False)
class Scan(Relation):
    """One reading of a catalog table; `view` names it in the DuckDB SQL."""

    table: Any = None
    view: str = ""


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
    subqueries: list[Relation] = field(default_factory=list)
    deps: dict[str, set[tuple[Source, str]]] = field(default_factory=dict)
    base: set[tuple[Source, str]] = field(default_factory=set)
    passes: dict[str, tuple[Source, str]] = field(default_factory=dict)
    distinct: bool = False

    def finish(self) -> None:
        for use, times in self.uses.items():
            wanted = set(self.deps) if self.distinct else use.columns | self.correlated
            read = self.base.union(*(self.deps.get(name, ()) for name in wanted))
            for source in self.sources:
                names = {out: col for out, (src, col) in self.passes.items() if src is source}
                filtered = both([*source.local, rename(use.filter, names)])
                source.relation.use(filtered, (c for s, c in read if s is source), times)
            for source, column in read:
                if source not in self.sources:
                    source.relation.correlated.add(column)
        for relation in self.subqueries:
            for use in relation.uses:
                relation.uses[use] *= self.uses.total()


@dataclass(eq=False)
class Combined(Relation):
    """UNION, INTERSECT, EXCEPT."""

    branches: list[Relation] = field(default_factory=list)
    whole: bool = True

    def finish(self) -> None:
        names = [c.sql_name for c in self.columns]
        for use, times in self.uses.items():
            for branch in self.branches:
                own = dict(zip(names, (c.sql_name for c in branch.columns), strict=True))
                wanted = names if self.whole else use.columns | self.correlated
                branch.use(rename(use.filter, own), (own[name] for name in wanted), times)


def finish(relations: list[Relation], roots: list[Relation]) -> None:
    """Push filters and required columns from the outermost relations to the scans.

    `relations` are in order of completion: what is read comes before what reads it.
    """
    for root in roots:
        root.use(TRUE, (c.sql_name for c in root.columns))
    for relation in reversed(relations):
        relation.finish()
