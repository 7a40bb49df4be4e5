"""The build as AWS runs it: the deployed state machine, its steps with the role that builds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from strata.cli import app
from tests.conftest import Lakehouse, queue_of_topic, wait

Json = dict[str, Any]
#: What a step does instead of `strata $COMMAND`, so that the machine is tried in seconds.
STEP = """
version: 0.2
env: {{shell: bash}}
phases:
  build:
    commands: ['set -f; echo "step: $COMMAND"', '{command}']
"""


def strata(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def executed(*arguments: str) -> Json:
    """An execution to its end, as the command tells it."""
    found: Json = json.loads(strata("orchestrate", "run", "--json", *arguments).stdout)
    return found


@contextmanager
def steps(lakehouse: Lakehouse, command: str) -> Iterator[None]:
    """Let the deployed project run a shell command as each of its steps."""
    codebuild, name = lakehouse.client("codebuild"), lakehouse.environment.resource("build")
    source = codebuild.batch_get_projects(names=[name])["projects"][0]["source"]
    short = {**source, "buildspec": STEP.format(command=command)}
    codebuild.update_project(name=name, source=short)
    yield
    codebuild.update_project(name=name, source=source)


@pytest.fixture(scope="module")
def topic(lakehouse: Lakehouse) -> str:
    """A queue of what is told to people."""
    return queue_of_topic(lakehouse, "ingestion-alerts")


def told(lakehouse: Lakehouse, url: str) -> list[tuple[str, str]]:
    """The subjects and the messages since the last look; alarms may ring as well."""
    sqs, found = lakehouse.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            found.append((body.get("Subject") or "", body["Message"]))
    return [one for one in found if "the build" in one[0]]


def commands(lakehouse: Lakehouse, execution: str) -> list[str]:
    """The commands of an execution's steps, in their order."""
    codebuild, name = lakehouse.client("codebuild"), lakehouse.environment.resource("build")
    ids = codebuild.list_builds_for_project(projectName=name)["ids"]
    builds = codebuild.batch_get_builds(ids=ids[::-1])["builds"]
    variables = [
        {v["name"]: v["value"] for v in build["environment"]["environmentVariables"]}
        for build in builds
    ]
    return [found["COMMAND"] for found in variables if found["RUN"] == execution]


def test_the_check_says_why_a_build_should_wait(lakehouse: Lakehouse) -> None:
    """Nothing has arrived, so every source is late by its declared freshness."""
    result = strata("ingest", "check", "--json")
    assert result.exit_code == 2
    reasons = json.loads(result.stdout)
    late = {reason.split()[0] for reason in reasons if "is late" in reason}
    assert {source.name for source in lakehouse.sources} >= late != set()


def test_the_steps_in_their_order(lakehouse: Lakehouse, topic: str) -> None:
    with steps(lakehouse, "true"):
        found = executed("--sweep", "--maintain", "--select", "tag:gold")
    assert (found["status"], found["step"]) == ("SUCCEEDED", "Maintain")
    assert commands(lakehouse, found["name"]) == [
        "ingest check",
        'build --select tag:gold --vars {"test_window_days":0}',
        "publish",
        "maintain run",
    ]
    assert told(lakehouse, topic) == []
    with steps(lakehouse, "true"):
        daily = executed()
    assert commands(lakehouse, daily["name"]) == ["ingest check", "build ", "publish"]


def test_the_step_that_fails_is_told_and_ends_it(lakehouse: Lakehouse, topic: str) -> None:
    with steps(lakehouse, '[ "$COMMAND" != publish ] || {{ echo refused; exit 1; }}'.format()):
        found = executed("--maintain")
    assert (found["status"], found["step"], found["error"]) == ("FAILED", "Publish", "Publish")
    assert commands(lakehouse, found["name"]) == ["ingest check", "build ", "publish"]
    assert found["log"][-2:] == ["step: publish", "refused"]
    ((subject, message),) = wait(lambda: told(lakehouse, topic))
    assert subject == "Strata local: the build failed"
    assert f"The step Publish of the execution {found['name']} failed" in message
    assert "/aws/codebuild/strata-local-build" in message
    shown = strata("orchestrate", "status")
    assert shown.exit_code == 1
    assert "refused" in shown.stdout and "orchestration-failed.md" in shown.stdout


def test_late_sources_warn_or_stop(lakehouse: Lakehouse, topic: str) -> None:
    with steps(lakehouse, '[ "$COMMAND" != "ingest check" ]'):
        warned = executed()
        stopped = executed("--stop-if-late")
    assert (warned["status"], warned["step"]) == ("SUCCEEDED", "Publish")
    assert (stopped["status"], stopped["error"]) == ("FAILED", "CheckIngestion")
    assert commands(lakehouse, stopped["name"]) == ["ingest check"]
    found = [subject for subject, _ in wait(lambda: told(lakehouse, topic))]
    assert found == [
        "Strata local: the build goes on without fresh sources",
        "Strata local: the build failed",
    ]


def test_one_at_a_time_and_again_after_it_was_stopped(lakehouse: Lakehouse) -> None:
    states = lakehouse.client("stepfunctions")
    with steps(lakehouse, "sleep 600"):
        begun = executed("--no-wait")
        refused = strata("orchestrate", "run")
        assert refused.exit_code == 1
        assert f"the execution {begun['name']} is running" in str(refused.exception)
        wait(lambda: commands(lakehouse, begun["name"]))
        states.stop_execution(executionArn=begun["arn"])
    name, codebuild = lakehouse.environment.resource("build"), lakehouse.client("codebuild")
    (first, *_) = codebuild.list_builds_for_project(projectName=name)["ids"]

    def status() -> str:
        return str(codebuild.batch_get_builds(ids=[first])["builds"][0]["buildStatus"])

    wait(lambda: status() == "STOPPED")
    with steps(lakehouse, "true"):
        assert executed()["status"] == "SUCCEEDED"


def test_a_role_without_the_right_starts_nothing(lakehouse: Lakehouse) -> None:
    """The role of the machine is asked, as on AWS: here it loses what it starts builds with."""
    iam, role = lakehouse.client("iam"), lakehouse.environment.resource("orchestration")
    given = {"RoleName": role, "PolicyName": "orchestration"}
    document = iam.get_role_policy(**given)["PolicyDocument"]
    less = [s for s in document["Statement"] if s["Sid"] != "RunTheSteps"]
    iam.put_role_policy(**given, PolicyDocument=json.dumps({**document, "Statement": less}))
    try:
        found = executed("--stop-if-late")
    finally:
        iam.put_role_policy(**given, PolicyDocument=json.dumps(document))
    assert (found["status"], found["error"]) == ("FAILED", "CheckIngestion")
    assert "codebuild:StartBuild" in found["cause"]


def test_arguments_are_not_split_unseen(lakehouse: Lakehouse) -> None:
    result = strata("orchestrate", "run", "--vars", "{bronze_from: 2026-01-01}")
    assert "has spaces" in str(result.exception)


def test_a_schedule_starts_what_is_deployed(lakehouse: Lakehouse) -> None:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html."""
    scheduler = lakehouse.client("scheduler")
    daily, weekly = (
        scheduler.get_schedule(Name=lakehouse.environment.resource(name))
        for name in ("build", "sweep")
    )
    assert {daily["State"], weekly["State"]} == {"DISABLED"}  # a laptop builds when it is told to
    assert daily["ScheduleExpression"] == "cron(0 5 * * ? *)"
    assert json.loads(weekly["Target"]["Input"]) == {
        "arguments": '--vars {"test_window_days":0}', "maintain": True,
    }  # fmt: skip
    machines = lakehouse.client("stepfunctions").list_state_machines()["stateMachines"]
    assert daily["Target"]["Arn"] in [machine["stateMachineArn"] for machine in machines]


@pytest.mark.slow
def test_what_is_built_is_published_as_the_role_that_builds(lakehouse: Lakehouse) -> None:
    """No step is replaced: dbt builds a model, its tests pass, consumers see it, it is maintained."""
    found = executed("--maintain", "--select", "dim_date", "--indirect-selection", "cautious")
    assert (found["status"], found["step"]) == ("SUCCEEDED", "Maintain"), found["log"]
    rows = strata("query", "select count(*) as days from serving.dim_date", "--json")
    # Twenty years of 365 days, and the five leap days of 2012, 2016, 2020, 2024 and 2028.
    assert json.loads(rows.stdout) == [{"days": "7305"}]
