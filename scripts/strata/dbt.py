"""Runs dbt as a user would, and keeps the manifest that everything else derives from."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from strata import console
from strata.environment import PROJECT
from strata.errors import StrataError

Json = dict[str, Any]


def run(arguments: Sequence[str], project: Path = PROJECT, quiet: bool = False) -> str:
    """Run `dbt <arguments>` in `project`; its output passes through unless `quiet`.

    Returns what was captured (nothing unless `quiet`); raises StrataError when dbt fails.
    """
    command = [str(Path(sys.executable).with_name("dbt")), *arguments]
    result = subprocess.run(
        command,
        cwd=project,
        text=True,
        check=False,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if result.returncode:
        tail = "\n".join((result.stdout or "").splitlines()[-25:])
        raise StrataError(
            f"dbt {arguments[0]} failed (exit code {result.returncode})\n{tail}".rstrip(),
            f"the lines above name the node; all details are in {project / 'logs/dbt.log'}",
        )
    return result.stdout or ""


def manifest(project: Path = PROJECT) -> Json:
    """dbt's manifest of the project, parsed anew only when a declaration has changed."""
    kept = project / "target" / "declarations" / f"{_declarations_digest(project)}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when it is whole: another command may parse at the same time.
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            run(["parse", "--target-path", folder, "--quiet"], project, quiet=True)
            (Path(folder) / "manifest.json").replace(kept)
    loaded: Json = json.loads(kept.read_text())
    return loaded


def last_manifest(project: Path = PROJECT) -> Json:
    """The manifest that dbt's last command in the project wrote."""
    loaded: Json = json.loads((project / "target" / "manifest.json").read_text())
    return loaded


def declared_in(node: Json) -> str:
    """The YAML file that says what a node of a manifest is, or the file that it is."""
    return str((node.get("patch_path") or node["original_file_path"]).rpartition("://")[2])


def _declarations_digest(project: Path) -> str:
    files = [project / "dbt_project.yml", *sorted((project / "models").rglob("*.y*ml"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """What a dbt run did: seconds, the count of nodes by resource type, and of tests by status."""

    seconds: float
    nodes: Counter[str]
    tests: Counter[str]


def run_with_progress(arguments: Sequence[str], title: str, project: Path = PROJECT) -> Outcome:
    """Run `dbt <arguments>` behind a progress bar.

    Raises StrataError with dbt's own messages of the nodes that failed.
    """
    command = [str(Path(sys.executable).with_name("dbt")), "--log-format", "json", *arguments]
    failures: list[str] = []
    started = time.monotonic()
    with (
        console.progress() as bar,
        subprocess.Popen(
            command,
            cwd=project,
            text=True,
            env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        task = bar.add_task(title, total=None)
        for line in process.stdout or ():
            _follow(line, bar, task, failures)
    if process.returncode:
        raise StrataError(
            f"dbt {arguments[0]} failed (exit code {process.returncode})\n"
            + "\n".join(failures[-20:]),
            f"all details are in {project / 'logs/dbt.log'}",
        )
    results = json.loads((project / "target" / "run_results.json").read_text())["results"]
    kinds = [(result["unique_id"].split(".")[0], result["status"]) for result in results]
    return Outcome(
        seconds=time.monotonic() - started,
        nodes=Counter(kind for kind, _ in kinds),
        tests=Counter(status for kind, status in kinds if kind in ("test", "unit_test")),
    )


def _follow(line: str, bar: Progress, task: TaskID, failures: list[str]) -> None:
    """Move the bar by one line of dbt's log; keep what it says of a failure."""
    try:
        event = json.loads(line)
    except ValueError:
        failures.append(line.rstrip())
        return
    info, data = event["info"], event.get("data", {})
    if info["name"].endswith("Result") and "total" in data and "index" in data:
        bar.update(task, total=data["total"], advance=1)
    if info["level"] == "error":
        failures.append(info["msg"])
