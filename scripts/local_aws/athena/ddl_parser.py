"""The grammar of Athena's DDL and utility statements, which sqlglot does not have.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

import re
from typing import Any

from . import reserved
from .clauses import NAME, parenthesis, split, split_name, strings, unescaped
from .failure import QueryFailed, not_supported
from .statement import Statement


def create_schema(text: str, body: str) -> Statement:
    """`CREATE DATABASE | SCHEMA`."""
    match = re.fullmatch(
        rf"create\s+(?:database|schema)\s+(if\s+not\s+exists\s+)?({NAME})"
        r"(?:\s+comment\s+'(?P<comment>[^']*)')?(?:\s+location\s+'(?P<location>[^']*)')?"
        r"(?:\s+with\s+dbproperties\s*\((?P<properties>.*)\))?",
        body,
        re.I | re.S,
    )
    if not match:
        raise not_supported(f"the statement {body[:60]}")
    options = {
        "if_not_exists": bool(match[1]),
        "comment": match["comment"],
        "location": match["location"],
        "properties": strings(match["properties"]) if match["properties"] else {},
    }
    return Statement("create_schema", text, table=split_name(match[2]), options=options)


def create_table(text: str, body: str) -> Statement:
    """`CREATE [EXTERNAL] TABLE` with columns: Hive's DDL, and Athena's for Iceberg."""
    match = re.match(
        rf"create\s+(external\s+)?table\s+(if\s+not\s+exists\s+)?({NAME})\s*\(", body, re.I
    )
    if not match:
        raise not_supported(f"the statement {' '.join(body.split()[:3])}")
    inner, rest = parenthesis(body[match.start(3) + len(match[3]) :])
    options: dict[str, Any] = {
        "external": bool(match[1]),
        "if_not_exists": bool(match[2]),
        "columns": [_column(p) for p in split(inner)],
        "partitions": [],
        "serde": None,
        "serde_properties": {},
        "stored_as": None,
        "classes": None,
        "location": None,
        "properties": {},
        "comment": None,
        "delimited": {},
        "buckets": None,
    }
    _table_clauses(rest.strip(), options)
    return Statement("create_table", text, table=split_name(match[3]), options=options)


def _column(text: str) -> tuple[str, str, str | None]:
    match = re.fullmatch(
        r"(`[^`]+`|\"[^\"]+\"|\w+)\s+(.*?)(?:\s+comment\s+'(.*)')?", text, re.I | re.S
    )
    if not match:
        raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{text[:40]}'")
    reserved.check_column(match[1])
    comment = None if match[3] is None else unescaped(match[3])
    return match[1].strip('`"').lower(), match[2].strip(), comment


def _table_clauses(rest: str, options: dict[str, Any]) -> None:
    while rest:
        if match := re.match(r"comment\s+'((?:[^']|'')*)'\s*", rest, re.I):
            options["comment"], rest = unescaped(match[1]), rest[match.end() :]
        elif match := re.match(r"partitioned\s+by\s*", rest, re.I):
            inner, rest = parenthesis(rest)
            options["partitions"] = [
                _column(p) if re.match(r"[`\"\w]+\s+\w", p) else (p, "", None) for p in split(inner)
            ]
        elif match := re.match(r"clustered\s+by\s*", rest, re.I):
            inner, rest = parenthesis(rest)
            if not (match := re.match(r"\s*into\s+([1-9]\d*)\s+buckets\s*", rest, re.I)):
                raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{rest[:40]}'")
            names = [p.strip('`"').lower() for p in split(inner)]
            options["buckets"], rest = (names, int(match[1])), rest[match.end() :]
        elif match := re.match(r"row\s+format\s+serde\s+'([^']+)'\s*", rest, re.I):
            options["serde"], rest = match[1], rest[match.end() :]
        elif match := re.match(r"with\s+serdeproperties\s*", rest, re.I):
            inner, rest = parenthesis(rest)
            options["serde_properties"] = strings(inner)
        elif match := re.match(r"row\s+format\s+delimited\s*", rest, re.I):
            rest = rest[match.end() :]
        elif match := re.match(
            r"(fields|escaped|lines|collection\s+items|map\s+keys|null)\s+"
            r"(?:(?:terminated\s+)?by|defined\s+as)\s+'([^']*)'\s*",
            rest, re.I,
        ):  # fmt: skip
            options["delimited"][" ".join(match[1].lower().split())] = unescaped(match[2])
            rest = rest[match.end() :]
        elif match := re.match(
            r"stored\s+as\s+inputformat\s+'([^']*)'\s+outputformat\s+'([^']*)'\s*", rest, re.I
        ):
            options["classes"], rest = (match[1], match[2]), rest[match.end() :]
        elif match := re.match(r"stored\s+as\s+(\w+)\s*", rest, re.I):
            options["stored_as"], rest = match[1].lower(), rest[match.end() :]
        elif match := re.match(r"location\s+'([^']*)'\s*", rest, re.I):
            options["location"], rest = match[1], rest[match.end() :]
        elif match := re.match(r"tblproperties\s*", rest, re.I):
            inner, rest = parenthesis(rest)
            options["properties"] = strings(inner)
        else:
            raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{rest[:40]}'")
        rest = rest.strip()


def _drop_schema(text: str, match: re.Match[str]) -> Statement:
    options = {"if_exists": bool(match[1]), "cascade": bool(match[3])}
    return Statement("drop_schema", text, table=split_name(match[2]), options=options)


def _drop(text: str, match: re.Match[str]) -> Statement:
    kind = f"drop_{match[1].lower()}"
    return Statement(kind, text, table=split_name(match[3]), options={"if_exists": bool(match[2])})


def _alter_rename(text: str, match: re.Match[str]) -> Statement:
    return Statement(
        "rename_table", text, table=split_name(match[1]), options={"to": split_name(match[2])}
    )


def _alter_columns(kind: str) -> Any:
    def build(text: str, match: re.Match[str]) -> Statement:
        inner, _ = parenthesis(match[2])
        columns = [_column(p) for p in split(inner)]
        return Statement(kind, text, table=split_name(match[1]), options={"columns": columns})

    return build


def _alter_drop_column(text: str, match: re.Match[str]) -> Statement:
    column = match[2].strip('`"').lower()
    return Statement("drop_column", text, table=split_name(match[1]), options={"column": column})


def _alter_change(text: str, match: re.Match[str]) -> Statement:
    name, kind, comment = _column(match[3])
    options = {"from": match[2].strip('`"').lower(), "to": name, "type": kind, "comment": comment}
    options |= {"first": bool(match["first"]), "after": (match["after"] or "").strip('`"').lower()}
    return Statement("change_column", text, table=split_name(match[1]), options=options)


def _alter_properties(text: str, match: re.Match[str]) -> Statement:
    inner, _ = parenthesis(match[2])
    return Statement(
        "set_properties", text, table=split_name(match[1]), options={"properties": strings(inner)}
    )


def _alter_unset(text: str, match: re.Match[str]) -> Statement:
    keys = re.findall(r"'([^']+)'", match[2])
    return Statement("unset_properties", text, table=split_name(match[1]), options={"keys": keys})


def _alter_location(text: str, match: re.Match[str]) -> Statement:
    return Statement(
        "set_location", text, table=split_name(match[1]), options={"location": match[2]}
    )


def _alter_partitions(text: str, match: re.Match[str]) -> Statement:
    adding = match[2].lower() == "add"
    pattern = r"\s*partition\s*(\([^)]*\))(?:\s*location\s+'([^']*)')?\s*,?"
    if not re.fullmatch(rf"({pattern})+", match[4], re.I):
        raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{match[4][:40]}'")
    found = [
        (_partition(part[1]), part[2]) for part in re.finditer(pattern, match[4], re.IGNORECASE)
    ]
    options = {"partitions": found, "quiet": bool(match[3])}
    kind = "add_partitions" if adding else "drop_partitions"
    return Statement(kind, text, table=split_name(match[1]), options=options)


def _partition(text: str) -> dict[str, str]:
    """`(day='2013-01-01', hour=3)` as a dictionary."""
    values = {}
    for pair in split(text.strip()[1:-1]):
        match = re.fullmatch(r"([`\"]?)(\w+)\1\s*=\s*('((?:[^']|'')*)'|[\w.-]+)", pair)
        if not match:
            raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{pair[:40]}'")
        values[match[2].lower()] = match[3] if match[4] is None else unescaped(match[4])
    return values


def _alter_partition(text: str, match: re.Match[str]) -> Statement:
    """`ALTER TABLE t PARTITION (…)`, with another location or other values."""
    options = {"from": _partition(match[2]), "location": match["location"]}
    options["to"] = _partition(match["to"]) if match["to"] else options["from"]
    return Statement("alter_partition", text, table=split_name(match[1]), options=options)


def _alter_database(text: str, match: re.Match[str]) -> Statement:
    inner, _ = parenthesis(match[2])
    options = {"properties": strings(inner)}
    return Statement("alter_schema", text, table=split_name(match[1]), options=options)


def _named(kind: str, category: str = "UTILITY") -> Any:
    def build(text: str, match: re.Match[str]) -> Statement:
        groups = match.groupdict()
        table = split_name(groups.get("name") or "")
        return Statement(kind, text, category, table=table, options=groups)

    return build


#: Statements by their patterns, and what builds them.
GRAMMAR: list[tuple[str, Any]] = [
    (rf"drop\s+(?:database|schema)\s+(if\s+exists\s+)?({NAME})(\s+cascade)?(?:\s+restrict)?",
     _drop_schema),
    (rf"drop\s+(table|view)\s+(if\s+exists\s+)?({NAME})(?:\s+purge)?", _drop),
    (rf"alter\s+(?:table|view)\s+({NAME})\s+rename\s+to\s+({NAME})", _alter_rename),
    (rf"alter\s+table\s+({NAME})\s+add\s+columns\s*(\(.*\))", _alter_columns("add_columns")),
    (rf"alter\s+table\s+({NAME})\s+replace\s+columns\s*(\(.*\))",
     _alter_columns("replace_columns")),
    (rf"alter\s+table\s+({NAME})\s+drop\s+column\s+(`[^`]+`|\"[^\"]+\"|\w+)", _alter_drop_column),
    (rf"alter\s+table\s+({NAME})\s+change\s+(?:column\s+)?(`[^`]+`|\"[^\"]+\"|\w+)\s+(.+?)"
     r"(?:\s+(?P<first>first)|\s+after\s+(?P<after>`[^`]+`|\"[^\"]+\"|\w+))?", _alter_change),
    (rf"alter\s+table\s+({NAME})\s+set\s+tblproperties\s*(\(.*\))", _alter_properties),
    (rf"alter\s+table\s+({NAME})\s+unset\s+tblproperties\s*(\(.*\))", _alter_unset),
    (rf"alter\s+table\s+({NAME})\s+set\s+location\s+'([^']*)'", _alter_location),
    (rf"alter\s+table\s+({NAME})\s+(add|drop)\s+(if\s+(?:not\s+)?exists\s+)?"
     r"(partition\s*\(.*)", _alter_partitions),
    (rf"alter\s+table\s+({NAME})\s+partition\s*(\([^)]*\))\s*(?:set\s+location\s+'(?P<location>[^']*)'"
     r"|rename\s+to\s+partition\s*(?P<to>\([^)]*\)))", _alter_partition),
    (rf"alter\s+(?:database|schema)\s+({NAME})\s+set\s+dbproperties\s*(\(.*\))",
     _alter_database),
    (rf"vacuum\s+(?P<name>{NAME})", _named("vacuum", "DML")),
    (rf"msck\s+repair\s+table\s+(?P<name>{NAME})", _named("repair", "DDL")),
    (r"show\s+(?:databases|schemas)(?:\s+like\s+'(?P<like>[^']*)')?", _named("show_databases")),
    (rf"show\s+tables(?:\s+in\s+(?P<name>{NAME}))?(?:\s+'(?P<like>[^']*)')?",
     _named("show_tables")),
    (rf"show\s+views(?:\s+in\s+(?P<name>{NAME}))?(?:\s+like\s+'(?P<like>[^']*)')?",
     _named("show_views")),
    (rf"show\s+columns\s+(?:in|from)\s+(?P<name>{NAME})"
     rf"(?:\s+(?:in|from)\s+(?P<database>{NAME}))?", _named("show_columns")),
    (rf"show\s+partitions\s+(?P<name>{NAME})", _named("show_partitions")),
    (rf"show\s+tblproperties\s+(?P<name>{NAME})(?:\s*\('(?P<key>[^']*)'\))?",
     _named("show_properties")),
    (rf"show\s+create\s+view\s+(?P<name>{NAME})", _named("show_create_view")),
    (rf"show\s+create\s+table\s+(?P<name>{NAME})", _named("show_create_table")),
    (rf"(?:describe|desc)\s+(?P<name>{NAME})", _named("describe")),
]  # fmt: skip
