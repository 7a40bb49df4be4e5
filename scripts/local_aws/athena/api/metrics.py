"""The CloudWatch metrics of a finished query.

https://docs.aws.amazon.com/athena/latest/ug/query-metrics-viewing.html
"""

from __future__ import annotations

from .requests import Json

NAMESPACE = "AWS/Athena"
_TIMES = {
    "TotalExecutionTime": "TotalExecutionTimeInMillis",
    "QueryQueueTime": "QueryQueueTimeInMillis",
    "QueryPlanningTime": "QueryPlanningTimeInMillis",
    "EngineExecutionTime": "EngineExecutionTimeInMillis",
    "ServiceProcessingTime": "ServiceProcessingTimeInMillis",
}


def data(execution: Json) -> list[Json]:
    """The MetricData of an execution: its times in milliseconds and the bytes that it scanned."""
    dimensions = [
        {"Name": "QueryState", "Value": execution["Status"]["State"]},
        {"Name": "QueryType", "Value": execution["StatementType"]},
        {"Name": "WorkGroup", "Value": execution["WorkGroup"]},
    ]
    statistics = execution["Statistics"]
    values = {
        name: (statistics[member], "Milliseconds")
        for name, member in _TIMES.items()
        if member in statistics
    }
    values["ProcessedBytes"] = (statistics["DataScannedInBytes"], "Bytes")
    return [
        {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
        for name, (value, unit) in values.items()
    ]
