"""A job run is followed to its end, and each end is told apart."""

from typing import Any

import pytest

from strata.errors import StrataError
from strata.ingest import jobs

STARTED = jobs.JobRun("landing", "jr_1")


class Glue:
    """Answers with one state after the other."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def get_job_run(self, *, JobName: str, RunId: str) -> dict[str, Any]:  # noqa: N803
        state = self.states.pop(0)
        reason = {"ErrorMessage": "KeyError: 'no.such'"} if state == "FAILED" else {}
        return {
            "JobRun": {"JobRunState": state, "ExecutionTime": 7, "LogGroupName": "/g", **reason}
        }


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(jobs.time, "sleep", waited.append)
    return waited


def test_it_asks_less_and_less_often_up_to_a_limit(waits: list[float]) -> None:
    glue = Glue("STARTING", *["RUNNING"] * 15, "SUCCEEDED")
    assert jobs.follow(STARTED, glue).seconds == 7
    assert waits[0] < 1
    assert waits == sorted(waits)
    assert waits[-1] == waits[-2] <= 15


@pytest.mark.parametrize("state", ["FAILED", "STOPPED", "TIMEOUT", "ERROR"])
def test_each_end_is_named(waits: list[float], state: str) -> None:
    with pytest.raises(StrataError, match=f"jr_1 {state.lower()}") as raised:
        jobs.follow(STARTED, Glue("RUNNING", state))
    assert "/g/error" in raised.value.hint
    assert ("no.such" in str(raised.value)) == (state == "FAILED")


def test_a_run_that_is_being_stopped_is_waited_for(waits: list[float]) -> None:
    with pytest.raises(StrataError, match="stopped"):
        jobs.follow(STARTED, Glue("STOPPING", "STOPPING", "STOPPED"))
    assert len(waits) == 2
