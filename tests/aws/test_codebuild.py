"""The stand-in of CodeBuild: each promise that local_aws/codebuild/service.py names."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Lakehouse, wait

Json = dict[str, Any]
#: Where the role that builds may write.
LOGS = "/aws/codebuild/strata-local-build"
# https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
BUILDSPEC = """
version: 0.2
env: {shell: bash, variables: {GREETING: hello, NAME: nobody}}
phases:
  install: {commands: [exit 7]}
  pre_build:
    commands: ['eval "$BEFORE"', 'kept=yes']
  build:
    commands: ['eval "$WHAT"', 'echo after: $kept']
    finally: ['echo finally']
  post_build:
    commands: ['echo succeeding: $CODEBUILD_BUILD_SUCCEEDING']
"""


@pytest.fixture(scope="module")
def project(lakehouse: Lakehouse) -> Iterator[str]:
    """A project with the role that builds, and a source of one file."""
    body, bucket = io.BytesIO(), lakehouse.environment.bucket("artifacts")
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("folder/file.txt", "from the source")
    lakehouse.client("s3").put_object(Bucket=bucket, Key="try/source.zip", Body=body.getvalue())
    codebuild, role = lakehouse.client("codebuild"), lakehouse.environment.resource("dbt")
    variables = [{"name": "NAME", "value": "project"}, {"name": "BEFORE", "value": ":"}]
    made = codebuild.create_project(
        name="try",
        source={"type": "S3", "location": f"{bucket}/try/source.zip", "buildspec": BUILDSPEC},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": variables,
        },
        serviceRole=f"arn:aws:iam::{lakehouse.environment.account}:role/{role}",
        concurrentBuildLimit=1,
        logsConfig={"cloudWatchLogs": {"status": "ENABLED", "groupName": LOGS}},
    )
    assert made["project"]["arn"].endswith(":project/try")
    yield "try"
    codebuild.delete_project(name="try")
    assert codebuild.batch_get_projects(names=["try"])["projectsNotFound"] == ["try"]


def begin(lakehouse: Lakehouse, what: str, **variables: str) -> Json:
    override = [
        {"name": name, "value": value} for name, value in {"WHAT": what, **variables}.items()
    ]
    build: Json = lakehouse.client("codebuild").start_build(
        projectName="try", environmentVariablesOverride=override
    )["build"]
    return build


def built(lakehouse: Lakehouse, what: str, **variables: str) -> tuple[str, list[str]]:
    """How a build ended, and what it printed."""
    return ended(lakehouse, begin(lakehouse, what, **variables)["id"])


def ended(lakehouse: Lakehouse, id_: str) -> tuple[str, list[str]]:
    def found() -> Json | None:
        (build,) = lakehouse.client("codebuild").batch_get_builds(ids=[id_])["builds"]
        return build if build["buildComplete"] else None

    build = wait(found)
    place = {
        "logGroupName": build["logs"]["groupName"],
        "logStreamName": build["logs"]["streamName"],
    }
    events = lakehouse.client("logs").get_log_events(**place)["events"]
    return build["buildStatus"], [event["message"] for event in events]


def test_a_build_has_its_source_its_variables_and_its_role(
    lakehouse: Lakehouse, project: str
) -> None:
    what = "cat folder/file.txt; echo; echo $GREETING $NAME; aws sts get-caller-identity"
    status, lines = built(lakehouse, what)
    assert status == "SUCCEEDED"
    # The project's variables are before the buildspec's; `install`, which would end it, is not run.
    assert "from the source" in lines and "hello project" in lines
    assert any("assumed-role/strata-local-dbt/" in line for line in lines)
    assert lines[-4:] == ["after: yes", "finally", "Entering phase POST_BUILD", "succeeding: 1"]
    assert "hello override" in built(lakehouse, "echo $GREETING $NAME", NAME="override")[1]


def test_the_role_bounds_a_build(lakehouse: Lakehouse, project: str) -> None:
    status, lines = built(lakehouse, f"aws s3 ls s3://{lakehouse.environment.bucket('landing')}")
    assert status == "FAILED"
    assert any("AccessDenied" in line for line in lines)


def test_a_phase_ends_with_its_first_failure(lakehouse: Lakehouse, project: str) -> None:
    status, lines = built(lakehouse, "false")
    # https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
    assert (status, lines[-3:]) == (
        "FAILED", ["finally", "Entering phase POST_BUILD", "succeeding: 0"],
    )  # fmt: skip
    assert "after: yes" not in lines
    assert built(lakehouse, "echo never", BEFORE="false") == (
        "FAILED", ["Entering phase PRE_BUILD"],
    )  # fmt: skip


def test_one_at_a_time_stopped_and_told(lakehouse: Lakehouse, project: str) -> None:
    events, sqs = lakehouse.client("events"), lakehouse.client("sqs")
    url = sqs.create_queue(QueueName="builds")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name="builds", EventPattern=json.dumps({"source": ["aws.codebuild"]}))
    events.put_targets(Rule="builds", Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])
    build = begin(lakehouse, "sleep 600 & sleep 600")
    with pytest.raises(ClientError, match="AccountLimitExceededException"):
        begin(lakehouse, "true")
    lakehouse.client("codebuild").stop_build(id=build["id"])
    assert ended(lakehouse, build["id"])[0] == "STOPPED"
    (told,) = wait(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    event = json.loads(told["Body"])
    assert event["detail-type"] == "CodeBuild Build State Change"
    assert event["detail"]["build-status"] == "STOPPED"
    assert event["detail"]["build-id"] == build["arn"]
    events.remove_targets(Rule="builds", Ids=["queue"])
    events.delete_rule(Name="builds")
    assert built(lakehouse, "true")[0] == "SUCCEEDED"


def test_a_build_whose_role_may_not_write_its_log_fails(lakehouse: Lakehouse, project: str) -> None:
    codebuild = lakehouse.client("codebuild")

    def log_to(group: str) -> None:
        logs = {"cloudWatchLogs": {"status": "ENABLED", "groupName": group}}
        codebuild.update_project(name="try", logsConfig=logs)

    log_to("/aws/lambda/strata-local-masking")
    id_ = begin(lakehouse, "true")["id"]
    wait(lambda: codebuild.batch_get_builds(ids=[id_])["builds"][0]["buildStatus"] == "FAILED")
    log_to(LOGS)


@pytest.mark.parametrize(
    "buildspec",
    ["phases: [", "version: 0.2", "{version: 0.2, phases: {}}",
     "{version: 0.2, artifacts: {files: ['*']}, phases: {build: {commands: ['true']}}}",
     "{version: 0.2, env: {secrets-manager: {A: b}}, phases: {build: {commands: ['true']}}}"],
)  # fmt: skip
def test_what_is_not_served_is_refused(lakehouse: Lakehouse, project: str, buildspec: str) -> None:
    codebuild = lakehouse.client("codebuild")
    source = codebuild.batch_get_projects(names=["try"])["projects"][0]["source"]
    with pytest.raises(ClientError, match="InvalidInputException.*buildspec"):
        codebuild.update_project(name="try", source={**source, "buildspec": buildspec})
