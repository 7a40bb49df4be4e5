"""The metric of a Python-shell job: Glue has metrics of Spark jobs alone.

https://docs.aws.amazon.com/glue/latest/dg/monitoring-awsglue-with-cloudwatch-metrics.html
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_NAMESPACE = "Strata"
_ENOUGH_RUNS = 3
_RUNS = 200
#: Shorter runs differ by what Glue needs to start them.
_SHORTEST_USUAL = 60.0


@contextmanager
def elapsed_told(job: str, source: str | None, glue: Any, cloudwatch: Any) -> Iterator[None]:
    """Publish how long the block took against what runs of the job for the source usually take.

    What was carried is carried: a metric that cannot be published is said in the log, and no error.
    """
    started = time.monotonic()
    yield
    elapsed = time.monotonic() - started
    try:
        usual = _usual(job, source, glue)
        data = [_datum("ElapsedSeconds", elapsed, "Seconds", job)]
        if usual is not None:
            data.append(_datum("TimesUsualElapsed", times_usual(elapsed, usual), "None", job))
        cloudwatch.put_metric_data(Namespace=_NAMESPACE, MetricData=data)
    except (BotoCoreError, ClientError) as error:
        print(f"the elapsed time was not published: {error}")


def times_usual(elapsed: float, usual: float) -> float:
    """How many times the usual a run took; runs of up to a minute are alike."""
    return elapsed / max(usual, _SHORTEST_USUAL)


def _usual(job: str, source: str | None, glue: Any) -> float | None:
    """The median of the last successful runs in seconds; None while there are too few."""
    runs = glue.get_job_runs(JobName=job, MaxResults=_RUNS)["JobRuns"]
    seconds = [
        run["ExecutionTime"]
        for run in runs
        if run["JobRunState"] == "SUCCEEDED" and run.get("Arguments", {}).get("--source") == source
    ]
    return statistics.median(seconds) if len(seconds) >= _ENOUGH_RUNS else None


def _datum(name: str, value: float, unit: str, job: str) -> dict[str, Any]:
    dimensions = [{"Name": "JobName", "Value": job}]
    return {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
