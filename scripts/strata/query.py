"""One query through Athena, for the command line."""

import time
from dataclasses import dataclass
from typing import Any

from strata.errors import StrataError

WORK_GROUP = "strata"
_FINISHED = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Result:
    """A query's answer: names of the columns, rows of text (None for NULL), and its statistics."""

    columns: list[str]
    rows: list[list[str | None]]
    scanned_bytes: int
    milliseconds: int


def rows(sql: str, athena: Any) -> list[list[str | None]]:
    """The rows of `run(sql)`."""
    return run(sql, athena).rows


def run(sql: str, athena: Any, work_group: str = WORK_GROUP) -> Result:
    """Run `sql` and return its answer; raises StrataError with Athena's reason when it fails."""
    query = athena.start_query_execution(QueryString=sql, WorkGroup=work_group)["QueryExecutionId"]
    statistics = _wait(query, sql, athena).get("Statistics", {})
    columns: list[str] = []
    found: list[list[str | None]] = []
    for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=query):
        columns = [c["Name"] for c in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
        found += [
            [cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]
        ]
    return Result(
        columns=columns,
        rows=found[1:] if found[:1] == [columns] else found,
        scanned_bytes=statistics.get("DataScannedInBytes", 0),
        milliseconds=statistics.get("TotalExecutionTimeInMillis", 0),
    )


def _wait(query: str, sql: str, athena: Any) -> dict[str, Any]:
    """The execution of a query that has succeeded."""
    wait = 0.05
    while True:
        execution: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query)[
            "QueryExecution"
        ]
        if execution["Status"]["State"] in _FINISHED:
            break
        time.sleep(wait)
        wait = min(wait * 2, 2.0)
    if execution["Status"]["State"] != "SUCCEEDED":
        reason = execution["Status"].get("StateChangeReason", "")
        raise StrataError(f"query failed: {reason}", f"the query was: {sql}")
    return execution
