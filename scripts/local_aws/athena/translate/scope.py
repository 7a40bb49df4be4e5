"""Names visible in a SELECT, and what the rooms of the translation share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlglot import exp

from .. import aggregates
from ..expression import Expr
from ..relations import Relation, Scan, Source
from ..types import Type

#: Marks function names that the parser left alone (query_parser.py).
MARK = "fn$"


@dataclass
class Scope:
    """Names visible in one SELECT."""

    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    ctes: dict[str, tuple[str, Relation]] = field(default_factory=dict)
    outputs: dict[str, Expr] = field(default_factory=dict)
    ordinals: list[str] = field(default_factory=list)
    lambdas: dict[str, Expr] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)
    deps: set[tuple[Source, str]] = field(default_factory=set)
    subqueries: list[Relation] = field(default_factory=list)
    has_aggregate: bool = False
    in_window: bool = False
    window_keys: list[set[tuple[int, str]]] = field(default_factory=list)

    def cte(self, name: str) -> tuple[str, Relation] | None:
        scope: Scope | None = self
        while scope:
            if name in scope.ctes:
                return scope.ctes[name]
            scope = scope.parent
        return None


Fold = Callable[[str], Any]


class Names(Protocol):
    """Resolves table names; `database` is where a bare name is looked for."""

    database: str

    def resolve(
        self, parts: list[str], version: exp.Expression | None, position: str
    ) -> Scan | View: ...


@dataclass
class View:
    """A view: its query, parsed, and the database that its names are resolved in."""

    query: exp.Expression
    columns: list[tuple[str, Type]]
    name: str
    database: str


def holds_aggregate(node: exp.Expression, windows: bool = False) -> bool:
    """Whether a node holds an aggregate (or a window function), not counting subqueries."""
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Window):
        return windows
    called = str(node.this).lower().removeprefix(MARK) if isinstance(node, exp.Anonymous) else ""
    return called in aggregates.AGGREGATES or any(
        holds_aggregate(child, windows) for child in node.iter_expressions()
    )


def unique_names(names: list[str]) -> list[str]:
    """Names made unique by a suffix."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}__dup{seen[name]}")
    return out
