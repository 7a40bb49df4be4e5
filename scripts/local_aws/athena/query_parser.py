"""Queries and DML: sqlglot's Trino grammar, and what its tokens lack."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from . import reserved
from .aggregates import AGGREGATES, WINDOWS
from .failure import QueryFailed, not_supported
from .functions import SCALARS
from .translate import MARK

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


def parse_query(text: str) -> exp.Expression:
    """The AST of a query or DML; function calls are kept as written (marked Anonymous)."""
    dialect = Dialect.get_or_raise("trino")
    dialect.INDEX_OFFSET = 0
    try:
        tokens = dialect.tokenize(_together(text))
        tokens = _number_literals(_decimal_literals(_double_literals(tokens)), text)
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


def _double_literals(tokens: list[Token]) -> list[Token]:
    """`1.5` as the double 1.5e0, which it is in Athena; Trino reads a decimal(2,1).

    Athena's documentation writes decimals as DECIMAL '1.5', and the tests that dbt-athena runs in
    an account find `1 / 0.0` infinite.
    https://docs.aws.amazon.com/athena/latest/ug/data-types-considerations.html
    """
    kept: list[Token] = []
    for token in tokens:
        if token.token_type == TokenType.NUMBER:
            if _is_point(kept, token):
                token.text, token.start = f".{token.text}", kept.pop().start
            if "." in token.text and "e" not in token.text.lower():
                token.text += "e0"
        kept.append(token)
    return kept


def _is_point(before: list[Token], number: Token) -> bool:
    """Whether a number stands right behind a point that belongs to it: `.5`, but not `t.5`."""
    if not before or before[-1].token_type != TokenType.DOT or before[-1].end + 1 != number.start:
        return False
    owner = before[-2] if len(before) > 1 else None
    return (
        owner is None
        or owner.end + 1 < before[-1].start
        or owner.token_type in (TokenType.NUMBER, TokenType.L_PAREN, TokenType.COMMA)
    )


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
