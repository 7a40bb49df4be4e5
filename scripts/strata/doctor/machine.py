"""What this machine needs: its tools, its room, the declared sources and the local AWS."""

import shutil
import sys
from importlib.metadata import version

from local_aws.settings import Settings
from strata import dbt, declarations, local
from strata.doctor.check import Check, guarded, judged

_SUPPORTED = ((3, 11), (3, 13))
_FREE_BYTES = 5 * 2**30
_TOOLS = ("dbt-core", "dbt-athena-community", "boto3")


def checks(environment: str) -> list[Check]:
    """The checks of this machine; the local AWS is one of them where it is the environment."""
    found = [_python(), _tools(), _git(), _disk(), *guarded("sources", _sources)]
    return [*found, *guarded("local AWS", _local)] if environment == "local" else found


def _python() -> Check:
    found = sys.version_info[:2]
    good = _SUPPORTED[0] <= found <= _SUPPORTED[1]
    return judged("Python", good, ".".join(map(str, found)), "use Python 3.11, 3.12 or 3.13")


def _tools() -> Check:
    return judged("tools", True, ", ".join(f"{name} {version(name)}" for name in _TOOLS))


def _git() -> Check:
    found = shutil.which("git")
    return judged("git", bool(found), found or "not found", "install git")


def _disk() -> Check:
    free = shutil.disk_usage(".").free
    return judged("disk", free > _FREE_BYTES, f"{free / 2**30:.0f} GiB free", "free 5 GiB")


def _sources() -> Check:
    count = len(declarations.sources(dbt.manifest()))
    return judged("sources", True, f"{count} declared, all well-formed")


def _local() -> Check:
    settings = Settings.from_env()
    found = local.status(settings)
    text = f"{'up' if found.is_up else 'down'} on port {settings.port}"
    return judged("local AWS", found.is_up, text, "make up")
