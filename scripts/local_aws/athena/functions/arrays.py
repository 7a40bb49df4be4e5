"""Array functions: https://trino.io/docs/current/functions/array.html"""

from __future__ import annotations

from .. import casts, comparison
from ..expression import Expr, fail, fail_text
from ..failure import QueryFailed, not_supported
from ..types import (
    BIGINT,
    BOOLEAN,
    DATE,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    common,
    map_of,
    row,
    to_duckdb,
)
from .registry import (
    accept,
    bad_argument,
    define,
    item_of,
    mismatch,
    unify,
    unzoned,
)


@define("cardinality", 1)
def _cardinality(args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind == UNKNOWN:
        return Expr("CAST(NULL AS BIGINT)", BIGINT, None)
    if kind.name not in ("array", "map"):
        raise mismatch("cardinality", args)
    size = "len" if kind.name == "array" else "cardinality"
    return Expr(f"CAST({size}({args[0].sql}) AS BIGINT)", BIGINT)


def _with_value(name: str, args: list[Expr]) -> tuple[str, str, Type]:
    """An array and a value of its elements' type."""
    item = item_of(name, args)
    kind = common(item, args[1].type)
    if kind is None:
        raise mismatch(name, args)
    _flat(name, kind)
    items = casts.cast(args[0], array(kind)).sql
    value = f"CAST({casts.cast(args[1], kind).sql} AS {to_duckdb(kind)})"
    return items, value, kind


def _flat(name: str, kind: Type) -> None:
    """Refuse nested elements where a NULL inside of them would matter."""
    if kind.name in ("map", "row") or (kind.name == "array" and kind.items[0].items):
        raise not_supported(f"{name} of {kind} elements")


@define("contains", 2)
def _contains(args: list[Expr]) -> Expr:
    if args[1].type.name == "ipaddress" and args[0].type.is_text:
        return Expr(f"strata_ip_contains({args[0].sql}, {args[1].sql})", BOOLEAN)
    items, value, _ = _with_value("contains", args)
    return Expr(
        f"CASE WHEN {items} IS NULL OR {value} IS NULL THEN NULL "
        f"WHEN list_contains({items}, {value}) THEN true "
        f"WHEN list_count({items}) < len({items}) THEN NULL ELSE false END",
        BOOLEAN,
    )


@define("contains_sequence", 2)
def _contains_sequence(args: list[Expr]) -> Expr:
    kind = unify("contains_sequence", args, "FUNCTION_NOT_FOUND")
    item_of("contains_sequence", args)
    _flat("contains_sequence", kind.items[0])
    a, b = (casts.cast(x, kind).sql for x in args)
    window = f"list_slice({a}, strata_i, strata_i + len({b}) - 1)"
    starts = f"range(1, len({a}) - len({b}) + 2)"
    hits = f"list_filter({starts}, lambda strata_i: {window} = {b})"
    missing = f"{a} IS NULL OR {b} IS NULL"
    return Expr(f"CASE WHEN {missing} THEN NULL WHEN len({b}) = 0 THEN true "
                f"ELSE len({hits}) > 0 END", BOOLEAN)  # fmt: skip


@define("element_at", 2)
def _element_at(args: list[Expr]) -> Expr:
    kind = args[0].type
    if kind == UNKNOWN:
        return Expr("NULL", UNKNOWN, None)
    if kind.name == "map":
        both_text = kind.items[0].is_text and args[1].type.is_text
        if not both_text and common(kind.items[0], args[1].type) != kind.items[0]:
            raise mismatch("element_at", args)
        key = casts.cast(args[1], kind.items[0]).sql if not args[1].type.is_text else args[1].sql
        sql = f"map_extract_value({args[0].sql}, CAST({key} AS {to_duckdb(kind.items[0])}))"
        return Expr(sql, kind.items[1])
    item = item_of("element_at", args)
    (index,) = accept("element_at", "i", args[1:])
    if not (isinstance(args[1].constant, int) and args[1].constant):
        bad = bad_argument("SQL array indices start at 1", BIGINT)
        index = f"CASE WHEN {index} = 0 THEN {bad} ELSE {index} END"
    return Expr(f"list_extract({args[0].sql}, {index})", item)


def subscript(base: Expr, index: Expr) -> Expr:
    """`a[i]`: fails outside of the array or without the key, unlike element_at."""
    kind = base.type
    if kind.name == "array" and (index.type.is_integer or index.type == UNKNOWN):
        reason = "Array subscript must be less than or equal to array length"
        bad = fail_text("INVALID_FUNCTION_ARGUMENT", reason, "BIGINT")
        at = f"CAST({index.sql} AS BIGINT)"
        checked = f"CASE WHEN {at} < 1 OR {at} > len({base.sql}) THEN {bad} ELSE {at} END"
        return Expr(f"list_extract({base.sql}, {checked})", kind.items[0])
    if kind.name == "map" and common(kind.items[0], index.type):
        if not index.type.is_text and common(kind.items[0], index.type) != kind.items[0]:
            raise QueryFailed("TYPE_MISMATCH", f"Cannot use {index.type} for map subscript")
        return _map_subscript(base, index)
    if kind.name == "row":
        if not isinstance(index.constant, int):
            raise QueryFailed("EXPRESSION_NOT_CONSTANT", "Subscript of a row must be a constant")
        if not 1 <= index.constant <= len(kind.items):
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", "ROW index out of range")
        return Expr(f"struct_extract_at({base.sql}, {index.constant})",
                    kind.items[index.constant - 1])  # fmt: skip
    raise QueryFailed("TYPE_MISMATCH", f"Cannot use {index.type} for subscript of {kind}")


def _map_subscript(base: Expr, index: Expr) -> Expr:
    """The map is looked at once: DuckDB must not run an aggregate in it twice."""
    key, value = base.type.items
    wanted = f"CAST({casts.cast(index, key).sql} AS {to_duckdb(key)})"
    shown = f"CAST({wanted} AS VARCHAR)"
    bad = fail("INVALID_FUNCTION_ARGUMENT", f"'Key not present in map: ' || {shown}", "INTEGER")
    found = f"map_extract({base.sql}, {wanted})"
    item = f"strata_v: CASE WHEN len(strata_v) > 0 THEN strata_v[1] WHEN {bad} = 0 THEN NULL END"
    return Expr(f"list_transform([{found}], lambda {item})[1]", value)


@define("array_join", 2, 3)
def _array_join(args: list[Expr]) -> Expr:
    item = item_of("array_join", args)
    if item.items:
        raise QueryFailed("OPERATOR_NOT_FOUND", f"Operator not found for {item}")
    marks = accept("array_join", "ss", args[1:])
    text = casts.cast(Expr("strata_j", item), VARCHAR).sql
    if len(args) == 3:
        text = f"coalesce({text}, {marks[1]})"
    items = f"list_transform({args[0].sql}, lambda strata_j: {text})"
    kept = f"list_filter({items}, lambda strata_k: strata_k IS NOT NULL)"
    return Expr(f"array_to_string({kept}, {marks[0]})", VARCHAR)


# --- sets: elements in the order of their first appearance

_FIRST = (
    "list_filter({0}, lambda strata_d, strata_i: "
    "list_position({0}, strata_d) = strata_i OR strata_d IS NULL AND "
    "strata_i = list_position(list_transform({0}, lambda strata_n: strata_n IS NULL), true))"
)


def _set(name: str, template: str) -> None:
    def build(args: list[Expr]) -> Expr:
        for index in range(len(args)):
            item_of(name, args, index)
        kind = unify(name, args, "FUNCTION_NOT_FOUND")
        if kind == UNKNOWN:
            raise not_supported(f"{name} of NULL")
        _flat(name, kind.items[0])
        sqls = [casts.cast(a, kind).sql for a in args]
        missing = " OR ".join(f"{s} IS NULL" for s in sqls)
        return Expr(f"CASE WHEN {missing} THEN NULL ELSE {template.format(*sqls)} END", kind)

    count = template.count("{1}") and 2 or 1
    define(name, count)(build)


_HAS = "(list_contains({1}, strata_m) OR strata_m IS NULL AND list_count({1}) < len({1}))"
_set("array_distinct", _FIRST)
_set("array_intersect", f"strata_first(list_filter({{0}}, lambda strata_m: {_HAS}))")
_set(
    "array_except",
    f"strata_first(list_filter({{0}}, lambda strata_m: NOT coalesce({_HAS}, false)))",
)
_set("array_union", "strata_first(list_concat({0}, {1}))")


@define("array_sort", 1)
def _array_sort(args: list[Expr]) -> Expr:
    item = item_of("array_sort", args)
    if not comparison.orderable(item):
        raise mismatch("array_sort", args)
    return Expr(f"list_sort({args[0].sql}, 'ASC', 'NULLS LAST')", args[0].type)


@define("array_remove", 2)
def _array_remove(args: list[Expr]) -> Expr:
    items, value, kind = _with_value("array_remove", args)
    kept = f"list_filter({items}, lambda strata_d: strata_d IS DISTINCT FROM {value})"
    return Expr(f"CASE WHEN {value} IS NOT NULL THEN {kept} END", array(kind))


@define("arrays_overlap", 2)
def _arrays_overlap(args: list[Expr]) -> Expr:
    kind = unify("arrays_overlap", args, "FUNCTION_NOT_FOUND")
    item_of("arrays_overlap", args)
    if kind == UNKNOWN:
        raise not_supported("arrays_overlap of NULLs")
    _flat("arrays_overlap", kind.items[0])
    a, b = (casts.cast(x, kind).sql for x in args)
    nulls = f"list_count({a}) < len({a}) OR list_count({b}) < len({b})"
    return Expr(
        f"CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL WHEN list_has_any({a}, {b}) THEN true "
        f"WHEN len({a}) > 0 AND len({b}) > 0 AND ({nulls}) THEN NULL ELSE false END",
        BOOLEAN,
    )


@define("array_position", 2)
def _array_position(args: list[Expr]) -> Expr:
    items, value, _ = _with_value("array_position", args)
    found = f"CAST(coalesce(list_position({items}, {value}), 0) AS BIGINT)"
    return Expr(f"CASE WHEN {items} IS NOT NULL AND {value} IS NOT NULL THEN {found} END", BIGINT)


def _array_extreme(name: str, function: str) -> None:
    def build(args: list[Expr]) -> Expr:
        item = item_of(name, args)
        if args[0].type == UNKNOWN or item.items:
            raise not_supported(f"{name} of {args[0].type}")
        items = args[0].sql
        found = (
            f"strata_{function}({items})"
            if item.name in ("double", "real")
            else f"{function}({items})"
        )
        return Expr(
            f"CASE WHEN list_count({items}) < len({items}) THEN NULL ELSE {found} END", item
        )

    define(name, 1)(build)


_array_extreme("array_max", "list_max")
_array_extreme("array_min", "list_min")


@define("slice", 3)
def _slice(args: list[Expr]) -> Expr:
    item = item_of("slice", args)
    start, size = accept("slice", "ii", args[1:])
    if args[0].type == UNKNOWN:
        return Expr("CAST(NULL AS INTEGER[])", array(UNKNOWN), None)
    items = args[0].sql
    zero = bad_argument("SQL array indices start at 1", BIGINT)
    negative = bad_argument("length must be greater than or equal to 0", BIGINT)
    first = f"CASE WHEN {start} = 0 THEN {zero} WHEN {start} < 0 THEN len({items}) + {start} + 1 ELSE {start} END"
    count = f"CASE WHEN {size} < 0 THEN {negative} ELSE {size} END"
    last = f"({first}) + ({count}) - 1"
    return Expr(
        f"CASE WHEN {items} IS NULL OR {start} IS NULL OR {size} IS NULL THEN NULL "
        f"WHEN ({first}) < 1 OR ({count}) = 0 THEN {items}[1:0] "
        f"ELSE list_slice({items}, {first}, {last}) END",
        array(item),
    )


@define("trim_array", 2)
def _trim_array(args: list[Expr]) -> Expr:
    item_of("trim_array", args)
    (size,) = accept("trim_array", "i", args[1:])
    items = args[0].sql
    bad = bad_argument("size must be between 0 and the length of the array", BIGINT)
    keep = (
        f"CASE WHEN {size} NOT BETWEEN 0 AND len({items}) THEN {bad} ELSE len({items}) - {size} END"
    )
    return Expr(f"list_slice({items}, 1, {keep})", args[0].type)


@define("flatten", 1)
def _flatten(args: list[Expr]) -> Expr:
    inner = item_of("flatten", args)
    if inner.name != "array":
        raise mismatch("flatten", args)
    return Expr(f"flatten({args[0].sql})", inner)


@define("repeat", 2)
def _repeat(args: list[Expr]) -> Expr:
    (count,) = accept("repeat", "i", args[1:])
    unzoned("repeat", args)
    bad = bad_argument("count must be between 0 and 10000", BIGINT)
    checked = f"CASE WHEN {count} NOT BETWEEN 0 AND 10000 THEN {bad} ELSE {count} END"
    value = f"CAST({args[0].sql} AS {to_duckdb(args[0].type)})"
    items = f"list_transform(range(0, {checked}), lambda strata_r: {value})"
    return Expr(items, array(args[0].type))


_STEPS = {INTERVAL_DAY: "to_milliseconds", INTERVAL_MONTH: "to_months"}


@define("sequence", 2, 3)
def _sequence(args: list[Expr]) -> Expr:
    kind = unify("sequence", args[:2], "FUNCTION_NOT_FOUND")
    start, stop = (a.sql for a in args[:2])
    step_type = args[2].type if len(args) == 3 else UNKNOWN
    if kind.is_integer and (step_type == UNKNOWN or step_type.is_integer):
        start, stop = f"CAST({start} AS BIGINT)", f"CAST({stop} AS BIGINT)"
        step = f"CAST({args[2].sql} AS BIGINT)" if len(args) == 3 else _default(start, stop, "1")
        return Expr(
            _series(start, stop, step, f"({stop} - {start}) // {step}", step), array(BIGINT)
        )
    if kind == DATE and step_type in (UNKNOWN, INTERVAL_DAY):
        if isinstance(args[-1].constant, int) and args[-1].constant % 86_400_000:
            raise QueryFailed(
                "INVALID_FUNCTION_ARGUMENT", "sequence step must be a day interval for dates"
            )
        if len(args) == 3 and not isinstance(args[2].constant, int):
            raise not_supported("sequence of dates with a step that is not constant")
        step = str(args[2].constant // 86_400_000) if len(args) == 3 else _default(start, stop, "1")
        count = f"({stop} - {start}) // {step}"
        item = f"CAST({start} + CAST(strata_s * {step} AS INTEGER) AS DATE)"
        return Expr(_series(start, stop, step, count, step, item), array(DATE))
    if kind.is_time and step_type in (INTERVAL_DAY, INTERVAL_MONTH):
        return _sequence_of_times(args, kind)
    raise mismatch("sequence", args)


def _sequence_of_times(args: list[Expr], kind: Type) -> Expr:
    if kind.name == "timestamptz":
        raise not_supported("sequence of timestamps with time zone")
    start, stop, step = (a.sql for a in args)
    if args[2].type == INTERVAL_MONTH:
        wide = f"date_sub('month', {start}, {stop})"
        # A month's last day may not be reached by whole months, though it is in the sequence.
        count = f"({wide} + sign({step})) // {step}"
    else:
        count = f"(epoch_ms({stop}) - epoch_ms({start})) // {step}"
    item = f"CAST({start} + {_STEPS[args[2].type]}(strata_s * {step}) AS {to_duckdb(kind)})"
    item = item.replace("strata_s * ", "CAST(strata_s AS INTEGER) * ") \
        if args[2].type == INTERVAL_MONTH else item  # fmt: skip
    series = _series(start, stop, step, count, step, item)
    inside = f"CASE WHEN {step} > 0 THEN strata_q <= {stop} ELSE strata_q >= {stop} END"
    return Expr(f"list_filter({series}, lambda strata_q: {inside})", array(kind))


def _default(start: str, stop: str, step: str) -> str:
    return f"CASE WHEN {start} <= {stop} THEN {step} ELSE -{step} END"


def _series(start: str, stop: str, step: str, count: str, size: str, item: str = "") -> str:
    """The list start, start + step, … as far as stop; checked as Trino does."""
    item = item or f"{start} + strata_s * ({step})"
    backward = fail_text(
        "INVALID_FUNCTION_ARGUMENT",
        "sequence stop value should be greater than or equal to start value if step is greater "
        "than zero otherwise stop should be less than or equal to start",
        "BIGINT",
    )
    zero = fail_text("INVALID_FUNCTION_ARGUMENT", "step must not be zero", "BIGINT")
    long = fail_text("INVALID_FUNCTION_ARGUMENT", "result of sequence function must not have more "
                     "than 10000 entries", "BIGINT")  # fmt: skip
    count = count.replace(f"// {size}", f"// ({size})")
    checked = (
        f"CASE WHEN ({size}) = 0 THEN {zero} "
        f"WHEN {start} < {stop} AND ({size}) < 0 OR {start} > {stop} AND ({size}) > 0 "
        f"THEN {backward} WHEN {count} >= 10000 THEN {long} ELSE {count} END"
    )
    return f"list_transform(range(0, CAST({checked} AS BIGINT) + 1), lambda strata_s: {item})"


@define("shuffle", 1)
def _shuffle(args: list[Expr]) -> Expr:
    item_of("shuffle", args)
    keyed = f"list_transform({args[0].sql}, lambda strata_x: {{'k': random(), 'v': strata_x}})"
    sorted_ = f"list_sort({keyed})"
    return Expr(f"list_transform({sorted_}, lambda strata_x: strata_x.v)", args[0].type)


@define("ngrams", 2)
def _ngrams(args: list[Expr]) -> Expr:
    item_of("ngrams", args)
    (size,) = accept("ngrams", "i", args[1:])
    items = args[0].sql
    bad = bad_argument("N must be positive", BIGINT)
    n = f"CASE WHEN {size} <= 0 THEN {bad} ELSE least({size}, len({items})) END"
    gram = f"list_slice({items}, strata_g, strata_g + ({n}) - 1)"
    starts = f"range(1, greatest(len({items}) - ({n}) + 2, 2))"
    return Expr(f"list_transform({starts}, lambda strata_g: {gram})", array(args[0].type))


@define("combinations", 2)
def _combinations(args: list[Expr]) -> Expr:
    item_of("combinations", args)
    if not isinstance(args[1].constant, int):
        raise not_supported("combinations of a size that is not constant")
    size = args[1].constant
    if not 0 <= size <= 5:
        raise QueryFailed(
            "INVALID_FUNCTION_ARGUMENT", f"combination size must not exceed 5: {size}"
        )
    items = args[0].sql
    sql = "[[]::INTEGER[]]"
    for _ in range(size):
        # Each list of positions grows by the positions after its last one.
        grown = (
            f"list_transform(range(coalesce(strata_c[-1], 0) + 1, len({items}) + 1), "
            "lambda strata_p: list_append(strata_c, strata_p::INTEGER))"
        )
        sql = f"flatten(list_transform({sql}, lambda strata_c: {grown}))"
    picked = f"list_transform(strata_w, lambda strata_o: {items}[strata_o])"
    return Expr(f"list_transform({sql}, lambda strata_w: {picked})", array(args[0].type))


@define("array_histogram", 1)
def _array_histogram(args: list[Expr]) -> Expr:
    item = item_of("array_histogram", args)
    _flat("array_histogram", item)
    items = args[0].sql
    keys = f"list_filter(strata_first({items}), lambda strata_h: strata_h IS NOT NULL)"
    count = f"len(list_filter({items}, lambda strata_e: strata_e = strata_h))"
    values = f"list_transform({keys}, lambda strata_h: {count})"
    return Expr(f"map({keys}, {values})", map_of(item, BIGINT))


@define("zip", 2, 5)
def _zip(args: list[Expr]) -> Expr:
    items = tuple(item_of("zip", args, i) for i in range(len(args)))
    lists = ", ".join(a.sql for a in args)
    return Expr(f"list_zip({lists})", array(row(items, tuple(None for _ in items))))
