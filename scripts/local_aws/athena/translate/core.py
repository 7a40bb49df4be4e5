"""What every room of the translation has: positions of errors, fresh names, and the rooms above."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import datetime

from sqlglot import exp

from ..expression import Expr
from ..failure import QueryFailed
from ..relations import Column, Relation, Scan, Source
from .scope import Fold, Names, Scope


class Core(ABC):
    """The state of one statement's translation; `relations` are in order of completion.

    `fold` gives the value of DuckDB SQL that reads no column, or NOT_CONSTANT where it fails.
    """

    def __init__(self, text: str, names: Names, now: datetime, fold: Fold) -> None:
        self.text = text
        self.names = names
        self.now = now
        self._fold = fold
        self.relations: list[Relation] = []
        self.scans: list[Scan] = []
        self._counter = 0
        self._views: list[str] = []
        self._printed: exp.Expression | None = None
        self._texts: set[str] = set()

    def fresh(self, prefix: str) -> str:
        self._counter += 1
        clean = re.sub(r"\W", "_", prefix)
        return f"{clean}__{self._counter}"

    def position(self, node: exp.Expression) -> str:
        """`line 1:8: ` of a node, or nothing when it is not known (inside a view)."""
        if self._views:
            return ""
        first = node.parts[0] if isinstance(node, exp.Table | exp.Column) else node
        for item in first.walk():
            meta = item._meta or {}
            if "start" in meta:
                before = self.text[: meta["start"]]
                return f"line {before.count(chr(10)) + 1}:{meta['start'] - before.rfind(chr(10))}: "
        return ""

    def error(self, code: str, message: str, node: exp.Expression) -> QueryFailed:
        return QueryFailed(code, self.position(node) + message)

    def refuse(self, what: str, node: exp.Expression) -> QueryFailed:
        return QueryFailed(
            "NOT_SUPPORTED", f"{self.position(node)}{what} is not supported by the local Athena"
        )

    # --- what the rooms above do

    @abstractmethod
    def expr(self, node: exp.Expression, scope: Scope) -> Expr:
        """DuckDB SQL and Trino type of an expression."""

    @abstractmethod
    def _call(self, name: str, args: list[Expr], node: exp.Expression) -> Expr:
        """A call of a scalar function whose arguments are translated."""

    @abstractmethod
    def _column(self, source: Source, column: Column) -> Expr:
        """A column of a source, as an expression."""

    @abstractmethod
    def _merged(self, name: str, scope: Scope) -> Expr:
        """A column that USING has merged."""

    @abstractmethod
    def query(self, node: exp.Expression, parent: Scope | None = None) -> tuple[str, Relation]:
        """DuckDB SQL of a query, and its relation."""

    @abstractmethod
    def _order(self, items: list[exp.Expression], scope: Scope, by_output: bool = False) -> str:
        """ORDER BY of a query, an aggregate or a window."""

    @abstractmethod
    def _renamed(self, relation: Relation, names: list[str], node: exp.Expression) -> Relation:
        """A relation whose columns have other names."""

    @abstractmethod
    def values(self, node: exp.Values, scope: Scope) -> tuple[str, Relation]:
        """DuckDB SQL of VALUES, and its relation."""
