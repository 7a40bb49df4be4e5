"""The faults: each is SQL that reads a model's relation and gives it back with one thing wrong.

Nothing is written: a mutant is a subquery that stands where a test names the relation.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A rare fault is harder to see than a common one: it is planted in a tenth of the rows that it
# changes, always in the first of them. What goes wrong in code goes wrong in every row.
_SHARE = 10

# What a column's name says of its unit, and its value in another one; the first match counts.
_UNITS = (
    (r"minutes|delay|air_time", "{} * 6e1"),  # in seconds
    (r"hours|^tz$", "{} * 6e1"),  # in minutes
    (r"usd|amount", "{} * 1e2"),  # in cents
    (r"miles|distance|mph|speed|visib|gust", "{} * 1.609e0"),  # in kilometres
    (r"feet|^alt$", "{} * 3.048e-1"),  # in metres
    (r"inches|precip", "{} * 2.54e1"),  # in millimetres
    (r"fahrenheit|temp|dewp", "({} - 32) / 1.8e0"),  # in degrees Celsius
    (r"percent|humid", "{} / 1e2"),  # as a fraction
    (r"rate$", "{} * 1e2"),  # in percent
    (r"millibars|pressure", "{} / 1e1"),  # in kilopascals
    (r"hhmm|_time$", "{0} / 100 * 60 + {0} % 100"),  # in minutes since midnight
    (r"degrees|_dir$|latitude|longitude|^lat$|^lon$", "{} * 1.745e-2"),  # in radians
)


@dataclass(frozen=True)
class Column:
    """A column of a model, with its declared type."""

    name: str
    type: str

    @property
    def is_number(self) -> bool:
        """Whether arithmetic means something."""
        return self.type in ("integer", "bigint", "double") or self.type.startswith("decimal")


@dataclass(frozen=True)
class Model:
    """A model of the lakehouse: `relation` is its quoted name in SQL.

    `hashed` are the columns that the model's own `_content_hash` is made of.
    """

    name: str
    relation: str
    columns: tuple[Column, ...]
    hashed: tuple[str, ...] = ()

    @property
    def layer(self) -> str:
        """What its name begins with: base, stg, fct…"""
        return self.name.split("_", 1)[0]

    @property
    def listed(self) -> str:
        """Its columns, as a select list."""
        return ", ".join(f'"{column.name}"' for column in self.columns)

    @property
    def sort(self) -> str:
        """An order that is the same in each run: a subquery may run more than once."""
        return ", ".join(f'"{c.name}"' for c in self.columns if not c.type.startswith("array"))


@dataclass(frozen=True)
class Mutant:
    """A model's output with one fault.

    `effect` counts the rows that the fault can change, `relation` is the faulty output.
    """

    model: Model
    fault: str
    place: str
    effect: str
    relation: str

    @property
    def name(self) -> str:
        """How a survivor is listed."""
        return f"{self.model.name}{self.place}: {self.fault}"


def healthy(model: Model) -> str:
    """The model's output as it is, through the same subqueries as a mutant's."""
    return _hashed_again(model, f"(select {model.listed} from {model.relation})")


def mutants(model: Model) -> Iterator[Mutant]:
    """Every fault that fits the model and its columns."""
    remainders = (
        f"(select *, row_number() over (order by {model.sort}) % {_SHARE} as remainder "
        f"from {model.relation})"
    )
    every_row = f"select {model.listed} from {model.relation}"
    tenth = f"select {model.listed} from {remainders} where remainder = 1"
    others = f"select {model.listed} from {remainders} where remainder <> 1"
    yield Mutant(model, "duplicate key", "", "count(*)", f"({every_row} union all {tenth})")
    yield Mutant(model, "lost rows", "", "count(*)", f"({others})")
    for column in model.columns:
        for fault, wrong, is_rare in _wrong_values(column):
            yield _in_column(model, column, fault, f"cast({wrong} as {column.type})", is_rare)


def _wrong_values(column: Column) -> Iterator[tuple[str, str, bool]]:
    """(fault, expression of the wrong value, whether it is rare) for a column."""
    name = f'"{column.name}"'
    yield "null", "null", True
    if column.type == "varchar":
        yield "orphan", f"'?' || {name}", True
    if column.type == "array(varchar)":
        yield "orphan", f"array['?'] || {name}", True
    if column.type == "boolean":
        yield "flipped", f"not {name}", True
    if column.type == "date":
        yield "out of range", f"date_add('year', 100, {name})", True
        yield "shifted time zone", f"date_add('day', -1, {name})", True
    if column.type == "timestamp(6)":
        yield "out of range", f"date_add('year', 100, {name})", True
        yield "shifted time zone", f"date_add('hour', 5, {name})", False
    if column.is_number:
        yield "out of range (negative)", f"-abs({name}) - 1", True
        yield "out of range (huge)", f"abs({name}) * 1000 + 1000000", True
        for pattern, other in _UNITS:
            if re.search(pattern, column.name):
                yield "wrong unit", other.format(name), False
                break


def _in_column(model: Model, column: Column, fault: str, wrong: str, is_rare: bool) -> Mutant:
    name = f'"{column.name}"'
    changes = f"{wrong} is distinct from {name}"
    source, is_planted = model.relation, "true"
    if is_rare:
        source = (
            f"(select *, {changes} and row_number() over (partition by {changes} "
            f"order by {model.sort}) % {_SHARE} = 1 as is_planted from {model.relation})"
        )
        is_planted = "is_planted"
    listed = ", ".join(
        f"if({is_planted}, {wrong}, {name}) as {name}" if other == column else f'"{other.name}"'
        for other in model.columns
    )
    relation = f"(select {listed} from {source})"
    if column.name in model.hashed:
        relation = _hashed_again(model, relation)
    return Mutant(model, fault, f".{column.name}", f"count(nullif({changes}, false))", relation)


def _hashed_again(model: Model, relation: str) -> str:
    """A model that computes a wrong value hashes the wrong value: the hash betrays nothing."""
    if not model.hashed:
        return relation
    texts = [f"coalesce('|{name}=' || cast({name} as varchar), '')" for name in model.hashed]
    joined = " || ".join(texts)
    content_hash = f"lower(to_hex(md5(to_utf8({joined}))))"
    listed = model.listed.replace('"_content_hash"', f"{content_hash} as _content_hash")
    return f"(select {listed} from {relation})"
