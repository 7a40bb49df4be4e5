"""`make golden`: ask Trino for the answers to all cases and rewrite the record.

`--new` asks only for the answers that are missing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.golden import cases

_POM = Path(__file__).parent / "pom.xml"


def ask(queries: list[str]) -> list[dict[str, Any]]:
    """Trino's answers, in order. Raises CalledProcessError when Maven fails."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "queries"), Path(folder, "answers")
        asked.write_text("\n".join(queries) + "\n")
        arguments = f"{asked} {answered} {cases.START}"
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(_POM), f"-DbuildDirectory={folder}/target",
             "compile", "exec:java", f"-Dexec.args={arguments}"],
            check=True,
        )  # fmt: skip
        return [json.loads(line) for line in answered.read_text().rstrip("\n").split("\n")]


def main() -> None:
    for tool in ("java", "mvn"):
        if not shutil.which(tool):
            sys.exit(
                f"error: {tool} is not installed\n"
                "do: install a JDK 17 or later and Maven; only new answers need them, tests do not"
            )
    only_new = "--new" in sys.argv
    found = {path: list(cases.read(path)) for path in cases.files()}
    asked = [c for listed in found.values() for c in listed if not (only_new and c.is_answered)]
    answers = dict(zip(asked, ask([case.asked for case in asked]), strict=True))
    for path, listed in found.items():
        cases.write(path, [c.answered(answers[c]) if c in answers else c for c in listed])
    version = re.search(r"<trino.version>(.*)</trino.version>", _POM.read_text())
    assert version
    cases.ENGINE.write_text(f"Trino {version[1]}\n")


if __name__ == "__main__":
    main()
