"""From Trino's SQL to DuckDB's: names and types are resolved on the way.

Each room builds on the one before it: `core`, `pruning`, `expressions`, `lambdas`, `calls`, `sources`,
`queries`, `translator`.
"""

from .lambdas import LAMBDA_FUNCTIONS
from .scope import MARK, Scope, View
from .translator import Translator

__all__ = ["LAMBDA_FUNCTIONS", "MARK", "Scope", "Translator", "View"]
