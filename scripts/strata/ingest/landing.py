"""Files on their way to landing, where the landing job takes them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from strata.declarations import Source
from strata.environment import Environment
from strata.errors import StrataError


def drop(source: Source, files: Iterable[Path], environment: Environment, s3: Any) -> list[str]:
    """Upload files into the source's place in landing; returns their keys.

    A file keeps its name, so dropping it again replaces what was waiting.
    """
    keys = []
    for file in files:
        key = f"{source.location}{file.name}"
        try:
            s3.upload_file(str(file), environment.bucket("landing"), key)
        except FileNotFoundError:
            raise StrataError(f"there is no file {file}", "check the path") from None
        keys.append(key)
    return keys


def waits(source: Source, environment: Environment, s3: Any) -> bool:
    """Whether files of the source wait in landing."""
    bucket = environment.bucket("landing")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=source.location, MaxKeys=1)
    return bool(listed.get("KeyCount"))
