"""A translated expression: DuckDB SQL with its Trino type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .failure import QueryFailed
from .types import Type, literal

#: What `constant` holds for an expression that is no constant (None is SQL's NULL).
NOT_CONSTANT = object()

#: `wall` of a timestamp with time zone whose zone was lost on the way through a column.
LOST = "lost"


@dataclass(frozen=True)
class Expr:
    """`sql` in DuckDB, its Trino `type`, and what is known of its value.

    DuckDB keeps an instant only. `wall` is the SQL of the wall clock in the value's own zone where
    that is not UTC, or LOST.
    """

    sql: str
    type: Type
    constant: Any = NOT_CONSTANT
    wall: str | None = None
    column: tuple[Any, str] | None = None

    def local(self) -> str:
        """SQL of the wall clock of a timestamp with or without zone."""
        if self.type.name != "timestamptz":
            return self.sql
        if self.wall == LOST:
            raise QueryFailed(
                "NOT_SUPPORTED",
                "The wall clock of a timestamp with time zone that came through a column is not "
                "known to the local Athena: apply at_timezone(<value>, 'UTC') first",
            )
        return self.wall or f"timezone('UTC', {self.sql})"


def fail(code: str, message_sql: str, kind: str) -> str:
    """SQL of type `kind` that fails with a Trino error when it is evaluated (and that TRY catches).

    DuckDB's error() is volatile and refused inside TRY; an impossible cast is not. Every cast of
    the message fails except to text, where a number stands in between.
    """
    failing = f"CAST('!{code}: ' || {message_sql} AS {{}})"
    if kind in ("VARCHAR", "BLOB"):
        return f"CASE WHEN {failing.format('INTEGER')} = 0 THEN CAST(NULL AS {kind}) END"
    return failing.format(kind)


def fail_text(code: str, message: str, kind: str) -> str:
    """As `fail`, for a constant message."""
    return fail(code, literal(message), kind)
