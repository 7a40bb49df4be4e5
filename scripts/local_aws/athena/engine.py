"""DuckDB, closed: its settings, its macros, its errors as Athena's."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import duckdb

from . import udfs, zones
from .expression import NOT_CONSTANT
from .failure import QueryCancelled, QueryFailed

_EXTENSIONS = ("avro", "iceberg")

_MACROS = r"""
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
    WHEN x = 0 THEN CASE WHEN CAST(x AS VARCHAR) LIKE '-%' THEN '-0E0' ELSE '0E0' END
    ELSE strata_java_double(CAST(CAST(x AS VARCHAR) AS DOUBLE)) END);
-- Text: code points, and Java's cases and blanks where they are not ASCII.
CREATE MACRO strata_points(s) AS
    CASE WHEN s = '' THEN []::VARCHAR[] ELSE regexp_extract_all(s, '(?s).') END;
CREATE MACRO strata_ascii(s) AS strlen(s) = length(s);
CREATE MACRO strata_lower(s) AS
    CASE WHEN strata_ascii(s) THEN lower(s) ELSE strata_slow_lower(s) END;
CREATE MACRO strata_upper(s) AS
    CASE WHEN strata_ascii(s) THEN upper(s) ELSE strata_slow_upper(s) END;
CREATE MACRO strata_levenshtein(a, b) AS
    CASE WHEN strata_ascii(a) AND strata_ascii(b) THEN levenshtein(a, b)
    ELSE strata_levenshtein_points(a, b) END;
CREATE MACRO strata_translate(s, a, b) AS
    CASE WHEN a <> '' AND strata_ascii(s) AND strata_ascii(a) AND strata_ascii(b)
    AND len(list_distinct(string_split(a, ''))) = length(a) THEN translate(s, a, b)
    ELSE strata_translate_points(s, a, b) END;
CREATE MACRO strata_limited(parts, mark, n) AS
    CASE WHEN len(parts) <= n THEN parts
    ELSE list_append(parts[1:n - 1], array_to_string(parts[n:], mark)) END;
-- Numbers: NaN where DuckDB fails or puts it last.
CREATE MACRO strata_round(x, d) AS
    CASE WHEN NOT isfinite(x) OR x = 0 OR d >= 0 AND abs(x) * pow(10, d) >= 9.2e18 THEN x
    WHEN x < 0 THEN -(floor(-x * pow(10, d) + 0.5) / pow(10, d))
    ELSE floor(x * pow(10, d) + 0.5) / pow(10, d) END;
CREATE MACRO strata_sqrt(x) AS CASE WHEN x < 0 THEN 'nan'::DOUBLE ELSE sqrt(x) END;
CREATE MACRO strata_ln(x) AS
    CASE WHEN x < 0 THEN 'nan'::DOUBLE WHEN x = 0 THEN '-infinity'::DOUBLE ELSE ln(x) END;
CREATE MACRO strata_log2(x) AS
    CASE WHEN x < 0 THEN 'nan'::DOUBLE WHEN x = 0 THEN '-infinity'::DOUBLE ELSE log2(x) END;
CREATE MACRO strata_log10(x) AS
    CASE WHEN x < 0 THEN 'nan'::DOUBLE WHEN x = 0 THEN '-infinity'::DOUBLE ELSE log10(x) END;
CREATE MACRO strata_list_max(a) AS
    coalesce(list_max(list_filter(a, lambda strata_f: NOT isnan(strata_f))), a[1]);
CREATE MACRO strata_list_min(a) AS
    coalesce(list_min(list_filter(a, lambda strata_f: NOT isnan(strata_f))), a[1]);
CREATE MACRO strata_wrap(x, bits) AS
    CASE WHEN x >= (1::HUGEINT << (bits - 1)) THEN x - (1::HUGEINT << bits) ELSE x END;
CREATE MACRO strata_unsigned(x, bits) AS
    CAST(x AS HUGEINT) & ((1::HUGEINT << bits) - 1);
CREATE MACRO strata_bitwise_left_shift(x, n, bits) AS
    CASE WHEN n >= bits THEN 0 ELSE
    strata_wrap(CAST(strata_unsigned(x, bits) * power(2::HUGEINT, n)::HUGEINT
        % (1::HUGEINT << bits) AS HUGEINT), bits) END;
CREATE MACRO strata_bitwise_right_shift(x, n, bits) AS
    CASE WHEN n >= bits THEN 0 ELSE
    strata_wrap(strata_unsigned(x, bits) >> n::INTEGER, bits) END;
CREATE MACRO strata_bitwise_right_shift_arithmetic(x, n, bits) AS
    CASE WHEN n >= bits THEN CASE WHEN x < 0 THEN -1 ELSE 0 END
    ELSE CAST(x AS HUGEINT) // (1::HUGEINT << n::INTEGER)
        - CASE WHEN x < 0 AND CAST(x AS HUGEINT) % (1::HUGEINT << n::INTEGER) <> 0
          THEN 1 ELSE 0 END END;
-- Arrays and maps.
CREATE MACRO strata_first(a) AS list_filter(a, lambda strata_d, strata_i:
    coalesce(list_position(a, strata_d), list_position(
        list_transform(a, lambda strata_n: strata_n IS NULL), true)) = strata_i);
CREATE MACRO strata_all_equal(tests, a, b) AS
    CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN len(a) <> len(b) THEN false
    WHEN list_contains(tests, false) THEN false
    WHEN list_count(tests) < len(tests) THEN NULL ELSE true END;
CREATE MACRO strata_map_equal(a, b) AS
    CASE WHEN list_count(map_values(a)) + list_count(map_values(b))
        < cardinality(a) + cardinality(b)
    THEN CAST('!NOT_SUPPORTED: Maps with NULLs are not compared here' AS BOOLEAN)
    ELSE list_sort(map_entries(a)) = list_sort(map_entries(b)) END;
CREATE MACRO strata_sum(x) AS CASE
    WHEN length(replace(replace(CAST(x AS VARCHAR), '.', ''), '-', '')) > 38
    THEN CASE WHEN CAST('!GENERIC_INTERNAL_ERROR: Decimal overflow: ' || CAST(x AS VARCHAR)
        AS INTEGER) = 0 THEN NULL END
    ELSE x END;
CREATE MACRO strata_number(x) AS CASE WHEN isnan(x) THEN NULL ELSE x END;
CREATE MACRO strata_map_agg(entries) AS list_transform([list_filter(entries,
    lambda e: e IS NOT NULL)], lambda kept: CASE WHEN kept IS NOT NULL AND len(kept) > 0 THEN
    CASE WHEN len(list_distinct(list_transform(kept, lambda f: f.k))) = len(kept)
    THEN map_from_entries(kept) ELSE map_from_entries(list_filter(kept, lambda e, i:
        list_position(list_transform(kept, lambda f: f.k), e.k) = i)) END END)[1];
CREATE MACRO strata_multimap_agg(entries) AS list_transform([list_filter(entries,
    lambda e: e IS NOT NULL)], lambda kept: CASE WHEN kept IS NOT NULL AND len(kept) > 0 THEN
    map(list_distinct(list_transform(kept, lambda f: f.k)),
        list_transform(list_distinct(list_transform(kept, lambda f: f.k)), lambda k:
            list_transform(list_filter(kept, lambda g: g.k = k), lambda g: g.v))) END)[1];
CREATE MACRO strata_map_union(maps) AS list_transform([flatten(list_filter(maps,
    lambda m: m IS NOT NULL))], lambda kept: CASE WHEN kept IS NOT NULL THEN
    CASE WHEN len(list_distinct(list_transform(kept, lambda f: f.key))) = len(kept)
    THEN map_from_entries(kept) ELSE map_from_entries(list_filter(kept, lambda e, i:
        list_position(list_transform(kept, lambda f: f.key), e.key) = i)) END END)[1];
-- Zones: a name, or an offset of hours and minutes that ICU does not know.
CREATE MACRO strata_minutes(z) AS
    (CASE WHEN z LIKE '-%' THEN -1 ELSE 1 END)
    * (CAST(z[2:3] AS INTEGER) * 60 + CAST(z[5:6] AS INTEGER));
-- An offset, or nothing, as ISO 8601 writes it.
CREATE MACRO strata_offset(offset_text) AS list_transform([offset_text], lambda z:
    CASE WHEN z IN ('', 'Z') OR regexp_full_match(z, '[+-]00(:?00)?') THEN 'UTC'
    WHEN length(z) = 3 THEN z || ':00' ELSE z[1:3] || ':' || right(z, 2) END)[1];
CREATE MACRO strata_zone(zone) AS list_transform([zone], lambda z:
    CASE WHEN regexp_full_match(z, '[+-]00:?00|(Etc/)?(UTC|GMT|Zulu|UCT)|Z|UT|') THEN 'UTC'
    WHEN z LIKE '%/%' AND strata_zone_known(z) THEN z
    WHEN regexp_full_match(z, '[+-][0-9]{2}:?[0-9]{2}') THEN z[1:3] || ':' || right(z, 2)
    WHEN regexp_full_match(z, '[+-][0-9]{1,2}') THEN z[1:1] || lpad(z[2:], 2, '0') || ':00'
    WHEN z IS NOT NULL THEN CASE WHEN
        CAST('!INVALID_FUNCTION_ARGUMENT: Not a time zone: ' || z AS INTEGER) = 0 THEN NULL END
    END)[1];
CREATE MACRO strata_wall(moment, zone) AS list_transform([{'t': moment, 'z': zone}], lambda p:
    CASE WHEN p.z = 'UTC' THEN timezone('UTC', p.t) WHEN p.z LIKE '+%' OR p.z LIKE '-%'
    THEN timezone('UTC', p.t) + to_minutes(strata_minutes(p.z))
    WHEN p.t < TIMESTAMPTZ '1902-01-01 00:00:00+00'
    THEN CAST('!NOT_SUPPORTED: A zone before 1902 is not supported here' AS TIMESTAMP)
    ELSE timezone(p.z, p.t) END)[1];
-- An hour that occurs twice is the first one.
CREATE MACRO strata_instant(clock, zone) AS list_transform([{'w': clock, 'z': zone}], lambda p:
    CASE WHEN p.z = 'UTC' THEN timezone('UTC', p.w) WHEN p.z LIKE '+%' OR p.z LIKE '-%'
    THEN timezone('UTC', p.w) - to_minutes(strata_minutes(p.z))
    WHEN p.w < TIMESTAMP '1902-01-01'
    THEN CAST('!NOT_SUPPORTED: A zone before 1902 is not supported here' AS TIMESTAMPTZ)
    WHEN timezone(p.z, timezone(p.z, p.w) - INTERVAL 1 HOUR) = p.w
    THEN timezone(p.z, p.w) - INTERVAL 1 HOUR
    ELSE timezone(p.z, p.w) END)[1];
-- with_timezone() takes the second one east of Greenwich.
CREATE MACRO strata_with_zone(clock, zone) AS list_transform([{'w': clock, 'z': zone}], lambda q:
    CASE WHEN q.z NOT LIKE '+%' AND q.z NOT LIKE '-%' AND timezone(q.z, q.w) < timezone('UTC', q.w)
    THEN timezone(q.z, q.w) ELSE strata_instant(q.w, q.z) END)[1];
CREATE MACRO strata_offset_text(m, colon) AS
    (CASE WHEN m < 0 THEN '-' ELSE '+' END) || lpad(CAST(abs(m) // 60 AS VARCHAR), 2, '0')
    || (CASE WHEN colon THEN ':' ELSE '' END) || lpad(CAST(abs(m) % 60 AS VARCHAR), 2, '0');
CREATE MACRO strata_iso_wall(s, digits) AS TRY_CAST(
    regexp_replace(replace(replace(
        CASE WHEN length(s) = 4 THEN s || '-01-01' WHEN length(s) = 7 THEN s || '-01'
        ELSE regexp_replace(regexp_replace(s, '(T.*?)(Z|[+-][0-9]{2}(:?[0-9]{2})?)$', '\1'),
            'T([0-9]{2})$', 'T\1:00') END, 'T', ' '), ',', '.'),
        '(\.[0-9]{' || digits || '})[0-9]+', '\1') AS TIMESTAMP);
"""


class Engine:
    """One in-memory DuckDB; each execution gets a connection of its own."""

    def __init__(self, folder: Path, roots: list[Path], memory: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        for name in _EXTENSIONS:
            self._db.execute(f"LOAD '{_extension(name)}'")
        udfs.install(self._db)
        listed = "|".join(name.replace("+", r"\+") for name in sorted(zones.names()))
        self._db.execute(f"CREATE MACRO strata_zone_known(z) AS regexp_full_match(z, '{listed}')")
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
    r"""['" ]!([A-Z_]+): (.*?)(?:['"] to [A-Z]|", expected format|' can't be cast|\n\nAt:|$)""",
    re.DOTALL,
)


#: Parts of DuckDB's messages, and what Trino calls these errors.
_BINDER = (
    ("In a DISTINCT aggregate, ORDER BY", "EXPRESSION_NOT_IN_DISTINCT"),
    ("aggregate function calls cannot be nested", "NESTED_AGGREGATION"),
    ("GROUPING statement cannot be used without groups", "MISSING_GROUP_BY"),
    ("GROUPING child", "INVALID_ARGUMENTS"),
)
#: What Trino's regular expressions have and RE2 refuses.
_OTHER_REGEX = re.compile(
    r"invalid perl operator|invalid escape sequence|bad repetition operator|invalid character class"
)


#: What the Thrift parser of Parquet's page headers says; it names no file.
_BAD_PAGE = re.compile(r"don't know what type|TProtocolException")


def _file_code(path: str, text: str) -> str:
    """Trino's name for a file that cannot be read."""
    kind = "ICEBERG" if path.endswith("/") else "HIVE"
    is_missing = "No such file" in text
    return f"{kind}_{'CANNOT_OPEN_SPLIT' if is_missing else 'BAD_DATA'}"


def as_failure(error: Exception, files: dict[str, str]) -> Exception:
    """DuckDB's error as Athena's. `files` maps paths on disk to S3 addresses; those that end in `/`
    are folders of Iceberg tables."""
    text = str(error)
    named = [path for path in files if path in text]
    for path in named:
        text = text.replace(path, files[path])
    if isinstance(error, duckdb.InterruptException):
        return QueryCancelled("Query cancelled by user")
    if match := _OWN.search(text):
        return QueryFailed(match[1], match[2])
    first = text.split("\n\n")[0].strip()
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryFailed("EXCEEDED_LOCAL_MEMORY_LIMIT", first)
    if named and isinstance(
        error, duckdb.InvalidInputException | duckdb.IOException | duckdb.ConversionException
    ):
        where = "" if files[named[0]] in first else f" [{files[named[0]]}]"
        return QueryFailed(_file_code(named[0], text), first + where)
    if files and _BAD_PAGE.search(first):
        return QueryFailed("HIVE_BAD_DATA", first)
    if "Unknown TimeZone" in text:
        return QueryFailed("INVALID_FUNCTION_ARGUMENT", first)
    if _OTHER_REGEX.search(first):
        return QueryFailed("NOT_SUPPORTED", f"Regular expression: {first}")
    if isinstance(error, duckdb.OutOfRangeException) or "value is out of range" in first:
        return QueryFailed("NUMERIC_VALUE_OUT_OF_RANGE", first)
    if isinstance(error, duckdb.ConversionException):
        return QueryFailed("INVALID_CAST_ARGUMENT", first)
    if isinstance(error, duckdb.BinderException):
        for part, code in _BINDER:
            if part in text:
                return QueryFailed(code, first)
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


def fold(con: Any, sql: str) -> Any:
    """The value of an expression without columns, or NOT_CONSTANT when it fails."""
    try:
        return con.execute(f"SELECT {sql}").fetchone()[0]
    except duckdb.Error:
        return NOT_CONSTANT
