"""The command line's errors: what was wrong, what to do, and exit code 1, never a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import free_port


def strata(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line without anybody's AWS settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "STRATA_"))}
    nobody = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return subprocess.run(
        [str(Path(sys.executable).with_name("strata")), *arguments],
        env={**kept, **nobody, "AWS_EC2_METADATA_DISABLED": "true", "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], message: str, hint: str) -> None:
    """The command failed with an error and what to do about it."""
    assert done.returncode == 1, done
    assert f"error: {message}" in done.stderr, done
    assert hint in done.stderr.partition("do: ")[2], done
    assert "Traceback" not in done.stderr


def test_a_port_of_another_program(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = strata("local", "up", STRATA_PORT=str(port), STRATA_STATE=str(tmp_path))
    refused(done, f"port {port} is in use by another program", f"STRATA_PORT={port + 1}")


@pytest.mark.parametrize(
    "command", [["build"], ["deploy"], ["catalog", "plan"], ["query", "select 1"]]
)
def test_a_local_aws_that_does_not_run(command: list[str], tmp_path: Path) -> None:
    port = free_port()
    done = strata(*command, STRATA_PORT=str(port), STRATA_STATE=str(tmp_path))
    refused(done, f"the local AWS is not running on port {port}", "make up")


def test_no_credentials_and_no_region() -> None:
    done = strata("deploy", "--env", "dev", AWS_REGION="us-east-1")
    refused(done, "environment dev: AWS does not accept your credentials", "aws sso login")
    refused(strata("deploy", "--env", "dev"), "no AWS region is set", "export AWS_REGION")


def test_a_port_that_is_none() -> None:
    refused(strata("local", "status", STRATA_PORT="http"), "STRATA_PORT is 'http'", "strata doctor")


def test_help_says_what_every_command_does() -> None:
    done = strata("--help")
    assert done.returncode == 0
    for command in ("demo", "local", "deploy", "catalog", "ingest", "build", "query", "doctor"):
        assert f" {command} " in done.stdout


def test_a_region_that_does_not_exist() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1"}
    done = strata("deploy", "--env", "dev", AWS_REGION="eu-wst-1", **keys)
    refused(done, "AWS has no region eu-wst-1", "did you mean eu-west-1?")
