"""Comparisons with Trino's meaning, where it is not DuckDB's.

NaN equals nothing; char is compared without its trailing blanks; a NULL inside of an array or a row
makes the answer unknown; json and map have no order.
"""

from __future__ import annotations

from . import casts
from .expression import Expr
from .failure import not_supported
from .types import UNKNOWN, Type, common


def comparable(op: str, a: Type, b: Type) -> bool:
    """Whether Trino has the operator for these types."""
    if "timetz" in (a.name, b.name):
        raise not_supported("a comparison of times with time zone")
    kind = common(a, b)
    if kind is None:
        return False
    return op in ("=", "<>", "IS DISTINCT FROM", "IN") or orderable(kind)


def orderable(kind: Type) -> bool:
    """Whether values of a type have an order."""
    return kind.name not in ("map", "json") and all(orderable(i) for i in kind.items)


def compare(op: str, a: Expr, b: Expr) -> str:
    """SQL of `a op b`."""
    kind = common(a.type, b.type) or UNKNOWN
    left, right = _sql(a, kind), _sql(b, kind)
    if kind.name in ("double", "real"):
        return _floating(op, a, b, left, right)
    if kind.items:
        return _nested(op, left, right, kind, 0)
    return f"({left} {op} {right})"


def equal(a: Expr, b: Expr) -> str:
    """SQL of `a = b`."""
    return compare("=", a, b)


def _sql(value: Expr, kind: Type) -> str:
    """The side of a comparison. DuckDB compares text with text and numbers with numbers itself."""
    if value.type == UNKNOWN or value.type.name == kind.name and kind.is_text:
        return value.sql
    return casts.cast(value, kind).sql


def _floating(op: str, a: Expr, b: Expr, left: str, right: str) -> str:
    sides = [s for e, s in ((a, left), (b, right)) if e.type.name in ("double", "real")]
    sides = [s for e, s in zip((a, b), sides, strict=False) if not isinstance(e.constant, float)]
    if not sides:
        return f"({left} {op} {right})"
    if op == "<>":
        return f"({left} <> {right} OR {' OR '.join(f'isnan({s})' for s in sides)})"
    return f"({left} {op} {right} AND {' AND '.join(f'NOT isnan({s})' for s in sides)})"


def _nested(op: str, left: str, right: str, kind: Type, depth: int) -> str:
    """An array, a row or a map: item by item, so that a NULL inside makes the answer unknown."""
    if op not in ("=", "<>"):
        return f"({left} {op} {right})"
    if kind.name == "map":
        return f"strata_map_equal({left}, {right}) = {'true' if op == '=' else 'false'}"
    if kind.name == "row":
        pairs = [
            _compared("=", f"struct_extract_at({left}, {i})", f"struct_extract_at({right}, {i})",
                      item, depth)
            for i, item in enumerate(kind.items, 1)
        ]  # fmt: skip
        sql = " AND ".join(pairs)
    else:
        pair = f"strata_p{depth}"
        test = _compared("=", f"{pair}[1]", f"{pair}[2]", kind.items[0], depth + 1)
        tests = f"list_transform(list_zip({left}, {right}), lambda {pair}: {test})"
        sql = f"strata_all_equal({tests}, {left}, {right})"
    return f"({sql})" if op == "=" else f"(NOT ({sql}))"


def _compared(op: str, left: str, right: str, kind: Type, depth: int) -> str:
    if kind.items:
        return _nested(op, left, right, kind, depth)
    return compare(op, Expr(left, kind), Expr(right, kind))
