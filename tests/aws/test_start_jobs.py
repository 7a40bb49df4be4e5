"""Jobs start by themselves, by arrival and by schedule, and people are told when one fails."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from local_aws import ministack
from tests.conftest import Lakehouse, queue_of_topic, wait

LABELS = "ticketing.fraud_labels"


def ended(lakehouse: Lakehouse, job: str, source: str | None) -> list[dict[str, Any]]:
    """The runs of a job for a source that have come to an end."""
    name = lakehouse.environment.resource(job)
    runs = lakehouse.client("glue").get_job_runs(JobName=name)["JobRuns"]
    return [
        run for run in runs if run["Arguments"].get("--source") == source and run.get("CompletedOn")
    ]


def test_a_file_that_arrives_starts_the_job_of_its_source(lakehouse: Lakehouse) -> None:
    events, s3 = lakehouse.client("events"), lakehouse.client("s3")
    rule, landing = (
        lakehouse.environment.resource("arrivals"),
        lakehouse.environment.bucket("landing"),
    )
    before = len(ended(lakehouse, "landing", LABELS))
    inbox = lakehouse.source(LABELS).location
    events.enable_rule(Name=rule)
    try:
        s3.put_object(
            Bucket=landing, Key=f"{inbox}arrival.csv", Body=b"payment_id,is_fraud\np1,yes\n"
        )
        wait(lambda: len(ended(lakehouse, "landing", LABELS)) > before)
    finally:
        events.disable_rule(Name=rule)
    run = ended(lakehouse, "landing", LABELS)[0]
    assert run["JobRunState"] == "SUCCEEDED", run["ErrorMessage"]
    assert not lakehouse.objects("landing", inbox)
    assert f"processed/{inbox}arrival.csv" in lakehouse.objects("landing", "processed/")
    # The moved file, its report and its manifest are new objects of landing as well.
    time.sleep(2)
    assert len(ended(lakehouse, "landing", LABELS)) == before + 1


def test_a_run_that_fails_is_told_to_the_topic(lakehouse: Lakehouse) -> None:
    sqs, queue = lakehouse.client("sqs"), queue_of_topic(lakehouse, "ingestion-alerts")
    job = lakehouse.environment.resource("landing")
    run = lakehouse.client("glue").start_job_run(JobName=job, Arguments={"--source": "no.such"})

    def told() -> dict[str, Any] | None:
        """The event; others tell the topic of their failures as well."""
        for message in sqs.receive_message(QueueUrl=queue).get("Messages", []):
            text = json.loads(message["Body"])["Message"]
            if text.startswith("{") and run["JobRunId"] in text:
                found: dict[str, Any] = json.loads(text)
                return found
        return None

    event = wait(told)
    assert event["detail-type"] == "Glue Job State Change"
    assert event["detail"]["jobRunId"] == run["JobRunId"]
    assert event["detail"]["state"] == "FAILED"
    assert "no.such" in event["detail"]["message"]


def test_closed_days_are_compacted_by_schedule(lakehouse: Lakehouse) -> None:
    glue, name = lakehouse.client("glue"), lakehouse.environment.resource("compaction")
    trigger = glue.get_trigger(Name=name)["Trigger"]
    assert (trigger["State"], trigger["Schedule"]) == ("CREATED", "cron(30 3 * * ? *)")
    lakehouse.clock.set(datetime(2013, 3, 20, 3, 29, 50, tzinfo=UTC))
    before = len(ended(lakehouse, "compaction", None))
    glue.start_trigger(Name=name)
    try:
        time.sleep(2.5)
        assert len(ended(lakehouse, "compaction", None)) == before
        lakehouse.clock.set(datetime(2013, 3, 20, 3, 30, 1, tzinfo=UTC))
        wait(lambda: len(ended(lakehouse, "compaction", None)) > before)
    finally:
        glue.stop_trigger(Name=name)
    assert ended(lakehouse, "compaction", None)[0]["JobRunState"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"Type": "EVENT"}, "InvalidInputException"),
        ({"Schedule": "every morning"}, "InvalidInputException"),
        ({"Name": "strata-local-compaction"}, "AlreadyExistsException"),
    ],
)
def test_triggers_that_are_refused(
    lakehouse: Lakehouse, change: dict[str, str], error: str
) -> None:
    glue = lakehouse.client("glue")
    good = {"Name": "t", "Type": "SCHEDULED", "Schedule": "cron(0 1 * * ? *)", "Actions": []}
    with pytest.raises(glue.exceptions.ClientError) as raised:
        glue.create_trigger(**{**good, **change})
    assert raised.value.response["Error"]["Code"] == error


def test_cron_expressions_are_those_of_aws() -> None:
    at = datetime(2013, 1, 31, 12, tzinfo=UTC)
    assert ministack.next_cron("cron(30 3 * * ? *)", at) == datetime(2013, 2, 1, 3, 30, tzinfo=UTC)
    assert ministack.next_cron("cron(0 0 ? * MON *)", at) == datetime(2013, 2, 4, tzinfo=UTC)
