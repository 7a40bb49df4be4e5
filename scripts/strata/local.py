"""Starts, stops and asks after the local AWS, a process of its own that outlives the command."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.settings import REGION, ROOT_KEY, Settings
from strata.errors import StrataError

_START_SECONDS = 60
_STOP_SECONDS = 15
_RELEASE_SECONDS = 2
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Status:
    """Whether the local AWS answers, and its process (None: not started by this checkout)."""

    is_up: bool
    pid: int | None


def status(settings: Settings) -> Status:
    """The state of the local AWS on `settings.port`."""
    pid = _pid(settings)
    return Status(is_up=pid is not None and _answers(settings), pid=pid)


def up(settings: Settings) -> bool:
    """Start the local AWS unless it is up; returns whether it was started.

    Raises StrataError when the port belongs to another program or the start fails.
    """
    if status(settings).is_up:
        return False
    if _pid(settings) is None and _port_stays_taken(settings.port):
        raise StrataError(
            f"port {settings.port} is in use by another program",
            f"stop it, or choose another port: STRATA_PORT={settings.port + 1} make demo",
        )
    settings.state.mkdir(parents=True, exist_ok=True)
    log_file = settings.state / "local-aws.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_aws"],
            env=_clean_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _pid_file(settings).write_text(str(process.pid))
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(settings):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StrataError("the local AWS did not start", f"read {log_file}")
        time.sleep(0.2)
    return True


def down(settings: Settings) -> bool:
    """Stop the local AWS; returns whether it ran."""
    pid = _pid(settings)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    if is_alive(pid):
        os.kill(pid, signal.SIGKILL)
    _pid_file(settings).unlink(missing_ok=True)
    return True


def require_up(settings: Settings) -> None:
    """Raise StrataError when the local AWS does not answer."""
    if not status(settings).is_up:
        raise StrataError(f"the local AWS is not running on port {settings.port}", "make up")


def _pid_file(settings: Settings) -> Path:
    return settings.state / "local-aws.pid"


def _pid(settings: Settings) -> int | None:
    try:
        pid = int(_pid_file(settings).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if is_alive(pid) and _is_ours(pid) else None


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs."""
    with suppress(ChildProcessError):  # a child of this very process stays until it is waited for
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _is_ours(pid: int) -> bool:
    """A process number is used again after a restart of the machine: look at what it runs."""
    command = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "local_aws" in command.stdout


def _answers(settings: Settings) -> bool:
    config = Config(retries={"max_attempts": 0}, connect_timeout=1, read_timeout=5)
    sts = boto3.Session(ROOT_KEY, ROOT_KEY, region_name=REGION).client(
        "sts", endpoint_url=settings.endpoint, config=config
    )
    try:
        sts.get_caller_identity()
    except (BotoCoreError, ClientError):
        return False
    return True


def _port_stays_taken(port: int) -> bool:
    """A server that was killed takes a moment to let go of its port."""
    deadline = time.monotonic() + _RELEASE_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return False
        time.sleep(0.1)
    return True


def _clean_environment(settings: Settings) -> dict[str, str]:
    """The server's variables reach the Lambdas that it runs: nothing of the user's goes in."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    own = {"STRATA_PORT": str(settings.port), "STRATA_STATE": str(settings.state)}
    return {**kept, **own, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def delete_state(settings: Settings) -> None:
    """Delete the state folder; raises StrataError for a folder that is none of ours."""
    if not settings.state.exists():
        return
    if not (settings.state / "control").exists() and any(settings.state.iterdir()):
        raise StrataError(
            f"{settings.state} does not look like the local AWS's state", "check STRATA_STATE"
        )
    shutil.rmtree(settings.state)
