"""The data lake: S3 objects, and the files on disk that hold them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from local_aws.arns import s3_object
from local_aws.caller import current

from .failure import QueryFailed


@dataclass(frozen=True)
class Object:
    """An S3 object."""

    bucket: str
    key: str
    size: int

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` address. Raises QueryFailed for anything else."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a", "s3n") or not bucket:
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"Invalid S3 location: {uri}")
    return bucket, key


class Lake:
    """Reads objects from disk where they lie there, writes them through S3."""

    def __init__(self, s3: Any, disk_path: Callable[[str, str], Path | None], folder: Path) -> None:
        self.s3 = s3
        self._disk_path = disk_path
        self.folder = folder
        self.fetched = folder / "fetched"
        self.fetched.mkdir(parents=True, exist_ok=True)

    def list(self, uri: str) -> list[Object]:
        """The objects under a location, without folder markers, in order of their keys."""
        bucket, prefix = split_uri(uri)
        found: list[Object] = []
        try:
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):
                        found.append(Object(bucket, item["Key"], item["Size"]))
        except ClientError as error:
            raise _storage_error(error, uri) from None
        return found

    def path(self, item: Object) -> Path:
        """The file that holds an object; fetched when its storage is not on this disk."""
        found = self._disk_path(item.bucket, item.key)
        if found is not None and found.is_file():
            return found
        copy = self.fetched / f"{abs(hash((item.uri, item.size))):x}-{Path(item.key).name[-80:]}"
        copy.write_bytes(self.read(item.uri))
        return copy

    def disk_path(self, uri: str) -> Path:
        """The file of an object of a table. Raises QueryFailed when it is not on this disk."""
        bucket, key = split_uri(uri)
        found = self._disk_path(bucket, key)
        if found is None or not str(found).endswith("/" + key):
            raise QueryFailed("ICEBERG_INVALID_METADATA", f"Metadata not found on disk: {uri}")
        return found

    def read(self, uri: str) -> bytes:
        """The content of an object. Raises QueryFailed when it is missing."""
        bucket, key = split_uri(uri)
        found = self._disk_path(bucket, key)
        if found is not None and found.is_file():
            return found.read_bytes()
        try:
            return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            raise _storage_error(error, uri) from None

    def exists(self, uri: str) -> bool:
        bucket, key = split_uri(uri)
        try:
            self.s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            return False
        return True

    def write(self, uri: str, body: bytes) -> None:
        """Put an object, if the caller may."""
        bucket, key = split_uri(uri)
        current().require("s3:PutObject", s3_object(uri))
        try:
            self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            raise _storage_error(error, uri) from None

    def upload(self, files: Iterable[tuple[Path, str]]) -> None:
        """Put files, several at a time, if the caller may."""
        files = list(files)
        for _, uri in files:
            current().require("s3:PutObject", s3_object(uri))

        def put(item: tuple[Path, str]) -> None:
            path, uri = item
            bucket, key = split_uri(uri)
            with path.open("rb") as body:
                self.s3.put_object(Bucket=bucket, Key=key, Body=body)

        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(put, files))
        except ClientError as error:
            raise _storage_error(error, "the table's location") from None

    def delete(self, uris: Iterable[str]) -> None:
        """Delete objects, if the caller may; one that is not there is no error."""
        by_bucket: dict[str, list[str]] = {}
        for uri in uris:
            bucket, key = split_uri(uri)
            current().require("s3:DeleteObject", s3_object(uri))
            by_bucket.setdefault(bucket, []).append(key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), 1000):
                batch = [{"Key": k} for k in keys[start : start + 1000]]
                self.s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})


def _storage_error(error: ClientError, uri: str) -> QueryFailed:
    code = error.response.get("Error", {}).get("Code", "")
    if code == "NoSuchBucket":
        return QueryFailed("HIVE_METASTORE_ERROR", f"The specified bucket does not exist: {uri}")
    return QueryFailed("HIVE_FILESYSTEM_ERROR", f"{code} on {uri}: {error}")


class _Input(InputFile):
    def __init__(self, location: str, lake: Lake) -> None:
        super().__init__(location)
        self._lake = lake

    def __len__(self) -> int:
        return len(self._lake.read(self.location))

    def exists(self) -> bool:
        return self._lake.exists(self.location)

    def open(self, seekable: bool = True) -> InputStream:
        return io.BytesIO(self._lake.read(self.location))


class _Stream(io.BytesIO):
    def __init__(self, location: str, lake: Lake, output: _Output) -> None:
        super().__init__()
        self._location, self._lake, self._output = location, lake, output

    def close(self) -> None:
        if not self.closed:
            body = self.getvalue()
            self._output.size = len(body)
            self._lake.write(self._location, body)
        super().close()


class _Output(OutputFile):
    def __init__(self, location: str, lake: Lake) -> None:
        super().__init__(location)
        self._lake = lake
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def exists(self) -> bool:
        return self._lake.exists(self.location)

    def to_input_file(self) -> InputFile:
        return _Input(self.location, self._lake)

    def create(self, overwrite: bool = False) -> OutputStream:
        return _Stream(self.location, self._lake, self)


class LakeIO(FileIO):
    """PyIceberg's view of the lake."""

    def __init__(self, lake: Lake) -> None:
        super().__init__({})
        self._lake = lake

    def new_input(self, location: str) -> InputFile:
        return _Input(location, self._lake)

    def new_output(self, location: str) -> OutputFile:
        return _Output(location, self._lake)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        uri = location if isinstance(location, str) else location.location
        self._lake.delete([uri])
