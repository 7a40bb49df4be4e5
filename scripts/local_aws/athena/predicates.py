"""Static predicates on columns: what prunes partitions and files before anything is read.

A predicate is a tree of tuples: `("and", (...))`, `("or", (...))`, `(op, column, value)` with op
one of = <> < <= > >=, and TRUE where nothing is known. It may keep too much, never too little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Pred = tuple[Any, ...]
TRUE: Pred = ("true",)

_FLIP = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def compare(op: str, column: str, value: Any) -> Pred:
    return (op, column, value)


def flip(op: str) -> str:
    """The operator for swapped sides."""
    return _FLIP[op]


def both(parts: Iterable[Pred]) -> Pred:
    """The conjunction."""
    kept = [p for p in parts if p != TRUE]
    if not kept:
        return TRUE
    return kept[0] if len(kept) == 1 else ("and", tuple(kept))


def either(parts: Iterable[Pred]) -> Pred:
    """The disjunction."""
    kept = list(parts)
    if not kept or TRUE in kept:
        return TRUE
    return kept[0] if len(kept) == 1 else ("or", tuple(kept))


def rename(pred: Pred, names: Mapping[str, str]) -> Pred:
    """The predicate on other names; what has no other name becomes TRUE."""
    if pred == TRUE:
        return TRUE
    if pred[0] == "and":
        return both(rename(p, names) for p in pred[1])
    if pred[0] == "or":
        return either(rename(p, names) for p in pred[1])
    op, column, value = pred
    return (op, names[column], value) if column in names else TRUE


def columns(pred: Pred) -> set[str]:
    """The columns that a predicate reads."""
    if pred == TRUE:
        return set()
    if pred[0] in ("and", "or"):
        return set().union(*(columns(p) for p in pred[1]))
    return {pred[1]}


def may_match(pred: Pred, values: Mapping[str, Any]) -> bool:
    """Whether a row with these values may satisfy the predicate; other columns are unknown."""
    if pred == TRUE:
        return True
    if pred[0] == "and":
        return all(may_match(p, values) for p in pred[1])
    if pred[0] == "or":
        return any(may_match(p, values) for p in pred[1])
    op, column, value = pred
    if column not in values:
        return True
    known = values[column]
    if known is None:
        return False
    try:
        return _COMPARE[op](known, value)
    except TypeError:
        return True
