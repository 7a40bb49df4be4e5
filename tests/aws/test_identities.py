"""Identities: what roles may not do, on the policies that are deployed."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.conftest import Lakehouse

ACCOUNT = "000000000000"
BUCKET = f"arn:aws:s3:::strata-local-{ACCOUNT}-{{}}"
GLUE = f"arn:aws:glue:us-east-1:{ACCOUNT}:{{}}"

#: Calls that would break a promise of docs/architecture.md or docs/governance.md: role, action, on what.
FORBIDDEN = [
    # Landing may hold personal data: the masking code alone reads it.
    *((role, "s3:GetObject", BUCKET.format("landing/x")) for role in (
        "dbt", "analyst", "compaction", "delivery", "masking", "fraud", "start-jobs", "cdc-ticketing",
        "lake-access",
    )),
    *((role, "kms:Decrypt", "landing-key") for role in ("dbt", "analyst", "lake-access")),
    # What Firehose could not mask lies in Bronze's bucket.
    *((role, "s3:GetObject", BUCKET.format("bronze/firehose-errors/x")) for role in (
        "dbt", "compaction",  "analyst",
    )),
    # The masking key.
    *((role, "secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:strata-local-masking-key-AbCdEf")
      for role in ("dbt", "analyst", "compaction", "delivery", "start-jobs", "lake-access")),
    *((role, "secretsmanager:PutSecretValue", f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:strata-local-masking-key-AbCdEf")
      for role in ("masking", "landing", "fraud")),
    # Readers have nothing in the data's buckets, nor in another reader's results.
    *((role, action, BUCKET.format(f"{layer}/x")) for role in ("analyst", "investigator", "agency-desk")
      for layer in ("bronze", "silver", "gold", "artifacts") for action in ("s3:GetObject", "s3:PutObject")),
    ("analyst", "s3:GetObject", BUCKET.format("athena-results/investigator/x.csv")),
    ("analyst", "s3:GetObject", BUCKET.format("athena-results/x.csv")),
    ("analyst", "athena:StartQueryExecution", f"arn:aws:athena:us-east-1:{ACCOUNT}:workgroup/strata"),
    ("analyst", "athena:GetQueryResults", f"arn:aws:athena:us-east-1:{ACCOUNT}:workgroup/strata-investigator"),
    ("analyst", "glue:GetTable", GLUE.format("table/gold/fct_payments")),
    *(("analyst", action, GLUE.format("table/serving/fct_payments")) for action in ("glue:UpdateTable", "glue:DeleteTable", "glue:CreateTable")),
    # Who builds reads Bronze and never writes it; who delivers writes it and never deletes.
    *(("dbt", action, BUCKET.format("bronze/x/year=2013/x")) for action in ("s3:PutObject", "s3:DeleteObject")),
    *(("dbt", action, GLUE.format("table/bronze_ticketing/payments")) for action in ("glue:UpdateTable", "glue:DeleteTable")),
    *(("delivery", action, BUCKET.format("bronze/x")) for action in ("s3:DeleteObject", "s3:PutObjectAcl")),
    ("delivery", "s3:PutObject", BUCKET.format("silver/x")),
    ("cdc-ticketing", "s3:PutObject", BUCKET.format("bronze/x")),
    ("compaction", "s3:DeleteObject", BUCKET.format("silver/x")),
    # Nobody grants, deploys, or becomes somebody else.
    *((role, action, "*") for role in ("dbt", "analyst", "landing", "masking", "fraud", "delivery") for action in (
        "lakeformation:GrantPermissions", "lakeformation:PutDataLakeSettings", "iam:PutRolePolicy", "iam:PassRole",
        "sts:AssumeRole", "cloudformation:CreateChangeSet", "kms:ScheduleKeyDeletion", "s3:DeleteBucket",
        "s3:PutBucketPolicy", "lambda:UpdateFunctionCode", "cloudtrail:StopLogging",
    )),
]  # fmt: skip


@pytest.fixture(scope="module")
def keys(lakehouse: Lakehouse) -> dict[str, str]:
    """The ARNs of the keys, by the name that the list above has for them."""
    exports = lakehouse.client("cloudformation").list_exports()["Exports"]
    return {e["Name"].removeprefix("strata-local-"): e["Value"] for e in exports}


def decision(lakehouse: Lakehouse, role: str, action: str, resource: str) -> str:
    """What IAM says of a role's call, by the role's own policies."""
    answer = lakehouse.client("iam").simulate_principal_policy(
        PolicySourceArn=arn_of(lakehouse, role),
        ActionNames=[action],
        ResourceArns=[resource],
    )
    found_decision: str = answer["EvaluationResults"][0]["EvalDecision"]
    return found_decision


def arn_of(lakehouse: Lakehouse, role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{lakehouse.environment.resource(role)}"


@pytest.mark.parametrize(("role", "action", "resource"), FORBIDDEN)
def test_a_forbidden_call_is_denied(
    lakehouse: Lakehouse, keys: dict[str, str], role: str, action: str, resource: str
) -> None:
    assert decision(lakehouse, role, action, keys.get(resource, resource)) != "allowed"


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        ("dbt", "s3:GetObject", BUCKET.format("bronze/x/year=2013/x")),
        ("analyst", "s3:GetObject", BUCKET.format("athena-results/analyst/x.csv")),
        ("landing", "s3:GetObject", BUCKET.format("landing/x")),
        ("landing", "kms:Decrypt", "landing-key"),
        ("delivery", "s3:PutObject", BUCKET.format("bronze/x")),
    ],
)
def test_what_a_role_is_for_is_allowed(
    lakehouse: Lakehouse, keys: dict[str, str], role: str, action: str, resource: str
) -> None:
    """So that the simulation above is known to tell the one from the other."""
    assert decision(lakehouse, role, action, keys.get(resource, resource)) == "allowed"


def test_an_object_is_read_with_the_key_of_its_bucket(lakehouse: Lakehouse) -> None:
    """S3 asks KMS on behalf of the reader: a role without the key reads no byte.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    bucket, s3 = lakehouse.environment.bucket("silver"), lakehouse.client("s3")
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert rule["BucketKeyEnabled"]
    s3.put_object(Bucket=bucket, Key="kms/x", Body=b"x")
    iam, sts = lakehouse.client("iam"), lakehouse.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(
        RoleName="without-key",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]

    def read(*statements: dict[str, object]) -> bytes:
        own = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        document = {"Version": "2012-10-17", "Statement": [own, *statements]}
        iam.put_role_policy(
            RoleName="without-key", PolicyName="own", PolicyDocument=json.dumps(document)
        )
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="reader")["Credentials"]
        reader = boto3.client(
            "s3",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        body: bytes = reader.get_object(Bucket=bucket, Key="kms/x")["Body"].read()
        return body

    with pytest.raises(ClientError, match="AccessDenied"):
        read()
    allowed = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}
    other = {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}}
    with pytest.raises(ClientError, match="AccessDenied"):
        read({**allowed, "Condition": other})
    own = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    assert read({**allowed, "Condition": own}) == b"x"
