"""Trino's types, and their spelling in Hive (Glue), Iceberg and DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pyiceberg import types as ice
from sqlglot import exp

from .failure import QueryFailed


@dataclass(frozen=True)
class Type:
    """A Trino type: decimal has (precision, scale), timestamp a precision, row field names."""

    name: str
    args: tuple[int, ...] = ()
    items: tuple[Type, ...] = ()
    fields: tuple[str | None, ...] = ()

    def __str__(self) -> str:
        if self.name == "row":
            parts = [
                f"{_field(n)} {t}" if n else str(t)
                for n, t in zip(self.fields, self.items, strict=True)
            ]
            return f"row({', '.join(parts)})"
        if self.items:
            return f"{self.name}({', '.join(map(str, self.items))})"
        if self.name == "timestamptz":
            return f"timestamp({self.args[0]}) with time zone"
        if self.name == "timetz":
            return f"time({self.args[0]}) with time zone"
        if self.args:
            return f"{self.name}({','.join(map(str, self.args))})"
        return self.name

    @property
    def is_integer(self) -> bool:
        return self.name in INTEGERS

    @property
    def is_numeric(self) -> bool:
        return self.name in INTEGERS or self.name in ("decimal", "real", "double")

    @property
    def is_text(self) -> bool:
        return self.name in ("varchar", "char")

    @property
    def is_time(self) -> bool:
        return self.name in ("date", "timestamp", "timestamptz")


def _field(name: str) -> str:
    return name if re.fullmatch(r"\w+", name) else f'"{name}"'


INTEGERS = ("tinyint", "smallint", "integer", "bigint")
BOOLEAN, INTEGER, BIGINT = Type("boolean"), Type("integer"), Type("bigint")
REAL, DOUBLE, VARCHAR, VARBINARY = Type("real"), Type("double"), Type("varchar"), Type("varbinary")
DATE, JSON, UNKNOWN = Type("date"), Type("json"), Type("unknown")
INTERVAL_DAY = Type("interval day to second")
INTERVAL_MONTH = Type("interval year to month")


def timestamp(precision: int = 3) -> Type:
    return Type("timestamp", (precision,))


def timestamptz(precision: int = 3) -> Type:
    return Type("timestamptz", (precision,))


def decimal(precision: int, scale: int = 0) -> Type:
    return Type("decimal", (precision, scale))


def array(item: Type) -> Type:
    return Type("array", items=(item,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", items=(key, value))


def row(items: tuple[Type, ...], fields: tuple[str | None, ...]) -> Type:
    return Type("row", items=items, fields=fields)


_NAMES = {
    "string": "varchar",
    "int": "integer",
    "float": "real",
    "binary": "varbinary",
    "long": "bigint",
    "bool": "boolean",
    "struct": "row",
    "numeric": "decimal",
}
_SIMPLE = {
    "boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "varchar", "char",
    "varbinary", "date", "json", "uuid", "ipaddress", "time", "unknown", "interval day to second",
    "interval year to month",
}  # fmt: skip
_TOKEN = re.compile(r"\s*(`[^`]*`|\"[^\"]*\"|[\w$]+|[<>(),:])")


def parse(text: str) -> Type:
    """A type written as Hive (`array<struct<a:int>>`) or Trino (`array(row(a integer))`) writes it.

    Raises QueryFailed(NOT_SUPPORTED) for a type that Athena does not have.
    """
    return _Reader(text).whole()


class _Reader:
    """Reads a type from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text.strip().lower())
        self._at = 0

    def whole(self) -> Type:
        kind = self._type()
        if self._at != len(self._tokens):
            raise self._unsupported()
        return kind

    def _unsupported(self) -> QueryFailed:
        return QueryFailed("NOT_SUPPORTED", f"Unsupported type: {self._text}")

    def _peek(self, ahead: int = 0) -> str:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else ""

    def _next(self) -> str:
        self._at += 1
        return self._peek(-1)

    def _skip(self, *words: str) -> bool:
        if tuple(self._peek(i) for i in range(len(words))) != words:
            return False
        self._at += len(words)
        return True

    def _type(self) -> Type:
        word = self._next()
        name = _NAMES.get(word, word)
        if name == "interval":
            words = [self._next() for _ in range(3)]
            name = " ".join(["interval", *words])
        if name == "double" and self._skip("precision"):
            pass
        if name in ("array", "map", "row"):
            return self._nested(name)
        numbers = self._numbers() if self._peek() == "(" else ()
        if name == "time":
            zoned = self._skip("with", "time", "zone")
            return self._clock("timetz" if zoned else "time", numbers or (3,))
        if name == "timestamp":
            zoned = self._skip("with", "time", "zone")
            return Type("timestamptz" if zoned else "timestamp", numbers or (3,))
        if name == "decimal":
            return decimal(*(numbers or (38, 0)))
        if name not in _SIMPLE:
            raise self._unsupported()
        return Type(name, numbers or ((1,) if name == "char" else ()))

    def _clock(self, name: str, precision: tuple[int, ...]) -> Type:
        if precision[0] > 6:
            raise self._unsupported()
        return Type(name, precision)

    def _numbers(self) -> tuple[int, ...]:
        found = []
        while self._next() in "(,":
            if not self._peek().isdigit():
                raise self._unsupported()
            found.append(int(self._next()))
        return tuple(found)

    def _nested(self, name: str) -> Type:
        if self._next() not in ("(", "<"):
            raise self._unsupported()
        items: list[Type] = []
        fields: list[str | None] = []
        while True:
            fields.append(self._field_name() if name == "row" else None)
            items.append(self._type())
            mark = self._next()
            if mark in (")", ">"):
                break
            if mark != ",":
                raise self._unsupported()
        if len(items) != {"array": 1, "map": 2}.get(name, len(items)):
            raise self._unsupported()
        return Type(name, (), tuple(items), tuple(fields) if name == "row" else ())

    def _field_name(self) -> str | None:
        """The name of a row's field: it is one if a type follows it."""
        if self._peek(1) == ":":
            name = self._next()
            self._at += 1
            return name.strip('`"')
        if self._peek(1) in ("", ",", ")", ">", "(", "<") or self._peek() == "interval":
            return None
        if self._peek() in ("time", "timestamp") and self._peek(1) == "with":
            return None
        return self._next().strip('`"')


def from_ast(node: exp.DataType) -> Type:
    """The Trino type of a sqlglot DataType (of CAST)."""
    kind = node.this
    if isinstance(kind, exp.Interval) or not isinstance(kind, exp.DataType.Type):
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported type: {node.sql('trino')}")
    numbers = _numbers(node)
    if kind == exp.DataType.Type.USERDEFINED:
        return parse(str(node.args.get("kind")))
    name = {
        "TEXT": "varchar", "VARCHAR": "varchar", "INT": "integer", "BIGINT": "bigint",
        "SMALLINT": "smallint", "TINYINT": "tinyint", "DOUBLE": "double", "FLOAT": "real",
        "BOOLEAN": "boolean", "DATE": "date", "DECIMAL": "decimal", "TIMESTAMP": "timestamp",
        "TIMESTAMPTZ": "timestamptz", "ARRAY": "array", "MAP": "map", "STRUCT": "row",
        "VARBINARY": "varbinary", "JSON": "json", "CHAR": "char", "UUID": "uuid",
        "TIME": "time", "TIMETZ": "timetz", "IPADDRESS": "ipaddress",
    }.get(kind.name)  # fmt: skip
    if name is None:
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported type: {node.sql('trino')}")
    if name == "row":
        fields, items = [], []
        for item in node.expressions:
            if isinstance(item, exp.ColumnDef):
                fields.append(item.this.name.lower())
                items.append(from_ast(item.args["kind"]))
            else:
                fields.append(None)
                items.append(from_ast(item))
        return row(tuple(items), tuple(fields))
    if name in ("array", "map"):
        return Type(name, items=tuple(from_ast(e) for e in node.expressions))
    if name == "decimal":
        return _decimal(numbers or (38, 0))
    if name in ("time", "timetz") and numbers and numbers[0] > 6:
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported type: {node.sql('trino')}")
    if name in ("time", "timetz", "timestamp", "timestamptz"):
        return Type(name, numbers or (3,))
    return Type(name, numbers or ((1,) if name == "char" else ()))


def _decimal(numbers: tuple[int, ...]) -> Type:
    found = decimal(*numbers)
    precision, scale = found.args
    if not 1 <= precision <= 38 or scale > precision:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Invalid precision or scale: {found}")
    return found


def _numbers(node: exp.DataType) -> tuple[int, ...]:
    """The precision, scale or length of a type."""
    found = [p.this for p in node.expressions if isinstance(p, exp.DataTypeParam)]
    if not all(isinstance(number, exp.Literal) for number in found):
        raise QueryFailed("TYPE_MISMATCH", f"Unknown type: {node.sql('trino').lower()}")
    if not all(number.this.isdigit() for number in found):
        raise QueryFailed("SYNTAX_ERROR", f"mismatched input in {node.sql('trino').lower()}")
    return tuple(int(number.this) for number in found)


_NO_HIVE_TYPE = {"json", "uuid", "ipaddress", "unknown", "time", "timetz"}


def to_hive(kind: Type, iceberg: bool = False) -> str:
    """The type as Glue writes it. Raises QueryFailed for what a Glue table cannot have."""
    if kind.name == "row":
        inner = ",".join(
            f"{n}:{to_hive(t, iceberg)}" for n, t in zip(kind.fields, kind.items, strict=True)
        )
        return f"struct<{inner}>"
    if kind.items:
        return f"{kind.name}<{','.join(to_hive(t, iceberg) for t in kind.items)}>"
    if kind.name == "varchar":
        return f"varchar({kind.args[0]})" if kind.args and not iceberg else "string"
    if kind.name == "timestamptz" and not iceberg:
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported Hive type: {kind}")
    if kind.name in _NO_HIVE_TYPE or kind.name.startswith("interval"):
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported Hive type: {kind}")
    name = {"integer": "int", "real": "float", "varbinary": "binary", "timestamptz": "timestamp"}
    if kind.name == "decimal":
        return f"decimal({kind.args[0]},{kind.args[1]})"
    if kind.name == "char":
        return f"char({kind.args[0] if kind.args else 1})"
    return name.get(kind.name, kind.name)


def to_duckdb(kind: Type) -> str:
    """The type as DuckDB SQL writes it."""
    if kind.name == "row":
        inner = ", ".join(
            f"{quote(n or f'field{i}')} {to_duckdb(t)}"
            for i, (n, t) in enumerate(zip(kind.fields, kind.items, strict=True))
        )
        return f"STRUCT({inner})"
    if kind.name == "array":
        return f"{to_duckdb(kind.items[0])}[]"
    if kind.name == "map":
        return f"MAP({to_duckdb(kind.items[0])}, {to_duckdb(kind.items[1])})"
    if kind.name == "decimal":
        return f"DECIMAL({kind.args[0]},{kind.args[1]})"
    names = {
        "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "integer": "INTEGER",
        "bigint": "BIGINT", "real": "FLOAT", "double": "DOUBLE", "varchar": "VARCHAR",
        "char": "VARCHAR", "varbinary": "BLOB", "date": "DATE", "timestamp": "TIMESTAMP",
        "timestamptz": "TIMESTAMPTZ", "json": "JSON", "uuid": "UUID", "ipaddress": "BLOB", "unknown": "INTEGER",
        "time": "TIME", "timetz": "VARCHAR", "interval day to second": "BIGINT", "interval year to month": "INTEGER",
    }  # fmt: skip
    return names[kind.name]


def to_iceberg(kind: Type, next_id: Iterator[int]) -> ice.IcebergType:
    """The Iceberg type, with field ids taken from `next_id` for what is nested."""
    if kind.name == "row":
        fields = []
        for name, item in zip(kind.fields, kind.items, strict=True):
            if name is None:
                raise QueryFailed("NOT_SUPPORTED", f"Row type field name is missing: {kind}")
            fields.append(ice.NestedField(next(next_id), name, to_iceberg(item, next_id)))
        return ice.StructType(*fields)
    if kind.name == "array":
        return ice.ListType(next(next_id), to_iceberg(kind.items[0], next_id), False)
    if kind.name == "map":
        key, value = next(next_id), next(next_id)
        return ice.MapType(
            key,
            to_iceberg(kind.items[0], next_id),
            value,
            to_iceberg(kind.items[1], next_id),
            False,
        )
    if kind.name == "decimal":
        return ice.DecimalType(*kind.args)
    simple: dict[str, ice.IcebergType] = {
        "boolean": ice.BooleanType(), "integer": ice.IntegerType(), "bigint": ice.LongType(),
        "real": ice.FloatType(), "double": ice.DoubleType(), "varchar": ice.StringType(),
        "varbinary": ice.BinaryType(), "date": ice.DateType(), "timestamp": ice.TimestampType(),
        "timestamptz": ice.TimestamptzType(), "uuid": ice.UUIDType(),
    }  # fmt: skip
    if kind.name not in simple:
        raise QueryFailed("NOT_SUPPORTED", f"Type not supported for Iceberg: {kind}")
    return simple[kind.name]


def from_iceberg(kind: ice.IcebergType) -> Type:
    """The Trino type of an Iceberg type."""
    if isinstance(kind, ice.StructType):
        return row(
            tuple(from_iceberg(f.field_type) for f in kind.fields),
            tuple(f.name.lower() for f in kind.fields),
        )
    if isinstance(kind, ice.ListType):
        return array(from_iceberg(kind.element_type))
    if isinstance(kind, ice.MapType):
        return map_of(from_iceberg(kind.key_type), from_iceberg(kind.value_type))
    if isinstance(kind, ice.DecimalType):
        return decimal(kind.precision, kind.scale)
    names = {
        "boolean": BOOLEAN, "int": INTEGER, "long": BIGINT, "float": REAL, "double": DOUBLE,
        "string": VARCHAR, "binary": VARBINARY, "date": DATE, "timestamp": timestamp(6),
        "timestamptz": timestamptz(6), "uuid": Type("uuid"), "time": Type("time", (6,)),
    }  # fmt: skip
    if str(kind) not in names:
        raise QueryFailed("NOT_SUPPORTED", f"Unsupported Iceberg type: {kind}")
    return names[str(kind)]


def quote(name: str) -> str:
    """An identifier, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string, quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def _decimal_of(kind: Type) -> Type:
    digits = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
    return kind if kind.name == "decimal" else decimal(digits[kind.name], 0)


def common(a: Type, b: Type) -> Type | None:
    """Trino's common super type of two types, or None: what coercion allows."""
    if a == b:
        return a
    if a == UNKNOWN:
        return b
    if b == UNKNOWN:
        return a
    if a.is_numeric and b.is_numeric:
        return _common_number(a, b)
    if a.is_text and b.is_text:
        if a.args and b.args:
            name = "char" if "char" in (a.name, b.name) else "varchar"
            return Type(name, (max(a.args[0], b.args[0]),))
        return VARCHAR if a.name == b.name else Type("char", (65_536,))
    if a.is_time and b.is_time:
        order = ("date", "timestamp", "timestamptz")
        name = max(a.name, b.name, key=order.index)
        precision = max(a.args[:1] + b.args[:1])
        return Type(name, (precision,))
    if a.name == b.name == "time":
        return Type("time", (max(a.args[0], b.args[0]),))
    if a.name == b.name and len(a.items) == len(b.items) and a.items:
        items = tuple(common(x, y) for x, y in zip(a.items, b.items, strict=True))
        if any(i is None for i in items):
            return None
        fields = tuple(x if x == y else None for x, y in zip(a.fields, b.fields, strict=True))
        return Type(a.name, (), tuple(i for i in items if i), fields)
    return None


def _common_number(a: Type, b: Type) -> Type:
    for name in ("double", "real"):
        if name in (a.name, b.name):
            return Type(name)
    if "decimal" in (a.name, b.name):
        (p1, s1), (p2, s2) = _decimal_of(a).args, _decimal_of(b).args
        scale = max(s1, s2)
        return decimal(min(38, max(p1 - s1, p2 - s2) + scale), scale)
    return Type(INTEGERS[max(INTEGERS.index(a.name), INTEGERS.index(b.name))])


def arithmetic(operator: str, a: Type, b: Type) -> Type | None:
    """Type of a number operation. Trino: docs/current/functions/decimal.html"""
    if not (a.is_numeric and b.is_numeric):
        return None
    if "decimal" not in (a.name, b.name) or {"double", "real"} & {a.name, b.name}:
        return _common_number(a, b)
    (p1, s1), (p2, s2) = _decimal_of(a).args, _decimal_of(b).args
    if operator in "+-":
        return decimal(min(38, max(p1 - s1, p2 - s2) + max(s1, s2) + 1), max(s1, s2))
    if operator == "*":
        return decimal(min(38, p1 + p2), s1 + s2)
    if operator == "/":
        return decimal(min(38, p1 + s2 + max(0, s2 - s1)), max(s1, s2))
    return decimal(min(p2 - s2, p1 - s1) + max(s1, s2), max(s1, s2))
