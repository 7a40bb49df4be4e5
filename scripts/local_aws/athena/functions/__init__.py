"""The allow-list of scalar functions: for each, its Trino type rule and its DuckDB SQL.

A function that is not here is refused by name (see translate/calls.py). One module a section of the
reference: https://trino.io/docs/current/functions.html (Athena engine v3).
"""

from . import arrays, binary, conditional, dates, json, maps, math, regexp, strings, urls
from .arrays import subscript
from .dates import (
    at_timezone,
    clock_arithmetic,
    combined,
    date_part,
    interval,
    minus_time,
    plus_interval,
)
from .math import modulo, nonzero
from .registry import SCALARS, Function, mismatch, unify, unzoned, zone_of
from .strings import concatenation

#: The sections of the reference that are modules here.
SECTIONS = (arrays, binary, conditional, dates, json, maps, math, regexp, strings, urls)

__all__ = [
    "SCALARS",
    "SECTIONS",
    "Function",
    "at_timezone",
    "clock_arithmetic",
    "combined",
    "concatenation",
    "date_part",
    "interval",
    "minus_time",
    "mismatch",
    "modulo",
    "nonzero",
    "plus_interval",
    "subscript",
    "unify",
    "unzoned",
    "zone_of",
]
