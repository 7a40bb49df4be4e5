"""Every alarm of the templates goes from OK to ALARM and back, by data points and the clock alone."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from strata.cli import app
from strata.deploy import code, stacks
from strata.environment import PROJECT
from strata.ingest import jobs
from strata.operate import builds, metrics
from tests.aws.documented_metrics import NAMESPACES
from tests.conftest import Lakehouse, deploy_stack, queue_of_topic, start, wait

Json = dict[str, Any]

SPARK_JOB = "sessions"
GIB = 2**30
#: Of each alarm, by the longest of these that its name begins with, points that are beyond the
#: threshold of the issue or of the template's parameter, and points that are just not.
CASES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "lambda-errors": ({"errors": 11, "invocations": 1000}, {"errors": 10, "invocations": 1000}),
    "failures-waiting": ({"": 1}, {"": 0}),
    "s3-client-errors": ({"": 1}, {"": 0}),
    "s3-downloads": ({"": 50 * GIB + 1}, {"": 50 * GIB}),
    "s3-downloads-landing": ({"": 10 * GIB + 1}, {"": 10 * GIB}),
    "orchestration-failed": ({"failed": 1}, {"failed": 0, "timeouts": 0, "aborted": 0}),
    "dbt-failures": ({"": 1}, {"": 0}),
    # A query that fails is charged as well, and a day has its queries of every kind.
    "scan-budget": ({"dml": 1000 * GIB, "ddl": 20 * GIB, "failed": 5 * GIB}, {"dml": 1024 * GIB}),
    "job-slow": ({"": 2.01}, {"": 2}),
    # Twice the 600 s that are usual by default, in milliseconds.
    f"job-slow-{SPARK_JOB}": ({"elapsed": 1_200_001}, {"elapsed": 1_200_000}),
    "spark-memory-driver": ({"": 0.86}, {"": 0.85}),
    "spark-memory-executors": ({"": 0.91}, {"": 0.90}),
    "cdc-behind": ({"": 301}, {"": 300}),
    "source-late": ({"": 1}, {"": 0}),
    "stream-behind": ({"": 5001}, {"": 5000}),
    "stream-throttled": ({"": 1}, {"": 0}),
    "delivery-late": ({"": 901}, {"": 900}),
    "delivery-failures-s3": ({"": 0.99}, {"": 1}),
    "delivery-failures-masking": ({"": 0.99}, {"": 1}),
    "delivery-failures-conversion": ({"": 1}, {"": 0}),
}


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse of which a Spark job is watched as well."""
    for found in start(tmp_path_factory.mktemp("state")):
        artifacts = code.Artifacts("", "", "", "", "")
        (stack,) = [
            stack
            for stack in stacks.shared_stacks(found.environment, artifacts, [])
            if stack.template == "monitoring.yaml"
        ]
        watched = replace(stack, parameters={**stack.parameters, "SparkJob": SPARK_JOB})
        deploy_stack(watched, found)
        yield found


def alarms(lakehouse: Lakehouse, prefix: str = "") -> dict[str, Json]:
    """The environment's alarms by their names without the environment's prefix."""
    strip = lakehouse.environment.resource("")
    pages = lakehouse.client("cloudwatch").get_paginator("describe_alarms")
    found = pages.paginate(AlarmNamePrefix=strip + prefix)
    return {a["AlarmName"].removeprefix(strip): a for page in found for a in page["MetricAlarms"]}


def queries(alarm: Json) -> dict[str, Json]:
    """The metrics of an alarm by their ids in metric math; of one without math by ''."""
    if "Metrics" in alarm:
        return {q["Id"]: q["MetricStat"] for q in alarm["Metrics"] if "MetricStat" in q}
    metric = {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions")}
    return {"": {"Metric": metric, "Period": alarm["Period"]}}


def put(lakehouse: Lakehouse, alarm: Json, values: dict[str, float], at: datetime) -> None:
    """Put as many points as the alarm evaluates, the newest at `at`."""
    for name, stat in queries(alarm).items():
        if name in values:
            metric, count = stat["Metric"], alarm["EvaluationPeriods"]
            data = [
                {
                    "MetricName": metric["MetricName"],
                    "Dimensions": metric["Dimensions"],
                    "Timestamp": at - n * timedelta(seconds=stat["Period"]),
                    "Value": values[name],
                }
                for n in range(count)
            ]
            lakehouse.client("cloudwatch").put_metric_data(
                Namespace=metric["Namespace"], MetricData=data
            )


def case(name: str) -> tuple[dict[str, float], dict[str, float]]:
    """The points of an alarm; fails for one that has none."""
    return CASES[max((prefix for prefix in CASES if name.startswith(prefix)), key=len)]


def wait_for(lakehouse: Lakehouse, state: str, prefix: str = "") -> None:
    """Wait until all alarms, or those whose names begin so, are in `state`."""

    def others() -> list[str]:
        found = alarms(lakehouse, prefix)
        assert found
        return [name for name, alarm in found.items() if alarm["StateValue"] != state]

    deadline = time.monotonic() + 20
    while found := others():
        assert time.monotonic() < deadline, f"not {state}: {found}"
        time.sleep(0.2)


def later(lakehouse: Lakehouse, bad: bool) -> None:
    """Let four days pass, longer than any alarm looks back, at whose end are bad or good points."""
    at = lakehouse.clock.now() + timedelta(days=4)
    for name, alarm in alarms(lakehouse).items():
        put(lakehouse, alarm, case(name)[0 if bad else 1], at)
    lakehouse.clock.advance(timedelta(days=4))


@pytest.fixture(scope="module")
def inbox(lakehouse: Lakehouse) -> str:
    """The URL of a queue that is subscribed to the topic of the alarms."""
    return queue_of_topic(lakehouse, "ingestion-alerts")


def test_every_alarm_goes_to_alarm_and_back(lakehouse: Lakehouse, inbox: str) -> None:
    later(lakehouse, bad=False)
    wait_for(lakehouse, "OK")
    later(lakehouse, bad=True)
    wait_for(lakehouse, "ALARM")
    later(lakehouse, bad=False)
    wait_for(lakehouse, "OK")
    cloudwatch = lakehouse.client("cloudwatch")
    for alarm in alarms(lakehouse).values():
        history = cloudwatch.describe_alarm_history(
            AlarmName=alarm["AlarmName"], HistoryItemType="StateUpdate"
        )["AlarmHistoryItems"]
        changes = sorted(item["HistorySummary"].split("from ")[1] for item in history)
        assert {"OK to ALARM", "ALARM to OK"} <= set(changes), alarm["AlarmName"]


def test_the_topic_is_told_of_each_change(lakehouse: Lakehouse, inbox: str) -> None:
    sqs, told = lakehouse.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages"):
        told += [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
    for name in alarms(lakehouse):
        of_alarm = [m for m in told if m["AlarmName"] == lakehouse.environment.resource(name)]
        assert {m["NewStateValue"] for m in of_alarm} >= {"ALARM", "OK"}, name
    (budget,) = [
        m for m in told if m["AlarmName"].endswith("scan-budget") and m["NewStateValue"] == "ALARM"
    ]
    # 1000 + 20 + 5 GiB in one day, more than the 1024 of the parameter.
    assert str(float(1025 * GIB)) in budget["NewStateReason"]
    assert budget["AlarmDescription"].endswith("scan-budget.md")


def test_an_alarm_looks_at_its_own_dimensions_alone(lakehouse: Lakehouse) -> None:
    one, *others = alarms(lakehouse, "stream-throttled")
    assert others
    put(lakehouse, alarms(lakehouse)[one], {"": 1}, lakehouse.clock.now())
    wait_for(lakehouse, "ALARM", one)
    assert {alarms(lakehouse)[name]["StateValue"] for name in others} == {"OK"}


def test_metrics_and_dimensions_are_documented(lakehouse: Lakehouse) -> None:
    used = {
        (q["Metric"]["Namespace"], q["Metric"]["MetricName"],
         tuple(sorted(d["Name"] for d in q["Metric"]["Dimensions"])))
        for alarm in alarms(lakehouse).values()
        for q in queries(alarm).values()
    }  # fmt: skip
    documented = {
        (namespace, name, dimensions)
        for namespace, page in NAMESPACES.items()
        for name, dimensions in page.metrics.items()
    }
    assert used <= documented
    templates = "".join(file.read_text() for file in (PROJECT / "infra").glob("*.yaml"))
    in_templates = set(re.findall(r"^\s+MetricName: (\S+)$", templates, re.MULTILINE))
    assert in_templates == {name for _, name, _ in used}


def test_the_dashboard_shows_every_metric_that_has_an_alarm(lakehouse: Lakehouse) -> None:
    name = lakehouse.environment.resource("").rstrip("-")
    body = lakehouse.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    widgets = json.loads(body)["widgets"]
    known = {name for page in NAMESPACES.values() for name in page.metrics}
    shown: set[str] = set()
    for metric in (m for widget in widgets for m in widget["properties"]["metrics"]):
        if isinstance(metric[0], dict):
            searched = set(re.findall(r'"([\w.]+)"', metric[0]["expression"])) & known
            assert searched, metric
            shown |= searched
        elif metric[0] != "...":
            assert metric[1] in NAMESPACES[metric[0]].metrics
            shown.add(metric[1])
    # The others are causes of what is shown: the rate's denominator, failures of a delivery, a
    # function that makes its stream late.
    causes = {"Invocations", "IteratorAge", "DeliveryToS3.Success", "ExecuteProcessing.Success",
              "FailedConversion.Records", "ElapsedSeconds"}  # fmt: skip
    assert shown == known - causes


def test_every_alarm_has_a_runbook(lakehouse: Lakehouse) -> None:
    table = (PROJECT / "docs/monitoring.md").read_text()
    for name, alarm in alarms(lakehouse).items():
        page = alarm["AlarmDescription"].split()[-1]
        assert (PROJECT / page).is_file(), name
        assert name.startswith((PROJECT / page).stem)
        assert f"`{(PROJECT / page).stem}" in table
        assert alarm["AlarmActions"] == alarm["OKActions"] != []
    for page in (PROJECT / "docs/runbooks").glob("*.md"):
        assert f"runbooks/{page.name}" in table, page


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("ANOMALY_DETECTION_BAND(m, 2)", "ANOMALY_DETECTION_BAND"),
        ("m ** 2", "Pow"),
        ("m / other", "other"),
        ("SELECT MAX(x) FROM y", "SELECT"),
    ],
)
def test_metric_math_that_is_not_served_is_refused_by_name(
    lakehouse: Lakehouse, expression: str, names: str
) -> None:
    metric = {"Namespace": "Test", "MetricName": "m"}
    with pytest.raises(ClientError, match=f"ValidationError.*{names}"):
        lakehouse.client("cloudwatch").put_metric_alarm(
            AlarmName="refused", EvaluationPeriods=1, Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            Metrics=[
                {"Id": "e", "Expression": expression},
                {"Id": "m", "ReturnData": False,
                 "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}},
            ],
        )  # fmt: skip


def test_a_percentile_is_evaluated(lakehouse: Lakehouse) -> None:
    cloudwatch = lakehouse.client("cloudwatch")
    dimensions = [{"Name": "Of", "Value": "this test"}]
    cloudwatch.put_metric_alarm(
        AlarmName="percentile", Namespace="Test", MetricName="m", Dimensions=dimensions,
        ExtendedStatistic="p90", Period=60, EvaluationPeriods=1, Threshold=9,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )  # fmt: skip
    # Of 1 to 11 the 90th percentile is 10: the rank 0.9 x 10 = 9, counted from 0.
    data = [
        {
            "MetricName": "m",
            "Dimensions": dimensions,
            "Value": v,
            "Timestamp": lakehouse.clock.now(),
        }
        for v in range(1, 12)
    ]
    cloudwatch.put_metric_data(Namespace="Test", MetricData=data)
    found = wait(
        lambda: cloudwatch.describe_alarms(AlarmNames=["percentile"], StateValue="ALARM")[
            "MetricAlarms"
        ]
    )
    assert "[10.0]" in found[0]["StateReason"]
    cloudwatch.delete_alarms(AlarmNames=["percentile"])
    assert not cloudwatch.describe_alarms(AlarmNames=["percentile"])["MetricAlarms"]


def maximum(lakehouse: Lakehouse, name: str, dimensions: dict[str, str]) -> float | None:
    """The largest point of one of Strata's metrics in the last hour."""
    now = lakehouse.clock.now()
    points = lakehouse.client("cloudwatch").get_metric_statistics(
        Namespace=metrics.NAMESPACE, MetricName=name, Statistics=["Maximum"], Period=3600,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1),
    )["Datapoints"]  # fmt: skip
    return max((point["Maximum"] for point in points), default=None)


def test_jobs_tell_how_long_they_took(lakehouse: Lakehouse) -> None:
    glue = lakehouse.client("glue")
    source = next(source for source in lakehouse.sources if source.ingest == "batch")
    job = {"JobName": lakehouse.environment.resource("landing")}

    def run(count: int) -> None:
        started = [
            jobs.start("landing", source, lakehouse.environment, glue, {}) for _ in range(count)
        ]
        for one in started:
            jobs.follow(one, glue)

    lakehouse.clock.advance(timedelta(hours=3))  # what the alarms were driven with is past
    run(3)
    elapsed = maximum(lakehouse, "ElapsedSeconds", job)
    assert elapsed is not None and 0 < elapsed < 60
    assert maximum(lakehouse, "TimesUsualElapsed", job) is None
    run(1)  # three runs are a history
    ratio = maximum(lakehouse, "TimesUsualElapsed", job)
    assert ratio is not None and 0 < ratio < 1


def test_a_build_tells_its_failures(lakehouse: Lakehouse) -> None:
    def tell(build: builds.Build) -> None:
        metrics.publish_build(build, lakehouse.environment, lakehouse.client("cloudwatch"))

    dimensions = {"Environment": lakehouse.environment.name, "Schemas": "main"}
    s3 = lakehouse.client("s3")
    with pytest.raises(RuntimeError), builds.recorded(lakehouse.environment, s3, tell):
        raise RuntimeError
    assert maximum(lakehouse, "DbtFailures", dimensions) == 1
    wait_for(lakehouse, "ALARM", "dbt-failures")
    tell(builds.Build("", 1, "", "", succeeded=False, nodes={"success": 5, "error": 1, "fail": 2}))
    assert maximum(lakehouse, "DbtFailures", dimensions) == 3
    lakehouse.clock.advance(timedelta(hours=1))
    wait_for(lakehouse, "ALARM", "dbt-failures")  # it stays until a build succeeds
    with builds.recorded(lakehouse.environment, s3, tell):
        pass
    wait_for(lakehouse, "OK", "dbt-failures")


def test_the_monitor_tells_which_sources_are_late(lakehouse: Lakehouse) -> None:
    lakehouse.clock.advance(timedelta(hours=1))
    # Nothing has arrived: every source is late.
    assert CliRunner().invoke(app, ["monitor", "--publish", "--json"]).exit_code == 2
    wait_for(lakehouse, "ALARM", "source-late")
    assert len(alarms(lakehouse, "source-late")) == len(lakehouse.sources)
