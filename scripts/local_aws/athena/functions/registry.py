"""The registry of scalar functions: for each, how many arguments it takes and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import casts
from ..expression import LOST, Expr, fail_text
from ..failure import QueryFailed, not_supported
from ..types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    common,
    to_duckdb,
)

Build = Callable[[list[Expr]], Expr]
Result = Type | Callable[[list[Expr]], Type]


@dataclass(frozen=True)
class Function:
    """A scalar function: how many arguments it takes and how it is built."""

    low: int
    high: int
    build: Build


SCALARS: dict[str, Function] = {}


def define(names: str, low: int, high: int | None = None) -> Callable[[Build], Build]:
    """Register a function under its names (separated by blanks)."""

    def register(build: Build) -> Build:
        for name in names.split():
            SCALARS[name] = Function(low, low if high is None else high, build)
        return build

    return register


def mismatch(name: str, args: list[Expr]) -> QueryFailed:
    """The error for arguments of the wrong types."""
    given = ", ".join(str(a.type) for a in args)
    return QueryFailed("FUNCTION_NOT_FOUND", f"Unexpected parameters ({given}) for function {name}")


def bad_argument(message: str, kind: Type) -> str:
    """SQL of type `kind` that fails with INVALID_FUNCTION_ARGUMENT."""
    return fail_text("INVALID_FUNCTION_ARGUMENT", message, to_duckdb(kind))


#: Classes of argument types: the letters of a signature. char is coerced to none of them.
_CLASSES: dict[str, tuple[Callable[[Type], bool], Type]] = {
    "s": (lambda t: t.name == "varchar", VARCHAR),
    "i": (lambda t: t.is_integer, BIGINT),
    "n": (lambda t: t.is_numeric, DOUBLE),
    "b": (lambda t: t == BOOLEAN, BOOLEAN),
    "x": (lambda t: t == VARBINARY, VARBINARY),
    "j": (lambda t: t == JSON, JSON),
    "d": (lambda t: t == DATE, DATE),
}


def accept(name: str, signature: str, args: list[Expr]) -> list[str]:
    """The SQL of arguments that fit a signature (a letter each), NULLs typed.

    Raises QueryFailed(FUNCTION_NOT_FOUND) for other types.
    """
    sqls = []
    for arg, letter in zip(args, signature, strict=False):
        fits, kind = _CLASSES[letter]
        if arg.type == UNKNOWN:
            sqls.append(f"CAST({arg.sql} AS {to_duckdb(kind)})")
        elif not fits(arg.type):
            raise mismatch(name, args)
        else:
            sqls.append(f"CAST({arg.sql} AS DOUBLE)" if letter == "n" else arg.sql)
    return sqls


def simple(names: str, signature: str, result: Result, template: str) -> None:
    """Functions that are one SQL template: `signature` has a letter an argument."""
    for name in names.split():

        def build(args: list[Expr], name: str = name) -> Expr:
            sqls = accept(name, signature, args)
            kind = result if isinstance(result, Type) else result(args)
            return Expr(template.format(*sqls), kind)

        SCALARS[name] = Function(len(signature), len(signature), build)


def same(args: list[Expr]) -> Type:
    """The type of the first argument: what most string functions give."""
    return Type("varchar", (0,)) if args[0].type == UNKNOWN else args[0].type


def unify(name: str, args: list[Expr], code: str = "TYPE_MISMATCH") -> Type:
    """The common type of arguments. Raises QueryFailed(`code`)."""
    kind = UNKNOWN
    for arg in args:
        found = common(kind, arg.type)
        if found is None:
            if code == "FUNCTION_NOT_FOUND":
                raise mismatch(name, args)
            raise QueryFailed(
                code, f"All {name} operands must be the same type: {kind}, {arg.type}"
            )
        kind = found
    return kind


def zone_of(kind: Type, args: list[Expr]) -> str | None:
    """The zone of a value that is one of several: known where all have the same."""
    if kind.name != "timestamptz":
        return None
    zones = {a.zone for a in args if a.type != UNKNOWN}
    return zones.pop() if len(zones) == 1 else LOST


def unzoned(name: str, args: list[Expr]) -> None:
    """Refuse values whose zone would be lost inside of an array, a map or a row."""
    if any(a.zone for a in args):
        raise not_supported(f"{name} of a timestamp in another zone than UTC")


def constant_text(name: str, what: str, arg: Expr) -> str:
    """The value of an argument that has to be a constant string."""
    if not isinstance(arg.constant, str):
        raise not_supported(f"{name} with {what} that is not a constant string")
    return arg.constant


def item_of(name: str, args: list[Expr], index: int = 0) -> Type:
    """The type of an array's elements. Raises QueryFailed(FUNCTION_NOT_FOUND)."""
    if args[index].type == UNKNOWN:
        return UNKNOWN
    if args[index].type.name != "array":
        raise mismatch(name, args)
    return args[index].type.items[0]


def bounded(kind: Type, length: Callable[[int], int]) -> Type:
    """varchar(length(n)) for varchar(n); varchar stays varchar."""
    if kind == UNKNOWN:
        return Type("varchar", (length(0),))
    return Type("varchar", (length(kind.args[0]),)) if kind.args else VARCHAR


def cast_all(args: list[Expr], kind: Type) -> list[str]:
    """The SQL of arguments cast to one type."""
    return [casts.cast(a, kind).sql for a in args]
