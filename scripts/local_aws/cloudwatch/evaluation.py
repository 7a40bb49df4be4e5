"""Evaluates the metric alarms again and again, on the local clock, through CloudWatch's own API."""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.cloudwatch import expressions, states
from local_aws.cloudwatch.expressions import Scope, Series
from local_aws.cloudwatch.states import Rule

Json = dict[str, Any]
_IDLE_SECONDS = 2.0
_ALONE = "metric"  # the id of an alarm's metric that is not in metric math
log = logging.getLogger("local_aws.cloudwatch")


class AlarmEvaluation:
    """Sets the states of the alarms; `client(service)` makes boto3 clients of this local AWS."""

    def __init__(self, client: Callable[[str], Any], clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._stop = threading.Event()

    def run(self) -> None:
        """Evaluate until `close`."""
        while not self._stop.wait(_IDLE_SECONDS):
            try:
                self.evaluate()
            except (BotoCoreError, ClientError) as error:  # the server is going down, or busy
                log.warning("alarms: %s", error)

    def close(self) -> None:
        """Stop evaluating."""
        self._stop.set()

    def evaluate(self) -> None:
        """Look at every alarm once."""
        cloudwatch, now = self._client("cloudwatch"), self._clock()
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        series = _read(alarms, now, cloudwatch)
        for alarm in alarms:
            rule = Rule.of(alarm)
            found = _result(alarm, series[alarm["AlarmName"]], now)
            points = [found.get(at) for at in _periods(alarm, now)]
            becomes = states.state(rule, points, alarm["StateValue"])
            if becomes != alarm["StateValue"]:
                cloudwatch.set_alarm_state(
                    AlarmName=alarm["AlarmName"],
                    StateValue=becomes,
                    StateReason=states.reason(rule, points, becomes),
                )


def check(alarm: Json) -> None:
    """Raise ValueError for an alarm, as PutMetricAlarm takes it, that could not be evaluated."""
    states.check(alarm.get("ComparisonOperator", ""))
    metrics = alarm.get("Metrics") or []
    for query in metrics:
        if expression := query.get("Expression"):
            expressions.check(expression)
    periods = {query["MetricStat"]["Period"] for query in metrics if "MetricStat" in query}
    if len(periods) > 1:
        raise ValueError(f"metrics of one alarm with several periods are not served: {periods}")
    if metrics and sum(query.get("ReturnData", True) for query in metrics) != 1:
        raise ValueError("exactly one element of the metrics list should return data")
    if metrics:
        _try(alarm)


def _try(alarm: Json) -> None:
    """Evaluate an alarm's expressions over nothing: what they refer to must be there."""
    try:
        nothing: dict[str, Series] = {name: {} for name in _queries(alarm)}
        _result({"EvaluationPeriods": 1, **alarm}, nothing, datetime.now(UTC))
    except (KeyError, StopIteration) as error:
        raise ValueError(f"an expression refers to what is not there: {error}") from None


def _queries(alarm: Json) -> dict[str, Json]:
    """The metrics of an alarm by their ids, as GetMetricData takes them."""
    if "Metrics" in alarm:
        return {q["Id"]: q["MetricStat"] for q in alarm["Metrics"] if "MetricStat" in q}
    metric = {key: alarm[key] for key in ("Namespace", "MetricName")}
    stat = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    return {
        _ALONE: {
            "Metric": {**metric, "Dimensions": alarm.get("Dimensions", [])},
            "Period": alarm["Period"],
            "Stat": stat,
        }
    }


def _period(alarm: Json) -> int:
    return int(next(iter(_queries(alarm).values()))["Period"])


def _periods(alarm: Json, now: datetime) -> range:
    """The starts of the periods of the evaluation range, the one that is running included."""
    length = _period(alarm)
    end = int(now.timestamp()) // length * length + length
    return range(end - states.looked_at(alarm["EvaluationPeriods"]) * length, end, length)


def _read(alarms: list[Json], now: datetime, cloudwatch: Any) -> dict[str, dict[str, Series]]:
    """The series of every alarm by its name and their ids: one request for alarms of like ranges."""
    asked: dict[tuple[int, int], list[tuple[str, str, Json]]] = defaultdict(list)
    for alarm in alarms:
        periods = _periods(alarm, now)
        for name, stat in _queries(alarm).items():
            asked[periods.start, periods.stop].append((alarm["AlarmName"], name, stat))
    found: dict[str, dict[str, Series]] = defaultdict(dict)
    for (start, end), queries in asked.items():
        for (alarm_name, name, _), series in zip(
            queries, _get([stat for _, _, stat in queries], start, end, cloudwatch), strict=True
        ):
            found[alarm_name][name] = series
    return found


def _get(stats: list[Json], start: int, end: int, cloudwatch: Any) -> Iterator[Series]:
    results = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": f"q{n}", "MetricStat": stat} for n, stat in enumerate(stats)],
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(end, UTC),
    )["MetricDataResults"]
    for result in results:
        stamps = (int(at.timestamp()) for at in result["Timestamps"])
        yield dict(zip(stamps, result["Values"], strict=True))


def _result(alarm: Json, series: dict[str, Series], now: datetime) -> Series:
    """The series that is compared with the threshold."""
    if "Metrics" not in alarm:
        return series[_ALONE]
    scope = Scope(dict(series), list(series.values()), _periods(alarm, now))
    for query in alarm["Metrics"]:
        if "Expression" in query:
            scope.series[query["Id"]] = expressions.evaluate(query["Expression"], scope)
    returned = next(query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True))
    return scope.series[returned]
