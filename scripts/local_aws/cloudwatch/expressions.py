"""Metric math over series of data points: the expressions that alarms use; others are refused.

A series maps the start of a period, in seconds since 1970, to its value.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Series = dict[int, float]
Value = float | Series | list[Series]

_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "MIN": min,
    "MAX": max,
    "AVG": lambda values: sum(values) / len(values),
}
_ARGUMENTS = {"IF": 3, "FILL": 2, "METRICS": 0, **dict.fromkeys(_AGGREGATES, 1)}


@dataclass(frozen=True)
class Scope:
    """What an expression sees: the series by their ids, those of metrics alone, and the periods."""

    series: dict[str, Series]
    metrics: list[Series]
    periods: range


def check(expression: str) -> None:
    """Raise ValueError that names what is not served of an expression."""
    for node in ast.walk(_parse(expression)):
        if isinstance(node, ast.Call):
            _check_call(node)
        elif isinstance(node, ast.operator | ast.cmpop) and type(node) not in _OPERATORS:
            raise ValueError(f"the operator {type(node).__name__} is not served: {expression}")
        elif isinstance(node, ast.Compare) and len(node.ops) > 1:
            raise ValueError(f"comparisons in a chain are not served: {expression}")
        elif isinstance(node, ast.Constant) and not isinstance(node.value, int | float):
            raise ValueError(f"{node.value!r} is not served: {expression}")
        elif isinstance(node, ast.expr) and not isinstance(
            node, ast.BinOp | ast.Compare | ast.Name | ast.Constant
        ):
            raise ValueError(f"{ast.unparse(node)} is not served: {expression}")


def evaluate(expression: str, scope: Scope) -> Series:
    """The series that an expression gives; raises ValueError for one that gives none."""
    value = _value(_parse(expression).body, scope)
    if not isinstance(value, dict):
        raise ValueError(f"an alarm needs one series: {expression}")
    return value


def _parse(expression: str) -> ast.Expression:
    try:
        return ast.parse(expression, mode="eval")
    except SyntaxError:
        raise ValueError(f"the expression is not served: {expression}") from None


def _check_call(node: ast.Call) -> None:
    name = ast.unparse(node.func)
    if name not in _ARGUMENTS:
        raise ValueError(f"the function {name} is not served")
    if len(node.args) != _ARGUMENTS[name] or node.keywords:
        raise ValueError(f"the function {name} takes {_ARGUMENTS[name]} arguments here")


def _value(node: ast.AST, scope: Scope) -> Value:
    match node:
        case ast.Constant(value=number):
            return float(number)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return scope.series[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _combine(_OPERATORS[type(op)], _value(left, scope), _value(right, scope))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _combine(_OPERATORS[type(op)], _value(left, scope), _value(right, scope))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, [_value(argument, scope) for argument in args], scope)
    raise ValueError(f"{ast.unparse(node)} is not served")


def _call(name: str, given: list[Any], scope: Scope) -> Value:
    if name == "METRICS":
        return scope.metrics
    if name == "FILL":
        return _fill(given[0], given[1], scope)
    if name == "IF":
        return _choose(*given)
    return _aggregate(_AGGREGATES[name], given[0])


def _combine(calculate: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Point by point; a period that one side lacks, or a division by zero, gives no point."""
    if isinstance(left, list) or isinstance(right, list):
        raise ValueError("an operator takes single series here")
    if not isinstance(left, dict) and not isinstance(right, dict):
        return float(calculate(left, right))
    found: Series = {}
    for at in _periods(left, right):
        one, other = _at(left, at), _at(right, at)
        if one is None or other is None or (calculate is operator.truediv and other == 0):
            continue
        found[at] = float(calculate(one, other))
    return found


def _fill(series: Value, value: Value, scope: Scope) -> Value:
    if isinstance(series, list):
        return [_filled(one, value, scope) for one in series]
    return _filled(series, value, scope)


def _filled(series: Any, value: Any, scope: Scope) -> Series:
    return {at: series.get(at, value) for at in scope.periods}


def _choose(condition: Any, then: Any, otherwise: Any) -> Series:
    """`IF`: where the condition has a point, the point of the side that it names, if there is one."""
    chosen = {at: _at(then if truth else otherwise, at) for at, truth in condition.items()}
    return {at: value for at, value in chosen.items() if value is not None}


def _aggregate(calculate: Callable[[list[float]], float], series: Any) -> Series:
    """One series of several: each period has the points that there are."""
    if not isinstance(series, list):
        raise ValueError("an aggregate takes METRICS() here")
    return {
        at: calculate([one[at] for one in series if at in one])
        for at in sorted({at for one in series for at in one})
    }


def _periods(*sides: Value) -> Iterable[int]:
    return sorted({at for side in sides if isinstance(side, dict) for at in side})


def _at(side: Value, at: int) -> float | None:
    return side.get(at) if isinstance(side, dict) else side  # type: ignore[return-value]
