"""The templates keep the rules of tests/template_rules.py, and each rule sees what breaks it."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from tests.template_rules import (
    RULES,
    Rule,
    Template,
    buckets_are_encrypted_and_closed,
    buckets_are_owned_logged_and_swept,
    endpoints_let_this_account_through_only,
    exports_carry_the_environment,
    grants_name_actions_and_resources,
    identity_policies,
    imports,
    listed,
    load,
    log_buckets,
    logs_expire_and_are_encrypted,
    no_way_to_the_internet,
    of_type,
    resource_grants_name_principals,
    security_groups_name_their_peers,
    services_act_for_this_account_only,
    statements,
    stores_are_retained,
    tools_read_as_a_reader,
    warehouses_are_closed,
    what_waits_is_encrypted,
    writes_take_the_key_of_the_bucket,
)

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEMPLATES = {path.name: load(path) for path in sorted(INFRA.glob("*.yaml"))}
NETWORK, AUDIT, STORAGE = (TEMPLATES[f"{name}.yaml"] for name in ("network", "audit", "storage"))
CONSUMPTION, READER = (TEMPLATES[f"{name}.yaml"] for name in ("consumption", "reader"))
NETWORKED = TEMPLATES["ingestion.yaml"]
ANYWHERE = {"Type": "AWS::EC2::Route", "Properties": {"DestinationCidrBlock": "0.0.0.0/0"}}


def put(*path: Any, value: Any) -> Callable[[Template], None]:
    """The edit of a template that puts a value at a path below its resources."""

    def edit(template: Template) -> None:
        node = template["Resources"]
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return edit


def drop(*path: Any) -> Callable[[Template], None]:
    """The edit of a template that removes what is at a path below its resources."""

    def edit(template: Template) -> None:
        node = template["Resources"]
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]

    return edit


def _export_without_environment(template: Template) -> None:
    template["Outputs"]["TrailArn"]["Export"]["Name"] = {"Fn::Sub": "strata-trail"}


FLOW_GRANT = ("FlowLogRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 0)
TRAIL_TRUST = ("TrailRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0)
DEFAULT_KEY = ("BucketEncryption", "ServerSideEncryptionConfiguration", 0)
S3_LIMIT = ("S3Endpoint", "Properties", "PolicyDocument", "Statement", 1)
BROKEN: list[tuple[Rule, Template, Callable[[Template], None]]] = [
    (no_way_to_the_internet, NETWORK, put("Out", value={"Type": "AWS::EC2::NatGateway"})),
    (no_way_to_the_internet, NETWORK, put("Out", value=ANYWHERE)),
    (no_way_to_the_internet, NETWORK, drop("FirstSubnet", "Properties", "MapPublicIpOnLaunch")),
    (
        security_groups_name_their_peers,
        NETWORK,
        drop("EndpointsGroup", "Properties", "SecurityGroupEgress"),
    ),
    (
        security_groups_name_their_peers,
        NETWORK,
        drop("EndpointsFromJobs", "Properties", "SourceSecurityGroupId"),
    ),
    (services_act_for_this_account_only, AUDIT, drop(*TRAIL_TRUST, "Condition")),
    (
        services_act_for_this_account_only,
        AUDIT,
        drop("AuditPolicy", "Properties", "PolicyDocument", "Statement", 2, "Condition"),
    ),
    (grants_name_actions_and_resources, NETWORK, put(*FLOW_GRANT, "Action", value="logs:*")),
    (grants_name_actions_and_resources, NETWORK, put(*FLOW_GRANT, "Resource", value="*")),
    (
        grants_name_actions_and_resources,
        NETWORK,
        put(*FLOW_GRANT, "Resource", value={"Fn::Sub": "arn:${AWS::Partition}:s3:::*/*"}),
    ),
    (
        resource_grants_name_principals,
        AUDIT,
        put("AuditPolicy", "Properties", "PolicyDocument", "Statement", 2, "Principal", value="*"),
    ),
    (
        endpoints_let_this_account_through_only,
        NETWORK,
        drop("InterfaceEndpointsts", "Properties", "PolicyDocument"),
    ),
    (endpoints_let_this_account_through_only, NETWORK, drop(*S3_LIMIT, "Condition")),
    (endpoints_let_this_account_through_only, NETWORK, put(*S3_LIMIT, "Resource", value="*")),
    (stores_are_retained, STORAGE, drop("GoldBucket", "DeletionPolicy")),
    (buckets_are_encrypted_and_closed, STORAGE, drop("GoldPolicy")),
    (
        buckets_are_encrypted_and_closed,
        AUDIT,
        put(
            "AuditBucket", "Properties", "PublicAccessBlockConfiguration", "BlockPublicAcls",
            value=False,
        ),
    ),
    (
        buckets_are_encrypted_and_closed,
        AUDIT,
        drop("AuditBucket", "Properties", "BucketEncryption"),
    ),
    (
        buckets_are_encrypted_and_closed,
        STORAGE,
        drop("GoldBucket", "Properties", *DEFAULT_KEY, "BucketKeyEnabled"),
    ),
    (
        buckets_are_encrypted_and_closed,
        STORAGE,
        put("AccessLogsBucket", "Properties", *DEFAULT_KEY, "ServerSideEncryptionByDefault",
            "SSEAlgorithm", value="aws:kms"),
    ),
    *(
        (
            writes_take_the_key_of_the_bucket,
            STORAGE,
            drop("GoldPolicy", "Properties", "PolicyDocument", "Statement", statement),
        )
        for statement in (1, 2)
    ),
    (
        writes_take_the_key_of_the_bucket,
        STORAGE,
        put("SilverBucket", "Properties", *DEFAULT_KEY, "ServerSideEncryptionByDefault",
            "KMSMasterKeyID", value={"Fn::GetAtt": ["LandingKey", "Arn"]}),
    ),
    *(
        (buckets_are_owned_logged_and_swept, STORAGE, drop("BronzeBucket", "Properties", *path))
        for path in (
            ("OwnershipControls",), ("LoggingConfiguration",),
            ("LifecycleConfiguration", "Rules", 0), ("LifecycleConfiguration", "Rules", 1),
        )
    ),
    *(
        (warehouses_are_closed, CONSUMPTION, drop("Workgroup", "Properties", name))
        for name in ("PubliclyAccessible", "EnhancedVpcRouting", "MaxCapacity", "ConfigParameters")
    ),
    *(
        (warehouses_are_closed, CONSUMPTION, drop("Namespace", "Properties", name))
        for name in ("KmsKeyId", "ManageAdminPassword", "LogExports")
    ),
    (tools_read_as_a_reader, CONSUMPTION, drop("Namespace", "Properties", "IamRoles")),
    (
        tools_read_as_a_reader,
        CONSUMPTION,
        put("DataSource", "Properties", "DataSourceParameters", "AthenaParameters", "WorkGroup",
            value="strata"),
    ),
    (
        tools_read_as_a_reader,
        CONSUMPTION,
        put("PublishedColumns", "Properties", "ImportMode", value="SPICE"),
    ),
    (
        tools_read_as_a_reader,
        CONSUMPTION,
        put("DataSource", "Properties", "Permissions", 0, "Actions",
            value=["quicksight:UpdateDataSource"]),
    ),
    (
        services_act_for_this_account_only,
        READER,
        drop("Role", "Properties", "AssumeRolePolicyDocument", "Statement", 1, "Fn::If", 1,
             "Condition"),
    ),
    (what_waits_is_encrypted, AUDIT, drop("Trail", "Properties", "KMSKeyId")),
    (what_waits_is_encrypted, AUDIT, drop("AuditKey", "Properties", "EnableKeyRotation")),
    (logs_expire_and_are_encrypted, AUDIT, drop("TrailLogs", "Properties", "RetentionInDays")),
    (logs_expire_and_are_encrypted, AUDIT, drop("TrailLogs", "Properties", "KmsKeyId")),
    (exports_carry_the_environment, AUDIT, _export_without_environment),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_template_keeps_the_rule(name: str, rule: Rule) -> None:
    assert list(rule(TEMPLATES[name])) == []


@pytest.mark.parametrize(("rule", "template", "edit"), BROKEN)
def test_the_rule_sees_what_breaks_it(
    rule: Rule, template: Template, edit: Callable[[Template], None]
) -> None:
    broken = copy.deepcopy(template)
    edit(broken)
    assert list(rule(broken)) != []


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_holds_an_account_or_a_partition(name: str) -> None:
    text = (INFRA / name).read_text()
    assert not re.search(r"arn:aws[a-z-]*:|:\d{12}:", text)


def test_what_a_template_imports_another_exports() -> None:
    exported = {
        output["Export"]["Name"]["Fn::Sub"]
        for template in TEMPLATES.values()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }
    imported = {name for template in TEMPLATES.values() for name in imports(template)}
    assert "strata-${Environment}-connection" in imported
    assert imported <= exported


def test_a_reader_has_no_right_in_the_buckets_of_data() -> None:
    """So that Lake Formation decides what Redshift and QuickSight read with its role, too."""
    granted = [
        str(statement["Resource"])
        for _, policy in identity_policies(READER)
        for statement in statements(policy)
        if any(action.startswith("s3:") for action in listed(statement["Action"]))
    ]
    assert granted
    assert all("-athena-results" in resource for resource in granted)


def test_the_jobs_of_an_environment_with_a_network_run_in_it() -> None:
    """Both need the connection, and the rights to plug into its subnet."""
    condition = NETWORKED["Conditions"]["InTheNetwork"]
    assert condition == {"Fn::Equals": [{"Ref": "Network"}, "on"]}
    jobs = dict(of_type(NETWORKED, "AWS::Glue::Job"))
    assert len(jobs) == 2
    for job in jobs.values():
        chosen, connected, otherwise = job["Connections"]["Fn::If"]
        assert (chosen, otherwise) == ("InTheNetwork", {"Ref": "AWS::NoValue"})
        assert list(imports(connected)) == ["strata-${Environment}-connection"]
        role = NETWORKED["Resources"][job["Role"]["Fn::GetAtt"][0]]["Properties"]
        chosen, rights, otherwise = role["ManagedPolicyArns"]["Fn::If"]
        assert (chosen, otherwise) == ("InTheNetwork", {"Ref": "AWS::NoValue"})
        assert list(imports(rights)) == ["strata-${Environment}-jobs-in-the-network"]


def test_glue_finds_its_group_open_to_itself_on_every_tcp_port() -> None:
    """https://docs.aws.amazon.com/glue/latest/dg/setup-vpc-for-glue-access.html."""
    rules = [rule for _, rule in of_type(NETWORK, "AWS::EC2::SecurityGroupIngress")]
    jobs = {"Ref": "JobsGroup"}
    (own,) = [r for r in rules if r["GroupId"] == jobs and r["SourceSecurityGroupId"] == jobs]
    assert (own["IpProtocol"], own["FromPort"], own["ToPort"]) == ("tcp", 0, 65535)
    (connection,) = of_type(NETWORK, "AWS::Glue::Connection")
    placed = connection[1]["ConnectionInput"]["PhysicalConnectionRequirements"]
    assert placed["SecurityGroupIdList"] == [jobs]


def test_every_aws_client_of_the_jobs_has_an_endpoint() -> None:
    made = {
        name
        for path in (INFRA.parent / "scripts" / "aws_code").rglob("*job*.py")
        for name in re.findall(r'boto3\.client\("([a-z0-9]+)"\)', path.read_text())
    }
    assert "secretsmanager" in made
    service = {"cloudwatch": "monitoring"}
    reached = {
        str(endpoint["ServiceName"]["Fn::Sub"]).removeprefix("com.amazonaws.${AWS::Region}.")
        for _, endpoint in of_type(NETWORK, "AWS::EC2::VPCEndpoint")
    }
    assert {service.get(name, name) for name in made} <= reached


def test_the_trail_logs_every_bucket_of_the_lake_and_not_its_own() -> None:
    (trail,) = [found for _, found in of_type(AUDIT, "AWS::CloudTrail::Trail")]
    assert trail["IsMultiRegionTrail"] is True
    assert trail["EnableLogFileValidation"] is True
    (objects,) = [
        fields["resources.ARN"]["StartsWith"]
        for selector in trail["AdvancedEventSelectors"]
        if "resources.ARN"
        in (fields := {field["Field"]: field for field in selector["FieldSelectors"]})
    ]
    # What is delivered to the bucket of access logs is no access to the lake.
    buckets = {
        found["BucketName"]["Fn::Sub"]
        for name, found in of_type(STORAGE, "AWS::S3::Bucket")
        if name not in log_buckets(STORAGE)
    }
    # A prefix ends with a slash, or it would match buckets whose names begin alike.
    arns = {f"arn:${{AWS::Partition}}:s3:::{bucket}/" for bucket in buckets}
    assert {arn["Fn::Sub"] for arn in objects} == arns


def test_who_read_what_asks_for_columns_that_the_table_has() -> None:
    (table,) = [found["TableInput"] for _, found in of_type(AUDIT, "AWS::Glue::Table")]
    (query,) = [found["QueryString"] for _, found in of_type(AUDIT, "AWS::Athena::NamedQuery")]
    columns = [*table["StorageDescriptor"]["Columns"], *table["PartitionKeys"]]
    asked = sqlglot.parse_one(query, dialect="athena").find_all(sqlglot.exp.Column)
    roots = {column.parts[0].name for column in asked} - {"reads"}
    assert roots == {
        "day", "errorcode", "eventname", "eventsource", "eventtime", "requestparameters",
        "useridentity",
    }  # fmt: skip
    assert roots <= {column["Name"] for column in columns}


def test_the_auditor_alone_may_read_the_trail() -> None:
    """No role of any template but the auditor's names the audit bucket or opens its key."""
    readers = set()
    for name, template in TEMPLATES.items():
        for role, policy in identity_policies(template):
            for statement in statements(policy):
                text = str(statement["Resource"])
                if "AuditBucket" in text or "AuditKey" in text or "-audit/" in text:
                    readers.add((name, role, *listed(statement["Action"])))
    assert readers == {
        ("audit.yaml", "AuditorRole", "s3:ListBucket"),
        ("audit.yaml", "AuditorRole", "s3:GetObject"),
        ("audit.yaml", "AuditorRole", "kms:Decrypt"),
    }


def test_the_auditor_reads_nothing_of_the_lake() -> None:
    own = [policy for role, policy in identity_policies(AUDIT) if role == "AuditorRole"]
    resources = [str(s["Resource"]) for policy in own for s in statements(policy)]
    for layer in ("landing", "bronze", "silver", "gold"):
        assert not any(f"-{layer}" in resource for resource in resources)
