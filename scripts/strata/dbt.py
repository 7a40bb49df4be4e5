"""Runs dbt as a user would, and keeps the manifest that everything else derives from."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    cache = project / "target" / "declarations"
    digest = _declarations_digest(project)
    target = cache / digest
    if not (target / "manifest.json").exists():
        run(["parse", "--target-path", str(target), "--quiet"], project, quiet=True)
    loaded: Json = json.loads((target / "manifest.json").read_text())
    return loaded


def _declarations_digest(project: Path) -> str:
    files = [project / "dbt_project.yml", *sorted((project / "models").rglob("*.y*ml"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
