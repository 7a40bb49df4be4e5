"""Who a request acts for: services of ours ask the caller before they touch what is somebody's.

The gateway sets `CALLER` for the request, and what runs the request's work on another thread takes
the context along. Work of the services themselves, outside any request, is the account's.
"""

from contextvars import ContextVar
from typing import Protocol


class Caller(Protocol):
    """An identity of IAM: `arn` is that of the user or role, also in a session of the role."""

    @property
    def arn(self) -> str: ...

    @property
    def is_root(self) -> bool:
        """Whether it is the account itself, which may do everything."""
        ...

    def require(self, action: str, *resources: str) -> None:
        """Raise AwsError when IAM does not allow `action` on one of the `resources` (ARNs)."""
        ...


class Account:
    """The account itself."""

    arn = ""
    is_root = True

    def require(self, action: str, *resources: str) -> None:
        """Everything is allowed."""


CALLER: ContextVar[Caller] = ContextVar("caller")


def current() -> Caller:
    """Who the work of this thread is for."""
    return CALLER.get(Account())
