"""A parsed statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp


@dataclass
class Statement:
    """A parsed statement: `kind` says what it is, the rest depends on it."""

    kind: str
    text: str
    type: str = "DDL"
    table: list[str] = field(default_factory=list)
    query: exp.Expression | None = None
    node: exp.Expression | None = None
    options: dict[str, Any] = field(default_factory=dict)
