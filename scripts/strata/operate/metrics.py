"""Strata's own CloudWatch metrics, which no service of AWS has. `infra/` has their alarms."""

from collections.abc import Iterable
from typing import Any

from strata.environment import Environment, schema_prefix
from strata.operate.builds import Build
from strata.operate.monitor import Freshness

Json = dict[str, Any]

NAMESPACE = "Strata"
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
_AT_ONCE = 1000
_FAILED = ("error", "fail", "runtime error")


def publish_build(build: Build, environment: Environment, cloudwatch: Any) -> None:
    """Publish how many nodes of a build failed; one that ended before any node is one failure.

    The dimension `Schemas` is `main` but for builds with a STRATA_SCHEMA_PREFIX.
    """
    failed = sum(count for status, count in build.nodes.items() if status in _FAILED)
    dimensions = {
        "Environment": environment.name,
        "Schemas": schema_prefix() or "main",
    }
    value = failed or int(not build.succeeded)
    _put([_datum("DbtFailures", value, "Count", dimensions)], cloudwatch)


def publish_freshness(
    freshness: Iterable[Freshness], environment: Environment, cloudwatch: Any
) -> int:
    """Publish of each source with a declared freshness whether it is late, and its age if known.

    Returns how many sources are late.
    """
    judged = [one for one in freshness if one.status != "undeclared"]
    data = []
    for one in judged:
        dimensions = {"Environment": environment.name, "Source": one.source}
        data.append(_datum("SourceIsLate", int(one.status != "pass"), "Count", dimensions))
        if one.age_seconds is not None:
            data.append(_datum("SourceAgeSeconds", one.age_seconds, "Seconds", dimensions))
    _put(data, cloudwatch)
    return sum(one.status != "pass" for one in judged)


def _datum(name: str, value: float, unit: str, dimensions: dict[str, str]) -> Json:
    pairs = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    return {"MetricName": name, "Dimensions": pairs, "Value": value, "Unit": unit}


def _put(data: list[Json], cloudwatch: Any) -> None:
    for start in range(0, len(data), _AT_ONCE):
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + _AT_ONCE])
