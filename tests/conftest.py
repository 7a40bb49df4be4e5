"""Shared fixtures: a local AWS of the test session's own, with everything deployed."""

import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_aws.clock import Clock
from local_aws.settings import Settings
from strata import dbt, declarations, local
from strata.cli.deploy import deploy_all
from strata.deploy import change_sets, operations
from strata.deploy.stacks import Stack
from strata.environment import PROJECT, Environment, choose, client

DBT_PROJECT = (
    "dbt_project.yml", "profiles", "models", "macros", "seeds", "snapshots", "tests/dbt",
)  # fmt: skip


#: Files with a long story: first, so that no worker is left alone with one at the end.
_LONG = ("laws", "project", "aws")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long stories come first; else the order stays."""
    folders = [*_LONG, *dict.fromkeys(item.path.parent.name for item in items)]
    items.sort(key=lambda item: folders.index(item.path.parent.name))


@dataclass(frozen=True)
class Lakehouse:
    """A running local AWS with the stacks and the catalog deployed."""

    settings: Settings
    environment: Environment
    sources: list[declarations.Source]

    @property
    def clock(self) -> Clock:
        """The clock of this local AWS."""
        return Clock(self.settings.state)

    def client(self, service: str) -> Any:
        """A boto3 client with root's keys."""
        return client(service)

    def source(self, name: str) -> declarations.Source:
        """A declared source."""
        return declarations.find(self.sources, name)

    def objects(self, layer: str, prefix: str = "") -> list[str]:
        """The keys in a layer's bucket."""
        pages = (
            client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.environment.bucket(layer), Prefix=prefix)
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """One local AWS for the tests of this process."""
    yield from start(tmp_path_factory.mktemp("state"))


def start(state: Path) -> Iterator[Lakehouse]:
    """Start, deploy, hand out, stop; what this process talked to before is chosen again."""
    before = dict(os.environ)
    os.environ |= {"STRATA_PORT": str(free_port()), "STRATA_STATE": str(state)}
    settings = Settings.from_env()
    local.up(settings)
    try:
        environment = choose("local")
        sources = declarations.sources(dbt.manifest())
        deploy_all(environment, sources)
        yield Lakehouse(settings, environment, sources)
    finally:
        local.down(settings)
        keep_privileges(state)
        os.environ.clear()
        os.environ.update(before)
        boto3.setup_default_session()


def deploy_stack(stack: Stack, lakehouse: Lakehouse) -> str:
    """Deploy one stack: unchanged, created or updated."""
    cloudformation = lakehouse.client("cloudformation")
    plan = change_sets.make(stack, "the tests", cloudformation, print)
    return operations.execute(plan, cloudformation, lambda event: None) if plan else "unchanged"


def keep_privileges(state: Path) -> None:
    """Keep what roles asked of IAM, for `make privileges`, where `STRATA_PRIVILEGES` says."""
    folder = os.environ.get("STRATA_PRIVILEGES")
    record = state / "control" / "asked_of_iam.json"
    if folder and record.exists():
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(record, Path(folder) / f"{uuid.uuid4().hex}.json")


def wait(found: Callable[[], Any], seconds: float = 40) -> Any:
    """What is found, as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(0.1)
    return answer


def queue_of_topic(lakehouse: Lakehouse, topic: str) -> str:
    """The URL of a queue that is subscribed to a topic of the environment."""
    sns, sqs = lakehouse.client("sns"), lakehouse.client("sqs")
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Action": "sqs:SendMessage"}]}
    attributes = {"Policy": json.dumps(policy)}
    url: str = sqs.create_queue(QueueName=f"of-{topic}", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    topics = sns.get_paginator("list_topics").paginate().search("Topics[].TopicArn")
    found = next(t for t in topics if t.endswith(f":{lakehouse.environment.resource(topic)}"))
    sns.subscribe(TopicArn=found, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    return url


def copy_project(folder: Path, parts: Iterable[str] = DBT_PROJECT) -> Path:
    """Copy `parts` of the dbt project into `folder`, for a test that changes it."""
    for name in parts:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, folder / name)
        else:
            shutil.copy2(PROJECT / name, folder / name)
    return folder
