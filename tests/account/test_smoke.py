"""One record's way through a scratch environment, from nothing to nothing, by the command line alone.

`make test-account ENV=scratch` runs it with the credentials of the shell. The steps stand in their
order; one that fails does not keep the last from destroying what was made.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from strata import dbt, declarations
from strata.declarations import Source
from strata.deploy import inventory
from strata.environment import LOCAL, Environment, choose

# The buffer of a delivery is five minutes; a stream that is new takes its time as well.
ARRIVES_WITHIN_SECONDS = 15 * 60
_OF_TYPE = {
    "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
    "date": datetime.now(UTC).date().isoformat(),
    "boolean": "true",
    "integer": "1",
    "bigint": "1",
    "double": "1.0",
}
PREFIX = "smoke_"
MARK = f"smoke-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def environment() -> Environment:
    """The scratch environment, which must not exist: the last step destroys it with its data."""
    name = os.environ.get("STRATA_ENV", "")
    if name in ("", LOCAL, "dev", "prod"):
        pytest.exit(f"STRATA_ENV={name!r}: name an environment for this suite, such as scratch", 2)
    found = choose(name)
    if inventory.deployed(found, boto3.client("cloudformation")):
        pytest.exit(f"{name} has stacks: this suite destroys its environment, name another", 2)
    return found


@pytest.fixture(scope="module")
def source() -> Source:
    """The first declared stream of JSON records."""
    every = declarations.sources(dbt.manifest())
    return next(s for s in every if s.ingest == "stream" and s.file_format == "json")


def strata(*arguments: str, given: str = "", codes: tuple[int, ...] = (0,)) -> str:
    """Run a command to its end, and give its standard output."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("strata")), *arguments],
        env={**os.environ, "STRATA_SCHEMA_PREFIX": PREFIX},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in codes, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def model(source: Source, kind: str) -> str:
    """A Silver model of a source: base, stg or quarantine."""
    system, table = source.name.split(".")
    return f"{kind}_{system}__{table}"


def test_1_the_doctor_finds_nothing_in_the_way(environment: Environment) -> None:
    checks = json.loads(strata("doctor", "--json"))
    assert [check for check in checks if check["state"] == "fail"] == []
    assert {c["finding"] for c in checks if c["what"] == "stacks"} == {"none"}


def test_2_a_plan_changes_nothing_and_the_deployment_is_complete(environment: Environment) -> None:
    strata("deploy", "--plan", codes=(2,))
    assert inventory.deployed(environment, boto3.client("cloudformation")) == []
    strata("deploy", "--yes")
    strata("deploy", "--plan", codes=(0,))
    strata("doctor")


def test_3_the_catalog_is_as_declared(environment: Environment) -> None:
    strata("catalog", "apply")
    assert json.loads(strata("catalog", "plan", "--json"))["changes"] == []


def test_4_a_record_arrives_in_bronze(environment: Environment, source: Source) -> None:
    record = {column.name: _OF_TYPE.get(column.type, MARK) for column in source.columns}
    strata("ingest", "stream", source.name, "-", given=json.dumps(record))
    s3, until = boto3.client("s3"), time.monotonic() + ARRIVES_WITHIN_SECONDS
    place = {"Bucket": environment.bucket("bronze"), "Prefix": source.location}
    while not s3.list_objects_v2(**place)["KeyCount"]:
        assert time.monotonic() < until, f"nothing within {ARRIVES_WITHIN_SECONDS} s"
        time.sleep(5)


def test_5_dbt_builds_the_source_and_athena_finds_the_record(
    environment: Environment, source: Source
) -> None:
    views = [f"+{model(source, kind)}" for kind in ("stg", "quarantine")]
    given = ["--select", "resource_type:seed", *views, "--indirect-selection", "buildable"]
    strata("build", *given)
    base = model(source, "base")
    key = source.key[0]
    sql = f"select count(*) as n from {PREFIX}silver.{base} where {key} = '{MARK}'"  # noqa: S608
    assert json.loads(strata("query", sql, "--json")) == [{"n": "1"}]


def test_6_the_monitor_sees_the_environment(environment: Environment, source: Source) -> None:
    screen = json.loads(strata("monitor", "--json", codes=(0, 2)))
    assert source.name in json.dumps(screen["freshness"])


def test_7_nothing_is_left(environment: Environment) -> None:
    strata("destroy", "--delete-data", "--confirm", environment.name)
    assert inventory.deployed(environment, boto3.client("cloudformation")) == []
    buckets = [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]
    assert [name for name in buckets if name.startswith(environment.resource(""))] == []
