"""SQL/JSON: json_exists, json_value and json_query, whose clauses come as one text (see query_parser.py).

https://trino.io/docs/current/functions/json.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from .. import json_path
from ..casts import cast
from ..expression import Expr, bind, fail_text
from ..failure import QueryFailed
from ..types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    UNKNOWN,
    VARCHAR,
    Type,
    common,
    literal,
    parse,
    to_duckdb,
)
from .lambdas import Lambdas
from .scope import Scope

_EXISTS = re.compile(r"(?:\s+(?P<error>true|false|unknown|error)\s+on\s+error)?", re.I)
_ANSWER = r"null|error|default\s+.+?"
_VALUE = re.compile(
    rf"(?:\s+returning\s+(?P<type>.+?))?(?:\s+(?P<empty>{_ANSWER})\s+on\s+empty)?"
    rf"(?:\s+(?P<error>{_ANSWER})\s+on\s+error)?",
    re.I | re.S,
)
_JSON = r"null|error|empty(?:\s+(?:array|object))?"
_QUERY = re.compile(
    r"(?:\s+returning\s+(?P<type>.+?)(?:\s+format\s+json)?)?"
    r"(?:\s+(?P<wrapper>without|with|with\s+conditional|with\s+unconditional)(?:\s+array)?\s+wrapper)?"
    r"(?:\s+(?P<quotes>keep|omit)\s+quotes(?:\s+on\s+scalar\s+string)?)?"
    rf"(?:\s+(?P<empty>{_JSON})\s+on\s+empty)?(?:\s+(?P<error>{_JSON})\s+on\s+error)?",
    re.I | re.S,
)
_ERRORS = (
    "JSON_INPUT_CONVERSION_ERROR",
    "PATH_EVALUATION_ERROR",
    json_path.VALUE_ERROR,
    json_path.QUERY_ERROR,
)
_WRAPPERS = {
    "": "WITHOUT",
    "without": "WITHOUT",
    "with": "UNCONDITIONAL",
    "with unconditional": "UNCONDITIONAL",
    "with conditional": "CONDITIONAL",
}
#: The kinds of scalars that json_value finds, by the letter of an answer.
_KINDS = {
    json_path.TEXT: VARCHAR,
    json_path.WHOLE: BIGINT,
    json_path.DOUBLE: DOUBLE,
    json_path.BOOLEAN: BOOLEAN,
}


class SqlJson(Lambdas):
    """Translates calls of the SQL/JSON functions."""

    def json_exists(self, node: exp.Expression, scope: Scope) -> Expr:
        """Whether a path finds something."""
        text, path, clauses = self._parts(node, scope, _EXISTS)
        on_error = clauses["error"].lower()

        def answer(found: str) -> str:
            failed = {"true": "true", "unknown": "NULL"}.get(on_error, "false")
            if on_error == "error":
                failed = _failing(found, BOOLEAN)
            return f"CASE WHEN {found} LIKE '!%' THEN {failed} ELSE {found} = 'true' END"

        called = f"strata_json_exists({text}, {path})"
        return Expr(f"CASE WHEN {text} IS NOT NULL THEN {bind(called, answer)} END", BOOLEAN)

    def json_value(self, node: exp.Expression, scope: Scope) -> Expr:
        """The scalar that a path finds, as a type."""
        text, path, clauses = self._parts(node, scope, _VALUE)
        kind = parse(clauses["type"] or "varchar")
        if kind.items or kind.name in ("json", "varbinary"):
            raise self.error("TYPE_MISMATCH", f"Invalid return type of json_value: {kind}", node)
        empty, wrong = (self._answer(clauses[key], kind, node, scope) for key in ("empty", "error"))

        def answer(found: str) -> str:
            return bind(_converted(found, kind), lambda made: result(found, made), "strata_made")

        def result(found: str, made: str) -> str:
            missing = _failed(json_path.VALUE_ERROR, kind)
            nothing = "strata_or[1]" if empty else missing
            failed = "strata_or[2]" if wrong else _failing(found, kind)
            return (
                f"CASE WHEN {found} = '{json_path.EMPTY}' THEN {nothing} "
                f"WHEN {found} = '{json_path.NULL}' THEN NULL "
                f"WHEN {made} IS NULL THEN {failed} ELSE {made} END"
            )

        duck = to_duckdb(kind)
        # Trino computes the defaults whether they are needed or not.
        defaults = f"CAST([{empty or 'NULL'}, {wrong or 'NULL'}] AS {duck}[])"
        called = bind(f"strata_json_value({text}, {path})", answer, "strata_j")
        made = f"list_transform([{defaults}], lambda strata_or: {called})[1]"
        return Expr(f"CASE WHEN {text} IS NOT NULL THEN {made} END", kind)

    def json_query(self, node: exp.Expression, scope: Scope) -> Expr:
        """The JSON that a path finds, as text."""
        text, path, clauses = self._parts(node, scope, _QUERY)
        kind = parse(clauses["type"] or "varchar")
        if kind.name != "varchar":
            raise self.error("TYPE_MISMATCH", f"Cannot output JSON as {kind}", node)
        wrapper = _WRAPPERS[" ".join(clauses["wrapper"].lower().split())]
        if clauses["quotes"] and wrapper != "WITHOUT":
            message = f"{clauses['quotes'].upper()} QUOTES with a wrapper"
            raise self.error("INVALID_FUNCTION_ARGUMENT", message, node)
        options = literal(wrapper), literal(clauses["quotes"].upper() or "KEEP")

        def answer(found: str) -> str:
            missing, failed = (
                _json_answer(clauses[key], error)
                for key, error in (
                    ("empty", _failed(json_path.QUERY_ERROR, VARCHAR)),
                    ("error", _failing(found, VARCHAR)),
                )
            )
            shown = cast(Expr(f"{found}[2:]", VARCHAR), kind).sql
            return (
                f"CASE WHEN {found} LIKE '!%' THEN {failed} "
                f"WHEN {found} = '{json_path.EMPTY}' THEN {missing} ELSE {shown} END"
            )

        called = f"strata_json_query({text}, {path}, {', '.join(options)})"
        made = bind(called, answer, "strata_j")
        return Expr(f"CASE WHEN {text} IS NOT NULL THEN {made} END", kind)

    def _parts(
        self, node: exp.Expression, scope: Scope, grammar: re.Pattern[str]
    ) -> tuple[str, str, dict[str, str]]:
        """SQL of the document and of the path, and the clauses, which may be empty."""
        args = node.expressions
        texts = [a.this for a in args[1:] if isinstance(a, exp.Literal) and a.is_string]
        match = grammar.fullmatch(f" {texts[1]}" if len(texts) > 1 else "")
        if len(texts) > 1 and re.match(r"passing\b", texts[1], re.I):
            raise self.refuse(f"PASSING in {self._name(node)}", node)
        if not match or len(args) != len(texts) + 1 or not texts:
            raise self.error("SYNTAX_ERROR", f"mismatched input in {self._name(node)}", node)
        try:
            json_path.parse(texts[0])
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None
        clauses = {key: value or "" for key, value in match.groupdict().items()}
        return self._document(node, scope), literal(texts[0]), clauses

    def _document(self, node: exp.Expression, scope: Scope) -> str:
        document = self.expr(node.expressions[0], scope)
        if document.type == UNKNOWN:
            return f"CAST({document.sql} AS VARCHAR)"
        if document.type.name in ("char", "varbinary"):
            raise self.refuse(f"{self._name(node)} of {document.type}", node)
        if document.type.name != "varchar":
            raise self.error("TYPE_MISMATCH", f"Cannot read input of type {document.type}", node)
        return document.sql

    def _name(self, node: exp.Expression) -> str:
        return str(node.this).lower().rpartition("$")[2]

    def _answer(self, clause: str, kind: Type, node: exp.Expression, scope: Scope) -> str:
        """SQL of `NULL | DEFAULT …`, or nothing for `ERROR`."""
        word = clause.split(maxsplit=1)[0].lower() if clause else "null"
        if word == "error":
            return ""
        if word == "null":
            return "NULL"
        # The parser needs the names of all functions first.
        from ..query_parser import parse_query

        query = parse_query(f"select {clause.split(maxsplit=1)[1]}")
        default = self.expr(query.expressions[0], scope)
        if common(default.type, kind) != kind:
            message = f"The default of json_value is {default.type}, not {kind}"
            raise self.error("TYPE_MISMATCH", message, node)
        return cast(default, kind).sql


def _converted(found: str, kind: Type) -> str:
    """SQL of a found scalar as a type, NULL where it is none of it."""
    whens = []
    for letter, own in _KINDS.items():
        inner = f"TRY_CAST({found}[2:] AS {to_duckdb(own)})"
        try:
            made = cast(Expr(inner, own), kind, safe=True).sql
        except QueryFailed:
            continue
        whens.append(f"WHEN '{letter}' THEN {made}")
    return f"CASE {found}[1] {' '.join(whens)} END"


def _failed(code: str, kind: Type) -> str:
    return fail_text(code, "Cannot extract the value from the JSON path", to_duckdb(kind))


def _failing(found: str, kind: Type) -> str:
    """SQL that fails with the error of an answer, or as what cannot be converted."""
    whens = " ".join(f"WHEN '!{code}' THEN {_failed(code, kind)}" for code in _ERRORS)
    return f"CASE {found} {whens} ELSE {_failed(json_path.VALUE_ERROR, kind)} END"


def _json_answer(clause: str, error: str) -> str:
    """SQL of `NULL | ERROR | EMPTY ARRAY | EMPTY OBJECT`."""
    words = clause.lower().split() or ["null"]
    if words[0] == "error":
        return error
    if words[0] == "null":
        return "NULL"
    return "'{}'" if words[-1] == "object" else "'[]'"


SQL_JSON: dict[str, Callable[[SqlJson, Any, Scope], Expr]] = {
    "json_exists": SqlJson.json_exists,
    "json_value": SqlJson.json_value,
    "json_query": SqlJson.json_query,
}
