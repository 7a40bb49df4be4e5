"""The README's way to use the embedded Athena without Strata, line by line."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from local_aws import athena
from tests.conftest import free_port

README = Path(athena.__file__).with_name("README.md")


def test_the_readme_s_lines_run_without_strata(tmp_path: Path) -> None:
    (block,) = re.findall(r"```bash\npip install \.\n(.*?)```", README.read_text(), re.DOTALL)
    lines = block.replace("4566", str(free_port())).replace("/tmp/lake", str(tmp_path / "state"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "-ec", lines],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            out, errors = shell.communicate(timeout=120)
        finally:
            with suppress(ProcessLookupError):  # a server that a failed line left behind
                os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, errors
    shown = out.split()
    assert shown.count("SUCCEEDED") == 3
    assert shown[-6:] == ["a", "d", "1", "2013-01-01", "2", "2013-01-02"]
