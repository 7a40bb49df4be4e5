"""Looks for what keeps Strata from working on this machine and in an environment."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.settings import Settings
from strata import dbt, declarations, local
from strata.environment import choose, client
from strata.errors import StrataError

_SUPPORTED = ((3, 11), (3, 13))
_FREE_BYTES = 5 * 2**30


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, whether it is good, and what to do if not."""

    what: str
    is_good: bool
    finding: str
    hint: str = ""


def examine(env: str | None) -> list[Check]:
    """Run all checks; a check that breaks is a finding too."""
    checks = [_python(), _git(), _disk(), _guarded("sources", _sources)]
    environment = env or os.environ.get("STRATA_ENV", "local")
    if environment == "local":
        checks.append(_guarded("local AWS", _local))
    return [*checks, _guarded("credentials", lambda: _account(environment))]


def _python() -> Check:
    version = sys.version_info[:2]
    good = _SUPPORTED[0] <= version <= _SUPPORTED[1]
    return Check("Python", good, ".".join(map(str, version)), "use Python 3.11, 3.12 or 3.13")


def _git() -> Check:
    found = shutil.which("git")
    return Check("git", bool(found), found or "not found", "install git")


def _disk() -> Check:
    free = shutil.disk_usage(".").free
    return Check("disk", free > _FREE_BYTES, f"{free / 2**30:.0f} GiB free", "free 5 GiB")


def _sources() -> Check:
    count = len(declarations.sources(dbt.manifest()))
    return Check("sources", True, f"{count} declared, all well-formed")


def _local() -> Check:
    settings = Settings.from_env()
    found = local.status(settings)
    text = f"{'up' if found.is_up else 'down'} on port {settings.port}"
    return Check("local AWS", found.is_up, text, "make up")


def _account(environment: str) -> Check:
    chosen = choose(environment)
    client("sts").get_caller_identity()
    return Check("credentials", True, f"account {chosen.account}, {chosen.region}")


def _guarded(what: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except StrataError as error:
        return Check(what, False, error.message, error.hint)
    except (ClientError, BotoCoreError, ValueError) as error:
        return Check(what, False, str(error), "make up")
