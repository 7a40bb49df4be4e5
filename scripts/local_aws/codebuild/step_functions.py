"""`codebuild:startBuild` and `codebuild:startBuild.sync` as tasks of MiniStack's Step Functions.

A task that waits ends with its build. An execution that is stopped stops its build, as Step
Functions tries to on AWS.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-codebuild.html
"""

import json
import time
from contextvars import ContextVar
from typing import Any

from local_aws import ministack
from local_aws.codebuild.service import CodeBuild
from local_aws.errors import AwsError

Json = dict[str, Any]

_TASK = "arn:aws:states:::codebuild:startBuild"
_EXECUTION: ContextVar[str] = ContextVar("execution")
_POLL_SECONDS = 0.25


def register(service: CodeBuild) -> None:
    """Let state machines start builds of `service`."""
    from ministack.services import stepfunctions

    run = stepfunctions._run_execution

    def run_execution(arn: str) -> None:
        _EXECUTION.set(arn)
        run(arn)

    stepfunctions._run_execution = run_execution
    stepfunctions._SERVICE_DISPATCH[_TASK] = lambda resource, given: _start(
        service, resource, given
    )


def _start(service: CodeBuild, resource: str, given: Json) -> Json:
    from ministack.services.stepfunctions import _ExecutionError

    try:
        build = service.handle("StartBuild", _spelled(given, str.lower))["build"]
    except AwsError as error:
        raise _ExecutionError(f"CodeBuild.{error.code}", error.message) from None
    if resource.endswith(".sync"):
        build = _ended(service, build["id"])
    answer: Json = {"Build": _spelled(build, str.upper)}
    if build["buildStatus"] not in ("IN_PROGRESS", "SUCCEEDED"):
        raise _ExecutionError("States.TaskFailed", json.dumps(answer))
    return answer


def _ended(service: CodeBuild, id_: str) -> Json:
    is_stopped = False
    while True:
        build: Json = service.handle("BatchGetBuilds", {"ids": [id_]})["builds"][0]
        if build["buildComplete"]:
            return build
        if not is_stopped and not _is_running():
            service.handle("StopBuild", {"id": id_})
            is_stopped = True
        time.sleep(_POLL_SECONDS)


def _is_running() -> bool:
    from ministack.services import stepfunctions

    ministack.act_for_the_account()
    execution = stepfunctions._executions.get(_EXECUTION.get(""))
    return execution is None or execution["status"] == "RUNNING"


def _spelled(value: Any, first: Any) -> Any:
    """Step Functions spells the members of an API that writes them small in capitals."""
    if isinstance(value, dict):
        return {first(key[:1]) + key[1:]: _spelled(item, first) for key, item in value.items()}
    if isinstance(value, list):
        return [_spelled(item, first) for item in value]
    return value
