"""The build as AWS runs it: the deployed state machine, CodeBuild's steps with the role that builds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from strata.cli import app
from tests.conftest import Lakehouse, queue_of_topic, start, wait


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse in which nothing has arrived: every source is late."""
    yield from start(tmp_path_factory.mktemp("state"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["orchestrate", *arguments])


def executed(*arguments: str) -> dict[str, Any]:
    """An execution to its end, as the command tells it."""
    found: dict[str, Any] = json.loads(run("run", "--json", *arguments).stdout)
    return found


def messages(lakehouse: Lakehouse, url: str) -> list[dict[str, Any]]:
    """What a queue has got from its topic."""
    sqs = lakehouse.client("sqs")
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


@pytest.mark.slow
def test_what_is_built_is_published(lakehouse: Lakehouse) -> None:
    url = queue_of_topic(lakehouse, "ingestion-alerts")
    result = run("run", "--select", "dim_date", "--json")
    found = json.loads(result.stdout)
    print(found, file=__import__("sys").stderr)
    assert (found["status"], found["step"]) == ("SUCCEEDED", "Publish")
    assert lakehouse.client("glue").get_table(DatabaseName="serving", Name="dim_date")
    (told,) = wait(lambda: messages(lakehouse, url))
    assert "CheckIngestion" in told["Message"]
