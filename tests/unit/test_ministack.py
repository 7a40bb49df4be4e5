"""What leaves MiniStack's control plane as it is, and need not be saved."""

import pytest

from local_aws import ministack


@pytest.mark.parametrize(
    ("service", "operation", "path", "is_of_data"),
    [
        ("s3", "", "/bucket/key", True),
        ("s3", "", "/bucket", False),
        ("s3", "", "/bucket/", False),
        ("kinesis", "PutRecords", "/", True),
        ("kinesis", "GetRecords", "/", True),
        ("kinesis", "CreateStream", "/", False),
        ("monitoring", "", "/", True),
        ("sts", "", "/", True),
        ("sqs", "SendMessage", "/", False),
        ("iam", "", "/", False),
        ("cloudformation", "", "/", False),
        ("secretsmanager", "PutSecretValue", "/", False),
    ],
)
def test_requests_of_data(service: str, operation: str, path: str, is_of_data: bool) -> None:
    assert ministack.is_of_data(service, operation, path) == is_of_data
