"""`codebuild:startBuild` and `codebuild:startBuild.sync` as tasks of MiniStack's Step Functions.

A task that waits ends with its build. An execution that is stopped stops its build, as Step
Functions tries to on AWS. What a task does, here and with SNS, the role of its state machine must
be allowed to do: MiniStack itself does not ask.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-codebuild.html
"""

import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from local_aws import iam, ministack
from local_aws.codebuild.service import CodeBuild
from local_aws.errors import AwsError

Json = dict[str, Any]

_BUILD = "arn:aws:states:::codebuild:startBuild"
_PUBLISH = "arn:aws:states:::sns:publish"
_EXECUTION: ContextVar[str] = ContextVar("execution")
_POLL_SECONDS = 0.25


def register(service: CodeBuild) -> None:
    """Let state machines start builds of `service`, and publish as their role may."""
    from ministack.services import stepfunctions

    run = stepfunctions._run_execution
    publish = stepfunctions._SERVICE_DISPATCH[_PUBLISH]

    def run_execution(arn: str) -> None:
        _EXECUTION.set(arn)
        run(arn)

    def publish_as_role(resource: str, given: Json) -> Any:
        _require("SNS", "sns:Publish", given["TopicArn"])
        return publish(resource, given)

    stepfunctions._run_execution = run_execution
    stepfunctions._SERVICE_DISPATCH[_PUBLISH] = publish_as_role
    stepfunctions._SERVICE_DISPATCH[_BUILD] = lambda resource, given: _build(
        service, resource, given
    )


def _build(service: CodeBuild, resource: str, given: Json) -> Json:
    def call(operation: str, payload: Json) -> Json:
        _require("CodeBuild", f"codebuild:{operation}", *service.resources(operation, payload))
        try:
            return service.handle(operation, payload)
        except AwsError as error:
            raise _failure(f"CodeBuild.{error.code}", error.message) from None

    build = call("StartBuild", _spelled(given, str.lower))["build"]
    if resource.endswith(".sync"):
        build = _ended(build["id"], call)
    answer: Json = {"Build": _spelled(build, str.upper)}
    if build["buildStatus"] not in ("IN_PROGRESS", "SUCCEEDED"):
        raise _failure("States.TaskFailed", json.dumps(answer))
    return answer


def _ended(id_: str, call: Callable[[str, Json], Json]) -> Json:
    is_stopped = False
    while True:
        build: Json = call("BatchGetBuilds", {"ids": [id_]})["builds"][0]
        if build["buildComplete"]:
            return build
        if not is_stopped and _execution().get("status", "RUNNING") != "RUNNING":
            call("StopBuild", {"id": id_})
            is_stopped = True
        time.sleep(_POLL_SECONDS)


def _require(service: str, action: str, *resources: str) -> None:
    """Ask IAM for the role of the state machine, if the task is of one."""
    from ministack.services import stepfunctions

    if machine := stepfunctions._state_machines.get(_execution().get("stateMachineArn", "")):
        try:
            iam.acting(machine["roleArn"]).require(action, *resources)
        except AwsError as error:
            raise _failure(f"{service}.{error.code}", error.message) from None


def _execution() -> Json:
    from ministack.services import stepfunctions

    ministack.act_for_the_account()
    return dict(stepfunctions._executions.get(_EXECUTION.get("")) or {})


def _failure(error: str, cause: str) -> Exception:
    from ministack.services.stepfunctions import _ExecutionError

    failure: Exception = _ExecutionError(error, cause)
    return failure


def _spelled(value: Any, first: Callable[[str], str]) -> Any:
    """Step Functions spells the members of an API that writes them small in capitals."""
    if isinstance(value, dict):
        return {first(key[:1]) + key[1:]: _spelled(item, first) for key, item in value.items()}
    if isinstance(value, list):
        return [_spelled(item, first) for item in value]
    return value
