"""The one error that every service of the local AWS raises towards a client."""

from typing import Any


class AwsError(Exception):
    """An error in AWS's shape: a code, a message, an HTTP status and any extra members."""

    def __init__(self, code: str, message: str, status: int = 400, **extra: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra
