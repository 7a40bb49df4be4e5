"""Glue Python-shell jobs that really run: a subprocess with the job's script, arguments and role.

Kept from the service: arguments on the command line (`--JOB_NAME` and `--JOB_RUN_ID` among them),
`--extra-py-files`, the role's credentials, the run's states, `MaxConcurrentRuns`, the time-out,
output and errors in the log groups, an event on the default bus when a run has ended. Not kept:
retries, bookmarks, capacity, Spark.
https://docs.aws.amazon.com/glue/latest/dg/add-job-python.html
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from local_aws.errors import AwsError

Json = dict[str, Any]
ClientFactory = Callable[[str], Any]
#: Puts an event of a service on the default bus: its type, the service and the detail.
Emit = Callable[[str, str, Json], None]

_SCHEMA = """
create table if not exists jobs (name text primary key, body text not null);
create table if not exists runs (id text primary key, job text not null, body text not null);
"""
_UNFINISHED = ("STARTING", "RUNNING", "STOPPING")
_LOG_GROUP = "/aws-glue/python-jobs"


class GlueJobs:
    """Job definitions and runs kept in SQLite at `path`.

    `client(service)` makes boto3 clients of this local AWS; `clock` stamps the runs.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], datetime],
        client: ClientFactory,
        endpoint: str,
        emit: Emit,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._clock = clock
        self._client = client
        self._endpoint = endpoint
        self._emit = emit
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._lock = threading.Lock()
        with self._db() as db:
            db.executescript(_SCHEMA)
        self._fail_interrupted_runs()

    def _db(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)

    def _fail_interrupted_runs(self) -> None:
        for run in self._runs():
            if run["JobRunState"] in _UNFINISHED:
                self._save_run(
                    {
                        **run,
                        "JobRunState": "FAILED",
                        "ErrorMessage": "the local AWS stopped while the job ran; start it again",
                    }
                )

    # Definitions

    def create_job(self, *, Name: str, **definition: Any) -> Json:
        """Create or, for CloudFormation's repeats, refuse a job; only `pythonshell` is run here."""
        if definition["Command"]["Name"] != "pythonshell":
            raise AwsError(
                "InvalidInputException",
                f"job {Name}: the local AWS runs pythonshell jobs, not "
                f"{definition['Command']['Name']}",
            )
        try:
            with self._db() as db:
                body = json.dumps({"Name": Name, **definition})
                db.execute("insert into jobs values (?, ?)", (Name, body))
        except sqlite3.IntegrityError:
            raise AwsError("AlreadyExistsException", f"Job {Name} already exists.") from None
        return {"Name": Name}

    def update_job(self, *, JobName: str, JobUpdate: Json, **_: Any) -> Json:
        """Replace a job's definition."""
        self.get_job(JobName=JobName)
        with self._db() as db:
            body = json.dumps({"Name": JobName, **JobUpdate})
            db.execute("update jobs set body = ? where name = ?", (body, JobName))
        return {"JobName": JobName}

    def get_job(self, *, JobName: str, **_: Any) -> Json:
        """One job; raises EntityNotFoundException."""
        with self._db() as db:
            row = db.execute("select body from jobs where name = ?", (JobName,)).fetchone()
        if row is None:
            raise AwsError("EntityNotFoundException", f"Job {JobName} not found.")
        return {"Job": json.loads(row[0])}

    def get_jobs(self, **_: Any) -> Json:
        """All jobs by name."""
        with self._db() as db:
            rows = db.execute("select body from jobs order by name").fetchall()
        return {"Jobs": [json.loads(row[0]) for row in rows]}

    def list_jobs(self, **_: Any) -> Json:
        """All job names."""
        return {"JobNames": [job["Name"] for job in self.get_jobs()["Jobs"]]}

    def delete_job(self, *, JobName: str, **_: Any) -> Json:
        """Delete a job; as in Glue, one that does not exist is no error."""
        with self._db() as db:
            db.execute("delete from jobs where name = ?", (JobName,))
        return {"JobName": JobName}

    # Runs

    def start_job_run(self, *, JobName: str, Arguments: Json | None = None, **_: Any) -> Json:
        """Start a run; raises ConcurrentRunsExceededException as `MaxConcurrentRuns` says."""
        job = self.get_job(JobName=JobName)["Job"]
        with self._lock:
            limit = job.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)
            active = [run for run in self._runs(JobName) if run["JobRunState"] in _UNFINISHED]
            if len(active) >= limit:
                raise AwsError(
                    "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {JobName}"
                )
            run = {
                "Id": f"jr_{uuid.uuid4().hex}",
                "JobName": JobName,
                "Attempt": 0,
                "StartedOn": self._clock().timestamp(),
                "JobRunState": "STARTING",
                "Arguments": Arguments or {},
                "MaxCapacity": job.get("MaxCapacity", 0.0625),
                "Timeout": job.get("Timeout", 2880),
                "LogGroupName": _LOG_GROUP,
            }
            self._save_run(run)
        threading.Thread(target=self._run, args=(job, run), daemon=True).start()
        return {"JobRunId": run["Id"]}

    def get_job_run(self, *, JobName: str, RunId: str, **_: Any) -> Json:
        """One run; raises EntityNotFoundException."""
        for run in self._runs(JobName):
            if run["Id"] == RunId:
                return {"JobRun": run}
        raise AwsError("EntityNotFoundException", f"Job run {RunId} not found.")

    def get_job_runs(
        self, *, JobName: str, NextToken: str | None = None, MaxResults: int = 200, **_: Any
    ) -> Json:
        """The runs of a job, newest first, paged."""
        start = int(NextToken or 0)
        runs = self._runs(JobName)
        answer: Json = {"JobRuns": runs[start : start + MaxResults]}
        if start + MaxResults < len(runs):
            answer["NextToken"] = str(start + MaxResults)
        return answer

    def batch_stop_job_run(self, *, JobName: str, JobRunIds: list[str], **_: Any) -> Json:
        """Stop runs; the state is STOPPING until the process has ended."""
        stopped = []
        for run_id in JobRunIds:
            run = self.get_job_run(JobName=JobName, RunId=run_id)["JobRun"]
            if run["JobRunState"] in _UNFINISHED:
                self._save_run({**run, "JobRunState": "STOPPING"})
                if process := self._processes.get(run_id):
                    process.terminate()
                stopped.append({"JobName": JobName, "JobRunId": run_id})
        return {"SuccessfulSubmissions": stopped, "Errors": []}

    def _runs(self, job: str | None = None) -> list[Json]:
        where, values = ("where job = ?", (job,)) if job else ("", ())
        with self._db() as db:
            rows = db.execute(f"select body from runs {where} order by rowid desc", values)
            return [json.loads(row[0]) for row in rows]

    def _save_run(self, run: Json) -> None:
        with self._db() as db:
            db.execute(
                "insert into runs values (?, ?, ?) on conflict (id) do update set body = ?",
                (run["Id"], run["JobName"], body := json.dumps(run), body),
            )

    def _run(self, job: Json, run: Json) -> None:
        self._save_run(run := {**run, "JobRunState": "RUNNING"})
        try:
            with tempfile.TemporaryDirectory() as folder:
                state, error, output = self._execute(job, run, Path(folder))
        except Exception as fault:  # what keeps a job from starting is the run's error
            state, error, output = "FAILED", str(fault), ""
        latest = self.get_job_run(JobName=run["JobName"], RunId=run["Id"])["JobRun"]
        if latest["JobRunState"] == "STOPPING":
            state, error = "STOPPED", ""
        now = self._clock().timestamp()
        run |= {"JobRunState": state, "CompletedOn": now, "ErrorMessage": error}
        run["ExecutionTime"] = int(now - run["StartedOn"])
        self._write_log(run, output)
        self._save_run(run)
        self._tell(run)

    def _tell(self, run: Json) -> None:
        """https://docs.aws.amazon.com/eventbridge/latest/userguide/ref-events-glue.html"""
        state = run["JobRunState"]
        self._emit("Glue Job State Change", "aws.glue", {
            "jobName": run["JobName"],
            "severity": "INFO" if state == "SUCCEEDED" else "ERROR",
            "state": state,
            "jobRunId": run["Id"],
            "message": run["ErrorMessage"] or f"Job run {state.lower()}",
        })  # fmt: skip

    def _execute(self, job: Json, run: Json, folder: Path) -> tuple[str, str, str]:
        """Run the script; returns the run's state, its error message and its output."""
        arguments = {**job.get("DefaultArguments", {}), **run["Arguments"]}
        script = self._download(job["Command"]["ScriptLocation"], folder)
        libraries = [
            str(self._download(url, folder))
            for url in filter(None, arguments.pop("--extra-py-files", "").split(","))
        ]
        arguments |= {"--JOB_NAME": job["Name"], "--JOB_RUN_ID": run["Id"]}
        process = subprocess.Popen(
            [sys.executable, str(script), *(part for pair in arguments.items() for part in pair)],
            cwd=folder,
            env=self._environment(job["Role"], libraries),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._processes[run["Id"]] = process
        try:
            output, _ = process.communicate(timeout=run["Timeout"] * 60)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            return "TIMEOUT", f"Job run exceeded {run['Timeout']} minutes", output
        finally:
            del self._processes[run["Id"]]
        if process.returncode == 0:
            return "SUCCEEDED", "", output
        last_line = output.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        return "FAILED", last_line[0], output

    def _download(self, url: str, folder: Path) -> Path:
        parts = urlparse(url)
        path = folder / Path(parts.path).name
        self._client("s3").download_file(parts.netloc, parts.path.lstrip("/"), str(path))
        return path

    def _environment(self, role: str, libraries: list[str]) -> dict[str, str]:
        """The credentials of the job's role, and nothing of the server's own environment."""
        credentials = self._client("sts").assume_role(RoleArn=role, RoleSessionName="GlueJob")[
            "Credentials"
        ]
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(libraries),
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_DEFAULT_REGION": os.environ["AWS_DEFAULT_REGION"],
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }

    def _write_log(self, run: Json, output: str) -> None:
        group = f"{_LOG_GROUP}/{'output' if run['JobRunState'] == 'SUCCEEDED' else 'error'}"
        logs = self._client("logs")
        stamp = int(datetime.now().timestamp() * 1000)
        events = [{"timestamp": stamp, "message": line} for line in output.splitlines() if line]
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=run["Id"])
        if events:
            logs.put_log_events(logGroupName=group, logStreamName=run["Id"], logEvents=events)
