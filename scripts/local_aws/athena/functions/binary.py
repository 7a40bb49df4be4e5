"""Binary functions, hashes: https://trino.io/docs/current/functions/binary.html"""

from __future__ import annotations

from ..expression import Expr
from ..types import BIGINT, DOUBLE, INTEGER, REAL, VARBINARY, VARCHAR
from .registry import define, mismatch, simple

simple("to_hex", "x", VARCHAR, "hex({0})")
simple("from_hex", "s", VARBINARY, "strata_from_hex({0})")
simple("to_base64", "x", VARCHAR, "to_base64({0})")
simple("from_base64", "s", VARBINARY, "strata_from_base64({0})")
simple("to_base64url", "x", VARCHAR, "translate(to_base64({0}), '+/', '-_')")
simple("from_base64url", "s", VARBINARY, "strata_from_base64(translate({0}, '-_', '+/'))")
simple("to_base32", "x", VARCHAR, "strata_to_base32({0})")
simple("from_base32", "s", VARBINARY, "strata_from_base32({0})")
simple("md5", "x", VARBINARY, "unhex(md5({0}))")
simple("sha1", "x", VARBINARY, "unhex(sha1({0}))")
simple("sha256", "x", VARBINARY, "unhex(sha256({0}))")
simple("sha512", "x", VARBINARY, "strata_sha512({0})")
simple("xxhash64", "x", VARBINARY, "strata_xxhash64({0})")
simple("crc32", "x", BIGINT, "strata_crc32({0})")
for _digest in ("md5", "sha1", "sha256", "sha512"):
    simple(f"hmac_{_digest}", "xx", VARBINARY, f"strata_hmac('{_digest}', {{0}}, {{1}})")
simple("from_big_endian_32", "x", INTEGER, "CAST(strata_from_bytes('>i', {0}) AS INTEGER)")
simple("from_big_endian_64", "x", BIGINT, "strata_from_bytes('>q', {0})")
simple("from_ieee754_32", "x", REAL, "CAST(strata_from_ieee('>f', {0}) AS FLOAT)")
simple("from_ieee754_64", "x", DOUBLE, "strata_from_ieee('>d', {0})")
simple("to_big_endian_64", "i", VARBINARY, "unhex(lpad(to_hex(CAST({0} AS BIGINT)), 16, '0'))")


@define("to_big_endian_32", 1)
def _to_big_endian_32(args: list[Expr]) -> Expr:
    if args[0].type.name not in ("integer", "smallint", "tinyint"):
        raise mismatch("to_big_endian_32", args)
    wide = f"to_hex(CAST({args[0].sql} AS BIGINT))"
    return Expr(f"unhex(right(lpad({wide}, 16, '0'), 8))", VARBINARY)


@define("to_ieee754_32", 1)
def _to_ieee_32(args: list[Expr]) -> Expr:
    if args[0].type != REAL:
        raise mismatch("to_ieee754_32", args)
    return Expr(f"strata_to_ieee('>f', {args[0].sql})", VARBINARY)


simple("to_ieee754_64", "n", VARBINARY, "strata_to_ieee('>d', {0})")
