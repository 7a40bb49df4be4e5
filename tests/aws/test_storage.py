"""The policies of the buckets: which encryption a write may name, with a role that may write."""

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from strata.environment import acting_as, client
from tests.conftest import Lakehouse

KMS = "aws:kms"


@pytest.fixture(scope="module")
def keys(lakehouse: Lakehouse) -> dict[str, str]:
    """The ARNs of the environment's keys by the names of their exports."""
    pages = lakehouse.client("cloudformation").get_paginator("list_exports").paginate()
    exports = {found["Name"]: found["Value"] for page in pages for found in page["Exports"]}
    return {name: exports[f"strata-local-{name}-key"] for name in ("lake", "landing")}


def write(lakehouse: Lakehouse, **given: Any) -> None:
    with acting_as("dbt", lakehouse.environment):
        client("s3").put_object(
            Bucket=lakehouse.environment.bucket("gold"), Key="tried", Body=b"x", **given
        )


def test_a_write_names_the_key_of_the_bucket_or_none(
    lakehouse: Lakehouse, keys: dict[str, str]
) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html."""
    write(lakehouse)
    write(lakehouse, ServerSideEncryption=KMS, SSEKMSKeyId=keys["lake"])


@pytest.mark.parametrize(
    "given",
    [
        {"ServerSideEncryption": "AES256"},
        {"ServerSideEncryption": KMS},  # without a key it is AWS's own, aws/s3
        {"ServerSideEncryption": KMS, "SSEKMSKeyId": "landing"},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(b"k" * 24).decode()},
    ],
)
def test_no_other_encryption_is_taken(
    lakehouse: Lakehouse, keys: dict[str, str], given: dict[str, str]
) -> None:
    named = {name: keys.get(value, value) for name, value in given.items()}
    with pytest.raises(ClientError, match="AccessDenied.*explicit deny in a resource-based policy"):
        write(lakehouse, **named)
