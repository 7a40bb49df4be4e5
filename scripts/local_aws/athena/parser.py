"""Statements: which grammar reads which, and those that hold a query."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from . import ddl_parser
from .clauses import NAME, assignments, parenthesis, split, split_name
from .failure import QueryFailed, not_supported
from .query_parser import parse_query
from .statement import Statement
from .translate import MARK

#: https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
MAX_QUERY_BYTES = 262_144


def parse(text: str) -> Statement:
    """The statement of a query string.

    Raises QueryFailed: SYNTAX_ERROR with Athena's `line x:y`, NOT_SUPPORTED for what is refused.
    """
    if len(text.encode()) > MAX_QUERY_BYTES:
        raise QueryFailed(
            "INVALID_INPUT", f"Query length must be less than or equal to {MAX_QUERY_BYTES} bytes"
        )
    body = _strip(text)
    word = "(" if body.startswith("(") else " ".join(body.lower().split()[:1])
    if word in ("select", "with", "values", "("):
        return Statement("select", text, "DML", query=parse_query(text))
    if word == "insert":
        return _insert(text)
    if word in ("merge", "update", "delete"):
        return _change(text, word)
    if word == "create":
        return _create(text, body)
    if re.match(r"unload\s*\(", body, re.I):
        return _unload(text, body)
    for pattern, build in _GRAMMAR:
        if match := re.fullmatch(pattern, body, re.IGNORECASE | re.DOTALL):
            return build(text, match)
    known = ("prepare", "execute", "deallocate", "msck", "analyze", "grant",
             "revoke", "call", "truncate", "set", "use", "alter", "drop", "show", "describe",
             "optimize", "vacuum")  # fmt: skip
    if word in known:
        raise not_supported(f"the statement {' '.join(body.split()[:4])[:80]}")
    raise QueryFailed(
        "SYNTAX_ERROR", f"line 1:1: mismatched input '{body.split()[0] if body else ''}'"
    )


def _strip(text: str) -> str:
    """The statement without comments around it and the semicolon at its end."""
    body = text.strip()
    while True:
        cut = re.sub(r"^(/\*.*?\*/|--[^\n]*(\n|$))\s*", "", body, flags=re.DOTALL)
        if cut == body:
            break
        body = cut
    body = re.sub(r"(^|\n)\s*--[^\n]*(?=\n|$)", r"\1", body) if not body.lower().startswith(
        ("select", "with", "insert", "merge", "update", "delete")) else body  # fmt: skip
    return body.strip().rstrip(";").strip()


def names(table: exp.Expression) -> list[str]:
    """The parts of a table name, in lower case."""
    return [p.name.lower().removeprefix(MARK) for p in table.parts]


def _insert(text: str) -> Statement:
    node = parse_query(text)
    if not isinstance(node, exp.Insert) or node.args.get("overwrite"):
        raise not_supported("INSERT OVERWRITE")
    target = node.this
    columns = None
    if isinstance(target, exp.Schema):
        columns = [c.name.lower().removeprefix(MARK) for c in target.expressions]
        target = target.this
    statement = Statement("insert", text, "DML", names(target), node.expression, node)
    statement.options["columns"] = columns
    if with_clause := node.args.get("with_"):
        node.expression.set("with_", with_clause)
    return statement


def _change(text: str, word: str) -> Statement:
    node = parse_query(text)
    expected = {"merge": exp.Merge, "update": exp.Update, "delete": exp.Delete}[word]
    if not isinstance(node, expected):
        raise not_supported(f"this form of {word.upper()}")
    return Statement(word, text, "DML", names(node.this), None, node)


def _create(text: str, body: str) -> Statement:
    if match := re.match(rf"create\s+(or\s+replace\s+)?view\s+({NAME})\s*as\s+", body, re.I | re.S):
        sql = body[match.end() :]
        options = {"replace": bool(match[1]), "sql": sql}
        return Statement(
            "create_view",
            text,
            table=split_name(match[2]),
            query=parse_query(_in_place(text, sql)),
            options=options,
        )
    if match := re.match(r"create\s+(?:database|schema)\b", body, re.I):
        return ddl_parser.create_schema(text, body)
    if match := re.match(rf"create\s+table\s+(if\s+not\s+exists\s+)?({NAME})\s*", body, re.I):
        rest = body[match.end() :]
        ctas = _ctas(text, match, rest)
        if ctas:
            return ctas
    return ddl_parser.create_table(text, body)


def _ctas(text: str, match: re.Match[str], rest: str) -> Statement | None:
    """`[WITH (...)] AS query`, with comments anywhere between."""
    properties: dict[str, Any] = {}
    rest = _skip_comments(rest)
    if re.match(r"with\s*\(", rest, re.I):
        inner, rest = parenthesis(rest)
        properties = assignments(inner)
        rest = _skip_comments(rest)
    if not re.match(r"as\b", rest, re.I):
        if properties:
            raise QueryFailed("SYNTAX_ERROR", "line 1:1: mismatched input: expecting 'AS'")
        return None
    sql = rest[2:].strip()
    no_data = False
    if tail := re.search(r"\bwith\s+(no\s+)?data\s*$", sql, re.I):
        no_data, sql = bool(tail[1]), sql[: tail.start()]
    options = {"properties": properties, "if_not_exists": bool(match[1]), "no_data": no_data}
    return Statement(
        "ctas",
        text,
        "DDL",
        table=split_name(match[2]),
        query=parse_query(_in_place(text, sql)),
        options=options,
    )


def _in_place(text: str, sql: str) -> str:
    """A query where it stands in a statement, blanks before it: its errors name that place."""
    return re.sub(r"\S", " ", text[: max(text.rfind(sql), 0)]) + sql


def _skip_comments(text: str) -> str:
    return re.sub(r"^(\s|/\*.*?\*/|--[^\n]*\n)+", "", text, flags=re.S)


def _optimize(text: str, match: re.Match[str]) -> Statement:
    where = None
    if match[2]:
        where = parse_query(f"select 1 from x where {match[2]}").args["where"].this
    return Statement("optimize", text, "DML", table=split_name(match[1]), options={"where": where})


def _unload(text: str, body: str) -> Statement:
    """`UNLOAD (query) TO 'location' [WITH (properties)]`."""
    sql, rest = parenthesis(body)
    match = re.fullmatch(r"\s*to\s+'([^']+)'\s*(?:with\s*(\(.*\)))?\s*", rest, re.I | re.S)
    if not match:
        raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{rest.strip()[:40]}'")
    properties = assignments(parenthesis(match[2])[0]) if match[2] else {}
    options = {"location": match[1], "properties": properties}
    query = parse_query(_in_place(text, sql))
    return Statement("unload", text, "DML", query=query, options=options)


def _explain(text: str, match: re.Match[str]) -> Statement:
    """`EXPLAIN [(options)] statement`; options are checked by explain.py."""
    if match["analyze"]:
        raise not_supported("EXPLAIN ANALYZE")
    explained = parse(_in_place(text, match["sql"]))
    if explained.kind not in ("select", "ctas", "insert", "merge", "update", "delete"):
        raise not_supported(f"EXPLAIN of {explained.kind.upper()}")
    found = {}
    for part in split(match["options"] or ""):
        name, _, value = part.upper().partition(" ")
        if name not in ("FORMAT", "TYPE"):
            raise QueryFailed("SYNTAX_ERROR", f"line 1:10: mismatched input '{part}'")
        found[name] = value.strip()
    given = {"options": found, "statement": explained}
    tree = explained.node or explained.query
    return Statement("explain", text, "UTILITY", node=tree, options=given)


_GRAMMAR: list[tuple[str, Any]] = [
    (r"explain\b(?P<analyze>\s+analyze\b)?\s*(?:\((?P<options>\s*(?:format|type)\b[^()]*)\))?"
     r"\s*(?P<sql>.+)", _explain),
    (rf"optimize\s+({NAME})\s+rewrite\s+data\s+using\s+bin_pack(?:\s+where\s+(.*))?", _optimize),
    *ddl_parser.GRAMMAR,
]  # fmt: skip
