"""Two builds at once: the second is refused and says who builds; a killed one blocks nobody."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from strata.errors import StrataError
from strata.operate import build_lock
from tests.conftest import Lakehouse

HOLDER = """
import sys, time
from strata.environment import choose, client
from strata.operate import build_lock
with build_lock.exclusive(choose("local"), client("s3")):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other_build(lakehouse: Lakehouse) -> Iterator[subprocess.Popen[str]]:
    """Another process that builds."""
    with subprocess.Popen([sys.executable, "-c", HOLDER], text=True, stdout=subprocess.PIPE) as run:
        assert run.stdout and run.stdout.readline() == "held\n"
        yield run
        run.kill()


def build(lakehouse: Lakehouse) -> None:
    """Take the lock as a build does."""
    with build_lock.exclusive(lakehouse.environment, lakehouse.client("s3")):
        assert lakehouse.objects("artifacts", "locks/")


def test_a_second_build_is_refused_until_the_first_has_ended(
    lakehouse: Lakehouse, other_build: subprocess.Popen[str]
) -> None:
    with pytest.raises(StrataError, match=f"process {other_build.pid}\\) is running"):
        build(lakehouse)
    other_build.kill()
    other_build.wait()
    build(lakehouse)
    assert lakehouse.objects("artifacts", "locks/") == []


def test_builds_of_other_schemas_run_at_the_same_time(
    lakehouse: Lakehouse,
    other_build: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRATA_SCHEMA_PREFIX", "dev_ann_")
    build(lakehouse)


def test_a_lock_of_another_machine_ends_when_it_is_not_renewed(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.client("s3").put_object(
        Bucket=lakehouse.environment.bucket("artifacts"),
        Key="locks/build-.json",
        Body=b'{"user": "ann", "host": "another", "pid": 1}',
    )
    with pytest.raises(StrataError, match="ann on another"):
        build(lakehouse)
    monkeypatch.setattr(build_lock, "_STALE_AFTER_SECONDS", 0)
    build(lakehouse)
