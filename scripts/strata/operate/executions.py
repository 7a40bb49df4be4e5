"""Executions of the state machine that builds: started, followed, and where one failed."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3

from strata.environment import Environment

Json = dict[str, Any]
Client = Callable[[str], Any]

STEPS = ("CheckIngestion", "Build", "Publish", "Maintain")
_MACHINE = "build"
_SHORTEST, _LONGEST = 0.25, 10.0
_LAST_LINES = 30


@dataclass(frozen=True)
class Execution:
    """An execution: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED; `step` is where it is or
    failed, `error` and `cause` are Step Functions' own."""

    name: str
    arn: str
    status: str
    started_at: str
    step: str = ""
    error: str = ""
    cause: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however."""
        return self.status != "RUNNING"


def start(given: Json, environment: Environment, states: Any) -> str:
    """Start an execution with the input `given`; returns its ARN."""
    arn = _machine(environment)
    started: str = states.start_execution(stateMachineArn=arn, input=json.dumps(given))[
        "executionArn"
    ]
    return started


def running(environment: Environment, states: Any) -> list[str]:
    """The ARNs of the executions that run."""
    arn = _machine(environment)
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=arn, statusFilter="RUNNING"
    )
    return [found["executionArn"] for page in pages for found in page["executions"]]


def last(environment: Environment, states: Any, count: int = 5) -> list[Execution]:
    """The newest executions, newest first."""
    arn = _machine(environment)
    listed = states.list_executions(stateMachineArn=arn, maxResults=count)["executions"]
    return [describe(found["executionArn"], states) for found in listed]


def describe(arn: str, states: Any) -> Execution:
    """An execution as it is now."""
    found = states.describe_execution(executionArn=arn)
    entered = [name for name in _entered(arn, states) if name in STEPS]
    return Execution(
        name=found["name"],
        arn=arn,
        status=found["status"],
        started_at=found["startDate"].isoformat(timespec="seconds"),
        step=entered[-1] if entered else "",
        error=found.get("error", ""),
        cause=found.get("cause", ""),
    )


def follow(arn: str, states: Any, tell: Callable[[str], None]) -> Execution:
    """Wait for the end of an execution; `tell` is told each step that it begins."""
    pause, told = _SHORTEST, ""
    while True:
        found = describe(arn, states)
        if found.step != told:
            tell(found.step)
            told = found.step
        if found.is_over:
            return found
        time.sleep(pause)
        pause = min(pause * 1.3, _LONGEST)


def last_lines(execution: Execution, environment: Environment, client: Client) -> list[str]:
    """The end of what the last step of an execution printed; empty while there is nothing."""
    builds = client("codebuild")
    project = environment.resource(_MACHINE)
    for id_ in builds.list_builds_for_project(projectName=project)["ids"][:100]:
        (build,) = builds.batch_get_builds(ids=[id_])["builds"]
        variables = {v["name"]: v["value"] for v in build["environment"]["environmentVariables"]}
        if variables.get("RUN") == execution.name:
            return _tail(build["logs"], client("logs"))
    return []


def _tail(place: Json, logs: Any) -> list[str]:
    given = {"logGroupName": place["groupName"], "logStreamName": place.get("streamName", "-")}
    try:
        events = logs.get_log_events(**given, limit=_LAST_LINES, startFromHead=False)["events"]
    except logs.exceptions.ResourceNotFoundException:  # it never began to write
        return []
    return [event["message"].rstrip("\n") for event in events]


def _machine(environment: Environment) -> str:
    name = environment.resource(_MACHINE)
    region, account = environment.region, environment.account
    partition = boto3.Session().get_partition_for_region(region)
    return f"arn:{partition}:states:{region}:{account}:stateMachine:{name}"


def _entered(arn: str, states: Any) -> Iterator[str]:
    """The states that an execution has entered, in order."""
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
    for page in pages:
        for event in page["events"]:
            if event["type"].endswith("StateEntered"):
                yield event["stateEnteredEventDetails"]["name"]
