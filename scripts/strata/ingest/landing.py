"""Files: dropped into landing, and carried to Bronze by the landing job."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strata.declarations import Source
from strata.environment import Environment
from strata.errors import StrataError

_FINISHED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR")
_LONGEST_WAIT = 15.0
_OPTIONS = {"first": "from", "last": "to"}


@dataclass(frozen=True)
class JobRun:
    """A finished run of the landing job and the seconds it took."""

    run_id: str
    seconds: int


def drop(source: Source, files: Iterable[Path], environment: Environment, s3: Any) -> list[str]:
    """Upload files into the source's place in landing; returns their keys.

    A file keeps its name, so dropping it again replaces what was waiting.
    """
    keys = []
    for file in files:
        key = f"{source.location}{file.name}"
        try:
            s3.upload_file(str(file), environment.bucket("landing"), key)
        except FileNotFoundError:
            raise StrataError(f"there is no file {file}", "check the path") from None
        keys.append(key)
    return keys


def start(source: Source, environment: Environment, glue: Any, **options: str) -> str:
    """Start the landing job for one source; returns the run's id.

    `options` are the job's own: `first` and `last` (days) of a backfill, `redrive="true"`.
    """
    named = {f"--{_OPTIONS.get(name, name)}": value for name, value in options.items()}
    run: str = glue.start_job_run(
        JobName=environment.resource("landing"), Arguments={"--source": source.name, **named}
    )["JobRunId"]
    return run


def follow(run_id: str, environment: Environment, glue: Any) -> JobRun:
    """Wait for a run, asking less and less often.

    Raises StrataError with the state and the job's own last line when it did not succeed.
    """
    job = environment.resource("landing")
    wait = 0.25
    while True:
        run = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
        if run["JobRunState"] in _FINISHED:
            break
        time.sleep(wait)
        wait = min(wait * 1.5, _LONGEST_WAIT)
    if run["JobRunState"] != "SUCCEEDED":
        raise StrataError(
            f"job run {run_id} {run['JobRunState'].lower()}: {run.get('ErrorMessage', '')}",
            f"its log: group {run.get('LogGroupName')}/error, stream {run_id}; "
            "run the same command again once it is mended",
        )
    return JobRun(run_id, run.get("ExecutionTime", 0))
