"""Parts of Athena's own statements: names, parentheses, lists, properties, strings."""

from __future__ import annotations

import re
from typing import Any

from .failure import QueryFailed

NAME = r'(?:`[^`]+`|"[^"]+"|[\w$]+)(?:\s*\.\s*(?:`[^`]+`|"[^"]+"|[\w$]+)){0,2}'


def split_name(text: str) -> list[str]:
    """`db`.`table`, "db"."table" or db.table as lower-case parts."""
    return [
        (m[1] or m[2] or m[3]).lower() for m in re.finditer(r'`([^`]+)`|"([^"]+)"|([\w$]+)', text)
    ]


def parenthesis(text: str) -> tuple[str, str]:
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


def split(text: str) -> list[str]:
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


def assignments(text: str) -> dict[str, Any]:
    """`key = 'value', key = ARRAY['a', 'b']` as a dictionary."""
    found: dict[str, Any] = {}
    for part in split(text):
        key, separator, value = part.partition("=")
        if not separator:
            raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{part[:40]}'")
        found[key.strip().strip("'\"`").lower()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if match := re.fullmatch(r"array\s*\[(.*)\]", text, re.I | re.S):
        return [_value(p) for p in split(match[1])]
    if text.startswith("'") and text.endswith("'"):
        return text[1:-1].replace("''", "'")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def strings(text: str) -> dict[str, str]:
    """TBLPROPERTIES and SERDEPROPERTIES: `'a'='b', 'c'='d'`, keys as written."""
    found = {}
    for part in split(text):
        match = re.fullmatch(r"['\"](.*?)['\"]\s*=\s*['\"](.*)['\"]", part, re.S)
        if not match:
            raise QueryFailed("SYNTAX_ERROR", f"line 1:1: mismatched input '{part[:40]}'")
        found[match[1]] = unescaped(match[2])
    return found


_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "\\": "\\", "'": "'", '"': '"'}


def unescaped(text: str) -> str:
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
