"""Shared fixtures: a local AWS of the test session's own, with everything deployed."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_aws.clock import Clock
from local_aws.settings import Settings
from strata import dbt, declarations, local
from strata.cli import deploy_all
from strata.environment import Environment, choose, client


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
    """Start, deploy, hand out, stop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PORT", str(free_port()))
        patch.setenv("STRATA_STATE", str(state))
        settings = Settings.from_env()
        local.up(settings)
        try:
            environment = choose("local")
            sources = declarations.sources(dbt.manifest())
            deploy_all(environment, sources)
            yield Lakehouse(settings, environment, sources)
        finally:
            local.down(settings)
