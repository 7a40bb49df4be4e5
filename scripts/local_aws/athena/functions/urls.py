"""URL functions: https://trino.io/docs/current/functions/url.html"""

from __future__ import annotations

from ..expression import Expr
from ..types import BIGINT, Type
from .registry import bounded, same, simple


def _encoded(args: list[Expr]) -> Type:
    return bounded(args[0].type, lambda n: n * 12)


simple("url_encode", "s", _encoded, "strata_url_encode({0})")
simple("url_decode", "s", same, "strata_url_decode({0})")
for _part in ("protocol", "host", "path", "query", "fragment"):
    simple(f"url_extract_{_part}", "s", same, f"strata_url_part('{_part}', {{0}})")
simple("url_extract_port", "s", BIGINT, "CAST(strata_url_part('port', {0}) AS BIGINT)")
simple("url_extract_parameter", "ss", same, "strata_url_parameter({0}, {1})")
