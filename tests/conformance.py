"""`make conformance`: dbt-athena's own functional tests against the local Athena.

They ship in the source distribution of the pinned `dbt-athena`: downloaded, never copied. Prints
passed / total and a reason for each test that did not pass; exit code 1 when one has no reason.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from local_aws.settings import REGION, Settings
from strata import console, local
from strata.environment import choose, client
from tests.conftest import free_port

_BUCKET = "conformance"
_FUNCTIONAL = "tests/functional/adapter"

# What cannot pass here, by a pattern on `<file>::<class>::<test>`.
_EXPECTED = {
    r"test_python_submissions\.py": "needs Athena for Spark",
    r"test_s3_tables\.py": "needs the S3 Tables service",
    r"test_empty\.py::TestAthenaEmptySeedFlag": "dbt-core 1.11 has no --empty for seeds",
}


@dataclass(frozen=True)
class Case:
    """One of the adapter's tests: where it is, how it ended, and why it did not pass."""

    name: str
    status: str
    reason: str


def main() -> None:
    """Run the adapter's tests and print what passed."""
    with tempfile.TemporaryDirectory() as folder, _local_aws(Path(folder) / "state"):
        tests = download(Path(folder))
        report = Path(folder) / "report.xml"
        _run(tests, report)
        cases = read_report(report)
    _print(cases)
    if any(case.status == "failed" for case in cases):
        sys.exit(1)


def download(folder: Path) -> Path:
    """The unpacked source distribution of the installed dbt-athena."""
    wanted = f"dbt-athena=={version('dbt-athena')}"
    console.step(f"downloading the tests of {wanted}")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--dest", str(folder), wanted], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return Path(str(archive).removesuffix(".tar.gz"))


class _local_aws:
    """A throw-away local AWS with a bucket and a workgroup, chosen for this process."""

    def __init__(self, state: Path) -> None:
        os.environ |= {"STRATA_PORT": str(free_port()), "STRATA_STATE": str(state)}
        self.settings = Settings.from_env()

    def __enter__(self) -> None:
        local.up(self.settings)
        choose("local")
        client("s3").create_bucket(Bucket=_BUCKET)
        client("athena").create_work_group(Name=_BUCKET)

    def __exit__(self, *error: object) -> None:
        local.down(self.settings)


def _run(tests: Path, report: Path) -> None:
    """Run pytest over the adapter's tests behind a progress bar."""
    environment = {
        "DBT_TEST_ATHENA_S3_STAGING_DIR": f"s3://{_BUCKET}/staging/",
        "DBT_TEST_ATHENA_S3_TMP_TABLE_DIR": f"s3://{_BUCKET}/tmp/",
        "DBT_TEST_ATHENA_REGION_NAME": REGION,
        "DBT_TEST_ATHENA_DATABASE": "awsdatacatalog",
        "DBT_TEST_ATHENA_SCHEMA": "conformance",
        "DBT_TEST_ATHENA_WORK_GROUP": _BUCKET,
        "DBT_TEST_ATHENA_AWS_PROFILE_NAME": os.environ["AWS_PROFILE"],
    }
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "--color=no", "-o", "addopts="]
    command += ["-p", "no:cacheprovider", f"--junitxml={report}", _FUNCTIONAL, *sys.argv[1:]]
    with (
        console.progress() as bar,
        (tests / "pytest.log").open("w") as log,
        subprocess.Popen(
            command, cwd=tests, env=os.environ | environment, text=True, stdout=subprocess.PIPE
        ) as process,
    ):
        task = bar.add_task("dbt-athena's tests", total=100)
        for line in process.stdout or ():
            log.write(line)
            if found := re.match(r"\[gw\d+\] \[ *(\d+)%\]", line):
                bar.update(task, completed=int(found[1]))


def read_report(path: Path) -> list[Case]:
    """The cases of a JUnit report, expected failures told from others."""
    cases = []
    for element in ET.parse(path).iter("testcase"):  # noqa: S314 (our own pytest wrote it)
        place = element.attrib["classname"].replace(".", "/")
        name = re.sub(r"/(Test\w*)$", r".py::\1", place.removeprefix(f"{_FUNCTIONAL}/"))
        cases.append(_case(f"{name}::{element.attrib['name']}", element))
    return sorted(cases, key=lambda case: case.name)


def _case(name: str, element: ET.Element) -> Case:
    problem = next(
        (child for child in element if child.tag in ("failure", "error", "skipped")), None
    )
    if problem is None:
        return Case(name, "passed", "")
    said = " ".join(problem.attrib.get("message", "").split())[:160]
    if problem.tag == "skipped":
        return Case(name, "skipped", said)
    for pattern, reason in _EXPECTED.items():
        if re.search(pattern, name):
            return Case(name, "refused", reason)
    return Case(name, "failed", said)


def _print(cases: list[Case]) -> None:
    for case in cases:
        if case.status in ("failed", "refused"):
            console.out.print(f"[red]✗[/] {case.name}\n    ", end="")
            console.out.print(case.reason, markup=False)
    reasons = Counter(case.reason for case in cases if case.status == "skipped")
    console.out.print(console.table("Skipped upstream", ("why", "tests"), reasons.most_common()))
    counts = Counter(case.status for case in cases)
    console.out.print(
        f"[bold]{counts['passed']} passed / {len(cases)}[/], {counts['skipped']} skipped upstream"
    )


if __name__ == "__main__":
    main()
