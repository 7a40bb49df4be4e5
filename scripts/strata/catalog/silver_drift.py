"""New columns of a source in its `base_` model: the SQL and the YAML as they would pick them up.

A column that is added to the model is appended to its table by the next incremental run
(`on_schema_change: append_new_columns`); the rows before it are null, and keep their hash.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from strata.catalog.yaml_nodes import get
from strata.declarations import Column, Source

#: Where the scaffold lists the columns: of a source in text with their types, else by name alone.
_TYPES = re.compile(r"(?<=\{%- set types = \{\n)(?:.*,\n)+(?=\} %\})")
_NAMES = re.compile(r"(?<=\{%- set columns = \[\n)(?:.*,\n)+(?=\] %\})")
#: In a typed source's `parsed`, what comes behind the columns.
_PARSED = re.compile(r"^ +split\(coalesce\(_rejection", re.MULTILINE)


def base_model(source: Source, project: Path) -> Path:
    """Where the `base_` model of a source lies, or would."""
    system, table = source.name.split(".")
    return project / "models" / "silver" / system / f"base_{system}__{table}.sql"


def with_columns(model: Path, new: list[Column], is_text: bool) -> dict[Path, str]:
    """The texts of a model and its YAML with columns that they do not have yet.

    Empty where the model is not of the scaffold's form: then it is a person's to change.
    """
    beside = model.with_suffix(".yml")
    sql = _in_sql(model.read_text(), new, is_text)
    if sql is None or not beside.exists():
        return {}
    document = _in_yaml(beside.read_text(), model.stem, new)
    return {model: sql, beside: document} if document is not None else {}


def _in_sql(sql: str, new: list[Column], is_text: bool) -> str | None:
    listed = (_TYPES if is_text else _NAMES).search(sql)
    if listed is None:
        return None
    missing = [column for column in new if f"'{column.name}'" not in listed[0]]
    line: Callable[[Column], str] = (
        (lambda c: f"    '{c.name}': '{c.type}',\n")
        if is_text
        else (lambda c: f"    '{c.name}',\n")
    )
    sql = sql[: listed.end()] + "".join(map(line, missing)) + sql[listed.end() :]
    if is_text:
        return sql
    parsed = _PARSED.search(sql)
    if parsed is None:
        return None
    selected = "".join(f"        {_selected(column)},\n" for column in missing)
    return sql[: parsed.start()] + selected + sql[parsed.start() :]


def _selected(column: Column) -> str:
    if column.type == "timestamp":
        return f"cast({column.name} as timestamp(6)) as {column.name}"
    return column.name


def _in_yaml(text: str, model: str, new: list[Column]) -> str | None:
    """The YAML with the columns, and with them among those that `intact_records` hashes."""
    found = _nodes(yaml.compose(text), model)
    if found is None:
        return None
    columns, hashed = found
    names = [_scalar(column, "name") for column in columns.value]
    missing = [column for column in new if column.name not in names]
    technical = columns.value[names.index("rejections")].start_mark
    edits = [
        # A sequence's item starts behind its dash.
        (technical.index - technical.column, "".join(_block(c, technical.column) for c in missing)),
        _listed(text, hashed, missing),
    ]
    for place, added in sorted(edits, reverse=True):
        text = text[:place] + added + text[place:]
    return text


def _listed(text: str, names: Any, missing: list[Column]) -> tuple[int, str]:
    """The edit that adds columns to a list of names, on its line or each on its own."""
    last = names.value[-1]
    if names.flow_style:
        return last.end_mark.index, "".join(f", {column.name}" for column in missing)
    indent = " " * (last.start_mark.column - 2)
    place = text.index("\n", last.end_mark.index) + 1
    return place, "".join(f"{indent}- {column.name}\n" for column in missing)


def _nodes(document: Any, model: str) -> tuple[Any, Any] | None:
    """The columns of a model, and the list of those that `intact_records` hashes."""
    for entry in get(document, "models").value:
        if _scalar(entry, "name") != model:
            continue
        columns = get(entry, "columns")
        for test in get(entry, "data_tests").value:
            if isinstance(test, yaml.MappingNode) and test.value[0][0].value == "intact_records":
                hashed = get(get(test.value[0][1], "arguments"), "columns")
                if any(_scalar(column, "name") == "rejections" for column in columns.value):
                    return columns, hashed
    return None


def _scalar(node: Any, key: str) -> str:
    text: str = get(node, key).value
    return text


def _block(column: Column, indent: int) -> str:
    lines = (
        f"- name: {column.name}",
        f"  data_type: {column.type.replace('timestamp', 'timestamp(6)')}",
        f"  description: {column.description}",
    )
    return "".join(f"{' ' * (indent - 2)}{line}\n" for line in lines)
