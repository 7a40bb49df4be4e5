"""Runs of the Glue jobs: started, followed to their end, and reported."""

import time
from dataclasses import dataclass
from typing import Any

from strata.declarations import Source
from strata.environment import Environment
from strata.errors import StrataError

_FINISHED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR")
_LONGEST_WAIT = 15.0


@dataclass(frozen=True)
class JobRun:
    """A run of a job; `seconds` is how long it took, once it has finished."""

    job: str
    run_id: str
    seconds: int = 0


def start(
    job: str, source: Source, environment: Environment, glue: Any, options: dict[str, str]
) -> JobRun:
    """Start the job `landing` or `compaction` for one source; `options` are the job's own.

    Raises StrataError where Spark would carry the source and there is none.
    """
    workers: dict[str, Any] = {}
    if job == "landing" and source.spark:
        check_engine(source, environment)
        job = "landing-spark"
        workers = {
            "WorkerType": source.spark.worker_type,
            "NumberOfWorkers": source.spark.workers,
        }
    name = environment.resource(job)
    arguments = {"--source": source.name, **{f"--{key}": value for key, value in options.items()}}
    run = glue.start_job_run(JobName=name, Arguments=arguments, **workers)
    return JobRun(name, run["JobRunId"])


def check_engine(source: Source, environment: Environment) -> None:
    """Raise StrataError for a source that Spark carries, on the laptop: it has no Spark."""
    if source.spark and environment.is_local:
        raise StrataError(
            f"{source.name} declares engine: spark, which the laptop does not run",
            f"take the engine out of {source.file} to carry its files here by the Python-shell job, "
            "or run it in an account: --env <name>",
        )


def follow(started: JobRun, glue: Any) -> JobRun:
    """Wait for a run, asking less and less often.

    Raises StrataError with the state and the job's own last line when it did not succeed.
    """
    wait = 0.25
    while True:
        run = glue.get_job_run(JobName=started.job, RunId=started.run_id)["JobRun"]
        if run["JobRunState"] in _FINISHED:
            break
        time.sleep(wait)
        wait = min(wait * 1.5, _LONGEST_WAIT)
    if run["JobRunState"] != "SUCCEEDED":
        raise StrataError(
            f"job run {started.run_id} {run['JobRunState'].lower()}: {run.get('ErrorMessage', '')}",
            f"its log: group {run.get('LogGroupName')}/error, stream {started.run_id}; "
            "run the same command again once it is mended",
        )
    return JobRun(started.job, started.run_id, run.get("ExecutionTime", 0))
