"""What a deployment would do to a stack: its change set, made, read and thrown away."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from strata import faults
from strata.deploy.stacks import Stack
from strata.errors import StrataError

CONTENT_TAG = "strata:content"
#: Resources whose replacement or removal loses what people put into them.
HOLDS_DATA = {
    "AWS::DMS::ReplicationConfig",
    "AWS::DynamoDB::Table",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
# The monitoring stack repeats its alarms with Fn::ForEach, a transform.
_CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_WAIT = {"Delay": 2, "MaxAttempts": 900}
_NOTHING = ("didn't contain changes", "No updates are to be performed")
_FAILED_CREATION = "ROLLBACK_COMPLETE"
_REVIEW = "REVIEW_IN_PROGRESS"
_UP_TO_DATE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
_STUCK = {
    "UPDATE_ROLLBACK_FAILED": (
        "an update failed, and so did its rollback",
        "mend what its events name, then: aws cloudformation continue-update-rollback "
        "--stack-name {name}, and deploy again",
    ),
    "UPDATE_FAILED": (
        "an update stopped half-way",
        "aws cloudformation rollback-stack --stack-name {name}, and deploy again",
    ),
    "ROLLBACK_FAILED": (
        "its creation failed, and so did the removal of what had been made",
        "mend what its events name, then: strata destroy, or aws cloudformation delete-stack "
        "--stack-name {name}, and deploy again",
    ),
    "CREATE_FAILED": (
        "its creation failed, and what had been made was left",
        "aws cloudformation delete-stack --stack-name {name}, and deploy again",
    ),
    "DELETE_FAILED": (
        "its deletion stopped half-way",
        "mend what its events name, then delete it again: strata destroy",
    ),
}


@dataclass(frozen=True)
class Change:
    """One resource of a change set, in the words of DescribeChangeSet.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
    """

    action: str
    logical_id: str
    type: str
    replacement: str
    policy: str
    scope: tuple[str, ...]

    @property
    def endangers_data(self) -> bool:
        """Whether it removes or replaces, or may replace, what holds data."""
        goes = self.action == "Remove" or self.replacement in ("True", "Conditional")
        return self.type in HOLDS_DATA and goes

    @property
    def is_tag_only(self) -> bool:
        """Whether the stack's own tags are all that changes of it."""
        return self.action == "Modify" and self.scope == ("Tags",)


@dataclass(frozen=True)
class Plan:
    """What would happen to a stack that is not up to date.

    `status` is the stack's now, empty for none. `change_set` is None where none could be made yet,
    `pending` says why: a stack that does not exist only adds, so nothing is hidden.
    """

    stack: Stack
    status: str
    change_set: str | None
    changes: tuple[Change, ...] = ()
    pending: str = ""

    @property
    def is_creation(self) -> bool:
        """Whether the stack does not exist, or never came to exist."""
        return self.status in ("", _REVIEW, _FAILED_CREATION)

    @property
    def replaces_failed_creation(self) -> bool:
        """Whether a failed creation, which holds nothing, is deleted first."""
        return self.status == _FAILED_CREATION


def make(
    stack: Stack, deployer: str, cloudformation: Any, tell: Callable[[str], None]
) -> Plan | None:
    """Make the change set of a stack; None where the stack is up to date.

    A stack at which somebody else is working is waited for, and `tell` is told who. Raises
    StrataError for a stack that is stuck, and for a change set that CloudFormation refuses.
    """
    found = settled(stack.name, cloudformation, tell)
    status = found.get("StackStatus", "")
    if _content(found) == stack.content() and status in _UP_TO_DATE:
        return None
    if status in _STUCK:
        what, hint = _STUCK[status]
        raise StrataError(
            f"stack {stack.name} is in {status}: {what}", hint.format(name=stack.name)
        )
    if status == _FAILED_CREATION:
        return Plan(stack, status, None, pending="its creation failed earlier: it holds nothing")
    plan = _create(stack, status, deployer, cloudformation)
    return plan if plan and (plan.changes or plan.pending) else None


def discard(plan: Plan, cloudformation: Any) -> None:
    """Delete a change set, and the empty stack that came into being by it."""
    if plan.change_set:
        cloudformation.delete_change_set(StackName=plan.stack.name, ChangeSetName=plan.change_set)
    if plan.status == "":
        _drop_placeholder(plan.stack.name, cloudformation)


def describe(name: str, cloudformation: Any) -> dict[str, Any]:
    """A stack as DescribeStacks tells it; empty where there is none of that name."""
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return {}
        raise
    return found


def settled(name: str, cloudformation: Any, tell: Callable[[str], None]) -> dict[str, Any]:
    """A stack as soon as nobody works at it; `tell` is told, once, who does."""
    pause, told = 0.5, False
    while _is_busy((found := describe(name, cloudformation)).get("StackStatus", "")):
        if not told:
            tell(f"{name} is in {found['StackStatus']}, {_worker(name, cloudformation)}: waiting")
            told = True
        time.sleep(pause)
        pause = min(pause * 1.5, 5)
    return found


def _is_busy(status: str) -> bool:
    return status.endswith("_IN_PROGRESS") and status != _REVIEW


def _worker(name: str, cloudformation: Any) -> str:
    """Who executes a change set of the stack; it describes itself by its deployer."""
    listed = cloudformation.list_change_sets(StackName=name)["Summaries"]
    for summary in listed:
        if summary.get("ExecutionStatus") == "EXECUTE_IN_PROGRESS" and summary.get("Description"):
            return str(summary["Description"])
    return "by somebody else"


def _content(found: dict[str, Any]) -> str | None:
    return next((tag["Value"] for tag in found.get("Tags", []) if tag["Key"] == CONTENT_TAG), None)


def _create(stack: Stack, status: str, deployer: str, cloudformation: Any) -> Plan | None:
    name = f"strata-{stack.content()[:8]}-{time.time_ns()}"
    created = cloudformation.create_change_set(
        StackName=stack.name,
        ChangeSetName=name,
        ChangeSetType="CREATE" if status in ("", _REVIEW) else "UPDATE",
        Description=f"by {deployer}",
        TemplateBody=stack.body(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in stack.parameters.items()
        ],
        Capabilities=_CAPABILITIES,
        Tags=[{"Key": CONTENT_TAG, "Value": stack.content()}],
    )
    made = Plan(stack, status, name)
    reason = _refusal(made, cloudformation)
    if not reason:
        return Plan(stack, status, name, tuple(_changes(made, cloudformation)))
    if any(text in reason for text in _NOTHING):
        discard(made, cloudformation)
        return None
    found = list(invalid(cloudformation, ChangeSetName=created["Id"]))
    discard(made, cloudformation)
    if made.is_creation and "No export named" in reason:
        return Plan(stack, status, None, pending=f"after what it imports: {reason}")
    details = "".join(f"\n  {resource} ({kind}): {why}" for resource, kind, why in found)
    raise StrataError(
        f"stack {stack.name}: CloudFormation refuses the change: {reason}{details}",
        faults.hint(details) or f"correct infra/{stack.template}, or its parameters",
    )


def invalid(cloudformation: Any, **place: str) -> Iterator[tuple[str, str, str]]:
    """What CloudFormation refuses before it begins, such as a name that exists: resource, type, why.

    `place` is a stack or a change set.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeEvents.html
    """
    found = cloudformation.describe_events(**place, Filters={"FailedEvents": True})
    for event in found["OperationEvents"]:
        if event.get("EventType") == "VALIDATION_ERROR":
            reason = event["ValidationStatusReason"]
            yield event["LogicalResourceId"], event["ResourceType"], reason


def _refusal(plan: Plan, cloudformation: Any) -> str:
    """Wait for a change set; the reason why it cannot be executed, empty for none."""
    given = {"StackName": plan.stack.name, "ChangeSetName": plan.change_set}
    try:
        waiter = cloudformation.get_waiter("change_set_create_complete")
        waiter.wait(**given, WaiterConfig=_WAIT)
    except WaiterError as error:
        found = cloudformation.describe_change_set(**given)
        return str(found.get("StatusReason") or error)
    return ""


def _changes(plan: Plan, cloudformation: Any) -> Iterator[Change]:
    pages = cloudformation.get_paginator("describe_change_set").paginate(
        StackName=plan.stack.name, ChangeSetName=plan.change_set
    )
    for page in pages:
        for change in (entry["ResourceChange"] for entry in page["Changes"]):
            yield Change(
                action=change["Action"],
                logical_id=change["LogicalResourceId"],
                type=change["ResourceType"],
                replacement=change.get("Replacement", ""),
                policy=change.get("PolicyAction", ""),
                scope=tuple(change.get("Scope", [])),
            )


def _drop_placeholder(name: str, cloudformation: Any) -> None:
    """A change set of a new stack leaves a stack in REVIEW_IN_PROGRESS, which holds nothing."""
    found = describe(name, cloudformation)
    if found.get("StackStatus") != _REVIEW:
        return
    if not cloudformation.list_change_sets(StackName=name)["Summaries"]:
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=found["StackId"], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
