"""Arithmetic of whole numbers and decimals with Trino's scales and overflow.

https://trino.io/docs/current/functions/decimal.html
"""

from __future__ import annotations

from .. import functions
from ..expression import Expr, bind, fail_text
from ..types import BIGINT, Type, to_duckdb


def decimal_operation(op: str, a: Expr, b: Expr, kind: Type) -> str:
    """`+ - *` of decimals, which overflow at 38 digits."""
    scale = kind.args[1]
    left, right = _unscaled(a, scale if op != "*" else None), _unscaled(
        b, scale if op != "*" else None)  # fmt: skip
    precision = max(a.type.args[0] if a.type.args else 19, b.type.args[0] if b.type.args else 19)
    if kind.args[0] < 38 or precision + scale < 38:
        return f"CAST({a.sql} {op} {b.sql} AS {to_duckdb(kind)})"
    return _scaled(f"({left} {op} {right})", kind)


def _unscaled(value: Expr, scale: int | None = None) -> str:
    """The unscaled whole number of a decimal or integer as HUGEINT, for a scale (its own)."""
    own = value.type.args[1] if value.type.name == "decimal" else 0
    sql = f"CAST({value.sql} AS HUGEINT)"
    if own:
        digits = f"CAST(CAST({value.sql} AS DECIMAL(38,{own})) AS VARCHAR)"
        sql = f"CAST(replace({digits}, '.', '') AS HUGEINT)"
    grown = 10 ** ((scale if scale is not None else own) - own)
    return sql if grown == 1 else f"({sql} * {grown}::HUGEINT)"


def _scaled(whole: str, kind: Type) -> str:
    """A decimal from its unscaled whole number; fails beyond 38 digits."""
    scale = kind.args[1]
    bad = fail_text("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow", "HUGEINT")
    limit = f"{10**38 - 1}::HUGEINT"
    checked = bind(
        whole, lambda w: f"CASE WHEN abs({w}) > {limit} THEN {bad} ELSE {w} END", "strata_u"
    )
    if scale == 0:
        return f"CAST({checked} AS {to_duckdb(kind)})"
    return bind(checked, lambda made: _point(made, kind), "strata_w")


def _point(whole: str, kind: Type) -> str:
    scale = kind.args[1]
    digits = f"CAST(abs({whole}) AS VARCHAR)"
    padded = f"lpad({digits}, greatest({scale + 1}, length({digits}))::INTEGER, '0')"
    text = f"left({padded}, -{scale}) || '.' || right({padded}, {scale})"
    return f"CAST((CASE WHEN {whole} < 0 THEN '-' ELSE '' END) || {text} AS {to_duckdb(kind)})"


def divide(a: Expr, b: Expr, kind: Type) -> str:
    """`a / b` with Trino's meaning: whole numbers truncate, decimals round half up."""
    if kind.is_integer:
        return f"CAST({a.sql} // {functions.nonzero(b)} AS {to_duckdb(kind)})"
    if kind.name != "decimal":
        return f"(CAST({a.sql} AS {to_duckdb(kind)}) / CAST({b.sql} AS {to_duckdb(kind)}))"
    scale = kind.args[1]
    scale_a = a.type.args[1] if a.type.name == "decimal" else 0
    scale_b = b.type.args[1] if b.type.name == "decimal" else 0
    number = f"({_unscaled(a)} * {10 ** (scale - scale_a + scale_b)}::HUGEINT)"
    pair = f"{{'n': {number}, 'd': {functions.nonzero(Expr(_unscaled(b), BIGINT))}}}"
    whole = bind(pair, lambda p: f"strata_divide_round({p}.n, {p}.d)", "strata_q")
    return _scaled(whole, kind)
