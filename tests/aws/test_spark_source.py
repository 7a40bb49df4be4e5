"""A batch source that declares `engine: spark`: how it is started, refused, and its files carried.

There is no Spark on the laptop. What a task of the Spark job does is run here as Spark would call it,
on real files in S3; that Spark spreads the tasks is left to Spark.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from typer.testing import CliRunner

from aws_code import landing_spark_job
from aws_code.masking import rules
from strata import declarations
from strata.cli import app
from strata.cli import ingest as ingest_cli
from strata.deploy import code
from strata.environment import Environment
from strata.errors import StrataError
from strata.ingest import jobs, landing
from tests.conftest import Lakehouse

NAME = "ticketing.fraud_labels"
DEV = Environment("dev", "123456789012", "eu-west-1")


@pytest.fixture
def source(lakehouse: Lakehouse) -> declarations.Source:
    """A batch source, carried by Spark."""
    return replace(lakehouse.source(NAME), spark=declarations.Spark("G.2X", 4))


def test_the_laptop_refuses_it_before_a_file_is_dropped(
    lakehouse: Lakehouse,
    source: declarations.Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest_cli, "declared_sources", lambda: [source])
    file = tmp_path / "spark.csv"
    file.write_text("payment_id,is_fraud\np1,true\n")
    for command in ("batch", "backfill"):
        done = CliRunner().invoke(app, ["ingest", command, NAME, str(file)])
        assert isinstance(done.exception, StrataError), done.output
        assert f"{NAME} declares engine: spark, which the laptop does" in done.exception.message
        assert source.file in done.exception.hint and "--env <name>" in done.exception.hint
    assert not landing.waits(source, lakehouse.environment, lakehouse.client("s3"))


def test_an_account_runs_it_with_the_workers_that_it_declares(source: declarations.Source) -> None:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    glue = boto3.client("glue", region_name="eu-west-1", **keys)
    asked = {
        "JobName": "strata-dev-landing-spark",
        "Arguments": {"--source": NAME},
        "WorkerType": "G.2X",
        "NumberOfWorkers": 4,
    }
    with Stubber(glue) as aws:
        aws.add_response("start_job_run", {"JobRunId": "jr"}, asked)
        run = jobs.start("landing", source, DEV, glue, {})
    assert (run.job, run.run_id) == ("strata-dev-landing-spark", "jr")


def test_files_of_one_size_are_one_task_and_the_largest_come_first() -> None:
    sizes = {"a/3.csv": 5, "a/1.csv": 5, "a/2.csv": 90, "a/4.csv": 7}
    assert landing_spark_job.groups_of(sizes) == [["a/2.csv"], ["a/4.csv"], ["a/1.csv", "a/3.csv"]]


@pytest.fixture
def arguments(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The arguments of a run that Glue knows, as a job of the laptop's gives them."""
    declared = rules.parse(json.loads(json.dumps(code.masking_rules(lakehouse.sources))))
    monkeypatch.setattr(rules, "packed", lambda: declared)
    glue, environment = lakehouse.client("glue"), lakehouse.environment
    run = jobs.follow(jobs.start("landing", lakehouse.source(NAME), environment, glue, {}), glue)
    yield {
        "--source": NAME,
        "--landing_bucket": environment.bucket("landing"),
        "--bronze_bucket": environment.bucket("bronze"),
        "--masking_secret": environment.resource("masking-key"),
        "--JOB_NAME": run.job,
        "--JOB_RUN_ID": run.run_id,
    }


def test_a_task_carries_its_files_and_the_same_content_once(
    lakehouse: Lakehouse, arguments: dict[str, str], tmp_path: Path
) -> None:
    files = {"one.csv": "p1,true", "two.csv": "p1,true", "three.csv": "p22,false"}
    for name, row in files.items():
        (tmp_path / name).write_text(f"payment_id,is_fraud\n{row}\n")
    source = lakehouse.source(NAME)
    paths = [tmp_path / name for name in files]
    landing.drop(source, paths, lakehouse.environment, lakehouse.client("s3"))
    job = landing_spark_job.landing_job.job_of(arguments)
    groups = landing_spark_job.groups_of(landing_spark_job.landing_job.waiting(job))
    assert [len(group) for group in groups] == [1, 2]
    given = tuple(arguments.items())
    reports: list[dict[str, Any]] = [
        json.loads(report)
        for group in groups
        for report in landing_spark_job.carry_in_order(given, group)
    ]
    first = f"{source.location}one.csv"
    by_input = {Path(report["input"]).name: report for report in reports}
    assert by_input["two.csv"]["carried_before_as"] == first
    assert [by_input[name]["records"] for name in ("one.csv", "three.csv")] == [1, 1]
    assert not landing_spark_job.landing_job.waiting(job)
    objects = {*by_input["one.csv"]["objects"], *by_input["three.csv"]["objects"]}
    assert objects <= set(lakehouse.objects("bronze", source.location))
    assert landing_spark_job.carry_in_order(given, []) == []
