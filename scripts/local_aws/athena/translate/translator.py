"""The translation of one statement: which method translates which kind of expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from ..expression import Expr
from .expressions import OPERATORS
from .pruning import COMPARISONS
from .queries import Queries
from .scope import Scope


class Translator(Queries):
    """Translates the queries of one statement."""

    def expr(self, node: exp.Expression, scope: Scope) -> Expr:
        """DuckDB SQL and Trino type of an expression."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            if isinstance(node, exp.Query):
                return self._scalar_subquery(node, scope)
            if isinstance(node, exp.Func):
                name = node.sql_name().lower().replace("j_s_o_n", "json")
                raise self.error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", node)
            raise self.refuse(f"the expression {type(node).__name__}", node)
        return handler(self, node, scope)


_HANDLERS: dict[type, Callable[[Translator, Any, Scope], Expr]] = {
    exp.Column: Translator.column,
    exp.Identifier: lambda t, n, s: t.name([n.name.lower()], n, s),
    exp.Literal: Translator.literal,
    exp.Null: Translator.null,
    exp.Boolean: Translator.truth,
    exp.Paren: Translator.paren,
    exp.Neg: Translator.negative,
    exp.Not: Translator.not_,
    exp.And: Translator.logical,
    exp.Or: Translator.logical,
    exp.NullSafeEQ: Translator.distinct_from,
    exp.NullSafeNEQ: Translator.distinct_from,
    exp.Is: Translator.is_,
    exp.Between: Translator.between,
    exp.In: Translator.in_,
    exp.Exists: Translator.exists,
    exp.Like: Translator.like,
    exp.Escape: Translator.like,
    exp.Case: Translator.case,
    exp.Cast: Translator.cast_,
    exp.TryCast: Translator.cast_,
    exp.Extract: Translator.extract,
    exp.AtTimeZone: Translator.at_zone,
    exp.Interval: Translator.interval,
    exp.Array: Translator.array_,
    exp.Struct: Translator.row_,
    exp.Tuple: Translator.row_,
    exp.Map: Translator.map_,
    exp.VarMap: Translator.map_,
    exp.Bracket: Translator.bracket,
    exp.Dot: Translator.dot,
    exp.CurrentDate: Translator.now_,
    exp.CurrentTimestamp: Translator.now_,
    exp.Localtimestamp: Translator.now_,
    exp.Localtime: Translator.now_,
    exp.HexString: Translator.hex_string,
    exp.ParseJSON: Translator.json_literal,
    exp.Trim: Translator.trim,
    exp.Substring: Translator.substring,
    exp.StrPosition: Translator.position_,
    exp.Date: Translator.date_,
    exp.UnicodeString: Translator.unicode_string,
    exp.Normalize: Translator.normalize,
    exp.CurrentTimezone: Translator.timezone_name,
    exp.JSONExtract: Translator.stray_lambda,
    exp.Anonymous: Translator.function,
    exp.Filter: Translator.aggregate,
    exp.WithinGroup: Translator.aggregate,
    exp.Window: Translator.window,
    **{kind: Translator.comparison for kind in COMPARISONS},
    **{kind: Translator.binary for kind in OPERATORS},
}
