"""The roles of GitHub's workflows, deployed on the local AWS, whose IAM enforces their policies."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from strata.cli import app
from strata.deploy.stacks import Stack
from strata.doctor import account
from strata.environment import Environment
from strata.errors import StrataError
from tests.conftest import Lakehouse, deploy_stack

DEV = Environment("dev", "000000000000", "us-east-1")


@pytest.fixture(scope="module")
def roles(lakehouse: Lakehouse) -> dict[str, str]:
    """The ARNs of the roles, by the names of the outputs."""
    parameters = {"Environment": "dev", "Repository": "acme/lake", "CreateProvider": "no"}
    stack = Stack("github-roles-dev", "github_oidc.yaml", parameters)
    assert deploy_stack(stack, lakehouse) == "created"
    found = lakehouse.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def test_the_deploying_role_may_what_the_doctor_asks_for(
    lakehouse: Lakehouse, roles: dict[str, str]
) -> None:
    # The local simulator takes no context, which the condition iam:PassedToService looks at.
    assert set(account._denied(roles["DeployRoleArn"], DEV)) <= {"iam:PassRole"}
    prod = replace(DEV, name="prod")
    denied = set(account._denied(roles["DeployRoleArn"], prod))
    # What no environment has of its own, or is not named before it is made.
    shared = {"athena:CreateWorkGroup", "glue:CreateDatabase", "kms:CreateKey"}
    shared |= {"dms:CreateReplicationConfig", "lakeformation:RegisterResource"}
    assert denied == set(account._ACTIONS) - shared


@pytest.fixture
def planner(lakehouse: Lakehouse, roles: dict[str, str]) -> Iterator[None]:
    """Acts with the rights of the plan's role: a user who has its policies."""
    iam = lakehouse.client("iam")
    name = roles["PlanRoleArn"].rpartition("/")[2]
    policies = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    iam.create_user(UserName="planner")
    for policy in policies:
        iam.attach_user_policy(UserName="planner", PolicyArn=policy["PolicyArn"])
    key = iam.create_access_key(UserName="planner")["AccessKey"]
    before = dict(os.environ)
    for variable in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        os.environ.pop(variable, None)
    os.environ |= {
        "AWS_ENDPOINT_URL": lakehouse.settings.endpoint, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "STRATA_AUDIT": "off",  # the local AWS has no trails
    }  # fmt: skip
    boto3.setup_default_session()
    yield
    os.environ.clear()
    os.environ.update(before)
    boto3.setup_default_session()


def test_the_planning_role_shows_a_new_environment_and_can_execute_nothing(
    planner: None, lakehouse: Lakehouse
) -> None:
    refused = CliRunner().invoke(app, ["deploy", "--env", "dev", "--plan"])
    assert isinstance(refused.exception, StrataError)
    assert "data lake administrator" in refused.exception.hint
    user = {"DataLakePrincipalIdentifier": "arn:aws:iam::000000000000:user/planner"}
    root = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    governance = boto3.client("lakeformation", **root)
    governance.put_data_lake_settings(DataLakeSettings={"ReadOnlyAdmins": [user]})
    done = CliRunner().invoke(app, ["deploy", "--env", "dev", "--plan", "--json"])
    assert done.exit_code == 2, (done.output, done.exception)
    governance.put_data_lake_settings(DataLakeSettings={})
    shown = {plan["stack"] for plan in json.loads(done.stdout)["stacks"]}
    assert {"strata-dev-storage", "strata-dev-ingestion", "strata-dev-monitoring"} <= shown
    cloudformation = boto3.client("cloudformation")
    with pytest.raises(ClientError, match="cloudformation:ExecuteChangeSet"):
        cloudformation.execute_change_set(StackName="strata-dev-storage", ChangeSetName="any")
    with pytest.raises(ClientError, match="cloudformation:CreateChangeSet"):
        cloudformation.create_change_set(
            StackName="others", ChangeSetName="a", ChangeSetType="CREATE", TemplateBody="{}"
        )
