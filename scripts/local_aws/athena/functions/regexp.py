"""Regular expressions: https://trino.io/docs/current/functions/regexp.html

DuckDB's RE2 runs them. A constant pattern that RE2 does not read as Trino does is refused by name.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..expression import Expr, fail_text
from ..failure import QueryFailed, not_supported
from ..types import BIGINT, BOOLEAN, INTEGER, UNKNOWN, VARCHAR, array, literal
from .registry import accept, bad_argument, bounded, define, same

#: Escapes that mean the same in Trino and RE2: classes, controls and quoted marks.
_ESCAPES = set("dDwWsSbBAztnrfaQE.\\[](){}*+?|^$-/&#%'\"<>=!:;,@_~` ")
_REFUSED = re.compile(
    r"\(\?(?:[=!]|<[=!]|>|#)"  # look-around, atomic groups, comments
    r"|\(\?[a-z-]*[^imsP<:)a-z-]"  # flags that RE2 does not have
    r"|[*+?}]\+"  # possessive repetition
    r"|\[\^?\]?[^\]]*(?:&&|\[(?!:))"  # classes in classes
)

#: What only a constant pattern may have, because it is looked at beforehand.
_DOUBTFUL = r"[$]|\\[^dDwW.*+?]|[(][?]|&&|\[[^\]]*\[|[*+?}][+]"


def pattern_of(arg: Expr, sql: str) -> str:
    """The SQL of a pattern, checked where it is constant."""
    if not isinstance(arg.constant, str):
        bad = fail_text("NOT_SUPPORTED", "This pattern, not constant, is not supported", "VARCHAR")
        return f"CASE WHEN regexp_matches({sql}, {literal(_DOUBTFUL)}) THEN {bad} ELSE {sql} END"
    text = arg.constant
    for escape in re.finditer(r"\\(.)", text, re.DOTALL):
        if escape[1] not in _ESCAPES and not re.match(
            r"\\(p\{L[a-z]?\}|pL|x[0-9a-fA-F]{2})", text[escape.start() :]
        ):
            raise not_supported(f"the escape {escape[0]} in a regular expression")
    if refused := _REFUSED.search(re.sub(r"\\.", "", text)):
        raise not_supported(f"{refused[0]} in a regular expression")
    return literal(_spaces(re.sub(r"\(\?<([A-Za-z])", r"(?P<\1", text)))


def _spaces(text: str) -> str:
    """`\\s` has the vertical tab in Trino, not in RE2."""
    out, inside = "", False
    for token in re.finditer(r"\\.|[^\\]", text, re.DOTALL):
        part = token[0]
        if part == r"\s":
            part = r"\s\x0b" if inside else r"[\s\x0b]"
        elif part == r"\S":
            if inside:
                raise not_supported(r"\S in a class of a regular expression")
            part = r"[^\s\x0b]"
        elif part in "[]":
            inside = part == "["
        out += part
    return out


def _subject(text: str, arg: Expr) -> str:
    """The text, refused where RE2 sees other borders: of words beyond ASCII, before a last newline."""
    pattern = arg.constant if isinstance(arg.constant, str) else ""
    if re.search(r"\\[bB]", pattern):
        bad = fail_text("NOT_SUPPORTED", r"\b beyond ASCII is not supported here", "VARCHAR")
        text = f"CASE WHEN strata_ascii({text}) THEN {text} WHEN {text} IS NOT NULL THEN {bad} END"
    if "$" in re.sub(r"\\.|\[[^\]]*\]", "", pattern) and "(?m" not in pattern:
        bad = fail_text("NOT_SUPPORTED", "$ before a last newline is not supported here", "VARCHAR")
        text = f"CASE WHEN suffix({text}, chr(10)) THEN {bad} ELSE {text} END"
    return text


def _groups(name: str, args: list[Expr], group: Expr | None) -> None:
    """Fail on a group that a constant pattern does not have."""
    if group is None or not isinstance(group.constant, int):
        if group is not None and group.type != UNKNOWN:
            raise not_supported(f"{name} with a group that is not constant")
        return
    if not isinstance(args[1].constant, str):
        raise not_supported(f"{name} with a group and a pattern that is not constant")
    try:
        count = re.compile(re.sub(r"\(\?<([A-Za-z])", r"(?P<\1", args[1].constant)).groups
    except re.error:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "Invalid regular expression") from None
    if not 0 <= group.constant <= count:
        raise QueryFailed(
            "INVALID_FUNCTION_ARGUMENT", f"Pattern has {count} groups. Cannot access group "
            f"{group.constant}",
        )  # fmt: skip


def _two(name: str, args: list[Expr]) -> tuple[str, str]:
    text, pattern = accept(name, "ss", args[:2])
    return _subject(text, args[1]), pattern_of(args[1], pattern)


@define("regexp_like", 2)
def _like(args: list[Expr]) -> Expr:
    pattern = args[1].constant
    if (
        isinstance(pattern, str)
        and re.search(r"(?<![\\|])\$$", pattern)
        and ("(?m" not in pattern and "|" not in pattern)
    ):
        # Before a last newline `$` matches in Trino, not in RE2.
        pattern = pattern[:-1] + r"\n?\z"
        args = [args[0], replace(args[1], constant=pattern)]
    text, pattern = _two("regexp_like", args)
    return Expr(f"regexp_matches({text}, {pattern})", BOOLEAN)


@define("regexp_extract", 2, 3)
def _extract(args: list[Expr]) -> Expr:
    text, pattern = _two("regexp_extract", args)
    _groups("regexp_extract", args, args[2] if len(args) == 3 else None)
    group = args[2].sql if len(args) == 3 else "0"
    # The list has NULL for a group that took no part; regexp_extract() has an empty string.
    return Expr(f"regexp_extract_all({text}, {pattern}, {group})[1]", same(args))


@define("regexp_extract_all", 2, 3)
def _extract_all(args: list[Expr]) -> Expr:
    text, pattern = _two("regexp_extract_all", args)
    _groups("regexp_extract_all", args, args[2] if len(args) == 3 else None)
    group = args[2].sql if len(args) == 3 else "0"
    return Expr(f"regexp_extract_all({text}, {pattern}, {group})", array(same(args)))


@define("regexp_count", 2)
def _count(args: list[Expr]) -> Expr:
    text, pattern = _two("regexp_count", args)
    return Expr(f"len(regexp_extract_all({text}, {pattern}))", BIGINT)


@define("regexp_position", 2, 4)
def _position(args: list[Expr]) -> Expr:
    if len(args) > 2:
        raise not_supported("regexp_position with a start")
    text, pattern = _two("regexp_position", args)
    before = f"regexp_extract({text}, '(?s)\\A(.*?)(?:' || {pattern} || ')', 1)"
    found = f"CASE WHEN regexp_matches({text}, {pattern}) THEN length({before}) + 1 ELSE -1 END"
    missing = f"{text} IS NULL OR {pattern} IS NULL"
    return Expr(f"CASE WHEN {missing} THEN NULL ELSE CAST({found} AS INTEGER) END", INTEGER)


@define("regexp_split", 2)
def _split(args: list[Expr]) -> Expr:
    text, pattern = _two("regexp_split", args)
    empty = f"regexp_matches('', {pattern})"
    bad = bad_argument("A pattern that matches nothing does not split here", VARCHAR)
    if isinstance(args[1].constant, str) and _matches_empty(args[1].constant):
        raise not_supported("regexp_split with a pattern that matches the empty string")
    if not isinstance(args[1].constant, str):
        pattern = f"CASE WHEN {empty} THEN {bad} ELSE {pattern} END"
    return Expr(f"string_split_regex({text}, {pattern})", array(same(args)))


def _matches_empty(pattern: str) -> bool:
    try:
        return re.search(re.sub(r"\(\?<([A-Za-z])", r"(?P<\1", pattern), "") is not None
    except re.error:
        return False


@define("regexp_replace", 2, 3)
def _replace(args: list[Expr]) -> Expr:
    text, pattern = _two("regexp_replace", args)
    if len(args) == 2:
        return Expr(f"regexp_replace({text}, {pattern}, '', 'g')", same(args))
    if args[2].type == UNKNOWN:
        return Expr("CAST(NULL AS VARCHAR)", same(args), None)
    if args[2].type.name != "varchar" or not isinstance(args[2].constant, str):
        raise not_supported("regexp_replace with a replacement that is not a constant string")
    if not isinstance(args[1].constant, str) or (args[1].constant and _matches_empty(
            args[1].constant)):  # fmt: skip
        raise not_supported("regexp_replace with a pattern that may match the empty string")
    new = _replacement(args[1], args[2].constant)
    size = len(args[2].constant)
    kind = bounded(same(args), lambda n: n + max(n * size // 2, size) * (n + 1))
    return Expr(f"regexp_replace({text}, {pattern}, {literal(new)}, 'g')", kind)


def _replacement(pattern: Expr, text: str) -> str:
    """Java's replacement (`$1`, `${name}`, `\\$`) as RE2's (`\\1`)."""
    if not isinstance(pattern.constant, str):
        if "$" in text or "\\" in text:
            raise not_supported("regexp_replace with groups and a pattern that is not constant")
        return text
    try:
        compiled = re.compile(re.sub(r"\(\?<([A-Za-z])", r"(?P<\1", pattern.constant))
    except re.error:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "Invalid regular expression") from None

    def convert(match: re.Match[str]) -> str:
        if match[0][0] == "\\":
            return "\\\\" if match[1] == "\\" else match[1]
        group = compiled.groupindex.get(match[2]) if match[2] else None
        if group is None and match[3] and int(match[3]) <= compiled.groups:
            group = int(match[3])
        if group is None or group > 9:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"Illegal replacement: {text}")
        return f"\\{group}"

    return re.sub(r"\\(.)|\$(?:\{(\w+)\}|(\d)|)", convert, text)
