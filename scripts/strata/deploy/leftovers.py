"""What a deleted environment leaves behind: what is retained, what is in it, and its removal."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from strata.catalog.tables import MANAGED_BY
from strata.environment import Environment

LAYERS = ("landing", "bronze", "silver", "gold")
_BUCKETS = (*LAYERS, "athena-results", "artifacts", "access-logs")
_GONE = {"404", "NoSuchBucket", "NotFoundException", "ResourceNotFoundException"}
_KEY_DAYS = 30
Clients = Callable[[str], Any]


@dataclass(frozen=True)
class Kept:
    """A resource that outlived its stack: CloudFormation skipped its deletion."""

    stack: str
    type: str
    physical_id: str

    @property
    def removal(self) -> str:
        """The command that removes it."""
        return _COMMANDS.get(self.type, "by hand: {id}").format(id=self.physical_id)


_COMMANDS = {
    "AWS::S3::Bucket": "aws s3 rb s3://{id} --force",
    "AWS::KMS::Key": f"aws kms schedule-key-deletion --pending-window-in-days {_KEY_DAYS} --key-id {{id}}",
    "AWS::SecretsManager::Secret": "aws secretsmanager delete-secret --secret-id {id}",
    "AWS::RedshiftServerless::Namespace": (
        "aws redshift-serverless delete-namespace --namespace-name {id}"
    ),
    "AWS::Logs::LogGroup": "aws logs delete-log-group --log-group-name {id}",
}


def held_data(environment: Environment, s3: Any) -> dict[str, str]:
    """How many objects each bucket of the layers holds, old versions among them; empty ones not."""
    counts: dict[str, str] = {}
    for bucket in map(environment.bucket, LAYERS):
        try:
            page = s3.list_object_versions(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                continue
            raise
        count = len(page.get("Versions", [])) + len(page.get("DeleteMarkers", []))
        if count:
            counts[bucket] = f"{count:,}{'+' if page['IsTruncated'] else ''}"
    return counts


def kept(environment: Environment, clients: Clients) -> list[Kept]:
    """What deleted stacks of the environment left, and still exists.

    CloudFormation remembers a deleted stack, and what it skipped, for 90 days; the buckets are
    known by their names as well.
    """
    cloudformation = clients("cloudformation")
    pages = cloudformation.get_paginator("list_stacks").paginate(
        StackStatusFilter=["DELETE_COMPLETE"]
    )
    found = {
        skipped
        for page in pages
        for stack in page["StackSummaries"]
        if stack["StackName"].startswith(environment.resource(""))
        for skipped in _skipped(stack, cloudformation)
    }
    storage = environment.resource("storage")
    found |= {Kept(storage, "AWS::S3::Bucket", environment.bucket(b)) for b in _BUCKETS}
    ordered = sorted(found, key=lambda one: (one.stack, one.type, one.physical_id))
    return [one for one in ordered if _exists(one, clients)]


def _skipped(stack: dict[str, Any], cloudformation: Any) -> Iterator[Kept]:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(
        StackName=stack["StackId"]
    )
    for page in pages:
        for event in page["StackEvents"]:
            if event["ResourceStatus"] == "DELETE_SKIPPED":
                yield Kept(stack["StackName"], event["ResourceType"], event["PhysicalResourceId"])


def _exists(one: Kept, clients: Clients) -> bool:
    try:
        if one.type == "AWS::S3::Bucket":
            clients("s3").head_bucket(Bucket=one.physical_id)
        elif one.type == "AWS::KMS::Key":
            key = clients("kms").describe_key(KeyId=one.physical_id)["KeyMetadata"]
            return bool(key["KeyState"] != "PendingDeletion")
        elif one.type == "AWS::SecretsManager::Secret":
            secret = clients("secretsmanager").describe_secret(SecretId=one.physical_id)
            return "DeletedDate" not in secret
        elif one.type == "AWS::Logs::LogGroup":
            groups = clients("logs").describe_log_groups(logGroupNamePrefix=one.physical_id)
            return any(g["logGroupName"] == one.physical_id for g in groups["logGroups"])
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return False
        raise
    return True


def erasable(one: Kept, environment: Environment) -> bool:
    """Whether `erase` takes it. The audit trail and the flow logs outlive the lake."""
    return one.type in _ERASERS and one.stack != environment.resource("audit")


def erase(one: Kept, clients: Clients) -> None:
    """Delete what was kept: objects with all their versions; a key after its waiting period."""
    _ERASERS[one.type](one.physical_id, clients)


def _erase_bucket(name: str, clients: Clients) -> None:
    s3 = clients("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
        if objects:
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=name)


def _erase_key(key: str, clients: Clients) -> None:
    clients("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=_KEY_DAYS)


def _erase_secret(secret: str, clients: Clients) -> None:
    """At once: a secret that waits for its deletion would keep its name from the next deployment."""
    clients("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


_ERASERS: dict[str, Callable[[str, Clients], None]] = {
    "AWS::S3::Bucket": _erase_bucket,
    "AWS::KMS::Key": _erase_key,
    "AWS::SecretsManager::Secret": _erase_secret,
}


def forget_tables(environment: Environment, glue: Any) -> list[str]:
    """Delete the Glue tables of the environment's buckets, and databases of nothing else.

    Empty databases that Strata made go as well. Returns what was deleted. Views have no place of
    their own: they go with the last table.
    """
    deleted = []
    for page in glue.get_paginator("get_databases").paginate():
        for database in page["DatabaseList"]:
            deleted += _forget(database, environment, glue)
    return deleted


def forget_governance(lake_formation: Any) -> list[str]:
    """Delete Strata's tags in Lake Formation, with the grants by them. Returns what was deleted."""
    pages = lake_formation.get_paginator("list_lf_tags").paginate()
    keys = [tag["TagKey"] for page in pages for tag in page["LFTags"]]
    own = [key for key in keys if key.startswith("strata_")]
    for key in own:
        lake_formation.delete_lf_tag(TagKey=key)
    return [f"tag {key}" for key in own]


def _forget(entry: dict[str, Any], environment: Environment, glue: Any) -> list[str]:
    database = entry["Name"]
    tables = [
        table
        for page in glue.get_paginator("get_tables").paginate(DatabaseName=database)
        for table in page["TableList"]
    ]
    place = f"s3://{environment.resource('')}{environment.account}-"
    own = [
        t for t in tables if t.get("StorageDescriptor", {}).get("Location", "").startswith(place)
    ]
    others = [t for t in tables if t not in own and t.get("TableType") != "VIRTUAL_VIEW"]
    is_made_by_us = entry.get("Parameters", {}).get("managed-by") == MANAGED_BY
    if not others and (own or is_made_by_us):
        glue.delete_database(Name=database)
        return [f"database {database}"]
    for table in own:
        glue.delete_table(DatabaseName=database, Name=table["Name"])
    return [f"table {database}.{table['Name']}" for table in own]
