"""The gateway: one loopback port, closed to browsers and to what is not signed."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import Lakehouse

SIGNED = "AWS4-HMAC-SHA256 Credential=test/20130101/us-east-1/{}/aws4_request, Signature=0"


def call(lakehouse: Lakehouse, path: str = "/", **headers: str) -> tuple[int, bytes]:
    """A plain HTTP request: status and body."""
    request = urllib.request.Request(lakehouse.settings.endpoint + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"Authorization": SIGNED.format("s3"), "Origin": "https://example.com"}),
        ("/", {"Authorization": SIGNED.format("s3"), "Host": "evil.example.com"}),
        ("/_ministack/reset", {"Authorization": SIGNED.format("s3")}),
        ("/_localstack/health", {"Authorization": SIGNED.format("s3")}),
    ],
)
def test_refuses(lakehouse: Lakehouse, path: str, headers: dict[str, str]) -> None:
    status, body = call(lakehouse, path, **headers)
    assert status == 403
    assert json.loads(body)["__type"] in ("AccessDenied", "MissingAuthenticationToken")


def test_refuses_an_operation_that_it_does_not_serve(lakehouse: Lakehouse) -> None:
    glue = lakehouse.client("glue")
    with pytest.raises(glue.exceptions.ClientError, match="glue:ListCrawlers is not served"):
        glue.list_crawlers()


def test_the_aws_command_line_works_with_a_profile(lakehouse: Lakehouse) -> None:
    command = Path(sys.executable).with_name("aws")
    listed = subprocess.run(
        [command, "s3", "ls"], capture_output=True, text=True, check=True
    ).stdout
    assert lakehouse.environment.bucket("bronze") in listed
