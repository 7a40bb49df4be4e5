"""`strata doctor` and `strata deploy --drift`: what was changed by hand, and what an account lacks."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from typer.testing import CliRunner, Result

from strata import regions
from strata.cli import app
from strata.doctor import account
from strata.environment import Environment
from tests.conftest import Lakehouse, start

DEV = Environment("dev", "000000000000", "us-east-1")


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse of which all stacks are as deployed: other tests leave their own."""
    yield from start(tmp_path_factory.mktemp("state"))


def run(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, list(arguments))


def told() -> tuple[int, dict[str, dict[str, str]]]:
    """The doctor's exit code, and its findings by what was looked at."""
    done = run("doctor", "--json")
    return done.exit_code, {check["what"]: check for check in json.loads(done.stdout)}


@pytest.fixture
def changed_by_hand(lakehouse: Lakehouse) -> Iterator[tuple[str, str, str]]:
    """A bucket, a workgroup and an alarm that were changed by hand, and are put back."""
    s3, athena = lakehouse.client("s3"), lakehouse.client("athena")
    cloudwatch = lakehouse.client("cloudwatch")
    bucket = lakehouse.environment.bucket("gold")
    alarm = lakehouse.environment.resource("dbt-failures")
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    (before,) = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    weaker = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=weaker)
    cutoff = {"BytesScannedCutoffPerQuery": 10_000_000}
    athena.update_work_group(WorkGroup="strata", ConfigurationUpdates=cutoff)
    cloudwatch.delete_alarms(AlarmNames=[alarm])
    yield bucket, "strata", alarm
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption)
    cutoff["BytesScannedCutoffPerQuery"] = 107_374_182_400
    athena.update_work_group(WorkGroup="strata", ConfigurationUpdates=cutoff)
    given = lakehouse.client("cloudwatch").meta.service_model.operation_model("PutMetricAlarm")
    members = given.input_shape.members
    cloudwatch.put_metric_alarm(**{k: v for k, v in before.items() if k in members})


def test_a_fresh_deployment_is_well_and_has_no_drift(lakehouse: Lakehouse) -> None:
    code, checks = told()
    assert (code, {c["state"] for c in checks.values()}) == (0, {"ok"}), checks
    assert {"stacks", "buckets", "workgroup", "alarms", "drift", "credentials"} <= set(checks)
    assert run("deploy", "--drift").exit_code == 0


def test_what_was_changed_by_hand_is_found(
    lakehouse: Lakehouse, changed_by_hand: tuple[str, str, str]
) -> None:
    bucket, _, alarm = changed_by_hand
    found = run("deploy", "--drift", "--json")
    assert found.exit_code == 2
    drifted = {
        resource["logical_id"]: {tuple(d) for d in resource["differences"]}
        for stack in json.loads(found.stdout)
        for resource in stack["resources"]
    }
    # Expected values are those of infra/*.yaml, actual ones what was put by hand above.
    assert drifted["DbtFailed"] == {("", "exists", "deleted")}
    cutoff = "/WorkGroupConfiguration/BytesScannedCutoffPerQuery"
    assert drifted["WorkGroup"] == {(cutoff, "107374182400", "10000000")}
    default = (
        "/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/"
        "SSEAlgorithm"
    )
    assert (default, "aws:kms", "AES256") in drifted["GoldBucket"]
    assert set(drifted) == {"DbtFailed", "WorkGroup", "GoldBucket"}
    code, checks = told()
    assert code == 1
    assert f"{bucket} is encrypted with AES256" in checks["buckets"]["finding"]
    assert alarm in checks["alarms"]["finding"] and checks["alarms"]["state"] == "fail"
    assert checks["drift"]["state"] == "warn"


def test_missing_permissions_are_named(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who may do what the check asks for, but for two actions."""
    iam = lakehouse.client("iam")
    user = iam.create_user(UserName="deployer")["User"]["Arn"]
    allowed = sorted(set(account._ACTIONS) - {"kms:CreateKey", "iam:PassRole"})
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="deployer", PolicyName="most", PolicyDocument=policy)
    assert list(account._denied(user, DEV)) == ["iam:PassRole", "kms:CreateKey"]


def test_quotas_are_compared_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Response shapes: Service Quotas' GetServiceQuota, Kinesis' DescribeLimits."""
    quotas = boto3.client("service-quotas", region_name="us-east-1")
    kinesis = boto3.client("kinesis", region_name="us-east-1")
    clients: dict[str, Any] = {"service-quotas": quotas, "kinesis": kinesis}
    monkeypatch.setattr(account, "client", clients.__getitem__)
    glue = {"ServiceCode": "glue", "QuotaCode": "L-08F3B322"}
    limits = {
        "ShardLimit": 200, "OpenShardCount": 200,
        "OnDemandStreamCount": 45, "OnDemandStreamCountLimit": 50,
    }  # fmt: skip
    with Stubber(quotas) as quota, Stubber(kinesis) as stream:
        quota.add_client_error("get_service_quota", "NoSuchResourceException", "none of its own")
        quota.add_response("get_aws_default_service_quota", {"Quota": {"Value": 1.0}}, glue)
        stream.add_response("describe_limits", limits)
        few = account._quota("glue", "L-08F3B322", "DPUs", needed=2)()
        shards, streams = account._stream_quota()
    assert (few.state, "at least 2" in few.hint) == ("fail", True)
    assert (shards.state, shards.finding) == ("fail", "200 of 200 in use")
    assert (streams.state, streams.finding) == ("warn", "45 of 50 in use")


def test_a_region_must_have_every_service() -> None:
    """The secret regions of the US have few services; botocore's endpoints say which."""
    assert regions.missing_services("eu-west-1", {"athena", "iam", "dms", "s3"}) == []
    assert regions.missing_services("us-iso-west-1", {"athena", "iam", "s3"}) == ["athena"]
    assert regions.used_services(["Type: AWS::KinesisFirehose::DeliveryStream"]) == {"firehose"}
    assert regions.unknown("eu-wst-1") == "did you mean eu-west-1? export AWS_REGION=eu-west-1"
    assert regions.unknown("eu-west-1") is None
