"""The suite of tests/account runs, by the same code, against a local AWS as an account's API."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from local_aws.clock import Clock
from local_aws.settings import ROOT_KEY, Settings
from strata import local
from strata.environment import PROJECT
from tests.conftest import free_port

pytestmark = pytest.mark.slow


def test_the_suite_passes_and_needs_no_hand(tmp_path: Path) -> None:
    settings = Settings(free_port(), tmp_path / "state")
    local.up(settings)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "STRATA_"))}
    variables |= {
        "STRATA_ACCOUNT_TESTS": "1", "STRATA_ENV": "scratch", "AWS_REGION": "us-east-1",
        "STRATA_AUDIT": "off",  # the local AWS has no trails
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_ACCESS_KEY_ID": ROOT_KEY, "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip
    log = tmp_path / "log"
    with log.open("w") as output:
        suite = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/account"],
            cwd=PROJECT, env=variables, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            while suite.poll() is None:  # the buffer of a delivery passes by the local clock
                Clock(settings.state).advance(timedelta(minutes=1))
                time.sleep(1)
        finally:
            suite.kill()
            local.down(settings)
    assert suite.returncode == 0, log.read_text()
    assert "7 passed" in log.read_text()
