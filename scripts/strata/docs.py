"""The lineage docs: dbt's own as one static page, and column-level lineage beside it."""

import shutil
import subprocess
import sys
from pathlib import Path

from strata import dbt
from strata.environment import PROJECT
from strata.errors import StrataError

SITE = PROJECT / "site"


def generate(project: Path = PROJECT) -> Path:
    """Make `site/index.html` and `site/lineage/`; both open from disk. Returns the first.

    Raises StrataError when dbt or the lineage tool fails.
    """
    dbt.run(["docs", "generate", "--static", "--quiet"], project, quiet=True)
    SITE.mkdir(exist_ok=True)
    shutil.copy(project / "target" / "static_index.html", SITE / "index.html")
    command = [str(Path(sys.executable).with_name("colibri")), "generate"]
    command += ["--manifest", "target/manifest.json", "--catalog", "target/catalog.json"]
    command += ["--output-dir", str(SITE / "lineage"), "--light", "--disable-telemetry"]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StrataError(f"column lineage failed:\n{result.stdout}{result.stderr}", "")
    return SITE / "index.html"
