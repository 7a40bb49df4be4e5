"""Statements: sqlglot's Trino grammar for queries and DML, a small one for Athena's own DDL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from . import reserved
from .aggregates import AGGREGATES, WINDOWS
from .failure import QueryFailed, not_supported
from .functions import SCALARS
from .translate import MARK

#: https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
MAX_QUERY_BYTES = 262_144


@dataclass
class Statement:
    """A parsed statement: `kind` says what it is, the rest depends on it."""

    kind: str
    text: str
    type: str = "DDL"
    table: list[str] = field(default_factory=list)
    query: exp.Expression | None = None
    node: exp.Expression | None = None
    options: dict[str, Any] = field(default_factory=dict)


#: Functions with a syntax of their own, that sqlglot has to parse.
_SPECIAL = {
    "CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "NORMALIZE",
    "JSON_OBJECT", "JSON_ARRAY", "OVERLAY",
}  # fmt: skip
#: Functions whose arguments end with clauses, which their translation reads as one text.
_CLAUSES = {"JSON_EXISTS", "JSON_VALUE", "JSON_QUERY"}
#: Names that are functions when a parenthesis follows, though sqlglot has a token of their own.
_FUNCTIONS = {name.upper() for name in (*SCALARS, *AGGREGATES, *WINDOWS)} | {"FILTER", "FORMAT"}
_FUNCTIONS -= {"MAP", "DATE", *_SPECIAL}


def parse(text: str) -> Statement:
    """The statement of a query string.

    Raises QueryFailed: SYNTAX_ERROR with Athena's `line x:y`, NOT_SUPPORTED for what is refused.
    """
    if len(text.encode()) > MAX_QUERY_BYTES:
        raise QueryFailed(
            "INVALID_INPUT", f"Query length must be less than or equal to {MAX_QUERY_BYTES} bytes"
        )
    body = _strip(text)
    word = _words(body, 1)
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


def _words(body: str, count: int) -> str:
    if body.startswith("("):
        return "("
    return " ".join(body.lower().split()[:count])


def parse_query(text: str) -> exp.Expression:
    """The AST of a query or DML; function calls are kept as written (marked Anonymous)."""
    dialect = Dialect.get_or_raise("trino")
    dialect.INDEX_OFFSET = 0
    try:
        tokens = dialect.tokenize(_together(text))
        tokens = _number_literals(_decimal_literals(tokens), text)
        tokens = _clauses(tokens, text)
        _mark_functions(tokens)
        _time_travel(tokens)
        trees = [t for t in dialect.parser().parse(tokens, text) if t is not None]
    except (ParseError, TokenError) as error:
        raise _syntax_error(error, text) from None
    if len(trees) != 1:
        raise QueryFailed("SYNTAX_ERROR", "Only one sql statement is allowed")
    tree = trees[0]
    if isinstance(tree, exp.Command):
        raise not_supported(f"the statement {text.strip()[:60]}")
    reserved.check_query(tree, text)
    return tree


#: A binary literal, or what may hold the letters of one: a text, a quoted name, a comment.
_BINARY = re.compile(
    r"\b[xX]'(?P<digits>[^']*)'|'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL
)


def _together(text: str) -> str:
    """`X'68 65'` without the blanks that sqlglot does not read; what follows stays in its place."""

    def one(match: re.Match[str]) -> str:
        digits = match["digits"]
        if digits is None:
            return match[0]
        return f"X'{''.join(digits.split())}'".ljust(len(match[0]))

    return _BINARY.sub(one, text)


def _decimal_literals(tokens: list[Token]) -> list[Token]:
    """`decimal '1.50'` as the number 1.50: sqlglot makes a cast of it, which loses the scale."""
    kept: list[Token] = []
    for token in tokens:
        previous = kept[-1] if kept else None
        if (
            token.token_type == TokenType.STRING
            and previous is not None
            and previous.text.upper() == "DECIMAL"
            and re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", token.text)
        ):
            token.token_type = TokenType.NUMBER
            token.text = token.text if "." in token.text else f"{token.text}."
            kept[-1] = token
        else:
            kept.append(token)
    return kept


def _number_literals(tokens: list[Token], text: str) -> list[Token]:
    """`0x1F`, `0b101` and `1_000`, which sqlglot reads as a binary or as a number with an alias."""
    kept: list[Token] = []
    for token in tokens:
        previous = kept[-1] if kept else None
        written = text[token.start : token.end + 1]
        if token.token_type == TokenType.HEX_STRING and written[:2].lower() == "0x":
            token.token_type, token.text = TokenType.NUMBER, str(int(written.replace("_", ""), 16))
        elif (
            previous is not None
            and previous.token_type == TokenType.NUMBER
            and token.token_type == TokenType.VAR
            and token.start == previous.end + 1
        ):
            previous.text = _number(text[previous.start : token.end + 1])
            continue
        kept.append(token)
    return kept


def _number(written: str) -> str:
    plain = written.replace("_", "")
    if match := re.fullmatch(r"0([bo])([0-7]+)", plain, re.IGNORECASE):
        return str(int(match[2], {"b": 2, "o": 8}[match[1].lower()]))
    if re.fullmatch(r"\d+", plain):
        return plain
    raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{written}'")


def _clauses(tokens: list[Token], text: str) -> list[Token]:
    """`json_value(x, 'lax $.a' RETURNING …)` with what follows the path as one more argument."""
    kept: list[Token] = []
    opened: list[bool] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        kept.append(token)
        at += 1
        if token.token_type == TokenType.L_PAREN:
            opened.append(len(kept) > 1 and kept[-2].text.upper() in _CLAUSES)
        elif token.token_type == TokenType.R_PAREN and opened:
            opened.pop()
        is_path = (
            token.token_type == TokenType.STRING
            and len(kept) > 1
            and kept[-2].token_type == TokenType.COMMA
            and opened
            and opened[-1]
        )
        end = _closing(tokens, at) if is_path else at
        if end > at + 1:
            clause, comma = tokens[end - 1], tokens[at]
            clause.text = text[comma.start : clause.end + 1]
            clause.token_type = TokenType.STRING
            comma.token_type, comma.text = TokenType.COMMA, ","
            kept += [comma, clause]
            at = end
    return kept


def _closing(tokens: list[Token], at: int) -> int:
    """Where the parenthesis is closed that is open at a place."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].token_type == TokenType.L_PAREN:
            depth += 1
        elif tokens[index].token_type == TokenType.R_PAREN:
            depth -= 1
            if depth < 0:
                return index
    return len(tokens)


def _mark_functions(tokens: list[Token]) -> None:
    previous = None
    for token, following in zip(tokens, tokens[1:], strict=False):
        if following.token_type == TokenType.L_PAREN:
            word = token.text.upper()
            within = previous is not None and previous.text.upper() == "WITHIN"
            is_name = token.token_type == TokenType.VAR and word not in _SPECIAL and not within
            is_word = word in _FUNCTIONS and not (
                previous is not None and previous.token_type == TokenType.R_PAREN
            )
            if is_name or is_word:
                token.text = MARK + token.text
                token.token_type = TokenType.VAR
        previous = token


def _time_travel(tokens: list[Token]) -> None:
    """`FOR SYSTEM_VERSION` is `FOR VERSION`, and `AS OF (…)` is no call of a function."""
    for previous, token in zip(tokens, tokens[1:], strict=False):
        before = previous.text.upper()
        if before == "FOR" and token.text.upper() == "SYSTEM_VERSION":
            token.text = "VERSION"
        elif before == "AS" and token.text.upper() == f"{MARK}OF".upper():
            token.text = "OF"


def _syntax_error(error: Exception, text: str) -> QueryFailed:
    if isinstance(error, ParseError) and error.errors:
        first = error.errors[0]
        line, column = first.get("line") or 1, first.get("col") or 1
        word = first.get("highlight") or ""
        column = max(1, column - len(word) + 1)
        shown = word.replace(MARK, "") or "<EOF>"
        return QueryFailed("SYNTAX_ERROR", f"line {line}:{column}: mismatched input '{shown}'")
    return QueryFailed("SYNTAX_ERROR", f"line 1:1: {str(error).splitlines()[0][:200]}")


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


_NAME = r'(?:`[^`]+`|"[^"]+"|[\w$]+)(?:\s*\.\s*(?:`[^`]+`|"[^"]+"|[\w$]+)){0,2}'


def split_name(text: str) -> list[str]:
    """`db`.`table`, "db"."table" or db.table as lower-case parts."""
    return [
        (m[1] or m[2] or m[3]).lower() for m in re.finditer(r'`([^`]+)`|"([^"]+)"|([\w$]+)', text)
    ]


def _create(text: str, body: str) -> Statement:
    if match := re.match(
        rf"create\s+(or\s+replace\s+)?view\s+({_NAME})\s*as\s+", body, re.I | re.S
    ):
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
        return _create_schema(text, body)
    if match := re.match(rf"create\s+table\s+(if\s+not\s+exists\s+)?({_NAME})\s*", body, re.I):
        rest = body[match.end() :]
        ctas = _ctas(text, match, rest)
        if ctas:
            return ctas
    return _create_table(text, body)


def _ctas(text: str, match: re.Match[str], rest: str) -> Statement | None:
    """`[WITH (...)] AS query`, with comments anywhere between."""
    properties: dict[str, Any] = {}
    rest = _skip_comments(rest)
    if re.match(r"with\s*\(", rest, re.I):
        inner, rest = _parenthesis(rest)
        properties = _properties(inner)
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


def _parenthesis(text: str) -> tuple[str, str]:
    """The content of the first parenthesis of `text`, and what follows it."""
    start = text.index("(")
    depth, quoted = 0, ""
    for index in range(start, len(text)):
        char = text[index]
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "'\"`":
            quoted = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return text[start + 1 : index], text[index + 1 :]
    raise QueryFailed("SYNTAX_ERROR", "line 1:1: mismatched input '<EOF>': expecting ')'")


def _split(text: str) -> list[str]:
    """Parts between commas that are not inside parentheses, brackets or quotes."""
    parts, depth, quoted, current = [], 0, "", ""
    for char in text:
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "'\"`":
            quoted = char
        elif char in "([<":
            depth += 1
        elif char in ")]>":
            depth -= 1
        if char == "," and depth == 0 and not quoted:
            parts.append(current)
            current = ""
        else:
            current += char
    return [p.strip() for p in [*parts, current] if p.strip()]


def _properties(text: str) -> dict[str, Any]:
    """`key = 'value', key = ARRAY['a', 'b']` as a dictionary."""
    found: dict[str, Any] = {}
    for part in _split(text):
        key, separator, value = part.partition("=")
        if not separator:
            raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{part[:40]}'")
        found[key.strip().strip("'\"`").lower()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if match := re.fullmatch(r"array\s*\[(.*)\]", text, re.I | re.S):
        return [_value(p) for p in _split(match[1])]
    if text.startswith("'") and text.endswith("'"):
        return text[1:-1].replace("''", "'")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def _strings(text: str) -> dict[str, str]:
    """TBLPROPERTIES and SERDEPROPERTIES: `'a'='b', 'c'='d'`, keys as written."""
    found = {}
    for part in _split(text):
        match = re.fullmatch(r"['\"](.*?)['\"]\s*=\s*['\"](.*)['\"]", part, re.S)
        if not match:
            raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{part[:40]}'")
        found[match[1]] = _unescaped(match[2])
    return found


_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "\\": "\\", "'": "'", '"': '"'}


def _unescaped(text: str) -> str:
    """The value of a string in Hive's DDL; an escape that it does not have stays as it is."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if len(code) == 3:
            return chr(int(code, 8))
        return _ESCAPES.get(code, match[0])

    unescaped = re.sub(r"\\(u[0-9a-fA-F]{4}|[0-7]{3}|.)", one, text, flags=re.S)
    return unescaped.replace("''", "'")


def _create_schema(text: str, body: str) -> Statement:
    match = re.fullmatch(
        rf"create\s+(?:database|schema)\s+(if\s+not\s+exists\s+)?({_NAME})"
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
        "properties": _strings(match["properties"]) if match["properties"] else {},
    }
    return Statement("create_schema", text, table=split_name(match[2]), options=options)


def _create_table(text: str, body: str) -> Statement:
    """`CREATE [EXTERNAL] TABLE` with columns: Hive's DDL, and Athena's for Iceberg."""
    match = re.match(
        rf"create\s+(external\s+)?table\s+(if\s+not\s+exists\s+)?({_NAME})\s*\(", body, re.I
    )
    if not match:
        raise not_supported(f"the statement {' '.join(body.split()[:3])}")
    inner, rest = _parenthesis(body[match.start(3) + len(match[3]) :])
    options: dict[str, Any] = {
        "external": bool(match[1]),
        "if_not_exists": bool(match[2]),
        "columns": [_column(p) for p in _split(inner)],
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
    comment = None if match[3] is None else _unescaped(match[3])
    return match[1].strip('`"').lower(), match[2].strip(), comment


def _table_clauses(rest: str, options: dict[str, Any]) -> None:
    while rest:
        if match := re.match(r"comment\s+'((?:[^']|'')*)'\s*", rest, re.I):
            options["comment"], rest = _unescaped(match[1]), rest[match.end() :]
        elif match := re.match(r"partitioned\s+by\s*", rest, re.I):
            inner, rest = _parenthesis(rest)
            options["partitions"] = [
                _column(p) if re.match(r"[`\"\w]+\s+\w", p) else (p, "", None)
                for p in _split(inner)
            ]
        elif match := re.match(r"clustered\s+by\s*", rest, re.I):
            inner, rest = _parenthesis(rest)
            if not (match := re.match(r"\s*into\s+([1-9]\d*)\s+buckets\s*", rest, re.I)):
                raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{rest[:40]}'")
            names = [p.strip('`"').lower() for p in _split(inner)]
            options["buckets"], rest = (names, int(match[1])), rest[match.end() :]
        elif match := re.match(r"row\s+format\s+serde\s+'([^']+)'\s*", rest, re.I):
            options["serde"], rest = match[1], rest[match.end() :]
        elif match := re.match(r"with\s+serdeproperties\s*", rest, re.I):
            inner, rest = _parenthesis(rest)
            options["serde_properties"] = _strings(inner)
        elif match := re.match(r"row\s+format\s+delimited\s*", rest, re.I):
            rest = rest[match.end() :]
        elif match := re.match(
            r"(fields|escaped|lines|collection\s+items|map\s+keys|null)\s+"
            r"(?:(?:terminated\s+)?by|defined\s+as)\s+'([^']*)'\s*",
            rest, re.I,
        ):  # fmt: skip
            options["delimited"][" ".join(match[1].lower().split())] = _unescaped(match[2])
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
            inner, rest = _parenthesis(rest)
            options["properties"] = _strings(inner)
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
        inner, _ = _parenthesis(match[2])
        columns = [_column(p) for p in _split(inner)]
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
    inner, _ = _parenthesis(match[2])
    return Statement(
        "set_properties", text, table=split_name(match[1]), options={"properties": _strings(inner)}
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
    for pair in _split(text.strip()[1:-1]):
        match = re.fullmatch(r"([`\"]?)(\w+)\1\s*=\s*('((?:[^']|'')*)'|[\w.-]+)", pair)
        if not match:
            raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{pair[:40]}'")
        values[match[2].lower()] = match[3] if match[4] is None else _unescaped(match[4])
    return values


def _alter_partition(text: str, match: re.Match[str]) -> Statement:
    """`ALTER TABLE t PARTITION (…)`, with another location or other values."""
    options = {"from": _partition(match[2]), "location": match["location"]}
    options["to"] = _partition(match["to"]) if match["to"] else options["from"]
    return Statement("alter_partition", text, table=split_name(match[1]), options=options)


def _alter_database(text: str, match: re.Match[str]) -> Statement:
    inner, _ = _parenthesis(match[2])
    options = {"properties": _strings(inner)}
    return Statement("alter_schema", text, table=split_name(match[1]), options=options)


def _optimize(text: str, match: re.Match[str]) -> Statement:
    where = None
    if match[2]:
        where = parse_query(f"select 1 from x where {match[2]}").args["where"].this
    return Statement("optimize", text, "DML", table=split_name(match[1]), options={"where": where})


def _unload(text: str, body: str) -> Statement:
    """`UNLOAD (query) TO 'location' [WITH (properties)]`."""
    sql, rest = _parenthesis(body)
    match = re.fullmatch(r"\s*to\s+'([^']+)'\s*(?:with\s*(\(.*\)))?\s*", rest, re.I | re.S)
    if not match:
        raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{rest.strip()[:40]}'")
    properties = _properties(_parenthesis(match[2])[0]) if match[2] else {}
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
    for part in _split(match["options"] or ""):
        name, _, value = part.upper().partition(" ")
        if name not in ("FORMAT", "TYPE"):
            raise QueryFailed("SYNTAX_ERROR", f"line 1:10: mismatched input '{part}'")
        found[name] = value.strip()
    given = {"options": found, "statement": explained}
    tree = explained.node or explained.query
    return Statement("explain", text, "UTILITY", node=tree, options=given)


def _named(kind: str, category: str = "UTILITY") -> Any:
    def build(text: str, match: re.Match[str]) -> Statement:
        groups = match.groupdict()
        table = split_name(groups.get("name") or "")
        return Statement(kind, text, category, table=table, options=groups)

    return build


_GRAMMAR: list[tuple[str, Any]] = [
    (r"explain\b(?P<analyze>\s+analyze\b)?\s*(?:\((?P<options>\s*(?:format|type)\b[^()]*)\))?"
     r"\s*(?P<sql>.+)", _explain),
    (rf"drop\s+(?:database|schema)\s+(if\s+exists\s+)?({_NAME})(\s+cascade)?(?:\s+restrict)?",
     _drop_schema),
    (rf"drop\s+(table|view)\s+(if\s+exists\s+)?({_NAME})(?:\s+purge)?", _drop),
    (rf"alter\s+(?:table|view)\s+({_NAME})\s+rename\s+to\s+({_NAME})", _alter_rename),
    (rf"alter\s+table\s+({_NAME})\s+add\s+columns\s*(\(.*\))", _alter_columns("add_columns")),
    (rf"alter\s+table\s+({_NAME})\s+replace\s+columns\s*(\(.*\))",
     _alter_columns("replace_columns")),
    (rf"alter\s+table\s+({_NAME})\s+drop\s+column\s+(`[^`]+`|\"[^\"]+\"|\w+)", _alter_drop_column),
    (rf"alter\s+table\s+({_NAME})\s+change\s+(?:column\s+)?(`[^`]+`|\"[^\"]+\"|\w+)\s+(.+?)"
     r"(?:\s+(?P<first>first)|\s+after\s+(?P<after>`[^`]+`|\"[^\"]+\"|\w+))?", _alter_change),
    (rf"alter\s+table\s+({_NAME})\s+set\s+tblproperties\s*(\(.*\))", _alter_properties),
    (rf"alter\s+table\s+({_NAME})\s+unset\s+tblproperties\s*(\(.*\))", _alter_unset),
    (rf"alter\s+table\s+({_NAME})\s+set\s+location\s+'([^']*)'", _alter_location),
    (rf"alter\s+table\s+({_NAME})\s+(add|drop)\s+(if\s+(?:not\s+)?exists\s+)?"
     r"(partition\s*\(.*)", _alter_partitions),
    (rf"alter\s+table\s+({_NAME})\s+partition\s*(\([^)]*\))\s*(?:set\s+location\s+'(?P<location>[^']*)'"
     r"|rename\s+to\s+partition\s*(?P<to>\([^)]*\)))", _alter_partition),
    (rf"alter\s+(?:database|schema)\s+({_NAME})\s+set\s+dbproperties\s*(\(.*\))",
     _alter_database),
    (rf"optimize\s+({_NAME})\s+rewrite\s+data\s+using\s+bin_pack(?:\s+where\s+(.*))?", _optimize),
    (rf"vacuum\s+(?P<name>{_NAME})", _named("vacuum", "DML")),
    (rf"msck\s+repair\s+table\s+(?P<name>{_NAME})", _named("repair", "DDL")),
    (r"show\s+(?:databases|schemas)(?:\s+like\s+'(?P<like>[^']*)')?", _named("show_databases")),
    (rf"show\s+tables(?:\s+in\s+(?P<name>{_NAME}))?(?:\s+'(?P<like>[^']*)')?",
     _named("show_tables")),
    (rf"show\s+views(?:\s+in\s+(?P<name>{_NAME}))?(?:\s+like\s+'(?P<like>[^']*)')?",
     _named("show_views")),
    (rf"show\s+columns\s+(?:in|from)\s+(?P<name>{_NAME})"
     rf"(?:\s+(?:in|from)\s+(?P<database>{_NAME}))?", _named("show_columns")),
    (rf"show\s+partitions\s+(?P<name>{_NAME})", _named("show_partitions")),
    (rf"show\s+tblproperties\s+(?P<name>{_NAME})(?:\s*\('(?P<key>[^']*)'\))?",
     _named("show_properties")),
    (rf"show\s+create\s+view\s+(?P<name>{_NAME})", _named("show_create_view")),
    (rf"show\s+create\s+table\s+(?P<name>{_NAME})", _named("show_create_table")),
    (rf"(?:describe|desc)\s+(?P<name>{_NAME})", _named("describe")),
]  # fmt: skip
