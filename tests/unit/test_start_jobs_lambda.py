"""The Lambda that starts jobs: one run a source, and what cannot start now comes again."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from aws_code import start_jobs_lambda
from aws_code.masking import rules

SOURCES = rules.parse(
    {
        f"shop.{name}": {
            "ingest": ingest, "file_format": "parquet", "location": f"shop/{name}/",
            "event_time": "at", "columns": [], "spark": spark,
        }
        for name, ingest, spark in (
            ("orders", "batch", None), ("customers", "cdc", None), ("clicks", "stream", None),
            ("visits", "batch", {"worker_type": "G.2X", "workers": 4}),
        )
    }
)  # fmt: skip


def event(*keys: str) -> dict[str, Any]:
    """What the queue gives the function for new objects."""
    return {
        "Records": [
            {"messageId": f"m{n}", "body": json.dumps({"detail": {"object": {"key": key}}})}
            for n, key in enumerate(keys)
        ]
    }


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client(
        "glue", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    monkeypatch.setenv("LANDING_JOB", "landing")
    monkeypatch.setenv("LANDING_SPARK_JOB", "landing-spark")
    monkeypatch.setattr(start_jobs_lambda, "_sources", lambda: SOURCES)
    monkeypatch.setattr(boto3, "client", lambda service: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def starts(source: str) -> dict[str, Any]:
    return {"JobName": "landing", "Arguments": {"--source": source}}


def test_one_run_a_source_however_many_files(glue: Stubber) -> None:
    for source in ("shop.orders", "shop.customers"):
        glue.add_response("start_job_run", {"JobRunId": "jr"}, starts(source))
    found = event("shop/orders/a.csv", "shop/customers/LOAD1.csv", "shop/orders/b c.csv")
    assert start_jobs_lambda.handler(found, None) == {"batchItemFailures": []}


def test_spark_comes_with_the_workers_of_its_source(glue: Stubber) -> None:
    run = {**starts("shop.visits"), "JobName": "landing-spark"}
    glue.add_response(
        "start_job_run", {"JobRunId": "jr"}, {**run, "WorkerType": "G.2X", "NumberOfWorkers": 4}
    )
    assert start_jobs_lambda.handler(event("shop/visits/a.csv"), None) == {"batchItemFailures": []}


def test_what_is_no_file_of_a_source_starts_nothing(glue: Stubber) -> None:
    found = event("shop/clicks/x", "shop/unknown/x", "shop/orders", "other/shop/orders/x")
    assert start_jobs_lambda.handler(found, None) == {"batchItemFailures": []}


def test_the_files_of_a_busy_job_come_again(glue: Stubber) -> None:
    glue.add_client_error("start_job_run", "ConcurrentRunsExceededException")
    glue.add_response("start_job_run", {"JobRunId": "jr"}, starts("shop.customers"))
    found = event("shop/orders/a.csv", "shop/customers/1.csv", "shop/orders/b.csv")
    again = start_jobs_lambda.handler(found, None)["batchItemFailures"]
    assert again == [{"itemIdentifier": "m0"}, {"itemIdentifier": "m2"}]


def test_a_job_that_is_missing_is_no_busy_one(glue: Stubber) -> None:
    glue.add_client_error("start_job_run", "EntityNotFoundException")
    with pytest.raises(boto3.client("glue").exceptions.ClientError, match="EntityNotFound"):
        start_jobs_lambda.handler(event("shop/orders/a.csv"), None)
