"""What the queries of a period scanned, and what Athena charges for that."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# https://aws.amazon.com/athena/pricing/: by the terabyte scanned, at least 10 MB a query that scans
_USD_PER_TERABYTE = 5.0
_TERABYTE = 10**12
_LEAST_BYTES = 10 * 10**6
_BATCH = 50


@dataclass(frozen=True)
class Cost:
    """The queries of a period, the bytes that they scanned and their price in US dollars."""

    queries: int
    scanned_bytes: int
    usd: float


def price(scanned_bytes: int) -> float:
    """US dollars for one query."""
    if scanned_bytes == 0:
        return 0.0
    return max(scanned_bytes, _LEAST_BYTES) / _TERABYTE * _USD_PER_TERABYTE


def cost_since(start: datetime, work_group: str, athena: Any) -> Cost:
    """The cost of a workgroup's queries submitted at `start` (aware) or later."""
    scanned = [
        execution.get("Statistics", {}).get("DataScannedInBytes", 0)
        for execution in _executions(start, work_group, athena)
    ]
    return Cost(len(scanned), sum(scanned), sum(price(size) for size in scanned))


def _executions(start: datetime, work_group: str, athena: Any) -> Iterator[dict[str, Any]]:
    pages = athena.get_paginator("list_query_executions").paginate(
        WorkGroup=work_group, PaginationConfig={"PageSize": _BATCH}
    )
    for page in pages:
        ids = page["QueryExecutionIds"]
        if not ids:
            return
        found = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
        recent = [e for e in found if e["Status"]["SubmissionDateTime"] >= start]
        yield from recent
        if len(recent) < len(found):  # newest first
            return
