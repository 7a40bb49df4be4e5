"""One build at a time: an object in S3 that a build holds and renews.

dbt-athena's temporary tables have fixed names: two builds of the same schemas would drop each
other's. S3's conditional writes decide who comes first.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import getpass
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from strata.environment import Environment, schema_prefix
from strata.errors import StrataError
from strata.local import is_alive

_RENEWED_EVERY_SECONDS = 15
_STALE_AFTER_SECONDS = 60
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


@contextmanager
def exclusive(environment: Environment, s3: Any) -> Iterator[None]:
    """Hold the lock of the environment's schemas (those of `STRATA_SCHEMA_PREFIX`) for a block.

    A lock that was not renewed for a minute, or whose process on this machine is gone, is taken
    over. Raises StrataError when another build holds it.
    """
    place = {
        "Bucket": environment.bucket("artifacts"),
        "Key": f"locks/build-{schema_prefix()}.json",
    }
    body = json.dumps({"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid()})
    held = [_acquire(place, body, s3)]
    released = threading.Event()

    def renew() -> None:
        while not released.wait(_RENEWED_EVERY_SECONDS):
            try:
                held[0] = s3.put_object(**place, Body=body, IfMatch=held[0])["ETag"]
            except (ClientError, BotoCoreError):
                continue  # the next renewal is in time still

    renewal = threading.Thread(target=renew, daemon=True)
    renewal.start()
    try:
        yield
    finally:
        released.set()
        renewal.join()
        s3.delete_object(**place)


def _acquire(place: dict[str, str], body: str, s3: Any) -> str:
    try:
        etag: str = s3.put_object(**place, Body=body, IfNoneMatch="*")["ETag"]
        return etag
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN:
            raise
    try:
        found = s3.get_object(**place)
    except s3.exceptions.NoSuchKey:  # that build has ended just now
        return _acquire(place, body, s3)
    holder = json.loads(found["Body"].read())
    if not _is_abandoned(holder, found["LastModified"]):
        raise StrataError(
            f"a build by {holder['user']} on {holder['host']} (process {holder['pid']}) is running",
            "wait for it, or build in schemas of your own: STRATA_SCHEMA_PREFIX=dev_<you>_",
        )
    etag = s3.put_object(**place, Body=body, IfMatch=found["ETag"])["ETag"]
    return etag


def _is_abandoned(holder: dict[str, Any], renewed_at: datetime) -> bool:
    if (datetime.now(UTC) - renewed_at).total_seconds() > _STALE_AFTER_SECONDS:
        return True
    return holder["host"] == socket.gethostname() and not is_alive(holder["pid"])
