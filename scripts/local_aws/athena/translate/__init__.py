"""From Trino's SQL to DuckDB's: names and types are resolved on the way.

Each room builds on the one before it: `core`, `pruning`, `expressions`, `lambdas`, `sql_json`, `calls`,
`sources`, `queries`, `translator`.
"""

from .lambdas import LAMBDA_FUNCTIONS
from .scope import MARK, Scope, View
from .sql_json import SQL_JSON
from .translator import Translator

__all__ = ["LAMBDA_FUNCTIONS", "MARK", "SQL_JSON", "Scope", "Translator", "View"]
