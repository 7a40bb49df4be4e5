"""Runs one build to its end: the source unzipped, the commands in a shell, the output in the logs."""

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_aws import ministack
from local_aws.codebuild import buildspec

Json = dict[str, Any]

_EVENTS_AT_ONCE = 5000


class Runner:
    """`of_role(role, service)` makes clients of this local AWS with the rights of the project's role,
    which reads the source and writes the logs."""

    def __init__(self, of_role: Callable[[str, str], Any], endpoint: str) -> None:
        self._of_role = of_role
        self._endpoint = endpoint
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._stopped: set[str] = set()
        self._lock = threading.Lock()

    def run(self, build: Json) -> str:
        """Run a build; returns SUCCEEDED, FAILED, STOPPED or TIMED_OUT.

        One whose role may not write the log fails before it begins.
        """
        logs = self._of_role(build["serviceRole"], "logs")
        place = _named(build["logs"])
        try:
            logs.create_log_stream(**place)
        except ClientError:
            return "FAILED"
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                status, output = self._execute(build, Path(folder))
        except Exception as fault:  # what keeps a build from starting is the build's error
            status, output = "FAILED", f"{type(fault).__name__}: {fault}"
        with self._lock:
            if build["id"] in self._stopped:
                self._stopped.discard(build["id"])
                status = "STOPPED"
        _write(output, place, logs)
        return status

    def stop(self, build_id: str) -> None:
        """End the processes of a build."""
        with self._lock:
            self._stopped.add(build_id)
            if process := self._processes.get(build_id):
                _kill(process)

    def close(self) -> None:
        """End what still runs."""
        for process in list(self._processes.values()):
            _kill(process)

    def _execute(self, build: Json, folder: Path) -> tuple[str, str]:
        self._unzip(build, source := folder / "src")
        text = build["source"]["buildspec"]
        with self._lock:
            if build["id"] in self._stopped:
                return "STOPPED", ""
            # A session of its own, so that what the commands start ends with them.
            process = subprocess.Popen(
                [buildspec.shell(text), "-c", buildspec.script(text)],
                cwd=source,
                env=self._environment(build, source, folder),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._processes[build["id"]] = process
        try:
            output, _ = process.communicate(timeout=build["timeoutInMinutes"] * 60)
        except subprocess.TimeoutExpired:
            _kill(process)
            return "TIMED_OUT", process.communicate()[0]
        finally:
            del self._processes[build["id"]]
        return "SUCCEEDED" if process.returncode == 0 else "FAILED", output

    def _unzip(self, build: Json, folder: Path) -> None:
        """The source, read with the role: `location` is <bucket>/<key>."""
        bucket, _, key = build["source"]["location"].partition("/")
        s3 = self._of_role(build["serviceRole"], "s3")
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            archive.extractall(folder)

    def _environment(self, build: Json, source: Path, home: Path) -> dict[str, str]:
        """The role's credentials and the build's variables, nothing of the server's own."""
        access_key, secret_key, token = ministack.act_as(build["serviceRole"])
        given = build["environment"]["environmentVariables"]
        region = os.environ["AWS_DEFAULT_REGION"]
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(home),
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "AWS_SESSION_TOKEN": token,
            "CODEBUILD_BUILD_ID": build["id"],
            "CODEBUILD_BUILD_ARN": build["arn"],
            "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
            "CODEBUILD_SRC_DIR": str(source),
            **buildspec.variables(build["source"]["buildspec"]),
            **{variable["name"]: variable["value"] for variable in given},
        }


def _named(place: Json) -> dict[str, str]:
    return {"logGroupName": place["groupName"], "logStreamName": place["streamName"]}


def _write(output: str, place: dict[str, str], logs: Any) -> None:
    stamp = int(datetime.now().timestamp() * 1000)
    events = [{"timestamp": stamp, "message": line} for line in output.splitlines() if line]
    for start in range(0, len(events), _EVENTS_AT_ONCE):
        logs.put_log_events(**place, logEvents=events[start : start + _EVENTS_AT_ONCE])


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
