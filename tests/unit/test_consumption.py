"""Redshift and QuickSight: wanted by variables, with a reader's rights, within a limit."""

import boto3
import pytest
from botocore.stub import Stubber

from strata.deploy import consumption
from strata.environment import PROJECT, Environment
from strata.errors import StrataError
from strata.governance.declared import readers
from strata.governance.stacks import reader_stacks
from tests.template_rules import load

DEV = Environment("dev", "123456789012", "eu-west-1")
LOCAL = Environment("local", "000000000000", "us-east-1")
GROUP = "arn:aws:quicksight:eu-west-1:123456789012:group/default/analysts"
ARN = "arn:aws:redshift-serverless:eu-west-1:123456789012:workgroup/1"


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is wanted."""
    for name in ("REDSHIFT", "QUICKSIGHT", "CONSUMPTION_READER", "NETWORK", "NETWORK_ZONES",
                 "REDSHIFT_RPU_HOURS"):  # fmt: skip
        monkeypatch.delenv(f"STRATA_{name}", raising=False)
    return monkeypatch


def test_neither_is_there_by_default_nor_on_the_laptop(variables: pytest.MonkeyPatch) -> None:
    assert consumption.consumption_stacks(DEV) == []
    variables.setenv("STRATA_REDSHIFT", "on")
    variables.setenv("STRATA_QUICKSIGHT", GROUP)
    assert consumption.consumption_stacks(LOCAL) == []


def test_both_read_with_the_rights_of_a_declared_reader(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("STRATA_QUICKSIGHT", GROUP)
    with pytest.raises(StrataError, match="none is named"):
        consumption.consumption_stacks(DEV)
    variables.setenv("STRATA_CONSUMPTION_READER", "boss")
    with pytest.raises(StrataError, match="no reader is named 'boss'"):
        consumption.consumption_stacks(DEV)
    chosen = readers()[0]
    variables.setenv("STRATA_CONSUMPTION_READER", chosen.name)
    (stack,) = consumption.consumption_stacks(DEV)
    expected = {"Environment": "dev", "Reader": chosen.role, "Redshift": "off"}
    assert stack.parameters == {**expected, "QuickSightPrincipal": GROUP}
    assert set(stack.parameters) <= set(load(PROJECT / "infra" / stack.template)["Parameters"])
    admitting = [
        found.parameters["Reader"]
        for found in reader_stacks(readers(), DEV)
        if found.parameters.get("QuickSight") == "on"
    ]
    assert admitting == [chosen.role]


def test_redshift_needs_three_subnets(variables: pytest.MonkeyPatch) -> None:
    """https://docs.aws.amazon.com/redshift/latest/mgmt/serverless-usage-considerations.html."""
    variables.setenv("STRATA_REDSHIFT", "on")
    variables.setenv("STRATA_CONSUMPTION_READER", readers()[0].name)
    variables.setenv("STRATA_NETWORK", "on")
    with pytest.raises(StrataError, match="three zones"):
        consumption.consumption_stacks(DEV)
    variables.setenv("STRATA_NETWORK_ZONES", "3")
    (stack,) = consumption.consumption_stacks(DEV)
    assert stack.parameters["Redshift"] == "on"


@pytest.mark.parametrize(
    ("kept", "call"),
    [
        ([], "create_usage_limit"),
        ([{"amount": 9, "breachAction": "log"}], "update_usage_limit"),
        ([{"amount": 12, "breachAction": "deactivate"}], None),
    ],
)
def test_the_limit_is_kept(
    variables: pytest.MonkeyPatch, kept: list[dict[str, object]], call: str | None
) -> None:
    variables.setenv("STRATA_REDSHIFT_RPU_HOURS", "12")
    redshift = boto3.client("redshift-serverless", region_name="eu-west-1")
    wanted = {"amount": 12, "breachAction": "deactivate"}
    usage = {"resourceArn": ARN, "usageType": "serverless-compute"}
    with Stubber(redshift) as aws:
        found = {"workgroup": {"workgroupArn": ARN}}
        aws.add_response("get_workgroup", found, {"workgroupName": "strata-dev"})
        limits = [{"usageLimitId": "u1", "period": "daily", **one} for one in kept]
        aws.add_response("list_usage_limits", {"usageLimits": limits} if limits else {}, usage)
        if call == "create_usage_limit":
            aws.add_response(call, {}, {**usage, **wanted, "period": "daily"})
        elif call:
            aws.add_response(call, {}, {"usageLimitId": "u1", **wanted})
        assert consumption.keep_limit(DEV, redshift) == 12
        aws.assert_no_pending_responses()
    variables.setenv("STRATA_REDSHIFT_RPU_HOURS", "many")
    with pytest.raises(StrataError, match="is 'many'"):
        consumption.keep_limit(DEV, redshift)


def test_the_external_schema_is_serving_with_the_readers_role() -> None:
    """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_SCHEMA.html."""
    assert consumption.external_schema(DEV, "analyst", "aws").splitlines()[:4] == [
        "create external schema if not exists serving",
        "from data catalog database 'serving'",
        "region 'eu-west-1'",
        "iam_role 'arn:aws:iam::123456789012:role/strata-dev-analyst';",
    ]
