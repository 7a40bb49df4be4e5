"""The monitor: each part says what was made to happen."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from strata import console, query
from strata.cli import app
from strata.ingest import jobs
from strata.operate import builds, monitor
from tests.conftest import Lakehouse, start


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse in which nothing but what these tests do has happened."""
    yield from start(tmp_path_factory.mktemp("state"))


def look(lakehouse: Lakehouse) -> monitor.Screen:
    """The whole screen, without sources' freshness."""
    return monitor.look({"sources": {}}, lakehouse.sources, lakehouse.environment, lakehouse.client)


@pytest.fixture(scope="module")
def arrivals(lakehouse: Lakehouse) -> Iterator[str]:
    """A table whose newest row arrived two hours ago by Athena's clock, and an older one."""
    athena, bucket = lakehouse.client("athena"), lakehouse.environment.bucket("bronze")
    lakehouse.client("glue").create_database(DatabaseInput={"Name": "seen"})
    query.run(
        "create table seen.arrivals with (table_type='ICEBERG', is_external=false, "
        f"location='s3://{bucket}/seen/') as select "
        "cast(at_timezone(current_timestamp, 'UTC') as timestamp(6)) - interval '1' hour * h as at, "
        "h from unnest(array[2, 30]) as t(h)",
        athena,
    )
    yield '"awsdatacatalog"."seen"."arrivals"'
    lakehouse.client("glue").delete_database(Name="seen")


HOUR, DAY = {"count": 1, "period": "hour"}, {"count": 1, "period": "day"}


@pytest.mark.parametrize(
    "freshness, status, hours",
    [
        ({"warn_after": {"count": 3, "period": "hour"}}, "pass", 2),
        ({"warn_after": HOUR, "error_after": DAY}, "warn", 2),
        ({"warn_after": HOUR, "error_after": {"count": 90, "period": "minute"}}, "error", 2),
        ({"warn_after": DAY, "filter": "h > 2"}, "warn", 30),
        ({"warn_after": HOUR, "error_after": DAY, "filter": "h > 99"}, "error", None),
        ({}, "undeclared", 2),
    ],
)
def test_freshness_is_judged_as_declared(
    arrivals: str, lakehouse: Lakehouse, freshness: Any, status: str, hours: int | None
) -> None:
    node = {
        "source_name": "seen", "name": "arrivals", "relation_name": arrivals,
        "loaded_at_field": "at", "freshness": freshness,
    }  # fmt: skip
    (found,) = monitor.freshness({"sources": {"x": node}}, lakehouse.client("athena"))
    assert (found.source, found.status) == ("seen.arrivals", status)
    assert found.age_seconds is None if hours is None else found.age_seconds // 3600 == hours  # type: ignore[operator]


def test_a_source_that_cannot_be_read_says_why(lakehouse: Lakehouse) -> None:
    node = {
        "source_name": "seen", "name": "gone", "relation_name": '"seen"."gone"',
        "loaded_at_field": "at", "freshness": {"warn_after": HOUR},
    }  # fmt: skip
    (found,) = monitor.freshness({"sources": {"x": node}}, lakehouse.client("athena"))
    assert found.status.startswith("error: query failed")


def test_builds_are_recorded_also_when_they_fail(lakehouse: Lakehouse) -> None:
    environment, s3 = lakehouse.environment, lakehouse.client("s3")
    with builds.recorded(environment, s3):
        pass
    assert not look(lakehouse).needs_attention
    with pytest.raises(RuntimeError), builds.recorded(environment, s3):
        raise RuntimeError
    screen = look(lakehouse)
    assert [build.succeeded for build in screen.builds[:2]] == [False, True]
    assert screen.needs_attention
    with builds.recorded(environment, s3):
        pass
    assert not look(lakehouse).needs_attention


def test_streams_show_how_far_their_reader_is_behind(lakehouse: Lakehouse) -> None:
    source = next(source for source in lakehouse.sources if source.ingest == "stream")
    name = lakehouse.environment.resource(source.name)
    lakehouse.client("cloudwatch").put_metric_data(
        Namespace="AWS/Kinesis",
        MetricData=[
            {
                "MetricName": "GetRecords.IteratorAgeMilliseconds",
                "Dimensions": [{"Name": "StreamName", "Value": name}],
                "Timestamp": datetime.now(UTC),
                "Value": value,
                "Unit": "Milliseconds",
            }
            for value in (1500.0, 4500.0)
        ],
    )
    streams = {stream.name: stream for stream in look(lakehouse).streams}
    assert len(streams) == sum(source.ingest == "stream" for source in lakehouse.sources)
    found = streams[name]
    assert (found.status, found.delivery, found.lag_milliseconds) == ("ACTIVE", "ACTIVE", 4500.0)
    assert (found.retention_hours, found.loses_records) == (168, False)


@pytest.mark.parametrize(("hours", "is_told"), [(83.9, False), (84.1, True)])
def test_a_reader_that_is_half_the_retention_behind_needs_attention(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch, hours: float, is_told: bool
) -> None:
    """Kinesis drops at 168 hours: half of it is left to mend the reader."""
    monkeypatch.setattr(monitor, "_lag", lambda name, cloudwatch: hours * 3_600_000)
    screen = look(lakehouse)
    assert {stream.loses_records for stream in screen.streams} == {is_told}
    assert screen.needs_attention == is_told
    monkeypatch.setattr(console.out, "width", 300)
    shown = " ".join(CliRunner().invoke(app, ["monitor"]).output.split())
    assert ("Kinesis drops records after 168 h" in shown) == is_told


def test_job_runs_are_listed(lakehouse: Lakehouse) -> None:
    source = next(source for source in lakehouse.sources if source.ingest == "batch")
    glue = lakehouse.client("glue")
    run = jobs.follow(jobs.start("landing", source, lakehouse.environment, glue, {}), glue)
    newest = monitor.newest_runs(look(lakehouse).runs)
    assert [(r.job, r.run_id, r.state) for r in newest if r.job == run.job] == [
        (run.job, run.run_id, "SUCCEEDED")
    ]


def test_a_waiting_failure_and_an_alarm_need_attention(lakehouse: Lakehouse) -> None:
    name = lakehouse.environment.resource("ingestion-failures")
    sqs, cloudwatch = lakehouse.client("sqs"), lakehouse.client("cloudwatch")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    screen = look(lakehouse)
    assert not screen.needs_attention
    assert monitor.Queue(name, 0) in screen.queues
    # Files that arrive wait in a queue as well, which is no failure.
    assert all(queue.name.endswith("-failures") for queue in screen.queues)
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    screen = look(lakehouse)
    assert screen.needs_attention
    assert monitor.Queue(name, 1) in screen.queues
    sqs.purge_queue(QueueUrl=url)

    alarm = lakehouse.environment.resource("test-alarm")
    cloudwatch.put_metric_alarm(
        AlarmName=alarm, Namespace="Test", MetricName="m", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="because")
    screen = look(lakehouse)
    assert monitor.Alarm(alarm, "ALARM", "because") in screen.alarms
    assert screen.needs_attention
    cloudwatch.delete_alarms(AlarmNames=[alarm])


def test_the_command_prints_a_screen_and_json(lakehouse: Lakehouse) -> None:
    # Nothing has arrived yet from the declared sources: exit code 2.
    printed = CliRunner().invoke(app, ["monitor"], catch_exceptions=False)
    assert printed.exit_code == 2
    for title in ("freshness at", "last builds", "streams", "job runs", "queues of", "alarms"):
        assert title in printed.stdout
    found = json.loads(CliRunner().invoke(app, ["monitor", "--json"]).stdout)
    assert [one["source"] for one in found["freshness"]] == [s.name for s in lakehouse.sources]
    assert {one["status"] for one in found["freshness"]} == {"warn"}
    assert set(found) == {
        "at", "freshness", "builds", "streams", "runs", "queues", "alarms", "needs_attention",
    }  # fmt: skip
