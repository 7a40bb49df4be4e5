"""Iceberg tables of the Glue catalog: their metadata read, and changed by one compare-and-set.

Athena's SQL cannot tag a snapshot or go back to one: here a commit is a new metadata file and one
UpdateTable of Glue's with the VersionId that was read, as Iceberg's own Glue catalog commits.
https://iceberg.apache.org/docs/latest/aws/#optimistic-locking
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.manifest import DataFile
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import SetSnapshotRefUpdate, TableUpdate, update_table_metadata

from strata.errors import StrataError

Json = dict[str, Any]

_INPUT = ("Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys",
          "TableType", "Parameters")  # fmt: skip


@dataclass(frozen=True)
class Clients:
    """What reads and changes Iceberg tables: Glue, S3, Athena, and S3 as PyIceberg reads it."""

    glue: Any
    s3: Any
    athena: Any
    io: FileIO = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "io", _file_io(self.s3))


@dataclass(frozen=True)
class Table:
    """An Iceberg table at one version: its Glue entry and its metadata."""

    glue: Json
    metadata: TableMetadata

    @property
    def name(self) -> str:
        """`<database>.<table>`."""
        return f"{self.glue['DatabaseName']}.{self.glue['Name']}"

    @property
    def location(self) -> str:
        """Where its files are, without a slash at the end."""
        return str(self.metadata.location).rstrip("/")

    @property
    def metadata_location(self) -> str:
        """Its present metadata file."""
        return str(self.glue["Parameters"]["metadata_location"])

    def snapshot(self, snapshot_id: int) -> Snapshot:
        """One snapshot; raises StrataError when the table has no such snapshot (any more)."""
        found = self.metadata.snapshot_by_id(snapshot_id)
        if found is None:
            raise StrataError(
                f"{self.name} has no snapshot {snapshot_id}",
                f"strata restore {self.name} lists those that it has",
            )
        return found


def glue_entry(name: str, glue: Any) -> Json | None:
    """The Glue entry of `<database>.<table>`, or None where there is none."""
    database, _, table = name.partition(".")
    try:
        entry: Json = glue.get_table(DatabaseName=database, Name=table)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "EntityNotFoundException":
            return None
        raise
    return entry


def load(name: str, clients: Clients) -> Table:
    """The Iceberg table `<database>.<table>`.

    Raises StrataError when there is none, or when it is no Iceberg table.
    """
    entry = glue_entry(name, clients.glue)
    if entry is None:
        raise StrataError(f"there is no table {name}", "strata build makes the tables of dbt")
    if entry.get("Parameters", {}).get("table_type", "").upper() != "ICEBERG":
        raise StrataError(f"{name} is no Iceberg table", "name a table, not a view")
    location = entry["Parameters"]["metadata_location"]
    return Table(entry, FromInputFile.table_metadata(clients.io.new_input(location)))


def commit(table: Table, updates: Iterable[TableUpdate], clients: Clients) -> Table:
    """Change the table's metadata in one step; the same table when the updates change nothing.

    Raises StrataError when somebody else changed the table since it was read.
    """
    metadata = update_table_metadata(
        table.metadata, tuple(updates), metadata_location=table.metadata_location
    )
    if metadata == table.metadata:
        return table
    version = table.metadata_location.rsplit("/", 1)[1].partition("-")[0]
    number = int(version) + 1 if version.isdigit() else 0
    location = f"{table.location}/metadata/{number:05d}-{uuid.uuid4()}.metadata.json"
    write_metadata(metadata, location, clients)
    parameters = {
        **table.glue["Parameters"],
        "metadata_location": location,
        "previous_metadata_location": table.metadata_location,
    }
    update_entry(table.glue, {"Parameters": parameters}, clients.glue)
    return load(table.name, clients)


def set_ref(snapshot_id: int, name: str = "main", kind: str = "branch") -> TableUpdate:
    """The update that makes a branch or a tag (`kind`) point to a snapshot."""
    return SetSnapshotRefUpdate(
        ref_name=name,
        type=kind,
        snapshot_id=snapshot_id,
        max_ref_age_ms=None,
        max_snapshot_age_ms=None,
        min_snapshots_to_keep=None,
    )


def write_metadata(metadata: TableMetadata, location: str, clients: Clients) -> None:
    """Write a metadata file; one that is there already is replaced."""
    ToOutputFile.table_metadata(metadata, clients.io.new_output(location), overwrite=True)


def update_entry(entry: Json, changes: Json, glue: Any) -> None:
    """Change a Glue entry, if it still is as it was read.

    Raises StrataError when somebody else changed it meanwhile.
    """
    kept = {key: entry[key] for key in _INPUT if key in entry}
    try:
        glue.update_table(
            DatabaseName=entry["DatabaseName"],
            TableInput={**kept, **changes},
            VersionId=entry["VersionId"],
            SkipArchive=True,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConcurrentModificationException":
            raise
        raise StrataError(
            f"{entry['DatabaseName']}.{entry['Name']} was changed by somebody else just now",
            "run the same command again",
        ) from error


def files(snapshot: Snapshot | None, clients: Clients) -> Iterator[DataFile]:
    """The data and delete files of a snapshot."""
    for manifest in snapshot.manifests(clients.io) if snapshot else ():
        for entry in manifest.fetch_manifest_entry(clients.io):
            yield entry.data_file


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The parts of `s3://<bucket>/<key>`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def delete_object(uri: str, clients: Clients) -> None:
    """Delete an object; PyArrow would leave a folder's marker in its place."""
    bucket, key = bucket_and_key(uri)
    clients.s3.delete_object(Bucket=bucket, Key=key)


def delete_folder(location: str, clients: Clients) -> None:
    """Delete every object under a location, which nothing may need any more."""
    bucket, prefix = bucket_and_key(location)
    listed = clients.s3.get_paginator("list_objects_v2")
    for page in listed.paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if keys:
            clients.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})


def _file_io(s3: Any) -> FileIO:
    """PyIceberg's S3 with the address, region and credentials of a boto3 client."""
    properties = {"s3.endpoint": s3.meta.endpoint_url, "s3.region": s3.meta.region_name}
    credentials = boto3.Session().get_credentials()
    if credentials:
        frozen = credentials.get_frozen_credentials()
        properties |= {"s3.access-key-id": frozen.access_key}
        properties |= {"s3.secret-access-key": frozen.secret_key}
        if frozen.token:
            properties["s3.session-token"] = frozen.token
    return load_file_io(properties)
