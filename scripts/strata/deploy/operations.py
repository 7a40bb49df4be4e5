"""Carries a change set or a deletion out, and follows it by the stack's events."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from strata import faults
from strata.deploy import change_sets
from strata.deploy.change_sets import Plan
from strata.errors import StrataError

Event = dict[str, Any]
Watch = Callable[[Event], None]
_SHORTEST, _LONGEST = 0.1, 4.0


def execute(plan: Plan, cloudformation: Any, watch: Watch) -> str:
    """Execute a plan's change set to its end; returns created or updated.

    `watch` is told each event of the stack's resources. Raises StrataError with the reason of the
    first resource that failed, or when somebody else changed the stack since it was planned.
    """
    seen = _last_event(plan.stack.name, cloudformation)
    try:
        cloudformation.execute_change_set(StackName=plan.stack.name, ChangeSetName=plan.change_set)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
            raise StrataError(
                f"stack {plan.stack.name} was changed by somebody else since it was planned",
                "deploy again: what is up to date is left alone",
            ) from error
        raise
    kind = "CREATE" if plan.is_creation else "UPDATE"
    status, events = _follow(plan.stack.name, seen, cloudformation, watch)
    if status != f"{kind}_COMPLETE":
        raise failure(plan.stack.name, status, events, cloudformation)
    return "created" if plan.is_creation else "updated"


def delete(name: str, cloudformation: Any, watch: Watch) -> list[Event]:
    """Delete a stack to its end; returns its events. One that is being deleted is followed.

    Raises StrataError with the reason of the first resource that could not be deleted.
    """
    found = change_sets.describe(name, cloudformation)
    if not found:
        return []
    stack = found["StackId"]  # a deleted stack is known by its id only
    seen = _last_event(stack, cloudformation)
    cloudformation.delete_stack(StackName=stack)
    status, events = _follow(stack, seen, cloudformation, watch)
    if status != "DELETE_COMPLETE":
        raise failure(name, status, events, cloudformation)
    return events


def protect(name: str, cloudformation: Any) -> None:
    """Turn termination protection on: nobody deletes the stack without turning it off."""
    if not change_sets.describe(name, cloudformation).get("EnableTerminationProtection"):
        cloudformation.update_termination_protection(
            StackName=name, EnableTerminationProtection=True
        )


def failure(name: str, status: str, events: list[Event], cloudformation: Any) -> StrataError:
    """The error of an operation that failed: the reason of the first failure, and how to go on."""
    first = next(_failures(events), None) or next(
        change_sets.invalid(cloudformation, StackName=name), None
    )
    if first is None:
        return StrataError(f"stack {name} ended in {status}", "look at its events; deploy again")
    resource, kind, reason = first
    return StrataError(
        f"stack {name} ended in {status}:\n  {resource} ({kind}): {reason}",
        faults.hint(reason) or "correct it and deploy again: it goes on where it was",
    )


def _failures(events: list[Event]) -> Iterator[tuple[str, str, str]]:
    """What failed by itself, oldest first: the rest is cancelled because of it."""
    for event in events:
        reason = event.get("ResourceStatusReason", "no reason given")
        own = event["PhysicalResourceId"] != event["StackId"]
        if event["ResourceStatus"].endswith("_FAILED") and own and "cancelled" not in reason:
            yield event["LogicalResourceId"], event["ResourceType"], reason


def _follow(
    stack: str, seen: str | None, cloudformation: Any, watch: Watch
) -> tuple[str, list[Event]]:
    pause, events = _SHORTEST, []
    while True:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        for event in _events_after(stack, seen, cloudformation):
            seen = event["EventId"]
            events.append(event)
            watch(event)
        if not status.endswith("_IN_PROGRESS"):
            return status, events
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST)


def _last_event(stack: str, cloudformation: Any) -> str | None:
    found = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return found[0]["EventId"] if found else None


def _events_after(stack: str, seen: str | None, cloudformation: Any) -> list[Event]:
    """The events after one, oldest first: CloudFormation tells the newest first."""
    new: list[Event] = []
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    for page in pages:
        for event in page["StackEvents"]:
            if event["EventId"] == seen:
                return new[::-1]
            new.append(event)
    return new[::-1]
