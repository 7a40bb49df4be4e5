"""String functions: https://trino.io/docs/current/functions/string.html"""

from __future__ import annotations

from .. import casts, formats
from ..expression import NOT_CONSTANT, Expr, bind
from ..failure import QueryFailed, not_supported
from ..types import (
    BIGINT,
    BOOLEAN,
    INTEGER,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    common,
    literal,
    map_of,
    to_duckdb,
)
from .registry import (
    Build,
    accept,
    bad_argument,
    bounded,
    constant_text,
    define,
    mismatch,
    same,
    simple,
    unzoned,
)

#: What trim() removes, as a literal: Java's whitespace, which has no no-break spaces.
_SPACE = literal(
    " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2008\u2009\u200a\u2028\u2029\u205f\u3000"
)
_TRIMMED = "'[!-~]([ -~]*[!-~])?'"

simple("starts_with", "ss", BOOLEAN, "starts_with({0}, {1})")
simple("levenshtein_distance", "ss", BIGINT, "strata_levenshtein({0}, {1})")
simple("translate", "sss", VARCHAR, "strata_translate({0}, {1}, {2})")
simple("soundex", "s", Type("varchar", (4,)), "strata_soundex({0})")
simple("to_utf8", "s", VARBINARY, "encode({0})")
simple("luhn_check", "s", BOOLEAN, "strata_luhn({0})")


def _cased(name: str) -> Build:
    """lower and upper map code point by code point, as Java does: ß has no upper case."""

    def build(args: list[Expr]) -> Expr:
        if args[0].type.name == "char":
            return Expr(f"strata_{name}({args[0].sql})", args[0].type)
        (text,) = accept(name, "s", args)
        return Expr(f"strata_{name}({text})", same(args))

    return build


for _name in ("lower", "upper"):
    define(_name, 1)(_cased(_name))


def _trimmed(name: str) -> Build:
    def build(args: list[Expr]) -> Expr:
        kind = same(args)
        if kind.name == "char":
            args = [casts.cast(args[0], Type("varchar", kind.args)), *args[1:]]
            kind = Type("varchar", kind.args)
        text, *chars = accept(name, "ss", args)
        if chars:
            return Expr(f"{name}({text}, {chars[0]})", kind)
        return Expr(bind(text, without_space, "strata_s"), kind)

    def without_space(text: str) -> str:
        # DuckDB's trim of many characters is slow, and most text has nothing to trim.
        trimmed = f"{name}({text}, {_SPACE})"
        return f"CASE WHEN regexp_full_match({text}, {_TRIMMED}) THEN {text} ELSE {trimmed} END"

    return build


for _name in ("trim", "ltrim", "rtrim"):
    define(_name, 1, 2)(_trimmed(_name))


@define("reverse", 1)
def _reverse(args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind.name == "array":
        return Expr(f"list_reverse({args[0].sql})", kind)
    if kind == VARBINARY:
        return Expr(f"strata_reverse_bytes({args[0].sql})", VARBINARY)
    (text,) = accept("reverse", "s", args)
    # Trino reverses code points, DuckDB's reverse() keeps combining characters in place.
    return Expr(f"array_to_string(list_reverse(strata_points({text})), '')", same(args))


@define("hamming_distance", 2)
def _hamming(args: list[Expr]) -> Expr:
    a, b = accept("hamming_distance", "ss", args)
    bad = bad_argument("The input strings to hamming_distance must have the same length", BIGINT)
    differ = (
        f"list_filter(list_zip(strata_points({a}), strata_points({b})), "
        "lambda strata_h: strata_h[1] <> strata_h[2])"
    )
    return Expr(f"CASE WHEN length({a}) <> length({b}) THEN {bad} ELSE len({differ}) END", BIGINT)


@define("length", 1)
def _length(args: list[Expr]) -> Expr:
    if args[0].type == VARBINARY:
        return Expr(f"octet_length({args[0].sql})", BIGINT)
    if args[0].type.name == "char":
        size = args[0].type.args[0]
        return Expr(f"CASE WHEN {args[0].sql} IS NOT NULL THEN {size} END", BIGINT)
    (text,) = accept("length", "s", args)
    return Expr(f"length({text})", BIGINT)


@define("substr substring", 2, 3)
def _substr(args: list[Expr]) -> Expr:
    if args[0].type.name == "char":
        args = [casts.cast(args[0], Type("varchar", args[0].type.args)), *args[1:]]
    if args[0].type == VARBINARY:
        text, *numbers = accept("substr", "xii", args)
        return Expr(
            _part(text, numbers, "octet_length", "strata_byte_slice", "''::BLOB"), VARBINARY
        )
    text, *numbers = accept("substr", "sii", args)
    value = args[1].constant
    if isinstance(value, int) and value > 0 and len(numbers) == 1:
        return Expr(f"substr({text}, {numbers[0]})", same(args))
    return Expr(_part(text, numbers, "length", "substr", "''"), same(args))


def _part(text: str, numbers: list[str], length: str, function: str, empty: str) -> str:
    """A part of a text or a binary; 0 and positions outside of it give the empty one."""
    start = numbers[0]
    outside = f"{start} = 0 OR abs({start}) > {length}({text})"
    if len(numbers) == 1:
        rest = f"{length}({text})"
        return f"CASE WHEN {outside} THEN {empty} ELSE {function}({text}, {start}, {rest}) END"
    size = numbers[1]
    outside = f"{size} <= 0 OR {outside}"
    fitting = f"least({size}, {length}({text}))"
    return f"CASE WHEN {outside} THEN {empty} ELSE {function}({text}, {start}, {fitting}) END"


@define("replace", 2, 3)
def _replace(args: list[Expr]) -> Expr:
    text, search, *other = accept("replace", "sss", args)
    new = other[0] if other else "''"
    sql = (
        f"CASE WHEN {search} = '' THEN "
        f"{new} || array_to_string(list_transform(strata_points({text}), "
        f"lambda strata_c: strata_c || {new}), '') ELSE replace({text}, {search}, {new}) END"
    )
    if isinstance(args[1].constant, str) and args[1].constant:
        sql = f"replace({text}, {search}, {new})"
    kind = same(args)
    if len(args) == 3:
        grown = same(args[2:])
        kind = (
            bounded(kind, lambda n: n + grown.args[0] * (n + 1))
            if kind.args and grown.args
            else VARCHAR
        )
    return Expr(sql, kind)


@define("split", 2, 3)
def _split(args: list[Expr]) -> Expr:
    text, mark, *limit = accept("split", "ssi", args)
    bad = bad_argument("The delimiter may not be the empty string", VARCHAR)
    parts = f"string_split({text}, CASE WHEN {mark} = '' THEN {bad} ELSE {mark} END)"
    if limit:
        wrong = bad_argument("Limit must be positive", BIGINT)
        size = f"CASE WHEN {limit[0]} <= 0 THEN {wrong} ELSE {limit[0]} END"
        parts = f"strata_limited({parts}, {mark}, {size})"
    return Expr(parts, array(same(args)))


@define("split_part", 3)
def _split_part(args: list[Expr]) -> Expr:
    text, mark, index = accept("split_part", "ssi", args)
    bad = bad_argument("Index must be greater than zero", BIGINT)
    at = index
    if not (isinstance(args[2].constant, int) and args[2].constant > 0):
        at = f"CASE WHEN {index} <= 0 THEN {bad} ELSE {index} END"
    parts = (
        f"CASE WHEN {mark} = '' THEN strata_points({text}) ELSE string_split({text}, {mark}) END"
    )
    if isinstance(args[1].constant, str) and args[1].constant:
        parts = f"string_split({text}, {mark})"
    return Expr(f"list_extract({parts}, {at})", same(args))


@define("split_to_map", 3)
def _split_to_map(args: list[Expr]) -> Expr:
    sqls = accept("split_to_map", "sss", args)
    return Expr(f"strata_split_map({', '.join(sqls)})", map_of(VARCHAR, VARCHAR))


@define("split_to_multimap", 3)
def _split_to_multimap(args: list[Expr]) -> Expr:
    sqls = accept("split_to_multimap", "sss", args)
    return Expr(f"strata_split_multimap({', '.join(sqls)})", map_of(VARCHAR, array(VARCHAR)))


@define("strpos", 2, 3)
def _strpos(args: list[Expr]) -> Expr:
    text, part, *instance = accept("strpos", "ssi", args)
    if not instance:
        return Expr(f"CASE WHEN {part} = '' THEN 1 ELSE strpos({text}, {part}) END"
                    if not args[1].constant else f"strpos({text}, {part})", BIGINT)  # fmt: skip
    return Expr(f"strata_strpos({text}, {part}, {instance[0]})", BIGINT)


def _padded(name: str) -> Build:
    def build(args: list[Expr]) -> Expr:
        if VARBINARY in (args[0].type, args[2].type):
            raise not_supported(f"{name} of a binary")
        text, size, fill = accept(name, "sis", args)
        bad = bad_argument("Target length must be in the range [0..2147483647]", INTEGER)
        wide = f"CASE WHEN {size} < 0 THEN {bad} ELSE CAST({size} AS INTEGER) END"
        empty = bad_argument("Padding string must not be empty", VARCHAR)
        filler = f"CASE WHEN {fill} = '' THEN {empty} ELSE {fill} END"
        return Expr(f"{name}({text}, {wide}, {filler})", VARCHAR)

    return build


for _name in ("lpad", "rpad"):
    define(_name, 3)(_padded(_name))


@define("concat", 1, 255)
def _concat(args: list[Expr]) -> Expr:
    if len(args) == 1:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "There must be two or more arguments")
    if len(args) > 2:
        args = [Expr("CAST(NULL AS VARCHAR)", VARCHAR) if a.type == UNKNOWN else a for a in args]
    out = args[0]
    for arg in args[1:]:
        out = concatenation(out, arg)
    return out


def concatenation(a: Expr, b: Expr) -> Expr:
    """`a || b` for strings, binaries, and arrays with arrays or elements."""
    if a.type == UNKNOWN or b.type == UNKNOWN:
        known = b if a.type == UNKNOWN else a
        if known.type == VARCHAR:
            raise QueryFailed("AMBIGUOUS_FUNCTION_CALL", "Could not choose a concat for NULL")
        if known.type.name in ("array", "char"):
            raise not_supported(f"concatenation of NULL and {known.type}")
        # Trino resolves 'a' || null to arrays; the value is NULL all the same.
        kind = array(known.type) if known.type.name == "varchar" else known.type
        return Expr(f"CAST(NULL AS {to_duckdb(kind)})", kind, None)
    if a.type.is_text and b.type.is_text:
        return _joined_text(a, b)
    if a.type == b.type == VARBINARY:
        return Expr(f"({a.sql} || {b.sql})", VARBINARY)
    if "array" in (a.type.name, b.type.name):
        return _joined_arrays(a, b)
    raise mismatch("concat", [a, b])


def _joined_text(a: Expr, b: Expr) -> Expr:
    if "char" in (a.type.name, b.type.name):
        if not (a.type.args and b.type.args):
            raise not_supported(f"concatenation of {a.type} and {b.type}")
        size = a.type.args[0] + b.type.args[0]
        left = casts.cast(a, Type("varchar", a.type.args))
        return Expr(f"rtrim({left.sql} || {b.sql}, ' ')", Type("char", (size,)))
    constant: object = NOT_CONSTANT
    if isinstance(a.constant, str) and isinstance(b.constant, str):
        constant = a.constant + b.constant
    return Expr(f"({a.sql} || {b.sql})", VARCHAR, constant)


def _joined_arrays(a: Expr, b: Expr) -> Expr:
    unzoned("concat", [a, b])
    if a.type.name == b.type.name and (kind := common(a.type, b.type)):
        left, right = casts.cast(a, kind).sql, casts.cast(b, kind).sql
        missing = f"{left} IS NULL OR {right} IS NULL"
        return Expr(f"CASE WHEN {missing} THEN NULL ELSE list_concat({left}, {right}) END", kind)
    if a.type.name == "array" and (item := common(a.type.items[0], b.type)):
        list_sql, value = casts.cast(a, array(item)).sql, casts.cast(b, item).sql
        return Expr(f"list_append({list_sql}, {value})", array(item))
    if b.type.name == "array" and (item := common(b.type.items[0], a.type)):
        list_sql, value = casts.cast(b, array(item)).sql, casts.cast(a, item).sql
        return Expr(f"list_prepend({value}, {list_sql})", array(item))
    raise mismatch("concat", [a, b])


@define("concat_ws", 1, 255)
def _concat_ws(args: list[Expr]) -> Expr:
    if len(args) == 1:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "There must be two or more arguments")
    if len(args) == 2 and args[1].type.name == "array":
        (mark,) = accept("concat_ws", "s", args[:1])
        if args[1].type.items[0].name != "varchar":
            raise mismatch("concat_ws", args)
        return Expr(f"array_to_string({args[1].sql}, {mark})", VARCHAR)
    return Expr(f"concat_ws({', '.join(accept('concat_ws', 's' * len(args), args))})", VARCHAR)


@define("chr", 1)
def _chr(args: list[Expr]) -> Expr:
    (code,) = accept("chr", "i", args)
    bad = bad_argument("Not a valid Unicode code point", INTEGER)
    valid = f"{code} BETWEEN 0 AND 1114111 AND NOT {code} BETWEEN 55296 AND 57343"
    checked = (
        f"CASE WHEN {valid} THEN CAST({code} AS INTEGER) WHEN {code} IS NOT NULL THEN {bad} END"
    )
    return Expr(f"chr({checked})", Type("varchar", (1,)))


@define("codepoint", 1)
def _codepoint(args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind != UNKNOWN and kind not in (Type("varchar", (1,)), Type("varchar", (0,))):
        raise mismatch("codepoint", args)
    bad = bad_argument("Input string must be a single character string", INTEGER)
    return Expr(f"CASE WHEN {args[0].sql} = '' THEN {bad} ELSE unicode({args[0].sql}) END", INTEGER)


@define("normalize", 1, 2)
def _normalize(args: list[Expr]) -> Expr:
    (text,) = accept("normalize", "s", args[:1])
    form = constant_text("normalize", "a form", args[1]) if len(args) == 2 else "NFC"
    if form == "NFC":
        return Expr(f"nfc_normalize({text})", VARCHAR)
    return Expr(f"strata_normalize({text}, {literal(form)})", VARCHAR)


@define("from_utf8", 1, 2)
def _from_utf8(args: list[Expr]) -> Expr:
    data, *other = accept("from_utf8", "xs", args)
    if len(args) == 2 and args[1].type.is_integer:
        raise not_supported("from_utf8 with a code point")
    return Expr(f"strata_from_utf8({data}, {other[0] if other else 'chr(65533)'})", VARCHAR)


@define("format", 1, 255)
def _format(args: list[Expr]) -> Expr:
    if len(args) == 1:
        raise QueryFailed("SYNTAX_ERROR", "Invalid number of arguments for 'format' function")
    if args[0].type.name != "varchar":
        raise QueryFailed("TYPE_MISMATCH", "Type of first argument to format() must be VARCHAR")
    pattern = constant_text("format", "a format", args[0])
    return Expr(formats.java(pattern, args[1:]), VARCHAR)


@define("fail", 1, 2)
def _fail(args: list[Expr]) -> Expr:
    message = constant_text("fail", "a message", args[-1])
    # error() is what TRY does not catch.
    return Expr(f"error({literal(f'!GENERIC_USER_ERROR: {message}')})", UNKNOWN)
