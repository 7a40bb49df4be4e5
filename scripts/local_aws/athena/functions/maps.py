"""Map functions: https://trino.io/docs/current/functions/map.html"""

from __future__ import annotations

from .. import casts
from ..expression import Expr, fail_text
from ..types import UNKNOWN, Type, array, map_of, row, to_duckdb
from .registry import define, item_of, mismatch, unify


def _map(name: str, args: list[Expr]) -> Type:
    if args[0].type.name != "map":
        raise mismatch(name, args)
    return args[0].type


@define("map_keys", 1)
def _map_keys(args: list[Expr]) -> Expr:
    return Expr(f"map_keys({args[0].sql})", array(_map("map_keys", args).items[0]))


@define("map_values", 1)
def _map_values(args: list[Expr]) -> Expr:
    return Expr(f"map_values({args[0].sql})", array(_map("map_values", args).items[1]))


@define("map_entries", 1)
def _map_entries(args: list[Expr]) -> Expr:
    kind = _map("map_entries", args)
    return Expr(f"map_entries({args[0].sql})", array(row(kind.items, (None, None))))


def _entry(name: str, args: list[Expr]) -> tuple[Type, Type]:
    item = item_of(name, args)
    if item.name != "row" or len(item.items) != 2:
        raise mismatch(name, args)
    return item.items[0], item.items[1]


@define("map_from_entries", 1)
def _map_from_entries(args: list[Expr]) -> Expr:
    if item_of("map_from_entries", args) == UNKNOWN:
        bad = fail_text("INVALID_FUNCTION_ARGUMENT", "map entry cannot be null", "INTEGER")
        return Expr(f"CASE WHEN {bad} = 0 THEN MAP {{}} END", map_of(UNKNOWN, UNKNOWN))
    kind = map_of(*_entry("map_from_entries", args))
    return Expr(f"map_from_entries({args[0].sql})", kind)


@define("multimap_from_entries", 1)
def _multimap_from_entries(args: list[Expr]) -> Expr:
    key, value = _entry("multimap_from_entries", args)
    entries = args[0].sql
    bad = fail_text("INVALID_FUNCTION_ARGUMENT", "map key cannot be null", to_duckdb(key))
    at = "struct_extract_at({}, {})".format
    keys = f"list_transform({entries}, lambda strata_e: CASE WHEN {at('strata_e', 1)} IS NULL THEN {bad} ELSE {at('strata_e', 1)} END)"
    own = f"list_filter({entries}, lambda strata_f: {at('strata_f', 1)} = strata_k)"
    values = f"list_transform({own}, lambda strata_g: {at('strata_g', 2)})"
    return Expr(
        f"map(strata_first({keys}), list_transform(strata_first({keys}), "
        f"lambda strata_k: {values}))",
        map_of(key, array(value)),
    )


@define("map", 0, 2)
def _map_of(args: list[Expr]) -> Expr:
    if not args:
        return Expr("MAP {}", map_of(UNKNOWN, UNKNOWN))
    if len(args) == 1:
        raise mismatch("map", args)
    key, value = item_of("map", args), item_of("map", args, 1)
    if key.items:
        # DuckDB reads map([[1]], …) as another function.
        pairs = f"list_zip({args[0].sql}, {args[1].sql})"
        named = f"list_transform({pairs}, lambda strata_z: {{'k': strata_z[1], 'v': strata_z[2]}})"
        return Expr(f"map_from_entries({named})", map_of(key, value))
    return Expr(f"map({args[0].sql}, {args[1].sql})", map_of(key, value))


@define("map_concat", 2, 255)
def _map_concat(args: list[Expr]) -> Expr:
    kind = unify("map_concat", args, "FUNCTION_NOT_FOUND")
    if kind.name != "map":
        raise mismatch("map_concat", args)
    return Expr(f"map_concat({', '.join(casts.cast(a, kind).sql for a in args)})", kind)
