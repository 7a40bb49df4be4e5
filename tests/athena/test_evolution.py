# ruff: noqa: E501 (a statement reads best in one line)
"""Schemas that evolve: whatever Athena and PyIceberg do to a table, both read the same rows.

https://iceberg.apache.org/spec/#schema-evolution
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from pyiceberg import expressions as ix
from pyiceberg import types as ice
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from .conftest import Athena, Gateway, new_athena
from .test_iceberg import glue_catalog

#: What each Iceberg type is called in Athena's DDL, and values of it as SQL and as Python.
TYPES: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "int": ("int", [("7", 7), ("-2147483648", -2147483648)]),
    "long": ("bigint", [("7", 7), ("9000000000", 9000000000)]),
    "float": ("float", [("real '1.5'", 1.5), ("real '-0.25'", -0.25)]),
    "double": ("double", [("1.5e0", 1.5), ("12345.0625e0", 12345.0625)]),
    "decimal(5, 2)": ("decimal(5,2)", [("decimal '1.50'", Decimal("1.50")), ("decimal '-999.99'", Decimal("-999.99"))]),
    "decimal(12, 2)": ("decimal(12,2)", [("decimal '1.50'", Decimal("1.50")), ("decimal '9999999999.99'", Decimal("9999999999.99"))]),
    "string": ("string", [("'a'", "a"), ("''", ""), ("'ünï'", "ünï")]),
    "boolean": ("boolean", [("true", True), ("false", False)]),
    "date": ("date", [("date '2013-01-31'", date(2013, 1, 31)), ("date '1969-12-31'", date(1969, 12, 31))]),
    "timestamp": ("timestamp", [("timestamp '2013-01-31 10:00:00.123456'", datetime(2013, 1, 31, 10, 0, 0, 123456))]),
}  # fmt: skip
WIDER = {"int": "long", "float": "double", "decimal(5, 2)": "decimal(12, 2)"}
#: Each takes some seconds.
EXAMPLES = int(os.environ.get("STRATA_EXAMPLES", "5"))
NAMES = ["a", "b", "c", "d"]
STEPS = [
    "add", "rename", "drop", "move", "widen", "add_field", "rename_field", "drop_field", "widen_field",
    "write", "write", "write", "delete",
]  # fmt: skip


def shown(value: Any) -> str | None:
    """A Python value as Athena prints it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}={_inner(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inner, value)) + "]"
    return str(value)


def _inner(value: Any) -> str:
    return "null" if value is None else str(shown(value))


class Evolving:
    """A table `t` that Athena and PyIceberg change by turns; `draw` chooses."""

    def __init__(self, athena: Athena, draw: Callable[[Any], Any]) -> None:
        self.athena, self.draw = athena, draw
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.ids = itertools.count(1)
        self.catalog = glue_catalog(athena)
        athena.iceberg(self.name, "select cast(0 as integer) as id, cast(row(1, 'x') as row(n integer, s varchar)) as place, array[1, null] as tags")  # fmt: skip

    @property
    def table(self) -> Table:
        return self.catalog.load_table((self.athena.database, self.name))

    def pick(self, options: list[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def by_athena(self) -> bool:
        return bool(self.draw(st.booleans()))

    def plain(self) -> list[ice.NestedField]:
        """The columns that may change in every way."""
        return [f for f in self.table.schema().fields if f.name in NAMES]

    def free(self) -> list[str]:
        return [n for n in NAMES if n not in [f.name for f in self.table.schema().fields]]

    def alter(self, sql: str) -> None:
        self.athena.ok(f"alter table {self.name} {sql}")

    # --- steps

    def add(self) -> None:
        if not self.free():
            return
        name, kind = self.pick(self.free()), self.pick(list(TYPES))
        if self.by_athena():
            self.alter(f"add columns ({name} {TYPES[kind][0]})")
        else:
            with self.table.update_schema() as update:
                update.add_column(name, iceberg_type(kind))

    def rename(self) -> None:
        if not self.plain() or not self.free():
            return
        field, name = self.pick(self.plain()), self.pick(self.free())
        if self.by_athena():
            self.alter(f"change column {field.name} {name} {TYPES[str(field.field_type)][0]}")
        else:
            with self.table.update_schema() as update:
                update.rename_column(field.name, name)

    def drop(self) -> None:
        if not self.plain():
            return
        field = self.pick(self.plain())
        if self.by_athena():
            self.alter(f"drop column {field.name}")
        else:
            with self.table.update_schema(allow_incompatible_changes=True) as update:
                update.delete_column(field.name)

    def move(self) -> None:
        if not self.plain():
            return
        field = self.pick(self.plain())
        others = [f.name for f in self.table.schema().fields if f.name != field.name]
        after = self.pick([None, *others])
        if self.by_athena():
            place = f"after {after}" if after else "first"
            self.alter(
                f"change {field.name} {field.name} {TYPES[str(field.field_type)][0]} {place}"
            )
        else:
            with self.table.update_schema() as update:
                update.move_after(field.name, after) if after else update.move_first(field.name)

    def widen(self) -> None:
        narrow = [f for f in self.plain() if str(f.field_type) in WIDER]
        if not narrow:
            return
        field = self.pick(narrow)
        kind = WIDER[str(field.field_type)]
        if self.by_athena():
            self.alter(f"change column {field.name} {field.name} {TYPES[kind][0]}")
        else:
            with self.table.update_schema() as update:
                update.update_column(field.name, iceberg_type(kind))

    def _fields(self) -> list[ice.NestedField]:
        return list(self.table.schema().find_type("place").fields)

    def add_field(self) -> None:
        free = [n for n in NAMES if n not in [f.name for f in self._fields()]]
        if free:
            with self.table.update_schema() as update:
                update.add_column(("place", self.pick(free)), iceberg_type(self.pick(list(TYPES))))

    def rename_field(self) -> None:
        free = [n for n in NAMES if n not in [f.name for f in self._fields()]]
        if free:
            with self.table.update_schema() as update:
                update.rename_column(("place", self.pick(self._fields()).name), self.pick(free))

    def drop_field(self) -> None:
        if len(self._fields()) > 1:
            with self.table.update_schema(allow_incompatible_changes=True) as update:
                update.delete_column(("place", self.pick(self._fields()).name))

    def widen_field(self) -> None:
        narrow = [f for f in self._fields() if str(f.field_type) in WIDER]
        if narrow:
            field = self.pick(narrow)
            with self.table.update_schema() as update:
                update.update_column(("place", field.name), iceberg_type(WIDER[str(field.field_type)]))  # fmt: skip

    def write(self) -> None:
        number = next(self.ids)
        values = {f.name: self.pick([*TYPES[str(f.field_type)][1], ("null", None)]) for f in self.plain()}  # fmt: skip
        fields = {f.name: self.pick([*TYPES[str(f.field_type)][1], ("null", None)]) for f in self._fields()}  # fmt: skip
        tags = self.pick([("array[1, null]", [1, None]), ("null", None), ("array[]", [])])
        if self.by_athena():
            place = ", ".join(f"cast({sql} as {trino(f)})" for f, (sql, _) in zip(self._fields(), fields.values(), strict=True))  # fmt: skip
            given = {"id": str(number), "place": f"row({place})", "tags": tags[0]}
            given |= {name: sql for name, (sql, _) in values.items()}
            names, listed = ", ".join(given), ", ".join(given.values())
            self.athena.ok(f"insert into {self.name} ({names}) values ({listed})")
        else:
            row = {"id": number, "place": {n: v for n, (_, v) in fields.items()}, "tags": tags[1]}
            row |= {n: v for n, (_, v) in values.items()}
            table = self.table
            table.append(pa.Table.from_pylist([row], schema_to_pyarrow(table.schema())))

    def delete(self) -> None:
        self.athena.ok(f"delete from {self.name} where id % 3 = {self.pick([1, 2])}")

    # --- what has to hold

    def check(self) -> None:
        table = self.table
        columns = [f.name for f in table.schema().fields]
        assert self.athena.rows(f"show columns in {self.name}") == [[name] for name in columns]
        found = self.athena.rows(f"select * from {self.name} order by id")
        assert found == printed(table.scan().to_arrow(), columns)

    def check_catalog(self) -> None:
        """Whoever changed the table last: PyIceberg leaves columns that are gone in Glue's entry."""
        columns = [[f.name] for f in self.table.schema().fields]
        schema = f"where table_schema = '{self.athena.database}' and table_name = '{self.name}'"
        query = (
            f"select column_name from information_schema.columns {schema} order by ordinal_position"
        )
        assert self.athena.rows(query) == columns
        described = [
            str(row[0]).split("\t")[0].strip() for row in self.athena.rows(f"describe {self.name}")
        ]
        assert described[: len(columns)] == [name for (name,) in columns]

    def check_filters(self) -> None:
        table = self.table
        for field in self.plain():
            for sql, value in TYPES[str(field.field_type)][1]:
                for operator, condition in (("=", ix.EqualTo), (">=", ix.GreaterThanOrEqual)):
                    if operator == ">=" and isinstance(value, bool):
                        continue
                    given = value.isoformat() if isinstance(value, date) else value
                    rows = table.scan(row_filter=condition(field.name, given)).to_arrow()
                    query = f"select id from {self.name} where {field.name} {operator} {sql} order by id"
                    assert self.athena.rows(query) == printed(rows.select(["id"]), ["id"]), query

    def check_history(self) -> None:
        """A snapshot is read with the schema that it was written with."""
        table = self.table
        for snapshot in table.snapshots():
            rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
            query = (
                f"select * from {self.name} for version as of {snapshot.snapshot_id} order by id"
            )
            assert self.athena.rows(query) == printed(rows, rows.column_names), query


def iceberg_type(text: str) -> ice.PrimitiveType:
    """The type that a text of TYPES names."""
    decimals = {"decimal(5, 2)": ice.DecimalType(5, 2), "decimal(12, 2)": ice.DecimalType(12, 2)}
    plain = (ice.IntegerType, ice.LongType, ice.FloatType, ice.DoubleType, ice.StringType, ice.BooleanType, ice.DateType, ice.TimestampType)  # fmt: skip
    return decimals.get(text) or {str(kind()): kind() for kind in plain}[text]


def trino(field: ice.NestedField) -> str:
    """Trino's name of a field's type."""
    names = {"int": "integer", "float": "real", "string": "varchar", "timestamp": "timestamp(6)"}
    return names.get(str(field.field_type), TYPES[str(field.field_type)][0])


def printed(rows: pa.Table, columns: list[str]) -> list[list[str | None]]:
    """PyIceberg's rows by id, as Athena prints them."""
    listed = sorted(rows.to_pylist(), key=lambda row: row["id"])
    return [[shown(row[name]) for name in columns] for row in listed]


@pytest.fixture(scope="module")
def evolving(gateway: Gateway) -> Athena:
    """One database for all tables."""
    return new_athena(gateway)


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize="STRATA_EXAMPLES" not in os.environ, phases=[Phase.generate], report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(steps=st.lists(st.sampled_from(STEPS), min_size=6, max_size=14), data=st.data())
def test_athena_and_pyiceberg_read_the_same_rows(
    evolving: Athena, steps: list[str], data: st.DataObject
) -> None:
    table = Evolving(evolving, data.draw)
    for step in ["add", "write", *steps, "write"]:
        getattr(table, step)()
        note(f"{step}: {table.table.schema().as_struct()}")
        table.check()
    table.check_catalog()
    table.check_filters()
    table.check_history()
