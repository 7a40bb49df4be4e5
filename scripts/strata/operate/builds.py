"""The last builds of an environment: a small record of each in the artifacts bucket."""

import getpass
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from strata.environment import Environment, schema_prefix
from strata.operate import evidence


@dataclass(frozen=True)
class Build:
    """A build: when, by whom, whether dbt succeeded, and its nodes by dbt's status."""

    started_at: str
    seconds: float
    user: str
    host: str
    succeeded: bool
    nodes: dict[str, int]


@contextmanager
def recorded(
    environment: Environment, s3: Any, tell: Callable[[Build], None] | None = None
) -> Iterator[None]:
    """Keep a record of the build that runs in this block, also of one that fails, and tell it."""
    started, succeeded = datetime.now(UTC), False
    try:
        yield
        succeeded = True
    finally:
        build = Build(
            started_at=started.isoformat(timespec="milliseconds"),
            seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
            user=getpass.getuser(),
            host=socket.gethostname(),
            succeeded=succeeded,
            nodes=evidence.statuses_since(started),
        )
        key = f"{_folder()}{started:%Y%m%dT%H%M%S%f}.json"
        body = json.dumps(asdict(build)).encode()
        s3.put_object(Bucket=environment.bucket("artifacts"), Key=key, Body=body)
        if tell:
            tell(build)


def last(environment: Environment, s3: Any, count: int = 5) -> list[Build]:
    """The newest builds of the schemas of `STRATA_SCHEMA_PREFIX`, newest first."""
    bucket = environment.bucket("artifacts")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_folder())
    keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []))
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys[-count:]]
    return [Build(**json.loads(body)) for body in reversed(bodies)]


def _folder() -> str:
    return f"builds/{schema_prefix() or 'main'}/"
