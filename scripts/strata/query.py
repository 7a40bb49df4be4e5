"""One query through Athena, for what the command line itself asks."""

import time
from typing import Any

from strata.errors import StrataError

WORK_GROUP = "strata"
_FINISHED = ("SUCCEEDED", "FAILED", "CANCELLED")


def rows(sql: str, athena: Any) -> list[list[str | None]]:
    """Run `sql` and return its rows as text, without the header.

    Raises StrataError with Athena's reason when the query fails.
    """
    query = athena.start_query_execution(QueryString=sql, WorkGroup=WORK_GROUP)["QueryExecutionId"]
    wait = 0.05
    while True:
        execution = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        if execution["Status"]["State"] in _FINISHED:
            break
        time.sleep(wait)
        wait = min(wait * 2, 2.0)
    if execution["Status"]["State"] != "SUCCEEDED":
        reason = execution["Status"].get("StateChangeReason", "")
        raise StrataError(f"query failed: {reason}", f"the query was: {sql}")
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query)
    found = [
        [cell.get("VarCharValue") for cell in row["Data"]]
        for page in pages
        for row in page["ResultSet"]["Rows"]
    ]
    return found[1:]
