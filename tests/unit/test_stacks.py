"""Which stacks an environment has, and in which order they are deployed."""

from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from strata.deploy import order, stacks
from strata.deploy.code import Artifacts
from strata.environment import Environment
from strata.errors import StrataError
from tests.template_rules import imports, load

INFRA = Path(__file__).resolve().parents[2] / "infra"
DEV = Environment("dev", "123456789012", "eu-west-1")
LOCAL = Environment("local", "000000000000", "us-east-1")


def test_the_network_is_chosen_and_the_audit_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRATA_NETWORK", "STRATA_AUDIT"):
        monkeypatch.delenv(name, raising=False)
    artifacts = Artifacts("code", "landing", "compaction", "project")
    given = [stack.parameters.get("Network") for stack in stacks.shared_stacks(DEV, artifacts)]
    assert given == [None, "off", None]
    assert (stacks.has_network(DEV), stacks.has_audit(DEV)) == (False, True)
    monkeypatch.setenv("STRATA_NETWORK", "on")
    monkeypatch.setenv("STRATA_AUDIT", "off")
    given = [stack.parameters.get("Network") for stack in stacks.shared_stacks(DEV, artifacts)]
    assert given == [None, "on", None]
    assert (stacks.has_network(DEV), stacks.has_audit(DEV)) == (True, False)
    assert (stacks.has_network(LOCAL), stacks.has_audit(LOCAL)) == (False, False)
    monkeypatch.setenv("STRATA_AUDIT", "yes")
    with pytest.raises(StrataError, match="STRATA_AUDIT is 'yes'"):
        stacks.has_audit(DEV)


def test_the_network_knows_the_addresses_of_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_NETWORK_ZONES", "3")
    monkeypatch.delenv("STRATA_NETWORK_CIDR", raising=False)
    ec2 = boto3.client("ec2", region_name="eu-west-1")
    asked = {"Filters": [{"Name": "prefix-list-name", "Values": ["com.amazonaws.eu-west-1.s3"]}]}
    with Stubber(ec2) as aws:
        found = {"PrefixLists": [{"PrefixListId": "pl-6da54004"}]}
        aws.add_response("describe_managed_prefix_lists", found, asked)
        stack = stacks.network_stack(DEV, ec2)
        aws.add_response("describe_managed_prefix_lists", {"PrefixLists": []}, asked)
        with pytest.raises(StrataError, match=r"no prefix list com\.amazonaws\.eu-west-1\.s3"):
            stacks.network_stack(DEV, ec2)
    assert stack.name == "strata-dev-network"
    expected = {"Environment": "dev", "S3PrefixList": "pl-6da54004", "Zones": "3"}
    assert stack.parameters == expected
    assert set(expected) <= set(load(INFRA / "network.yaml")["Parameters"])


def test_each_stack_comes_after_those_whose_exports_itimports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRATA_NETWORK", "on")
    monkeypatch.setenv("STRATA_AUDIT", "on")
    network = stacks.Stack("strata-dev-network", "network.yaml", {})
    monkeypatch.setattr(order, "client", lambda service: None)
    monkeypatch.setattr(stacks, "network_stack", lambda *given: network)
    deployed = [s.template for s in order.shared(DEV, Artifacts("a", "b", "c", "d"))]
    exported: set[str] = set()
    for name in deployed:
        template = load(INFRA / name)
        assert set(imports(template)) <= exported, name
        outputs = template.get("Outputs", {}).values()
        exported |= {o["Export"]["Name"]["Fn::Sub"] for o in outputs if "Export" in o}
    assert {"network.yaml", "audit.yaml"} <= set(deployed)
