"""The project's own macros, rendered by Jinja alone: no dbt, no engine."""

import datetime
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

PROJECT = Path(__file__).resolve().parents[2]
date = datetime.date


class CompilerError(Exception):
    """What exceptions.raise_compiler_error raises."""


class Returned(Exception):
    """Carries a macro's return value, as dbt does."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Macros:
    """The macros of the given files, callable from Python and from one another.

    dbt's `return` leaves the macro that calls it; here it raises, so each macro is kept under
    another name and called through a function that catches.
    """

    def __init__(self, *files: str, **context: Any) -> None:
        text = "\n".join((PROJECT / "macros" / file).read_text() for file in files)
        names = re.findall(r"\bmacro (\w+)\(", text)
        environment = jinja2.Environment(extensions=["jinja2.ext.do"])
        environment.globals |= {name: self._later(name) for name in names} | {
            "execute": True,
            "env_var": lambda _, default="": default,
            "return": _return,
            "exceptions": SimpleNamespace(raise_compiler_error=_raise),
            "modules": SimpleNamespace(re=re, datetime=datetime),
            **context,
        }
        bodies = re.sub(r"\bmacro (\w+)\(", r"macro body_of_\1(", text)
        module = environment.from_string(bodies).module
        self._macros = {name: _called(getattr(module, f"body_of_{name}")) for name in names}

    def _later(self, name: str) -> Any:
        return lambda *args, **kwargs: self._macros[name](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._macros[name]


def _return(value: Any) -> None:
    raise Returned(value)


def _raise(message: str) -> None:
    raise CompilerError(message)


def _called(macro: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return str(macro(*args, **kwargs)).strip()
        except Returned as returned:
            return returned.value

    return call


def windows(**variables: Any) -> Macros:
    return Macros("bronze_window.sql", var=lambda name: variables.get(name))


def schema(prefix: str = "", custom: str | None = "silver", kind: str = "model") -> str:
    macros = Macros(
        "overrides/generate_schema_name.sql",
        env_var=lambda _, __: prefix,
        target=SimpleNamespace(schema="strata"),
    )
    return macros.generate_schema_name(custom, SimpleNamespace(resource_type=kind, name="it"))


def test_schemas_are_bare_without_a_prefix() -> None:
    assert schema() == "silver"


@pytest.mark.parametrize("prefix", ["dev_ann_", "ci_42_"])
def test_schemas_are_prefixed_elsewhere(prefix: str) -> None:
    assert schema(prefix) == f"{prefix}silver"


@pytest.mark.parametrize("prefix", ["dev", "Dev_", "dev-ann_", "1_", "a_; drop"])
def test_a_bad_prefix_raises(prefix: str) -> None:
    with pytest.raises(CompilerError, match="STRATA_SCHEMA_PREFIX"):
        schema(prefix)


def test_a_model_without_a_schema_raises() -> None:
    with pytest.raises(CompilerError, match="'it' has no schema"):
        schema(custom=None)


def test_what_builds_nothing_needs_no_schema() -> None:
    assert schema(custom=None, kind="sql operation") == "strata"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2013, 1, 5), date(2013, 1, 7), "(year = 2013 and month = 1 and day between 5 and 7)"),
        (
            date(2012, 12, 31),
            date(2013, 1, 1),
            "(year = 2012 and month = 12 and day between 31 and 31"
            " or year = 2013 and month = 1 and day between 1 and 1)",
        ),
    ],
)
def test_partitions_are_literals(first: date, last: date, expected: str) -> None:
    assert windows().arrival_partitions(first, last) == expected


def test_whole_years_are_one_range() -> None:
    partitions = windows().arrival_partitions(date(2012, 12, 30), date(2026, 1, 2))
    assert "year between 2013 and 2025" in partitions
    assert partitions.count(" or ") == 2


def covered(predicate: str, day: date) -> bool:
    """Evaluates arrival_partitions' SQL, which is Python but for `between` and `=`."""
    python = re.sub(r"(\w+) between (\d+) and (\d+)", r"\2 <= \1 <= \3", predicate)
    python = python.replace(" = ", " == ")
    return bool(eval(python, {"year": day.year, "month": day.month, "day": day.day}))  # noqa: S307


@pytest.mark.parametrize("length", [0, 1, 27, 40, 400, 1200])
def test_partitions_cover_the_days_and_no_other(length: int) -> None:
    first = date(2011, 11, 17)
    last = first + datetime.timedelta(days=length)
    predicate = windows().arrival_partitions(first, last)
    for offset in range(-400, length + 400):
        day = first + datetime.timedelta(days=offset)
        assert covered(predicate, day) == (first <= day <= last), day


def test_dates_become_ranges() -> None:
    days = [date(2013, 1, 1), date(2013, 1, 2), date(2013, 3, 1)]
    assert windows().date_ranges("d", days) == (
        "(d between date '2013-01-01' and date '2013-01-02'"
        " or d between date '2013-03-01' and date '2013-03-01')"
    )
    assert windows().date_ranges("d", []) == "false"


def test_months_end_where_they_end() -> None:
    assert windows().days_of_month(date(2012, 2, 10)) == [date(2012, 2, 1), date(2012, 2, 29)]
    assert windows().days_of_month(date(2013, 12, 31)) == [date(2013, 12, 1), date(2013, 12, 31)]


def test_vars_override_the_window() -> None:
    macros = windows(bronze_from="2013-01-01", bronze_until=date(2013, 1, 2))
    assert macros.window_override() == {"first": date(2013, 1, 1), "last": date(2013, 1, 2)}
    assert windows().window_override() is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"bronze_from": "yesterday"}, "bronze_from is 'yesterday'"),
        ({"bronze_until": "2013-01-01"}, "without bronze_from"),
        ({"bronze_from": "2013-01-02", "bronze_until": "2013-01-01"}, "is before"),
        ({"bronze_from": "2013-01-02'; drop"}, "Write it as a date"),
    ],
)
def test_a_bad_window_says_so(variables: dict[str, str], message: str) -> None:
    with pytest.raises(CompilerError, match=re.escape(message)):
        windows(**variables).window_override()


def test_nothing_is_asked_while_parsing() -> None:
    macros = Macros("bronze_window.sql", var=lambda _: None, execute=False)
    assert macros.bronze_window() == "true"
    assert macros.arrived_window() == "true"


def incremental(newest: Any, today: date) -> Macros:
    answer = SimpleNamespace(rows=[(newest, today)])
    relation = SimpleNamespace(database="d", schema="s", identifier="t")
    return Macros(
        "bronze_window.sql",
        var=lambda _: None,
        is_incremental=lambda: True,
        this=relation,
        api=SimpleNamespace(Relation=SimpleNamespace(create=lambda **parts: parts)),
        run_query=lambda _: answer,
    )


def test_the_window_is_from_a_day_before_the_newest_arrival_to_a_day_ahead() -> None:
    macros = incremental(datetime.datetime(2013, 1, 5, 6, 30), date(2013, 1, 6))
    assert macros.bronze_window() == "(year = 2013 and month = 1 and day between 4 and 7)"
    assert macros.arrived_window() == "_arrived_at >= timestamp '2013-01-04 06:30:00.000000'"


def test_weeks_without_runs_are_read_again() -> None:
    macros = incremental(datetime.datetime(2013, 1, 5), date(2013, 3, 1))
    predicate = macros.bronze_window()
    assert all(covered(predicate, date(2013, m, d)) for m, d in ((1, 4), (2, 14), (3, 2)))


def test_a_table_without_rows_reads_everything() -> None:
    macros = incremental(None, date(2013, 3, 1))
    assert macros.bronze_window() == "true"
    assert macros.arrived_window() == "true"


def bounds(type_: str, least: Any, greatest: Any) -> str:
    macros = Macros(
        "bronze_window.sql",
        "overrides/iceberg_merge.sql",
        adapter=SimpleNamespace(
            get_columns_in_relation=lambda _: [SimpleNamespace(name="c", dtype=type_)]
        ),
        run_query=lambda _: SimpleNamespace(rows=[(least, greatest)]),
    )
    return macros.merge_bound("batch", "c")


def test_a_merge_is_bounded_by_its_batch() -> None:
    assert bounds("date", date(2013, 1, 1), date(2013, 1, 2)) == (
        "target.c between date '2013-01-01' and date '2013-01-02'"
    )
    assert bounds("varchar", "a'b", "c") == "target.c between 'a''b' and 'c'"
    assert bounds("timestamp", datetime.datetime(2013, 1, 2), datetime.datetime(2013, 1, 2, 1)) == (
        "target.c between timestamp '2013-01-01 00:00:00.000000'"
        " and timestamp '2013-01-03 01:00:00.000000'"
    )


def test_an_empty_batch_matches_nothing() -> None:
    assert bounds("date", None, None) == "false"


def test_a_bound_of_another_type_raises() -> None:
    with pytest.raises(CompilerError, match="cannot use a column of type 'double'"):
        bounds("double", 1.0, 2.0)


def test_records_of_a_key_are_ordered_alike_within_and_across_batches() -> None:
    macros = Macros("base_records.sql")
    condition = macros.better_record("published_at")
    query = macros.one_record_a_key(["a"], ["a"], "t", version="published_at")
    assert "src.published_at > target.published_at" in condition
    assert "src._content_hash > target._content_hash" in condition
    assert re.search(r"rejections\) = 0, 0, 1\),\s+published_at desc,\s+_content_hash desc", query)


def test_integers_may_be_floats_without_a_fraction() -> None:
    assert "'\\.0+$'" in Macros("base_records.sql").parse("c", "integer")
