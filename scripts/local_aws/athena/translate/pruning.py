"""The part of a filter that is static: what prunes partitions and files before anything is read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlglot import exp

from ..expression import NOT_CONSTANT, Expr
from ..predicates import TRUE, Pred, both, compare, either, flip
from ..relations import Source
from ..types import BOOLEAN, DATE, Type
from .core import Core
from .scope import MARK, Scope

#: Functions whose value is another one at each call: nothing is known of it beforehand.
_VOLATILE = {"rand", "random", "uuid", "shuffle"}

COMPARISONS: dict[type, str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip


class Pruning(Core):
    """Finds what of a filter is static."""

    def push(self, node: exp.Expression, scope: Scope, targets: list[Source]) -> None:
        """Give each source among `targets` the part of a condition that is static on it alone."""
        for source in targets:
            pred = self._static(node, scope, source)
            if pred != TRUE:
                source.local.append(pred)

    def _static(self, node: exp.Expression, scope: Scope, source: Source) -> Pred:
        if isinstance(node, exp.Paren):
            return self._static(node.this, scope, source)
        if isinstance(node, exp.And):
            return both([self._static(n, scope, source) for n in (node.left, node.right)])
        if isinstance(node, exp.Or):
            return either([self._static(n, scope, source) for n in (node.left, node.right)])
        if isinstance(node, exp.Between) and not node.args.get("symmetric"):
            low = self._comparison(">=", node.this, node.args["low"], scope, source)
            return both([low, self._comparison("<=", node.this, node.args["high"], scope, source)])
        if isinstance(node, exp.In) and node.expressions:
            return either(
                [self._comparison("=", node.this, e, scope, source) for e in node.expressions]
            )
        for kind, op in COMPARISONS.items():
            if isinstance(node, exp.Binary) and type(node) is kind:
                left, right = node.args["this"], node.args["expression"]
                return self._comparison(op, left, right, scope, source)
        return TRUE

    def _comparison(
        self, op: str, a: exp.Expression, b: exp.Expression, scope: Scope, source: Source
    ) -> Pred:
        if a.find(exp.Query) or b.find(exp.Query):
            return TRUE
        saved = scope.deps
        scope.deps = set()
        try:
            left, right = self.expr(a, scope), self.expr(b, scope)
        finally:
            scope.deps = saved
        if left.column is None:
            left, right, a, b, op = right, left, b, a, flip(op)
        if left.column is None or left.column[0] is not source:
            return TRUE
        value = self._folded(right, b)
        if value is NOT_CONSTANT or value is None or not _comparable(left.type, value):
            return TRUE
        return compare(op, left.column[1], value)

    def _folded(self, value: Expr, node: exp.Expression) -> Any:
        """The value of an expression that reads no column, as Trino's planner folds it."""
        if value.constant is not NOT_CONSTANT or node.find(exp.Column):
            return value.constant
        calls = {call.name.removeprefix(MARK) for call in node.find_all(exp.Anonymous)}
        return NOT_CONSTANT if calls & _VOLATILE else self._fold(value.sql)


def _comparable(kind: Type, value: Any) -> bool:
    """Whether a Python constant compares with values of a type as Trino does."""
    if isinstance(value, bool):
        return kind == BOOLEAN
    if isinstance(value, int):
        return kind.is_integer
    if isinstance(value, float):
        return kind.name == "double"
    if isinstance(value, str):
        return kind.name == "varchar"
    if isinstance(value, datetime):
        return kind.name == "timestamp"
    return isinstance(value, date) and kind == DATE
