"""What every part of the API shares: the error for a bad request, and pages of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from local_aws.errors import AwsError

Json = dict[str, Any]
Operations = dict[str, Callable[[Json], Json]]


def invalid(message: str, code: str = "INVALID_INPUT") -> AwsError:
    """An InvalidRequestException.

    https://docs.aws.amazon.com/athena/latest/APIReference/API_InvalidRequestException.html
    """
    return AwsError("InvalidRequestException", message, AthenaErrorCode=code)


def not_found(message: str, resource: str) -> AwsError:
    """A ResourceNotFoundException that names the resource."""
    return AwsError("ResourceNotFoundException", message, ResourceName=resource)


def page(items: Sequence[Any], payload: Json, member: str, most: int = 50) -> Json:
    """The part of `items` that a List operation asks for, under `member`, and its NextToken.

    Raises AwsError for a MaxResults beyond `most` and for a token that is none of ours.
    """
    size, token = payload.get("MaxResults", most), payload.get("NextToken") or "0"
    if not 1 <= size <= most:
        raise invalid(f"MaxResults must be between 1 and {most}")
    if not token.isdigit():
        raise invalid("Invalid NextToken")
    start = int(token)
    answer: Json = {member: list(items[start : start + size])}
    if start + size < len(items):
        answer["NextToken"] = str(start + size)
    return answer
