"""Table functions: `FROM TABLE(sequence(start => 0, stop => 1000))`.

https://trino.io/docs/current/functions/table.html
"""

from __future__ import annotations

from sqlglot import exp

from .failure import QueryFailed, not_supported
from .relations import Column
from .types import BIGINT

#: Marks function names that the parser left alone (query_parser.py).
_MARK = "fn$"
_OTHERS = ("exclude_columns", "query", "raw_query", "unload", "table_changes")


def rows(call: exp.Anonymous) -> tuple[str, list[Column]]:
    """DuckDB SQL and the columns of a table function call.

    Raises QueryFailed: FUNCTION_NOT_FOUND for a name that Trino does not have, NOT_SUPPORTED for one
    that is not served here.
    """
    inner = call.expressions[0] if call.name.upper() == "TABLE" and call.expressions else call
    name = inner.name.lower().removeprefix(_MARK)
    if inner is call or not isinstance(inner, exp.Anonymous) or name not in ("sequence", *_OTHERS):
        raise QueryFailed("FUNCTION_NOT_FOUND", f"Table function '{name}' not registered")
    if name != "sequence":
        raise not_supported(f"the table function {name}")
    start, stop, step = _sequence(inner)
    sql = f"SELECT CAST(n AS BIGINT) AS sequential_number FROM generate_series({start}, {stop}, {step}) AS s(n)"
    return sql, [Column("sequential_number", "sequential_number", BIGINT)]


def _sequence(call: exp.Anonymous) -> tuple[int, int, int]:
    """The arguments of `sequence`, by position or by name; raises QueryFailed as Trino does."""
    names = ("start", "stop", "step")
    given: dict[str, int] = {"start": 0, "step": 1}
    if len(call.expressions) > len(names):
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "Too many arguments for sequence")
    for place, argument in enumerate(call.expressions):
        named = isinstance(argument, exp.Kwarg)
        name = argument.this.name.lower() if named else names[place]
        if name not in names:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Unexpected argument name: {name}")
        given[name] = _whole(argument.expression if named else argument, name)
    if "stop" not in given:
        raise QueryFailed("MISSING_ARGUMENT", "Missing argument: STOP")
    start, stop, step = (given[name] for name in names)
    if (start < stop and step <= 0) or (start > stop and step >= 0):
        wanted = "positive" if start < stop else "negative"
        message = f"Step must be {wanted} for sequence [{start}, {stop}]"
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", message)
    return start, stop, step or 1


def _whole(node: exp.Expression, name: str) -> int:
    sign, value = (-1, node.this) if isinstance(node, exp.Neg) else (1, node)
    if isinstance(value, exp.Literal) and not value.is_string and value.name.isdigit():
        return sign * int(value.name)
    raise not_supported(f"sequence's argument {name.upper()} that is no whole number")
