"""MiniStack's Lambda functions, as the services of this process invoke them: without a request."""

import time
from dataclasses import dataclass
from typing import Any

from local_aws import ministack

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What an invocation gave: the payload, and the kind of error if the function failed.

    `was_invoked` is false where Lambda itself refused: the function is throttled or missing; the
    payload says why.
    """

    payload: Any = None
    error: str | None = None
    was_invoked: bool = True


class Functions:
    """The functions, their roles and what is mapped to them."""

    def __init__(self) -> None:
        from ministack.services import lambda_svc

        # Its own poller knows no bisecting, no retry limit and no destination.
        lambda_svc._poll_kinesis = lambda: False

    def invoke(self, arn: str, event: Json) -> Answer:
        """Invoke a function and wait for its answer."""
        from ministack.services import lambda_svc

        ministack.act_for_the_account()
        record, config, name = lambda_svc._get_func_record_for_ref(arn)
        if not record:
            return Answer(f"there is no function {arn}", was_invoked=False)
        started = time.monotonic()
        result = lambda_svc._execute_function_with_config_scope(
            {**record, "config": {**config, "FunctionArn": arn}}, event
        )
        failed, throttled = bool(result.get("error")), bool(result.get("throttle"))
        milliseconds = (time.monotonic() - started) * 1000
        lambda_svc._emit_lambda_metrics(name, milliseconds, failed, throttled)
        error = (result.get("function_error") or "Unhandled") if failed else None
        return Answer(result.get("body"), error, not throttled)

    def role(self, arn: str) -> str:
        """The ARN of a function's role; raises KeyError for a function that is not there."""
        from ministack.services import lambda_svc

        ministack.act_for_the_account()
        name, _ = lambda_svc._resolve_name_and_qualifier(arn)
        role: str = lambda_svc._functions[name]["config"]["Role"]
        return role

    def mappings(self) -> list[Json]:
        """The deployed event source mappings of Kinesis streams."""
        from ministack.services import lambda_svc

        every = list(lambda_svc._esms._data.values())
        return [dict(esm) for esm in every if ":kinesis:" in esm["EventSourceArn"]]
