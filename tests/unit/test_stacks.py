"""Which stacks an environment has, and in which order they are deployed."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from strata import declarations
from strata.deploy import order, stacks
from strata.deploy.code import Artifacts
from strata.environment import Environment
from strata.errors import StrataError
from tests.template_rules import imports, load

PARTNER = {
    "ingest": "batch",
    "key": ["id"],
    "event_time": "id",
    "start": "2013-01-01",
    "owner": "a",
}
INFRA = Path(__file__).resolve().parents[2] / "infra"
DEV = Environment("dev", "123456789012", "eu-west-1")
LOCAL = Environment("local", "000000000000", "us-east-1")


def parse(meta: dict[str, Any]) -> declarations.Source:
    """A declared batch source with more in its `meta`."""
    node = {
        "source_name": "a", "name": "b", "schema": "bronze_a", "description": "B.",
        "original_file_path": "a.yml", "config": {"meta": {**PARTNER, **meta}},
        "external": {"location": "a/b/", "file_format": "json"},
        "columns": {"id": {"name": "id", "config": {"meta": {"type": "varchar"}}}},
    }  # fmt: skip
    (source,) = declarations.sources({"sources": {"source.a.b": node}})
    return source


def test_the_network_is_chosen_and_the_audit_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRATA_NETWORK", "STRATA_AUDIT"):
        monkeypatch.delenv(name, raising=False)
    artifacts = Artifacts("code", "landing", "compaction", "spark", "project")
    given = [stack.parameters.get("Network") for stack in stacks.shared_stacks(DEV, artifacts, [])]
    assert given == [None, "off", None]
    assert (stacks.has_network(DEV), stacks.has_audit(DEV)) == (False, True)
    monkeypatch.setenv("STRATA_NETWORK", "on")
    monkeypatch.setenv("STRATA_AUDIT", "off")
    given = [stack.parameters.get("Network") for stack in stacks.shared_stacks(DEV, artifacts, [])]
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


def test_spark_is_deployed_and_watched_where_a_source_declares_it() -> None:
    artifacts = Artifacts("code", "landing", "compaction", "spark", "project")
    source = parse({"engine": "spark", "worker_type": "G.2X", "workers": 4})
    found = stacks.shared_stacks(DEV, artifacts, [source])
    assert [s.template for s in found][-2:] == ["spark.yaml", "monitoring.yaml"]
    spark, monitoring = found[-2:]
    assert set(spark.parameters) == set(load(INFRA / "spark.yaml")["Parameters"])
    assert spark.parameters["SparkScriptKey"] == "spark"
    resources = load(INFRA / "spark.yaml")["Resources"]
    name = resources["SparkJob"]["Properties"]["Name"]["Fn::Sub"]
    assert monitoring.parameters["SparkJob"] == name.replace("${Environment}", "dev")
    for environment, sources in ((DEV, [parse({})]), (LOCAL, [source])):
        assert "spark.yaml" not in [
            s.template for s in stacks.shared_stacks(environment, artifacts, sources)
        ]


def test_the_spark_job_is_measured_logged_and_encrypted() -> None:
    resources = load(INFRA / "spark.yaml")["Resources"]
    job = resources["SparkJob"]["Properties"]
    assert (job["Command"]["Name"], job["ExecutionClass"]) == ("glueetl", "STANDARD")
    assert job["SecurityConfiguration"] == {"Ref": "Encryption"}
    assert (job["WorkerType"], job["NumberOfWorkers"]) == ("G.1X", 2)
    assert job["Timeout"] and job["MaxRetries"] == 1
    for switch in ("--enable-metrics", "--enable-continuous-cloudwatch-log"):
        assert job["DefaultArguments"][switch] == "true"
    # Its arguments are those of the Python-shell job.
    landing = load(INFRA / "ingestion.yaml")["Resources"]["LandingJob"]["Properties"]
    own = {name for name in landing["DefaultArguments"] if name.startswith("--")}
    assert own <= set(job["DefaultArguments"])


def test_the_spark_role_may_what_the_landing_role_may_but_redrive() -> None:
    def grants(template: str, role: str) -> dict[str, Any]:
        found = load(INFRA / template)["Resources"][role]["Properties"]["Policies"][0]
        return {
            s["Sid"]: (s["Action"], s["Resource"]) for s in found["PolicyDocument"]["Statement"]
        }

    spark, landing = grants("spark.yaml", "SparkRole"), grants("ingestion.yaml", "LandingRole")
    of_data = {"ListLanding", "MoveLandingFiles", "WriteBronze", "ReadItsOwnCode", "ReadTheKey"}
    assert {sid: spark[sid] for sid in of_data} == {sid: landing[sid] for sid in of_data}
    assert not {"FindWhatFirehoseKept", "RedriveWhatFirehoseKept"} & set(spark)


def test_each_stack_comes_after_those_whose_exports_itimports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRATA_NETWORK", "on")
    monkeypatch.setenv("STRATA_AUDIT", "on")
    network = stacks.Stack("strata-dev-network", "network.yaml", {})
    monkeypatch.setattr(order, "client", lambda service: None)
    monkeypatch.setattr(stacks, "network_stack", lambda *given: network)
    spark = parse({"engine": "spark", "worker_type": "G.1X", "workers": 2})
    deployed = [s.template for s in order.shared(DEV, Artifacts("a", "b", "c", "d", "e"), [spark])]
    exported: set[str] = set()
    for name in deployed:
        template = load(INFRA / name)
        assert set(imports(template)) <= exported, name
        outputs = template.get("Outputs", {}).values()
        exported |= {o["Export"]["Name"]["Fn::Sub"] for o in outputs if "Export" in o}
    assert {"network.yaml", "audit.yaml", "spark.yaml"} <= set(deployed)
