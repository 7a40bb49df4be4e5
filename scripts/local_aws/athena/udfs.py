"""What neither DuckDB's SQL nor a macro computes as Trino does: functions in Python.

DuckDB calls each only for the rows that a query really needs it for. A failure is an Error, whose
text engine.as_failure() reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import inspect
import json
import math
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from . import addresses, json_path
from .json_text import Number, dump, java_double, no_constant, plain_double, raw
from .xxhash import xxhash64


class Error(Exception):
    """A Trino error: `!CODE: message` (see expression.fail)."""

    def __init__(self, message: str, code: str = "INVALID_FUNCTION_ARGUMENT") -> None:
        super().__init__(f"!{code}: {message}")


#: Name, parameters, result, function of one row.
FUNCTIONS: list[tuple[str, list[str], str, Callable[..., Any]]] = []


def _define(name: str, *types: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function; the last type is its result's."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.append((f"strata_{name}", list(types[:-1]), types[-1], function))
        return function

    return register


def install(connection: Any) -> None:
    """Make the functions known to a DuckDB connection.

    Not as functions over Arrow: DuckDB 1.5 frees an Arrow result while strings in it are in use.
    """
    for name, parameters, result, function in FUNCTIONS:
        run = _null_for_null(function)
        if result != "DOUBLE":
            connection.create_function(name, run, parameters, result, null_handling="special")
            continue
        # DuckDB takes a NaN that Python gives for NULL: doubles come as text.
        connection.create_function(
            f"{name}_text", run, parameters, "VARCHAR", null_handling="special"
        )
        names = ", ".join(f"p{i}" for i in range(len(parameters)))
        connection.execute(f"CREATE MACRO {name}({names}) AS CAST({name}_text({names}) AS DOUBLE)")


def _null_for_null(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*values: Any) -> Any:
        found = None if None in values else function(*values)
        return repr(found) if isinstance(found, float) else found

    # DuckDB counts the parameters.
    run.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return run


# --- numbers as text

_define("java_double", "DOUBLE", "VARCHAR")(java_double)


@_define("number_format", "VARCHAR", "VARCHAR", "VARCHAR")
def _number_format(spec: str, text: str) -> str:
    """Java's %d, %x, %f and %e: `spec` is flags, width, precision and letter."""
    match = re.fullmatch(r"([-+,0( ]*)(\d*)(?:\.(\d+))?([dxXfeE])", spec)
    assert match
    flags, width, letter = match[1], int(match[2] or 0), match[4]
    if not re.search(r"\d", text):  # NaN and the infinities
        return text.ljust(width) if "-" in flags else text.rjust(width)
    number = Decimal(text)
    body = _digits(abs(number), letter, int(match[3] or 6), "," in flags)
    if letter in "xX":
        body = f"{int(number) & (2**64 - 1):x}" if number < 0 else f"{int(number):x}"
        number = abs(number)
    negative = number < 0 or text.startswith("-") and letter not in "xX"
    before, after = ("(", ")") if negative and "(" in flags else ("-" if negative else "", "")
    if not negative and "+" in flags:
        before = "+"
    if "0" in flags:
        body = body.rjust(width - len(before) - len(after), "0")
    out = f"{before}{body}{after}"
    out = out.ljust(width) if "-" in flags else out.rjust(width)
    return out.upper() if letter in "XE" else out


def _digits(number: Decimal, letter: str, precision: int, grouped: bool) -> str:
    if letter in "dxX":
        return f"{int(number):,}" if grouped else str(int(number))
    if letter == "f":
        fixed = number.quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP)
        return f"{fixed:,f}" if grouped else f"{fixed:f}"
    exponent = number.adjusted() if number else 0
    mantissa = number.scaleb(-exponent).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP)
    if mantissa >= 10:
        mantissa, exponent = mantissa / 10, exponent + 1
        mantissa = mantissa.quantize(Decimal(1).scaleb(-precision))
    return f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"


@_define("from_base", "VARCHAR", "BIGINT", "BIGINT")
def _from_base(text: str, radix: int) -> int:
    if not 2 <= radix <= 36:
        raise Error("Radix must be between 2 and 36")
    if not re.fullmatch(r"[+-]?[0-9a-zA-Z]+", text):
        raise Error(f"Not a valid base-{radix} number: {text}")
    try:
        value = int(text, radix)
    except ValueError:
        raise Error(f"Not a valid base-{radix} number: {text}") from None
    if not -(2**63) <= value < 2**63:
        raise Error(f"Not a valid base-{radix} number: {text}")
    return value


@_define("to_base", "BIGINT", "BIGINT", "VARCHAR")
def _to_base(value: int, radix: int) -> str:
    if not 2 <= radix <= 36:
        raise Error("Radix must be between 2 and 36")
    digits, rest = "", abs(value)
    while rest or not digits:
        rest, digit = divmod(rest, radix)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"-{digits}" if value < 0 else digits


@_define("cbrt", "DOUBLE", "DOUBLE")
def _cbrt(value: float) -> float:
    root = math.cbrt(value)
    return float(round(root)) if math.isfinite(root) and round(root) ** 3 == value else root


@_define("cosh", "DOUBLE", "DOUBLE")
def _cosh(value: float) -> float:
    try:
        return math.cosh(value)
    except OverflowError:
        return math.inf


@_define("normal_cdf", "DOUBLE", "DOUBLE", "DOUBLE", "DOUBLE")
def _normal_cdf(mean: float, deviation: float, value: float) -> float:
    if deviation <= 0:
        raise Error("standardDeviation must be > 0")
    return 0.5 * math.erfc(-(value - mean) / (deviation * math.sqrt(2)))


@_define("inverse_normal_cdf", "DOUBLE", "DOUBLE", "DOUBLE", "DOUBLE")
def _inverse_normal_cdf(mean: float, deviation: float, p: float) -> float:
    if not 0 < p < 1:
        raise Error("p must be 0 > p > 1")
    if deviation <= 0:
        raise Error("sd must be > 0")
    return NormalDist(mean, deviation).inv_cdf(p)


@_define("readable_seconds", "DOUBLE", "VARCHAR")
def _readable_seconds(value: float) -> str:
    if not math.isfinite(value):
        raise Error("Invalid argument found: argument is not finite")
    left = math.floor(abs(value) + 0.5)
    parts = []
    for unit, size in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    if left or not parts:
        parts.append(f"{left} second{'' if left == 1 else 's'}")
    return ", ".join(parts)


_SIZES = {u: 1024**i for i, u in enumerate(("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"))}


@_define("data_size", "VARCHAR", "VARCHAR")
def _data_size(text: str) -> str:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]+)", text)
    if not match or match[2] not in _SIZES:
        raise Error(f"Invalid data size: '{text}'")
    return str(int(Decimal(match[1]) * _SIZES[match[2]]))


@_define("cosine", "MAP(VARCHAR, DOUBLE)", "MAP(VARCHAR, DOUBLE)", "DOUBLE")
def _cosine(a: list[tuple[str, float]], b: list[tuple[str, float]]) -> float | None:
    left, right = dict(a), dict(b)
    if None in left.values() or None in right.values():
        return None
    lengths = math.sqrt(sum(v * v for v in left.values())) * math.sqrt(
        sum(v * v for v in right.values())
    )
    dot = sum(v * right.get(k, 0.0) for k, v in left.items())
    return dot / lengths if lengths else None


# --- text


def _java_case(change: Callable[[str], str]) -> Callable[[str], str]:
    """Code point by code point; where a case has several, the character stays."""

    def convert(text: str) -> str:
        return "".join(c if len(changed := change(c)) != 1 else changed for c in text)

    return convert


_define("slow_lower", "VARCHAR", "VARCHAR")(
    lambda text: "".join("i" if c == "İ" else c.lower() for c in text)
)
_define("slow_upper", "VARCHAR", "VARCHAR")(_java_case(str.upper))


@_define("levenshtein_points", "VARCHAR", "VARCHAR", "BIGINT")
def _levenshtein(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


_SOUNDS = {c: d for d, letters in {
    "1": "BFPV", "2": "CGJKQSXZ", "3": "DT", "4": "L", "5": "MN", "6": "R"
}.items() for c in letters}  # fmt: skip


@_define("soundex", "VARCHAR", "VARCHAR")
def _soundex(text: str) -> str:
    letters = [c for c in text.upper() if c.isalpha()]
    if not letters:
        return ""
    if any(c > "Z" for c in letters):
        raise Error("The character is not mapped: " + text)
    code, last = letters[0], _SOUNDS.get(letters[0], "")
    for letter in letters[1:]:
        sound = _SOUNDS.get(letter, "")
        if sound and sound != last:
            code += sound
        if letter not in "HW":
            last = sound
    return code[:4].ljust(4, "0")


@_define("luhn", "VARCHAR", "BOOLEAN")
def _luhn(text: str) -> bool:
    if not text:
        return False
    if not re.fullmatch("[0-9]+", text):
        raise Error("Expected a string consisting of only digits")
    doubled = [sum(divmod(int(c) * (1 + i % 2), 10)) for i, c in enumerate(reversed(text))]
    return sum(doubled) % 10 == 0


@_define("translate_points", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def _translate(text: str, source: str, target: str) -> str:
    table: dict[str, str] = {}
    for index, char in enumerate(source):
        table.setdefault(char, target[index] if index < len(target) else "")
    return "".join(table.get(c, c) for c in text)


@_define("strpos", "VARCHAR", "VARCHAR", "BIGINT", "BIGINT")
def _strpos(text: str, part: str, instance: int) -> int:
    if instance == 0:
        raise Error("'instance' must be a positive or negative number.")
    if not part:
        return 1
    at = -1 if instance > 0 else len(text) + len(part)
    for _ in range(abs(instance)):
        at = text.find(part, at + 1) if instance > 0 else text.rfind(part, 0, at + len(part) - 1)
        if at < 0:
            return 0
    return at + 1


@_define("normalize", "VARCHAR", "VARCHAR", "VARCHAR")
def _normalize(text: str, form: str) -> str:
    if form not in ("NFD", "NFC", "NFKD", "NFKC"):
        raise Error(f"Normalization form must be one of [NFD, NFC, NFKD, NFKC]: {form}")
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


@_define("from_utf8", "BLOB", "VARCHAR", "VARCHAR")
def _from_utf8(data: bytes, other: str) -> str:
    if len(other) > 1:
        raise Error("Replacement character string must empty or a single character")
    out = ""
    while data:
        try:
            return out + data.decode()
        except UnicodeDecodeError as error:
            out += data[: error.start].decode() + other
            data = data[error.end :]
    return out


def _pairs(text: str, entry_mark: str, value_mark: str) -> list[tuple[str, str]]:
    if not entry_mark or not value_mark or entry_mark == value_mark:
        raise Error("entryDelimiter and keyValueDelimiter must be different and not empty")
    pairs = []
    for entry in text.split(entry_mark) if text else []:
        key, mark, value = entry.partition(value_mark)
        if not entry:
            continue
        if not mark or value_mark in value:
            raise Error(
                f"Key-value delimiter must appear exactly once in each entry. Bad input: '{entry}'"
            )
        pairs.append((key, value))
    return pairs


@_define("split_map", "VARCHAR", "VARCHAR", "VARCHAR", "MAP(VARCHAR, VARCHAR)")
def _split_map(text: str, entry_mark: str, value_mark: str) -> dict[str, str]:
    pairs = _pairs(text, entry_mark, value_mark)
    if len({k for k, _ in pairs}) < len(pairs):
        raise Error("Duplicate keys are not allowed")
    return dict(pairs)


@_define("split_multimap", "VARCHAR", "VARCHAR", "VARCHAR", "MAP(VARCHAR, VARCHAR[])")
def _split_multimap(text: str, entry_mark: str, value_mark: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in _pairs(text, entry_mark, value_mark):
        found.setdefault(key, []).append(value)
    return found


# --- URLs


@_define("url_encode", "VARCHAR", "VARCHAR")
def _url_encode(text: str) -> str:
    return quote(text, safe="*-_. ").replace("~", "%7E").replace(" ", "+")


@_define("url_decode", "VARCHAR", "VARCHAR")
def _url_decode(text: str) -> str:
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise Error(f"Illegal hex characters in escape pattern: {text}")
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def _url(text: str) -> Any:
    """The parts of a URL, or None where java.net.URI reads none."""
    plain = re.sub(r"[^\x00-\x7f]", "", text)
    if not re.fullmatch(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*", plain):
        return None
    if re.search(r"%(?![0-9a-fA-F]{2})", plain):
        return None
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode(errors="replace")


@_define("url_part", "VARCHAR", "VARCHAR", "VARCHAR")
def _url_part(part: str, text: str) -> str | None:
    url = _url(text)
    if url is None:
        return None
    if part == "port":
        try:
            return str(url.port) if url.port else None
        except ValueError:
            return None
    if part == "host":
        host = url.netloc.rpartition("@")[2]
        return re.sub(r":\d*$", "", host)
    found = {"protocol": text.partition(":")[0] if url.scheme else "", "path": _decoded(url.path),
             "query": _decoded(url.query), "fragment": _decoded(url.fragment)}  # fmt: skip
    return found[part]


@_define("url_parameter", "VARCHAR", "VARCHAR", "VARCHAR")
def _url_parameter(text: str, name: str) -> str | None:
    url = _url(text)
    if url is None or not url.query:
        return None
    for pair in url.query.split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return _decoded(value)
    return None


# --- binaries


@_define("from_hex", "VARCHAR", "BLOB")
def _from_hex(text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        raise Error("String is not a valid hex string") from None


@_define("from_base64", "VARCHAR", "BLOB")
def _from_base64(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text) or len(text.rstrip("=")) % 4 == 1:
        raise Error("Input byte array has incorrect ending or illegal characters")
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


@_define("to_base32", "BLOB", "VARCHAR")
def _to_base32(data: bytes) -> str:
    return base64.b32encode(data).decode()


@_define("from_base32", "VARCHAR", "BLOB")
def _from_base32(text: str) -> bytes:
    try:
        return base64.b32decode(text)
    except (binascii.Error, ValueError):
        raise Error(f"Invalid base32: {text}") from None


_define("sha512", "BLOB", "BLOB")(lambda data: hashlib.sha512(data).digest())
_define("crc32", "BLOB", "BIGINT")(lambda data: zlib.crc32(data))
_define("xxhash64", "BLOB", "BLOB")(xxhash64)


@_define("xxhash64_bytes", "BLOB", "UBIGINT")
def _xxhash64_bytes(data: bytes) -> int:
    return int.from_bytes(xxhash64(data), "big")


@_define("xxhash64_long", "BIGINT", "UBIGINT")
def _xxhash64_long(value: int) -> int:
    """The hash of a number of 64 bits, as Trino takes its bytes."""
    return _xxhash64_bytes(value.to_bytes(8, "little", signed=True))


@_define("little_endian", "UBIGINT", "BLOB")
def _little_endian(value: int) -> bytes:
    return value.to_bytes(8, "little")


@_define("hmac", "VARCHAR", "BLOB", "BLOB", "BLOB")
def _hmac(digest: str, data: bytes, key: bytes) -> bytes:
    if not key:
        raise Error("Empty key", "GENERIC_INTERNAL_ERROR")
    return hmac.new(key, data, digest).digest()


@_define("reverse_bytes", "BLOB", "BLOB")
def _reverse_bytes(data: bytes) -> bytes:
    return data[::-1]


@_define("byte_slice", "BLOB", "BIGINT", "BIGINT", "BLOB")
def _byte_slice(data: bytes, start: int, size: int) -> bytes:
    at = start - 1 if start > 0 else len(data) + start
    return data[at : at + size]


def _unpacked(form: str, data: bytes) -> Any:
    if len(data) != struct.calcsize(form):
        raise Error(f"expected {struct.calcsize(form)}-byte input, got {len(data)} bytes")
    return struct.unpack(form, data)[0]


_define("from_bytes", "VARCHAR", "BLOB", "BIGINT")(_unpacked)
_define("from_ieee", "VARCHAR", "BLOB", "DOUBLE")(_unpacked)


@_define("to_ieee", "VARCHAR", "DOUBLE", "BLOB")
def _to_ieee(form: str, value: float) -> bytes:
    return struct.pack(form, math.nan if math.isnan(value) else value)


@_define("hive_hash", "BIGINT", "VARCHAR", "BIGINT")
def _hive_hash(initial: int, text: str) -> int:
    """Hive's hash of a text's bytes, which Java reads with a sign; 32 bits."""
    found = initial
    for byte in text.encode():
        found = (found * 31 + (byte - 256 if byte > 127 else byte)) & 0xFFFFFFFF
    return found


# --- IP addresses

_define("ip_parse", "VARCHAR", "BLOB")(addresses.parse)
_define("ip_widened", "BLOB", "BLOB")(addresses.widened)
_define("ip_text", "BLOB", "VARCHAR")(addresses.text)


@_define("ip_contains", "VARCHAR", "BLOB", "BOOLEAN")
def _ip_contains(network: str, data: bytes) -> bool:
    try:
        return addresses.contains(network, data)
    except ValueError as error:
        raise Error(str(error)) from None


# --- JSON


@_define("json_parse", "VARCHAR", "VARCHAR")
def _json_parse(text: str) -> str:
    """json_parse(): keys sorted, numbers and strings written anew."""
    try:
        value = json.loads(
            text, parse_float=plain_double, parse_int=lambda t: Number(int(t)),
            parse_constant=no_constant,
        )  # fmt: skip
    except ValueError:
        raise Error(f"Cannot convert value to JSON: '{text}'") from None
    return dump(value, sort=True)


@_define("json_extract", "VARCHAR", "VARCHAR", "VARCHAR")
def _json_extract(text: str, path: str) -> str | None:
    """The part of a document at a path of `."key"` and `[index]`, as the document writes it."""
    return _at(json.loads(text, parse_float=plain_double, parse_int=Number, strict=False), path)


def _at(value: Any, path: str) -> str | None:
    for key, index in re.findall(r'\."([^"]*)"|\[(\d+)\]', path):
        try:
            value = value[int(index)] if index and isinstance(value, list) else value[key or index]
        except (LookupError, TypeError):
            return None
    return dump(value, sort=False)


@_define("json_number", "VARCHAR", "VARCHAR", "VARCHAR")
def _json_number(text: str, path: str) -> str | None:
    """A number as the document writes it."""
    value = _at(raw(text), path)
    return None if value in ("NaN", "Infinity", "-Infinity") else value


@_define("json_streamed", "VARCHAR", "VARCHAR", "VARCHAR")
def _json_streamed(text: str, path: str) -> str | None:
    """As json_extract, of a text that is no JSON as a whole: what stands before it breaks counts."""
    at = 0
    try:
        for key, index in re.findall(r'\."([^"]*)"|\[(\d+)\]', path):
            at = _member(text, _blank(text, at), key or index)
        value, end = _DECODER.raw_decode(text, _blank(text, at))
        # A number at the very end may be the beginning of a longer one.
        return dump(value, sort=False) if re.match(r"\s*([,}\]]|$)", text[end:]) else None
    except (ValueError, LookupError):
        return None


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=no_constant,
                            strict=False)  # fmt: skip


def _blank(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _member(text: str, at: int, wanted: str) -> int:
    """Where the value of a key, or an element of an array, begins."""
    opening, count = text[at], 0
    if opening not in "{[":
        raise LookupError(wanted)
    at = _blank(text, at + 1)
    while text[at] not in "}]":
        name = str(count)
        if opening == "{":
            name, at = _DECODER.raw_decode(text, at)
            at = _blank(text, at)
            if text[at] != ":":
                raise ValueError(text)
            at = _blank(text, at + 1)
        if name == wanted:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at, count = _blank(text, at), count + 1
        at = _blank(text, at + 1) if text[at] == "," else at
    raise LookupError(wanted)


_define("json_exists", "VARCHAR", "VARCHAR", "VARCHAR")(json_path.exists)
_define("json_value", "VARCHAR", "VARCHAR", "VARCHAR")(json_path.value)
_define("json_query", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")(json_path.query)


@_define("json_first", "VARCHAR", "VARCHAR")
def _json_first(text: str) -> str | None:
    """The first JSON value of a text, or None if there is none."""
    try:
        _, end = json.JSONDecoder(parse_constant=no_constant).raw_decode(text.lstrip())
    except ValueError:
        return None
    return text.lstrip()[:end]


@_define("json_is_scalar", "VARCHAR", "BOOLEAN")
def _json_is_scalar(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), dict | list)
    except ValueError:
        raise Error(f"Invalid JSON value: {text}") from None
