"""MiniStack's Lambda functions, as the services of this process invoke them: without a request."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from local_aws import ministack

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What an invocation gave: the payload, its bytes, and the kind of error if the function failed.

    `was_invoked` is false where Lambda itself refused: the function is throttled or missing; the
    payload says why.
    """

    payload: object = None
    error: str | None = None
    was_invoked: bool = True
    size: int = 0


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
        name, qualifier = lambda_svc._resolve_name_and_qualifier(arn)
        status, headers, body = asyncio.run(lambda_svc._invoke(name, event, {}, qualifier))
        error = headers.get("X-Amz-Function-Error")
        return Answer(json.loads(body or b"null"), error, status == 200, len(body))

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
