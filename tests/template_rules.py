"""Rules that the CloudFormation templates keep, by what AWS documents, read from their parsed YAML.

Each rule is a function from a template to what breaks it.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cfnlint.decode import decode

Template = dict[str, Any]
Rule = Callable[[Template], Iterator[str]]

# Lambda and Glue send neither aws:SourceAccount nor aws:SourceArn when they take a job's or a
# function's role; that iam:PassRole cannot cross accounts protects these roles.
WITHOUT_SOURCE = {"lambda.amazonaws.com", "glue.amazonaws.com"}
# The Service Authorization Reference lists no resource type for these.
WITHOUT_RESOURCE = re.compile(
    r"ec2:Describe[A-Za-z]+|cloudwatch:PutMetricData|cloudformation:List[A-Za-z]+"
    r"|cloudformation:DescribeStackDriftDetectionStatus|cloudtrail:DescribeTrails"
    r"|dms:Describe[A-Za-z]+|kms:CreateKey|lambda:(Create|Get)EventSourceMapping"
    r"|glue:(Create|Delete|Get)SecurityConfiguration|lakeformation:[A-Za-z]+|secretsmanager:GetRandomPassword"
    # All stacks, without a name.
    r"|cloudformation:DescribeStacks"
)
WAYS_OUT = {
    "AWS::EC2::CarrierGateway", "AWS::EC2::EIP", "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::TransitGatewayAttachment",
    "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::VPCPeeringConnection", "AWS::EC2::VPNGateway",
}  # fmt: skip
STORES = {"AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret"}
ENCRYPTED_BY = {
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::Kinesis::Stream": "StreamEncryption",
    "AWS::CloudTrail::Trail": "KMSKeyId",
}


def load(path: Path) -> Template:
    """A template, its loops over resources written out."""
    template, errors = decode(str(path))
    assert not errors, errors
    template["Resources"] = dict(_unrolled(template["Resources"]))
    return template


def _unrolled(resources: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in resources.items():
        if not key.startswith("Fn::ForEach::"):
            yield key, value
            continue
        variable, items, bodies = value
        for item in items:
            for name, body in bodies.items():
                plain = name.replace(f"&{{{variable}}}", re.sub(r"\W", "", item))
                yield plain, _replaced(body, f"${{{variable}}}", item)


def _replaced(node: Any, old: str, new: str) -> Any:
    if isinstance(node, dict):
        return {key: _replaced(value, old, new) for key, value in node.items()}
    if isinstance(node, list):
        return [_replaced(value, old, new) for value in node]
    return node.replace(old, new) if isinstance(node, str) else node


def of_type(template: Template, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resources of some types: their names, and their properties."""
    for name, resource in template["Resources"].items():
        if resource["Type"] in types:
            yield name, resource.get("Properties", {})


def listed(value: Any) -> list[Any]:
    """IAM lets a single element stand without its list."""
    return value if isinstance(value, list) else [value]


def statements(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of a policy, both branches of a condition included."""
    for statement in listed(policy["Statement"]):
        branches = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
        yield from (branch for branch in branches if "Effect" in branch)


def identity_policies(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policies of what acts; a boundary is a limit and grants nothing."""
    for name, role in of_type(template, "AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"):
        for policy in role.get("Policies", []):
            yield name, policy["PolicyDocument"]
    for name, policy in of_type(template, "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        if not name.endswith("Boundary"):
            yield name, policy["PolicyDocument"]


def resource_policies(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policies of what is acted on, roles that are assumed among them."""
    for name, role in of_type(template, "AWS::IAM::Role"):
        yield name, role["AssumeRolePolicyDocument"]
    for name, key in of_type(template, "AWS::KMS::Key"):
        yield name, key["KeyPolicy"]
    kinds = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
    for name, policy in of_type(template, *kinds):
        yield name, policy["PolicyDocument"]


def condition_keys(statement: dict[str, Any]) -> set[str]:
    """The keys that a statement's conditions look at."""
    return {key for keys in statement.get("Condition", {}).values() for key in keys}


def imports(node: Any) -> Iterator[str]:
    """The exports that a part of a template imports."""
    if isinstance(node, dict):
        if "Fn::ImportValue" in node:
            yield node["Fn::ImportValue"]["Fn::Sub"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from imports(child)


def no_way_to_the_internet(template: Template) -> Iterator[str]:
    """https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html."""
    yield from (name for name, _ in of_type(template, *WAYS_OUT))
    for name, route in of_type(template, "AWS::EC2::Route"):
        if {"0.0.0.0/0", "::/0"} & {
            route.get("DestinationCidrBlock"), route.get("DestinationIpv6CidrBlock")
        }:  # fmt: skip
            yield f"{name}: leads anywhere"
    for name, subnet in of_type(template, "AWS::EC2::Subnet"):
        if subnet.get("MapPublicIpOnLaunch") is not False:
            yield f"{name}: public addresses"


def security_groups_name_their_peers(template: Template) -> Iterator[str]:
    """A group without egress of its own gets the rule that lets all traffic out.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
    """
    rules = [*of_type(template, "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress")]
    for name, group in of_type(template, "AWS::EC2::SecurityGroup"):
        if not group.get("SecurityGroupEgress"):
            yield f"{name}: the default rule lets it send anywhere"
        for kind in ("SecurityGroupIngress", "SecurityGroupEgress"):
            rules += [(name, rule) for rule in group.get(kind, [])]
    peers = {"SourceSecurityGroupId", "DestinationSecurityGroupId", "DestinationPrefixListId"}
    for name, rule in rules:
        if not peers & set(rule) and rule.get("CidrIp") != "127.0.0.1/32":
            yield f"{name}: {rule.get('Description')}"


def services_act_for_this_account_only(template: Template) -> Iterator[str]:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html."""
    # Redshift names the user of its database, with the account, as the external id.
    sources = {
        "aws:SourceAccount", "aws:SourceArn", "kms:EncryptionContext:aws:logs:arn",
        "sts:ExternalId",
    }  # fmt: skip
    for name, policy in resource_policies(template):
        for statement in statements(policy):
            principal = statement["Principal"]
            services = listed(principal.get("Service", [])) if isinstance(principal, dict) else []
            takes_role = statement["Action"] == "sts:AssumeRole"
            excused = takes_role and all(
                isinstance(service, str) and service in WITHOUT_SOURCE for service in services
            )
            if services and not excused and not sources & condition_keys(statement):
                yield f"{name}: {services}"


def grants_name_actions_and_resources(template: Template) -> Iterator[str]:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html."""
    for name, policy in identity_policies(template):
        for statement in statements(policy):
            if statement["Effect"] != "Allow":
                continue
            actions = listed(statement["Action"])
            yield from (f"{name}: {action}" for action in actions if "*" in action)
            resources = (
                str(resource.get("Fn::Sub", resource)) if isinstance(resource, dict) else resource
                for resource in listed(statement["Resource"])
            )
            anything = any(re.fullmatch(r"\*|.+:s3:::\*.*", resource) for resource in resources)
            if anything:
                known = (action for action in actions if not WITHOUT_RESOURCE.fullmatch(action))
                yield from (f"{name}: {action} on anything" for action in known)


def resource_grants_name_principals(template: Template) -> Iterator[str]:
    """No policy of a resource allows everybody."""
    for name, policy in resource_policies(template):
        for statement in statements(policy):
            if statement["Effect"] == "Allow" and statement["Principal"] in ("*", {"AWS": "*"}):
                yield f"{name}: {statement.get('Sid')}"


def endpoints_let_this_account_through_only(template: Template) -> Iterator[str]:
    """An endpoint's policy is a limit, not a grant; without one it lets all through.

    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    """
    own = "arn:${AWS::Partition}:s3:::strata-${Environment}-${AWS::AccountId}-"
    for name, endpoint in of_type(template, "AWS::EC2::VPCEndpoint"):
        if endpoint["VpcEndpointType"] == "Interface" and not endpoint.get("PrivateDnsEnabled"):
            yield f"{name}: public DNS"
        policy = endpoint.get("PolicyDocument")
        if policy is None:
            yield f"{name}: no policy"
            continue
        for statement in statements(policy):
            resource = str(statement["Resource"])
            reads_glue = "s3:::aws-glue-*/*" in resource and statement["Action"] == "s3:GetObject"
            if not reads_glue and "aws:PrincipalAccount" not in condition_keys(statement):
                yield f"{name}: {statement['Sid']} lets other accounts through"
            if endpoint["VpcEndpointType"] == "Gateway" and not reads_glue and own not in resource:
                yield f"{name}: {statement['Sid']} reaches other buckets"


def stores_are_retained(template: Template) -> Iterator[str]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html."""
    for name, resource in template["Resources"].items():
        kept = {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")} == {"Retain"}
        if resource["Type"] in STORES and not kept:
            yield name


def log_buckets(template: Template) -> set[str]:
    """The buckets that the access logs of others go to."""
    return {
        found["LoggingConfiguration"]["DestinationBucketName"]["Ref"]
        for _, found in of_type(template, "AWS::S3::Bucket")
        if "Ref" in found.get("LoggingConfiguration", {}).get("DestinationBucketName", {})
    }


def buckets_are_encrypted_and_closed(template: Template) -> Iterator[str]:
    """A key of KMS, no public access of the four kinds, and no request without TLS.

    S3 delivers access logs to buckets with SSE-S3 only:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    closed = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
    with_tls = {
        policy["Bucket"]["Ref"]
        for _, policy in of_type(template, "AWS::S3::BucketPolicy")
        for statement in statements(policy["PolicyDocument"])
        if statement["Effect"] == "Deny"
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    }
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        rules = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])
        default = rules[0].get("ServerSideEncryptionByDefault", {})
        if name in log_buckets(template):
            if default != {"SSEAlgorithm": "AES256"}:
                yield f"{name}: access logs cannot be delivered"
        elif default.get("SSEAlgorithm") != "aws:kms" or "KMSMasterKeyID" not in default:
            yield f"{name}: not encrypted with a key of ours"
        elif rules[0].get("BucketKeyEnabled") is not True:
            yield f"{name}: a call of KMS for each object"
        block = bucket.get("PublicAccessBlockConfiguration", {})
        if {key for key, value in block.items() if value is True} != closed:
            yield f"{name}: open to the public"
        if name not in with_tls:
            yield f"{name}: answers without TLS"


def writes_take_the_key_of_the_bucket(template: Template) -> Iterator[str]:
    """A request that names an encryption must name the default key; one that names none gets it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    sse = "s3:x-amz-server-side-encryption"
    denied: dict[str, list[Any]] = {}
    for _, policy in of_type(template, "AWS::S3::BucketPolicy"):
        found = [
            statement["Condition"]
            for statement in statements(policy["PolicyDocument"])
            if (statement["Effect"], statement["Action"]) == ("Deny", "s3:PutObject")
        ]
        denied[policy["Bucket"]["Ref"]] = found
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        # CloudTrail alone writes to the trail's bucket, with the key that the trail names.
        if name in log_buckets(template) or "ObjectLockConfiguration" in bucket:
            continue
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        key = rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        other = {"Null": {sse: "false"}, "StringNotEquals": {f"{sse}-aws-kms-key-id": key}}
        if other not in denied.get(name, []):
            yield f"{name}: takes other keys"
        if {"Null": {f"{sse}-customer-algorithm": "false"}} not in denied.get(name, []):
            yield f"{name}: takes keys of who writes"


def buckets_are_owned_logged_and_swept(template: Template) -> Iterator[str]:
    """No ACLs, access logs, no parts of uploads that were given up, and an end for old versions.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
    """
    owned = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        if bucket.get("OwnershipControls") != owned:
            yield f"{name}: its objects may belong to others"
        if "LoggingConfiguration" not in bucket and name not in log_buckets(template):
            yield f"{name}: nobody knows who asked for what"
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
            yield f"{name}: keeps parts of uploads"
        whole = (rule for rule in rules if "Prefix" not in rule)
        ends = any("NoncurrentVersionExpiration" in rule for rule in whole)
        if "VersioningConfiguration" in bucket and not ends:
            yield f"{name}: keeps every version"


def what_waits_is_encrypted(template: Template) -> Iterator[str]:
    """Secrets, queues, topics, streams and trails, with keys of KMS; keys rotate."""
    for kind, key in ENCRYPTED_BY.items():
        yield from (name for name, found in of_type(template, kind) if key not in found)
    for name, key in of_type(template, "AWS::KMS::Key"):
        if key.get("EnableKeyRotation") is not True:
            yield f"{name}: does not rotate"


def logs_expire_and_are_encrypted(template: Template) -> Iterator[str]:
    """A log group without retention keeps everything, for ever; without a key it has AWS's.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    for name, group in of_type(template, "AWS::Logs::LogGroup"):
        if "RetentionInDays" not in group:
            yield f"{name}: never expires"
        if "KmsKeyId" not in group:
            yield f"{name}: not encrypted with a key of ours"


def exports_carry_the_environment(template: Template) -> Iterator[str]:
    """Exports are unique in an account and a region: environments share both."""
    for name, output in template.get("Outputs", {}).items():
        exported = output.get("Export", {}).get("Name")
        if exported and not str(exported.get("Fn::Sub", "")).startswith("strata-${Environment}-"):
            yield name


def warehouses_are_closed(template: Template) -> Iterator[str]:
    """https://docs.aws.amazon.com/redshift/latest/mgmt/security-network-isolation.html."""
    for name, group in of_type(template, "AWS::RedshiftServerless::Workgroup"):
        if group.get("PubliclyAccessible") is not False or not group.get("SubnetIds"):
            yield f"{name}: public"
        if group.get("EnhancedVpcRouting") is not True:
            yield f"{name}: its traffic leaves the network"
        if "MaxCapacity" not in group:
            yield f"{name}: grows without end"
        if {"ParameterKey": "require_ssl", "ParameterValue": "true"} not in group.get(
            "ConfigParameters", []
        ):
            yield f"{name}: without TLS"
    for name, space in of_type(template, "AWS::RedshiftServerless::Namespace"):
        if "KmsKeyId" not in space or "AdminPasswordSecretKmsKeyId" not in space:
            yield f"{name}: not encrypted with a key of ours"
        if space.get("ManageAdminPassword") is not True or "AdminUserPassword" in space:
            yield f"{name}: somebody knows its password"
        if set(space.get("LogExports", [])) != {"connectionlog", "useractivitylog", "userlog"}:
            yield f"{name}: nobody knows who did what"


def tools_read_as_a_reader(template: Template) -> Iterator[str]:
    """With a reader's role and workgroup, and without a copy that Lake Formation is not asked about."""
    role = {"Fn::ImportValue": {"Fn::Sub": "strata-${Environment}-reader-${Reader}"}}
    for name, space in of_type(template, "AWS::RedshiftServerless::Namespace"):
        if space.get("IamRoles") != [role] or space.get("DefaultIamRoleArn") != role:
            yield f"{name}: has other rights"
    for name, source in of_type(template, "AWS::QuickSight::DataSource"):
        found = source["DataSourceParameters"]["AthenaParameters"]
        if found != {"WorkGroup": {"Fn::Sub": "strata-${Reader}"}, "RoleArn": role}:
            yield f"{name}: does not read as a reader"
        yield from (f"{name}: changes" for grant in source["Permissions"] if _changes(grant))
    for name, data in of_type(template, "AWS::QuickSight::DataSet"):
        if data.get("ImportMode") != "DIRECT_QUERY":
            yield f"{name}: a copy in SPICE"
        yield from (f"{name}: changes" for grant in data["Permissions"] if _changes(grant))


def _changes(grant: dict[str, Any]) -> bool:
    return any(re.search(r":(Update|Delete|Create|Put)", action) for action in grant["Actions"])


RULES: list[Rule] = [
    no_way_to_the_internet, security_groups_name_their_peers, services_act_for_this_account_only,
    grants_name_actions_and_resources, resource_grants_name_principals,
    endpoints_let_this_account_through_only, stores_are_retained, buckets_are_encrypted_and_closed,
    writes_take_the_key_of_the_bucket, buckets_are_owned_logged_and_swept,
    warehouses_are_closed, tools_read_as_a_reader,
    what_waits_is_encrypted, logs_expire_and_are_encrypted, exports_carry_the_environment,
]  # fmt: skip
