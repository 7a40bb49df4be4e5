"""What an account must offer before a deployment: credentials, region, permissions, quotas."""

from collections.abc import Callable, Iterable, Iterator

import boto3

from strata import dbt, declarations, regions
from strata.deploy import order
from strata.deploy.code import Artifacts
from strata.doctor.check import FAIL, OK, WARN, Check, guarded, judged
from strata.environment import Environment, client

_ROOM = 0.8
#: Quotas by their codes in Service Quotas: service, code, what, and how many a deployment takes.
_QUOTAS = (
    ("glue", "L-08F3B322", "Glue DPUs of all jobs together", 2),
    ("athena", "L-FC5F6546", "Athena DML queries at once", 8),
)
_BUCKETS = ("s3", "L-DC2B2D3D")
#: What a deployment does first of each service, and on which resource of the environment.
_ACTIONS = {
    "cloudformation:CreateChangeSet": "cloudformation:{r}:{a}:stack/{e}-storage/*",
    "cloudformation:DescribeStackEvents": "cloudformation:{r}:{a}:stack/{e}-storage/*",
    "cloudformation:ExecuteChangeSet": "cloudformation:{r}:{a}:stack/{e}-storage/*",
    "cloudwatch:PutMetricAlarm": "cloudwatch:{r}:{a}:alarm:{e}-scan-budget",
    "athena:CreateWorkGroup": "athena:{r}:{a}:workgroup/strata",
    "dms:CreateReplicationConfig": "dms:{r}:{a}:replication-config:*",
    "dynamodb:CreateTable": "dynamodb:{r}:{a}:table/{e}-state",
    "events:PutRule": "events:{r}:{a}:rule/{e}-arrivals",
    "firehose:CreateDeliveryStream": "firehose:{r}:{a}:deliverystream/{e}-source",
    "glue:CreateDatabase": "glue:{r}:{a}:catalog",
    "glue:CreateJob": "glue:{r}:{a}:job/{e}-landing",
    "iam:CreateRole": "iam::{a}:role/{e}-landing",
    "iam:PassRole": "iam::{a}:role/{e}-landing",
    "kinesis:CreateStream": "kinesis:{r}:{a}:stream/{e}-source",
    "kms:CreateKey": "",
    "lakeformation:RegisterResource": "",
    "lambda:CreateFunction": "lambda:{r}:{a}:function:{e}-masking",
    "logs:CreateLogGroup": "logs:{r}:{a}:log-group:/aws/lambda/{e}-masking",
    "s3:CreateBucket": "s3:::{e}-{a}-bronze",
    "s3:PutObject": "s3:::{e}-{a}-artifacts/code/",
    "secretsmanager:CreateSecret": "secretsmanager:{r}:{a}:secret:{e}-masking-key-000000",
    "sns:CreateTopic": "sns:{r}:{a}:{e}-ingestion-alerts",
    "sqs:CreateQueue": "sqs:{r}:{a}:{e}-failures",
}
#: What conditions of careful policies look at.
_CONTEXT = [
    {
        "ContextKeyName": "iam:PassedToService",
        "ContextKeyValues": ["glue.amazonaws.com"],
        "ContextKeyType": "string",
    }
]


def credentials(environment: Environment) -> Check:
    """Who acts, and where."""
    caller = client("sts").get_caller_identity()["Arn"]
    place = f"{caller}, {environment.region}"
    if caller.endswith(":root") and not environment.is_local:
        return Check("credentials", WARN, place, "work with a role: root's keys cannot be limited")
    return Check("credentials", OK, place)


def checks(environment: Environment) -> list[Check]:
    """The checks of the account. The laptop has no regions and no quotas, and its user is root."""
    if environment.is_local:
        return []
    return [
        *guarded("region", lambda: _region(environment)),
        *guarded("permissions", lambda: permissions(environment), WARN),
        *guarded("quota of buckets", _bucket_quota, WARN),
        *guarded("quota of streams", _stream_quota, WARN),
        *(
            check
            for service, code, what, needed in _QUOTAS
            for check in guarded(f"quota of {service}", _quota(service, code, what, needed), WARN)
        ),
    ]


def _region(environment: Environment) -> Check:
    artifacts = Artifacts("", "", "", "", "")
    sources = declarations.sources(dbt.manifest())
    wanted = order.shared(environment, artifacts, sources)
    wanted += order.of_sources(environment, sources, artifacts)
    used = regions.used_services(stack.body() for stack in wanted)
    missing = regions.missing_services(environment.region, used)
    finding = f"{environment.region} lacks {', '.join(missing)}" if missing else environment.region
    return judged("region", not missing, finding, "choose another: export AWS_REGION=…")


def permissions(environment: Environment) -> Check:
    """What a deployment does, asked of IAM's policy simulator; boundaries are among what it knows.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    caller = client("sts").get_caller_identity()["Arn"]
    if caller.endswith(":root"):
        return Check("permissions", OK, "root may do everything")
    denied = sorted(_denied(_principal(caller), environment))
    if not denied:
        return Check("permissions", OK, f"{len(_ACTIONS)} actions of a deployment are allowed")
    return Check(
        "permissions",
        FAIL,
        f"{caller} may not {', '.join(denied)}",
        "ask for them, or deploy with the role of infra/github_oidc.yaml",
    )


def _principal(caller: str) -> str:
    """The simulator knows users and roles, not the sessions of roles, whose ARNs lack the path."""
    if ":assumed-role/" not in caller:
        return caller
    arn: str = client("iam").get_role(RoleName=caller.split("/")[1])["Role"]["Arn"]
    return arn


def _denied(principal: str, environment: Environment) -> Iterator[str]:
    iam = client("iam")
    partition = boto3.Session().get_partition_for_region(environment.region)
    names = {"r": environment.region, "a": environment.account, "e": environment.resource("")[:-1]}
    for action, resource in _ACTIONS.items():
        arn = f"arn:{partition}:{resource.format(**names)}" if resource else "*"
        answer = iam.simulate_principal_policy(
            PolicySourceArn=principal,
            ActionNames=[action],
            ResourceArns=[arn],
            ContextEntries=_CONTEXT,
        )
        yield from _refused(answer["EvaluationResults"])


def _refused(results: Iterable[dict[str, str]]) -> Iterator[str]:
    return (r["EvalActionName"] for r in results if r["EvalDecision"] != "allowed")


def _bucket_quota() -> Check:
    service, code = _BUCKETS
    limit = _limit(service, code)
    used = sum(
        len(page["Buckets"]) for page in client("s3").get_paginator("list_buckets").paginate()
    )
    return _used("buckets", used, limit)


def _stream_quota() -> list[Check]:
    limits = client("kinesis").describe_limits()
    return [
        _used("Kinesis shards", limits["OpenShardCount"], limits["ShardLimit"]),
        _used(
            "Kinesis streams on demand",
            limits["OnDemandStreamCount"],
            limits["OnDemandStreamCountLimit"],
        ),
    ]


def _used(what: str, used: int, limit: float) -> Check:
    finding = f"{used:,} of {limit:,.0f} in use"
    if used < limit * _ROOM:
        return Check(what, OK, finding)
    hint = "raise the quota in Service Quotas before you deploy"
    return Check(what, FAIL if used >= limit else WARN, finding, hint)


def _quota(service: str, code: str, what: str, needed: int) -> Callable[[], Check]:
    def look() -> Check:
        limit = _limit(service, code)
        return judged(
            what, limit >= needed, f"{limit:,.0f}", f"at least {needed}: raise it in Service Quotas"
        )

    return look


def _limit(service: str, code: str) -> float:
    """The account's value of a quota, or AWS's default where it has none of its own."""
    quotas = client("service-quotas")
    given = {"ServiceCode": service, "QuotaCode": code}
    try:
        found = quotas.get_service_quota(**given)
    except quotas.exceptions.NoSuchResourceException:
        found = quotas.get_aws_default_service_quota(**given)
    return float(found["Quota"]["Value"])
