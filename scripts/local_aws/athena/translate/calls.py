"""Calls: scalar functions, aggregates and windows, as the allow-lists have them."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from .. import aggregates, functions
from ..expression import Expr
from ..failure import QueryFailed
from ..types import BIGINT, INTEGER, decimal
from .arithmetic import divide
from .lambdas import LAMBDA_FUNCTIONS
from .scope import MARK, Scope, holds_aggregate
from .sql_json import SQL_JSON, SqlJson

_INTERVALS = {
    "interval day to second": "to_milliseconds", "interval year to month": "to_months",
}  # fmt: skip


class Calls(SqlJson):
    """Translates calls."""

    def function(self, node: exp.Anonymous, scope: Scope) -> Expr:
        """A function call: scalar, lambda function or aggregate."""
        name = str(node.this).lower().removeprefix(MARK)
        if name in ("now", "current_timestamp"):
            return self.now_expr("CurrentTimestamp")
        if name in LAMBDA_FUNCTIONS:
            return LAMBDA_FUNCTIONS[name](self, node, scope)
        if name in SQL_JSON:
            return SQL_JSON[name](self, node, scope)
        if name in aggregates.AGGREGATES:
            return self.aggregate(node, scope)
        if name in aggregates.WINDOWS:
            raise self.error(
                "MISSING_OVER", f"Window function {name} requires an OVER clause", node
            )
        if name == "grouping":
            listed = ", ".join(self.expr(e, scope).sql for e in node.expressions)
            return Expr(f"CAST(grouping({listed}) AS INTEGER)", INTEGER)
        if any(isinstance(e, exp.Lambda) for e in node.expressions):
            if name in functions.SCALARS:
                raise self.refuse(f"{name} with a lambda", node)
            raise self.error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", node)
        args = [self.expr(e, scope) for e in node.expressions]
        return self._call(name, args, node)

    def _call(self, name: str, args: list[Expr], node: exp.Expression) -> Expr:
        function = functions.SCALARS.get(name)
        if function is None:
            raise self.error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", node)
        if not function.low <= len(args) <= function.high:
            raise self.error("FUNCTION_NOT_FOUND", functions.mismatch(name, args).message, node)
        value = self._guard(node, lambda: function.build(args))
        if value.type.items:
            self._unzoned(name, args, node)
        return value

    def aggregate(self, node: exp.Expression, scope: Scope) -> Expr:
        """An aggregate, with its DISTINCT, ORDER BY and FILTER."""
        scope.has_aggregate = True
        call, inside, condition = self._aggregate_call(node, scope)
        return self._wrapped(call, f"{call.function}({inside}){condition}")

    def _wrapped(self, call: aggregates.Call, sql: str) -> Expr:
        if call.whole:
            # The same aggregate without the filter of its argument, where nothing is left of it.
            sql = f"coalesce({sql}, {sql.replace(call.arguments, call.whole, 1)})"
        if call.wrap == "SKEWNESS":
            count = sql.replace("skewness(", "count(", 1)
            return Expr(f"CASE WHEN {count} > 2 THEN {sql} * ({count} - 2) / "
                        f"sqrt({count} * ({count} - 1)::DOUBLE) END", call.type)  # fmt: skip
        if call.wrap == "AVG_DECIMAL":
            total = sql.replace("avg(", "sum(", 1)
            count = sql.replace("avg(", "count(", 1)
            kind = call.type
            value = divide(Expr(total, decimal(38, kind.args[1])), Expr(count, BIGINT), kind)
            return Expr(f"CASE WHEN {count} > 0 THEN {value} END", kind)
        return Expr(call.wrap.format(sql) if call.wrap != "{}" else sql, call.type, zone=call.zone)

    def _aggregate_call(
        self, node: exp.Expression, scope: Scope
    ) -> tuple[aggregates.Call, str, str]:
        condition = ""
        if isinstance(node, exp.Filter):
            test = self.boolean(node.expression.this, scope)
            condition = f" FILTER (WHERE {test.sql})"
            node = node.this
        nulls = ""
        if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
            nulls = " IGNORE NULLS" if isinstance(node, exp.IgnoreNulls) else ""
            node = node.this
        within = ""
        if isinstance(node, exp.WithinGroup):
            within = " ORDER BY " + self._order(node.expression.expressions, scope)
            node = node.this
        if not isinstance(node, exp.Anonymous):
            raise self.refuse(f"the aggregate {type(node).__name__}", node)
        name = str(node.this).lower().removeprefix(MARK)
        raw = list(node.expressions)
        distinct, order = False, within
        if raw and isinstance(raw[-1], exp.Order):
            order = " ORDER BY " + self._order(raw[-1].expressions, scope)
            inner = raw.pop().this
            raw += [inner] if inner is not None else []
        if raw and isinstance(raw[0], exp.Distinct):
            distinct, raw = True, list(raw[0].expressions) + raw[1:]
        is_nested = name in aggregates.AGGREGATES and any(holds_aggregate(e) for e in raw)
        if is_nested and not scope.in_window:
            raise self.error("NESTED_AGGREGATION", "Cannot nest aggregations", node)
        if name == "reduce_agg":
            if distinct:
                message = "DISTINCT can only be applied to comparable types"
                raise self.error("TYPE_MISMATCH", message, node)
            args = self.reduce_agg(raw, node, scope)
        elif raw and isinstance(raw[0], exp.Star):
            args = []
        else:
            args = [self.expr(e, scope) for e in raw]
        if name in aggregates.WINDOWS:
            call = self._aggregate_build(name, args, distinct, node)
        elif name in aggregates.AGGREGATES:
            if name != "count" and not args:
                raise self.error(
                    "FUNCTION_NOT_FOUND", f"Unexpected parameters () for function {name}", node
                )
            if any(a.zone for a in args) and name in (
                "array_agg",
                "map_agg",
                "listagg",
                "histogram",
            ):
                raise self.refuse(f"{name} of a timestamp in another zone than UTC", node)
            call = self._aggregate_build(name, args, distinct, node)
        elif name in functions.SCALARS:
            raise self.error("FUNCTION_NOT_WINDOW", f"Not a window function: {name}", node)
        else:
            raise self.error("FUNCTION_NOT_FOUND", f"Function '{name}' not registered", node)
        prefix = "DISTINCT " if distinct else ""
        return call, f"{prefix}{call.arguments}{order}{nulls}", condition

    def _aggregate_build(
        self, name: str, args: list[Expr], distinct: bool, node: exp.Expression
    ) -> aggregates.Call:
        try:
            if name in aggregates.WINDOWS:
                return aggregates.WINDOWS[name](args)
            return aggregates.AGGREGATES[name](args, distinct)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None
        except (IndexError, ValueError):
            raise self.error(
                "FUNCTION_NOT_FOUND", functions.mismatch(name, args).message, node
            ) from None

    def window(self, node: exp.Window, scope: Scope) -> Expr:
        """`f(...) OVER (...)`."""
        self._check_window(node)
        had = scope.has_aggregate
        scope.in_window = True
        call, inside, condition = self._aggregate_call(node.this, scope)
        scope.in_window = False
        scope.has_aggregate = had
        over = self._over(node, scope)
        return self._wrapped(call, f"{call.function}({inside}){condition} OVER ({over})")

    def _check_window(self, node: exp.Window) -> None:
        """What Trino does not have over a window."""
        inner = node.this
        if isinstance(inner, exp.WithinGroup):
            raise self.error("SYNTAX_ERROR", "mismatched input 'OVER'", node)
        if isinstance(inner, exp.Filter):
            raise self.error(
                "NOT_SUPPORTED", "FILTER is not yet supported for window functions", node
            )
        args = inner.expressions if isinstance(inner, exp.Anonymous) else []
        if args and isinstance(args[0], exp.Distinct):
            raise self.error(
                "NOT_SUPPORTED", "DISTINCT in window function parameters not yet supported", node
            )

    def _over(self, node: exp.Window, scope: Scope) -> str:
        name = node.args.get("alias")
        if name is not None and name.name:
            named = scope.windows.get(name.name.lower())
            if named is None:
                raise self.error("INVALID_WINDOW_REFERENCE", f"Window {name.name} not found", node)
            return self._over_parts(named, scope)
        return self._over_parts(node, scope)

    def _over_parts(self, node: exp.Window, scope: Scope) -> str:
        parts = []
        keys = [self.expr(e, scope) for e in node.args.get("partition_by") or []]
        scope.window_keys.append({(id(k.column[0]), k.column[1]) for k in keys if k.column})
        if keys:
            parts.append(f"PARTITION BY {', '.join(k.sql for k in keys)}")
        if order := node.args.get("order"):
            parts.append(f"ORDER BY {self._order(order.expressions, scope)}")
        if spec := node.args.get("spec"):
            parts.append(self._frame(spec, scope))
        return " ".join(parts)

    def _frame(self, spec: exp.WindowSpec, scope: Scope) -> str:
        kind = str(spec.args.get("kind") or "RANGE").upper()

        def bound(value: Any, side: Any) -> str:
            if isinstance(value, str):
                return f"{value} {side or ''}".strip()
            step = self.expr(value, scope)
            if isinstance(step.constant, int) and step.constant < 0:
                raise self.error("INVALID_WINDOW_FRAME", "Window frame offset is negative", spec)
            unit = _INTERVALS.get(step.type.name)
            if not (step.type.is_integer or kind == "RANGE" and (unit or step.type.is_numeric)):
                message = f"Window frame {kind} value type: {step.type}"
                raise self.error("TYPE_MISMATCH", message, spec)
            return f"{unit}({step.sql}) {side}" if unit else f"{step.sql} {side}"

        if spec.args.get("exclude"):
            raise self.error("SYNTAX_ERROR", "mismatched input 'exclude'", spec)
        self._check_frame(spec)
        start = bound(spec.args.get("start"), spec.args.get("start_side"))
        if spec.args.get("end") is None:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {bound(spec.args['end'], spec.args.get('end_side'))}"

    def _check_frame(self, spec: exp.WindowSpec) -> None:
        """Neither bound may lie on the other's side."""
        order = [
            _bound_rank(spec.args.get(k), spec.args.get(f"{k}_side")) for k in ("start", "end")
        ]
        if spec.args.get("end") is not None and order[0] > order[1]:
            raise self.error(
                "INVALID_WINDOW_FRAME", "Window frame cannot end before it starts", spec
            )


def _bound_rank(value: Any, side: Any) -> int:
    """The place of a frame's bound: from what precedes to what follows."""
    where = str(side or "").upper()
    if isinstance(value, str) and value.upper() == "UNBOUNDED":
        return 0 if where == "PRECEDING" else 4
    if isinstance(value, str):
        return 2
    return 1 if where == "PRECEDING" else 3
