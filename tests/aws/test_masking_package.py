"""What AWS runs is whole by itself: the packed code, with nothing of this project's environment."""

import ast
import base64
import json
import os
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from strata.deploy import code
from strata.environment import PROJECT
from strata.ingest import masking_key
from tests.conftest import Lakehouse

#: What Lambda's Python runtime brings: boto3 and what that needs.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
CALL = """
import json, sys
from aws_code import firehose_lambda
answer = firehose_lambda.handler(json.load(sys.stdin), None)
print(json.dumps(answer))
"""


@pytest.fixture
def package(lakehouse: Lakehouse, tmp_path: Path) -> Path:
    """A folder with the zip's content and the runtime's packages, and nothing else."""
    zipped = tmp_path / "code.zip"
    zipped.write_bytes(code.pack(lakehouse.sources))
    folder = tmp_path / "task"
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    for name in RUNTIME:
        spec = find_spec(name)
        assert spec and spec.origin
        origin = Path(spec.origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        (folder / found.name).symlink_to(found)
    return folder


def call(package: Path, lakehouse: Lakehouse, event: dict[str, Any]) -> list[dict[str, Any]]:
    """The records that the packed function answers with, decoded."""
    environment = lakehouse.environment
    settings = {
        "PYTHONPATH": str(package),
        "LANDING_BUCKET": environment.bucket("landing"),
        "MASKING_SECRET": environment.resource("masking-key"),
        **{key: value for key, value in os.environ.items() if key.startswith("AWS_")},
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", CALL],
        input=json.dumps(event), env=settings, cwd=package, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *_, answer = done.stdout.splitlines()  # behind what the function logs
    return [json.loads(base64.b64decode(r["data"])) for r in json.loads(answer)["records"]]


def payment(email: str) -> dict[str, Any]:
    """Firehose's event with a payment of somebody."""
    record = {
        "recordId": "1", "approximateArrivalTimestamp": int(time.time() * 1000),
        "data": base64.b64encode(json.dumps({"payment_id": "p", "email": email}).encode()).decode(),
    }  # fmt: skip
    arn = "arn:aws:firehose:us-east-1:000000000000:deliverystream/strata-local-ticketing.payments"
    return {"invocationId": "i", "deliveryStreamArn": arn, "records": [record]}


def test_the_packed_function_masks_without_the_project(package: Path, lakehouse: Lakehouse) -> None:
    (record,) = call(package, lakehouse, payment("ada@x.example"))
    assert record["payment_id"] == "p"
    assert record["email"].startswith("v")
    assert "ada" not in json.dumps(record)


def test_a_hash_carries_the_version_of_its_key(package: Path, lakehouse: Lakehouse) -> None:
    secrets = lakehouse.client("secretsmanager")
    (before,) = call(package, lakehouse, payment("Ada@x.example "))
    (same,) = call(package, lakehouse, payment("ada@x.example"))
    old = before["email"].partition(":")
    assert before["email"] == same["email"]
    version = masking_key.rotate(lakehouse.environment, secrets)
    (after,) = call(package, lakehouse, payment("ada@x.example"))
    new = after["email"].partition(":")
    assert int(version[1:]) == int(old[0][1:]) + 1
    assert (new[0], len(new[2])) == (version, 64)
    assert new[2] != old[2]


@pytest.mark.parametrize(
    "file", sorted((PROJECT / "scripts/aws_code").rglob("*.py")), ids=lambda file: file.stem
)
def test_the_code_is_python_3_9(file: Path) -> None:
    # Glue's Python shell has no later one.
    ast.parse(file.read_text(), feature_version=(3, 9))
