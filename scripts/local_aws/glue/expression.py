"""Glue's partition filter expressions: SQL conditions over the partition columns.

https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html lists the operators. The
expression is parsed, only those operators and the partition columns pass, and SQLite evaluates it.
"""

import sqlite3
from typing import Any

import sqlglot
from sqlglot import exp

from local_aws.errors import AwsError

_ALLOWED = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE,
    exp.In, exp.Between, exp.Like, exp.Is, exp.Null, exp.Column, exp.Identifier, exp.Literal,
    exp.Neg, exp.Tuple,
)  # fmt: skip
_NUMERIC = {"tinyint", "smallint", "int", "integer", "bigint", "long", "decimal"}


def partition_matches(expression: str, keys: list[dict[str, Any]], values: list[str]) -> bool:
    """Whether a partition with `values` for the columns `keys` satisfies `expression`.

    Raises AwsError InvalidInputException for an expression that Glue would not take.
    """
    types = {key["Name"].lower(): key.get("Type", "string").split("(")[0] for key in keys}
    sql = _checked(expression, set(types))
    columns = ", ".join(
        f'cast(? as {"numeric" if kind in _NUMERIC else "text"}) as "{name}"'
        for name, kind in types.items()
    )
    with sqlite3.connect(":memory:") as db:
        try:
            row = db.execute(f"select 1 from (select {columns}) where {sql}", values).fetchone()
        except sqlite3.Error as error:
            raise _invalid(expression, str(error)) from None
    return row is not None


def _checked(expression: str, columns: set[str]) -> str:
    try:
        tree = sqlglot.parse_one(expression, dialect="hive")
    except sqlglot.errors.ParseError as error:
        raise _invalid(expression, str(error)) from None
    for node in tree.walk():
        if not isinstance(node, _ALLOWED):
            raise _invalid(expression, f"{node.key} is not supported")
        if isinstance(node, exp.Column) and node.name.lower() not in columns:
            raise _invalid(expression, f"{node.name} is no partition column")
    return tree.sql(dialect="sqlite")


def _invalid(expression: str, why: str) -> AwsError:
    return AwsError("InvalidInputException", f"Unsupported expression '{expression}': {why}")
