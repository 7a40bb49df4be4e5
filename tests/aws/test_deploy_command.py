"""`strata deploy` through its command: what it shows, asks, executes, and says of each fault."""

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from rich.console import Console
from typer.testing import CliRunner, Result

from local_aws.replacements import CREATE_ONLY
from strata import console, faults
from strata.cli import app, deploy
from strata.deploy import change_sets, operations, stacks
from strata.deploy.stacks import Stack
from strata.errors import StrataError
from tests.conftest import Lakehouse, deploy_stack, start

NAME = "strata-local-scratch"
FIRST = """
Resources:
  Store: {Type: "AWS::S3::Bucket", Properties: {BucketName: scratch-one}}
  Waiting: {Type: "AWS::SQS::Queue", Properties: {QueueName: scratch-queue}}
"""
SECOND = """
Resources:
  Store: {Type: "AWS::S3::Bucket", Properties: {BucketName: scratch-two}}
  News: {Type: "AWS::SNS::Topic", Properties: {TopicName: scratch-topic}}
"""


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse of which all stacks and tables are as declared: other tests leave their own."""
    yield from start(tmp_path_factory.mktemp("state"))


def run(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, list(arguments))


def fault(result: Result) -> tuple[str, str]:
    """The error of a command as `main` tells it: its message, and what to do."""
    error = result.exception
    if isinstance(error, ClientError):
        error = faults.explained(error)
    assert isinstance(error, StrataError), result.output
    return error.message, error.hint


@pytest.fixture
def template(
    lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Stack]]:
    """Gives the environment one stack besides its storage: a template that a test writes."""
    found = stacks.storage_stack(lakehouse.environment)
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / found.template).write_text(found.body())
    monkeypatch.setattr(stacks, "PROJECT", tmp_path)
    scratch = Stack(NAME, "scratch.yaml", {})
    monkeypatch.setattr(deploy.order, "shared", lambda *given: [found, scratch])
    monkeypatch.setattr(deploy.order, "of_sources", lambda *given: [])

    def write(text: str) -> Stack:
        (tmp_path / "infra" / "scratch.yaml").write_text(text)
        return scratch

    yield write
    operations.delete(NAME, lakehouse.client("cloudformation"), lambda event: None)


def status(lakehouse: Lakehouse) -> str:
    """The status of the scratch stack; empty for none."""
    found = change_sets.describe(NAME, lakehouse.client("cloudformation"))
    return str(found.get("StackStatus", ""))


def pending(lakehouse: Lakehouse) -> list[str]:
    """The change sets of the environment that wait for their execution."""
    cloudformation = lakehouse.client("cloudformation")
    names = [s["StackName"] for s in cloudformation.describe_stacks()["Stacks"]]
    return [
        summary["ChangeSetName"]
        for name in names
        for summary in cloudformation.list_change_sets(StackName=name)["Summaries"]
        if summary["ExecutionStatus"] == "AVAILABLE"
    ]


def test_a_plan_without_changes_ends_with_0_and_one_with_changes_with_2(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = run("deploy", "--plan")
    assert (same.exit_code, "0 of" in same.output) == (0, True), same.output
    monkeypatch.setenv("STRATA_RUNBOOKS_URL", "https://books.example")
    changed = run("deploy", "--plan", "--json")
    assert changed.exit_code == 2
    plans = {plan["stack"]: plan["changes"] for plan in json.loads(changed.stdout)["stacks"]}
    # Alarms tell the address of their runbook, and each kind of stack that has alarms has it.
    assert {name.split("-")[2] for name in plans} == {"monitoring", "alarms", "cdc"}
    alarms = [
        change
        for changes in plans.values()
        for change in changes
        if change["type"] == "AWS::CloudWatch::Alarm"
    ]
    # AlarmDescription: "Update requires: No interruption".
    assert {(c["action"], c["replacement"]) for c in alarms} == {("Modify", "False")}
    assert not any(c["endangers_data"] for changes in plans.values() for c in changes)
    assert pending(lakehouse) == []


@pytest.mark.parametrize("kind", CREATE_ONLY)
def test_what_replaces_a_resource_is_what_its_schema_says(kind: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    paths = [path.split("/")[2:] for path in schema.get("createOnlyProperties", [])]
    assert {path[0] for path in paths if len(path) == 1} == set(CREATE_ONLY[kind])


def test_a_plan_of_a_new_stack_leaves_nothing_behind(
    lakehouse: Lakehouse, template: Callable[[str], Stack]
) -> None:
    template(FIRST)
    shown = run("deploy", "--plan", "--json")
    assert shown.exit_code == 2
    (plan,) = json.loads(shown.stdout)["stacks"]
    assert {(c["action"], c["logical_id"]) for c in plan["changes"]} == {
        ("Add", "Store"), ("Add", "Waiting"),
    }  # fmt: skip
    assert status(lakehouse) == ""


def test_what_loses_data_is_told(
    lakehouse: Lakehouse, template: Callable[[str], Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """BucketName and QueueName: "Update requires: Replacement". A removed queue loses its messages."""
    deploy_stack(template(FIRST), lakehouse)
    template(SECOND)
    (plan,) = json.loads(run("deploy", "--plan", "--json").stdout)["stacks"]
    told = {
        c["logical_id"]: (c["action"], c["replacement"], c["endangers_data"])
        for c in plan["changes"]
    }
    assert told == {
        "Store": ("Modify", "True", True),
        "Waiting": ("Remove", "", True),
        "News": ("Add", "", False),
    }
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, color_system="standard", width=200)
    monkeypatch.setattr(console, "out", terminal)
    assert run("deploy").exit_code == 0
    red = re.findall(r"\x1b\[31m([^\x1b]+)", screen.getvalue())
    assert {"Store", "Waiting"} <= set(red) and "News" not in red
    assert "What is red holds data" in screen.getvalue()
    buckets = {b["Name"] for b in lakehouse.client("s3").list_buckets()["Buckets"]}
    assert buckets & {"scratch-one", "scratch-two"} == {"scratch-two"}


def test_of_two_deployments_at_once_the_second_is_stopped(
    lakehouse: Lakehouse, template: Callable[[str], Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_stack(template(FIRST), lakehouse)
    stack = template(SECOND)
    show = deploy._show

    def while_shown(*given: Any) -> None:
        show(*given)
        assert deploy_stack(stack, lakehouse) == "updated"

    monkeypatch.setattr(deploy, "_show", while_shown)
    message, hint = fault(run("deploy"))
    assert "changed by somebody else" in message and "deploy again" in hint
    monkeypatch.setattr(deploy, "_show", show)
    assert "0 of 2 stacks to change" in run("deploy").output


class Faulty:
    """CloudFormation, of which some operations answer otherwise."""

    def __init__(self, real: Any, **operations: Any) -> None:
        self._real = real
        self._operations = operations

    def __getattr__(self, name: str) -> Any:
        return self._operations.get(name) or getattr(self._real, name)


@pytest.fixture
def faulty(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes operations of CloudFormation answer otherwise, for the command."""

    def replace(**operations: Any) -> None:
        real = lakehouse.client

        def client(service: str) -> Any:
            found = real(service)
            return Faulty(found, **operations) if service == "cloudformation" else found

        monkeypatch.setattr(deploy, "client", client)

    return replace


def refusing(operation: str, code: str, message: str) -> Callable[..., None]:
    """An operation that answers with an error of the documented shape."""

    def call(**given: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, operation)

    return call


def test_a_stack_at_which_somebody_works_is_waited_for(
    lakehouse: Lakehouse,
    template: Callable[[str], Stack],
    faulty: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy_stack(template(FIRST), lakehouse)
    cloudformation = lakehouse.client("cloudformation")
    states = iter(["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"])

    def describe(**given: Any) -> Any:
        answer = cloudformation.describe_stacks(**given)
        if given.get("StackName") == NAME:
            answer["Stacks"][0]["StackStatus"] = next(states, "CREATE_COMPLETE")
        return answer

    worker = {"ExecutionStatus": "EXECUTE_IN_PROGRESS", "Description": "by ann at desk"}
    faulty(describe_stacks=describe, list_change_sets=lambda **_: {"Summaries": [worker]})
    monkeypatch.setattr(change_sets.time, "sleep", lambda seconds: None)
    done = run("deploy")
    assert done.exit_code == 0, done.output
    assert f"{NAME} is in UPDATE_IN_PROGRESS, by ann at desk: waiting" in done.output


def test_a_failed_creation_names_the_taken_bucket_and_is_replaced(
    lakehouse: Lakehouse, template: Callable[[str], Stack]
) -> None:
    s3 = lakehouse.client("s3")
    s3.create_bucket(Bucket="scratch-one")
    template(FIRST)
    message, hint = fault(run("deploy"))
    assert "Store (AWS::S3::Bucket)" in message and "scratch-one" in message
    assert "the bucket exists" in hint
    assert status(lakehouse) == "ROLLBACK_COMPLETE"
    planned = run("deploy", "--plan", "--json")
    assert planned.exit_code == 2 and "its creation failed earlier" in planned.stdout
    s3.delete_bucket(Bucket="scratch-one")
    assert run("deploy").exit_code == 0
    assert status(lakehouse) == "CREATE_COMPLETE"


def test_a_change_set_that_was_left_for_review_is_no_obstacle(
    lakehouse: Lakehouse, template: Callable[[str], Stack]
) -> None:
    stack = template(FIRST)
    cloudformation = lakehouse.client("cloudformation")
    cloudformation.create_change_set(
        StackName=NAME, ChangeSetName="left", ChangeSetType="CREATE", TemplateBody=stack.body()
    )
    assert status(lakehouse) == "REVIEW_IN_PROGRESS"
    assert run("deploy").exit_code == 0
    assert status(lakehouse) == "CREATE_COMPLETE"
    cloudformation.delete_change_set(StackName=NAME, ChangeSetName="left")


def test_a_stack_whose_rollback_failed_is_left_alone(
    lakehouse: Lakehouse, template: Callable[[str], Stack], faulty: Callable[..., None]
) -> None:
    template(FIRST)
    stuck = {"StackName": NAME, "StackStatus": "UPDATE_ROLLBACK_FAILED"}
    real = lakehouse.client("cloudformation").describe_stacks
    faulty(
        describe_stacks=lambda StackName: (
            {"Stacks": [stuck]} if StackName == NAME else real(StackName=StackName)
        )
    )
    message, hint = fault(run("deploy"))
    assert "UPDATE_ROLLBACK_FAILED" in message
    assert f"continue-update-rollback --stack-name {NAME}" in hint


@pytest.mark.parametrize(
    ("code", "message", "todo"),
    [
        ("LimitExceededException", "Limit of stacks exceeded", "raise it in Service Quotas"),
        ("ExpiredToken", "The security token included in the request is expired", "sign in again"),
        ("Throttling", "Rate exceeded", "wait a minute"),
    ],
)
def test_a_refused_change_set_says_how_to_go_on(
    code: str,
    message: str,
    todo: str,
    lakehouse: Lakehouse,
    template: Callable[[str], Stack],
    faulty: Callable[..., None],
) -> None:
    template(FIRST)
    faulty(create_change_set=refusing("CreateChangeSet", code, message))
    told, hint = fault(run("deploy"))
    assert message in told and todo in hint
    assert status(lakehouse) == ""


class Refused:
    """The waiter of a change set that cannot be executed."""

    def wait(self, **given: Any) -> None:
        raise WaiterError("ChangeSetCreateComplete", "terminal failure state", {})


def test_a_change_set_that_is_refused_names_the_resource(
    lakehouse: Lakehouse, template: Callable[[str], Stack], faulty: Callable[..., None]
) -> None:
    """In an account names are compared when the change set is made. Shape: DescribeEvents."""
    template(FIRST)
    event = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "Store",
        "ResourceType": "AWS::S3::Bucket",
        "ValidationStatusReason": (
            "Resource of type 'AWS::S3::Bucket' with identifier 'scratch-one' already exists."
        ),
    }
    faulty(
        get_waiter=lambda name: Refused(),
        describe_change_set=lambda **_: {"StatusReason": "Early validation failed"},
        describe_events=lambda **_: {"OperationEvents": [event]},
        # The placeholder's deletion is waited for as well: it is none here.
        list_change_sets=lambda **_: {"Summaries": ["another"]},
    )
    message, hint = fault(run("deploy"))
    assert "Early validation failed" in message and "Store (AWS::S3::Bucket)" in message
    assert "the bucket exists" in hint


def test_a_stack_that_imports_what_is_not_there_yet_is_planned_without_its_resources(
    lakehouse: Lakehouse, template: Callable[[str], Stack], faulty: Callable[..., None]
) -> None:
    template(FIRST)
    reason = "No export named strata-local-later found."
    faulty(
        get_waiter=lambda name: Refused(),
        describe_change_set=lambda **_: {"StatusReason": reason},
        list_change_sets=lambda **_: {"Summaries": ["another"]},
    )
    done = run("deploy", "--plan", "--json")
    assert done.exit_code == 2
    (plan,) = json.loads(done.stdout)["stacks"]
    assert plan["changes"] == [] and reason in plan["pending"]
    assert pending(lakehouse) == []


def test_credentials_that_expire_half_way_leave_what_the_next_run_completes(
    lakehouse: Lakehouse,
    template: Callable[[str], Stack],
    faulty: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    template(FIRST)
    expired = "The security token included in the request is expired"
    faulty(execute_change_set=refusing("ExecuteChangeSet", "ExpiredToken", expired))
    _, hint = fault(run("deploy"))
    assert "run the same command again" in hint
    monkeypatch.setattr(deploy, "client", lakehouse.client)
    assert run("deploy").exit_code == 0
    assert (status(lakehouse), pending(lakehouse)) == ("CREATE_COMPLETE", [])


@pytest.mark.parametrize(
    ("reason", "todo"),
    [
        # Reasons of stack events as the services give them.
        ("You have attempted to create more buckets than allowed (TooManyBuckets)", "of buckets"),
        ("Resource limit exceeded (Service: Glue, Status Code: 400)", "Service Quotas"),
        ("User: arn:aws:iam::1:user/a is not authorized to perform: kms:CreateKey", "the right"),
    ],
)
def test_the_reason_of_an_event_says_how_to_go_on(reason: str, todo: str) -> None:
    assert todo in faults.hint(reason)


@pytest.fixture
def elsewhere(lakehouse: Lakehouse) -> Iterator[Callable[[str, str], None]]:
    """Lets commands act in an environment that is not the laptop's, with given keys."""
    before = dict(os.environ)

    def act(key: str, secret: str) -> None:
        for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            os.environ.pop(name, None)
        os.environ |= {
            "AWS_ENDPOINT_URL": lakehouse.settings.endpoint, "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "STRATA_AUDIT": "off",
        }  # fmt: skip
        boto3.setup_default_session()

    yield act
    os.environ.clear()
    os.environ.update(before)
    boto3.setup_default_session()


def test_an_account_is_asked_and_a_missing_right_is_named(
    lakehouse: Lakehouse, elsewhere: Callable[[str, str], None]
) -> None:
    iam = lakehouse.client("iam")
    iam.create_user(UserName="reader")
    allowed = ["cloudformation:DescribeStacks", "secretsmanager:DescribeSecret"]
    policy = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    iam.put_user_policy(
        UserName="reader", PolicyName="reads",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [policy]}),
    )  # fmt: skip
    cloudformation = lakehouse.client("cloudformation")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    elsewhere(key["AccessKeyId"], key["SecretAccessKey"])
    message, hint = fault(run("deploy", "--env", "dev"))
    assert "no terminal" in message and "strata deploy --env dev --yes" in hint
    message, hint = fault(run("deploy", "--env", "dev", "--yes"))
    assert "cloudformation:CreateChangeSet" in message and "ask for the right" in hint
    assert "strata-dev-" not in str(cloudformation.list_stacks()["StackSummaries"])


def test_no_is_an_answer(
    lakehouse: Lakehouse,
    template: Callable[[str], Stack],
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: Callable[[str, str], None],
) -> None:
    scratch = template(FIRST)
    monkeypatch.setattr(deploy.order, "shared", lambda *given: [scratch])
    monkeypatch.setattr(deploy, "_refuse_without_terminal", lambda *given: None)
    elsewhere("test", "test")
    done = CliRunner().invoke(app, ["deploy", "--env", "dev"], input="n\n")
    assert (done.exit_code, "Deploy this?" in done.output) == (1, True)
    assert (status(lakehouse), pending(lakehouse)) == ("", [])


def test_prod_is_protected_and_never_destroyed(
    lakehouse: Lakehouse,
    template: Callable[[str], Stack],
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: Callable[[str, str], None],
) -> None:
    template("Resources: {News: {Type: 'AWS::SNS::Topic'}}")
    scratch = Stack("strata-prod-scratch", "scratch.yaml", {})
    monkeypatch.setattr(deploy.order, "shared", lambda *given: [scratch])
    monkeypatch.setattr(deploy.code, "upload", lambda *given: None)
    monkeypatch.setattr(deploy, "apply_catalog", lambda *given, **named: None)
    elsewhere("test", "test")
    assert run("deploy", "--env", "prod", "--yes").exit_code == 0
    cloudformation = lakehouse.client("cloudformation")
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        cloudformation.delete_stack(StackName=scratch.name)
    message, _ = fault(run("destroy", "--env", "prod", "--confirm", "prod", "--delete-data"))
    assert "prod is not destroyed" in message
    cloudformation.update_termination_protection(
        StackName=scratch.name, EnableTerminationProtection=False
    )
    cloudformation.delete_stack(StackName=scratch.name)
