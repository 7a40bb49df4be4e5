"""A translated expression: DuckDB SQL with its Trino type."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .failure import QueryFailed
from .types import Type, literal

#: What `constant` holds for an expression that is no constant (None is SQL's NULL).
NOT_CONSTANT = object()

#: `zone` of a timestamp with time zone whose zone was lost on the way through a column.
LOST = "lost"


@dataclass(frozen=True)
class Expr:
    """`sql` in DuckDB, its Trino `type`, and what is known of its value.

    DuckDB keeps an instant only. `zone` is the SQL of the value's own zone where that is not UTC,
    or LOST.
    """

    sql: str
    type: Type
    constant: Any = NOT_CONSTANT
    zone: str | None = None
    column: tuple[Any, str] | None = None

    def local(self) -> str:
        """SQL of the wall clock of a timestamp with or without zone."""
        if self.type.name != "timestamptz":
            return self.sql
        if self.zone == LOST:
            raise QueryFailed(
                "NOT_SUPPORTED",
                "The zone of a timestamp that came through a column is not known to the local "
                "Athena: apply at_timezone(<value>, 'UTC') first",
            )
        from . import zones

        return zones.wall(self.sql, self.zone) if self.zone else f"timezone('UTC', {self.sql})"


def bind(sql: str, build: Callable[[str], str], name: str = "strata_x") -> str:
    """SQL in which `build` may use a value several times though it is computed once.

    DuckDB takes what occurs twice out of an expression, and so out of the TRY around it.
    """
    if re.fullmatch(r"[\w.\"]+|'[^']*'", sql):
        return build(sql)
    return f"list_transform([{sql}], lambda {name}: {build(name)})[1]"


def fail(code: str, message_sql: str, kind: str) -> str:
    """SQL of type `kind` that fails with a Trino error when it is evaluated (and that TRY catches).

    DuckDB's error() is volatile and refused inside TRY; an impossible cast is not. Every cast of
    the message fails except to text, where a number stands in between.
    """
    message = f"'!{code}: ' || {message_sql}"
    if kind not in ("VARCHAR", "BLOB"):
        return f"CAST({message} AS {kind})"
    text = f"CAST(CAST({message} AS INTEGER) AS VARCHAR)"
    return text if kind == "VARCHAR" else f"CAST({text} AS BLOB)"


def fail_text(code: str, message: str, kind: str) -> str:
    """As `fail`, for a constant message."""
    return fail(code, literal(message), kind)
