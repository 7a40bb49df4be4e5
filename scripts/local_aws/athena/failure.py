"""How a query fails: Athena's error names, categories and message form."""

from __future__ import annotations

#: Athena's AthenaError.ErrorCategory. https://docs.aws.amazon.com/athena/latest/ug/error-reference.html
SYSTEM, USER, OTHER = 1, 2, 3

#: AthenaError.ErrorType of a failed Iceberg operation; clients retry commits on it.
ICEBERG_ERROR_TYPE = 233


class QueryFailed(Exception):
    """A query that ends as FAILED. `code` is Trino's or Athena's error name."""

    def __init__(self, code: str, message: str, category: int = USER) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.category = category

    @property
    def reason(self) -> str:
        """The text that GetQueryExecution gives as StateChangeReason."""
        return f"{self.code}: {self.message}"

    def athena_error(self) -> dict[str, object]:
        """The AthenaError structure of GetQueryExecution."""
        error: dict[str, object] = {
            "ErrorCategory": self.category,
            "Retryable": False,
            "ErrorMessage": self.reason,
        }
        if self.code.startswith("ICEBERG_"):
            error["ErrorType"] = ICEBERG_ERROR_TYPE
        return error


class QueryCancelled(Exception):
    """A query that ends as CANCELLED: stopped by a client or by a scan cut-off. Athena bills the
    bytes that it had `scanned`."""

    scanned: int = 0


def not_supported(what: str) -> QueryFailed:
    """What Athena has and this engine does not: refused by name."""
    return QueryFailed("NOT_SUPPORTED", f"{what} is not supported by the local Athena")
