"""A service's operation is the method of its name."""

import re
from typing import Any

from local_aws.errors import AwsError

Json = dict[str, Any]


def call(target: Any, operation: str, payload: Json, fault: str) -> Json:
    """Answer `operation` by the method of `target` of its name in snake case.

    Raises AwsError of the code `fault` for members that the method does not take, or misses.
    """
    method = getattr(target, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
    try:
        answer: Json = method(**payload)
    except (TypeError, KeyError) as error:
        raise AwsError(fault, f"{operation}: {error}") from error
    return answer
