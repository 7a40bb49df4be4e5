"""DuckDB, closed: its settings, its macros, its errors as Athena's."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import duckdb

from .failure import QueryCancelled, QueryFailed
from .xxhash import xxhash64

_EXTENSIONS = ("avro", "iceberg")

_MACROS = """
CREATE MACRO strata_divide_round(n, d) AS
    ((abs(n) * 2 + abs(d)) // (abs(d) * 2)) * sign(n) * sign(d);
CREATE MACRO strata_plain(x) AS (
    CASE WHEN x = 0 THEN CASE WHEN CAST(x AS VARCHAR) LIKE '-%' THEN '-0.0' ELSE '0.0' END
    WHEN isnan(x) THEN 'NaN'
    WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
    WHEN abs(x) >= 0.001 AND abs(x) < 10000000 THEN CAST(x AS VARCHAR)
    ELSE strata_java_double(x) END);
CREATE MACRO strata_scientific(x) AS (
    CASE WHEN isnan(x) THEN 'NaN'
    WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
    ELSE strata_java_double(x) END);
"""


def java_double(value: float) -> str:
    """A number in the scientific form of Java and Trino: 1.5E10."""
    text = repr(value) if abs(value) >= 1e-300 or value == 0 else f"{value:.17g}"
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0") or "0"
    if stripped == "0":
        return f"{sign}0.0E0"
    return f"{sign}{stripped[0]}.{stripped[1:] or '0'}E{power}"


class Engine:
    """One in-memory DuckDB; each execution gets a connection of its own."""

    def __init__(self, folder: Path, roots: list[Path], memory: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        for name in _EXTENSIONS:
            self._db.execute(f"LOAD '{_extension(name)}'")
        functions: Any = self._db  # DuckDB's stubs know types as objects, not by name
        functions.create_function("strata_java_double", java_double, ["DOUBLE"], "VARCHAR")
        functions.create_function("strata_xxhash64", xxhash64, ["BLOB"], "BLOB")
        self._db.execute(_MACROS)
        folders = ", ".join(f"'{p}/'" for p in (folder, *roots))
        limit = memory or f"{max(1, int(_memory_gib() * 0.5))}GiB"
        for statement in (
            "SET GLOBAL TimeZone = 'UTC'",
            f"SET GLOBAL memory_limit = '{limit}'",
            f"SET GLOBAL temp_directory = '{folder / 'spill'}'",
            "SET GLOBAL preserve_insertion_order = false",
            "SET GLOBAL default_null_order = 'NULLS LAST'",
            f"SET GLOBAL allowed_directories = [{folders}]",
            "SET GLOBAL enable_external_access = false",
            "SET GLOBAL lock_configuration = true",
        ):
            self._db.execute(statement)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection for one execution."""
        return self._db.cursor()

    def close(self) -> None:
        self._db.close()


def _extension(name: str) -> Path:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the wheel duckdb-extension-{name} is not installed")
    (path,) = Path(spec.submodule_search_locations[0]).rglob(f"{name}.duckdb_extension")
    return path


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


#: Errors that translated SQL raises itself (expression.fail).
_OWN = re.compile(
    r"""['"]!([A-Z_]+): (.*?)(?:['"] to [A-Z]|", expected format|' can't be cast)""", re.DOTALL
)


def as_failure(error: Exception, files: dict[str, str]) -> Exception:
    """DuckDB's error as Athena's. `files` maps paths on disk to S3 addresses."""
    text = str(error)
    for path, uri in files.items():
        text = text.replace(path, uri)
    if isinstance(error, duckdb.InterruptException):
        return QueryCancelled("Query cancelled by user")
    if match := _OWN.search(text):
        return QueryFailed(match[1], match[2])
    first = text.split("\n\n")[0].strip()
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryFailed("EXCEEDED_LOCAL_MEMORY_LIMIT", first)
    if "s3://" in text and isinstance(
        error, duckdb.InvalidInputException | duckdb.IOException | duckdb.ConversionException
    ):
        return QueryFailed("HIVE_BAD_DATA", first)
    if isinstance(error, duckdb.OutOfRangeException):
        return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", first)
    if isinstance(error, duckdb.ConversionException):
        return QueryFailed("INVALID_CAST_ARGUMENT", first)
    if isinstance(error, duckdb.BinderException):
        if "GROUP BY" in text:
            return QueryFailed("EXPRESSION_NOT_AGGREGATE", first)
        return QueryFailed("NOT_SUPPORTED", first)
    if "More than one row returned by a subquery" in text:
        return QueryFailed("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    if isinstance(error, duckdb.InvalidInputException):
        return QueryFailed("INVALID_FUNCTION_ARGUMENT", first)
    return QueryFailed("GENERIC_INTERNAL_ERROR", first)


def run(con: Any, sql: str, files: dict[str, str]) -> Any:
    """Execute SQL on a connection. Raises QueryFailed or QueryCancelled."""
    try:
        return con.execute(sql)
    except duckdb.Error as error:
        raise as_failure(error, files) from None
