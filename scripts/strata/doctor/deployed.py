"""What must hold in an environment after its deployment."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from strata.deploy import drift, inventory
from strata.doctor.check import FAIL, OK, WARN, Check, guarded, judged
from strata.environment import Environment, client

Json = dict[str, Any]
_CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def checks(environment: Environment) -> list[Check]:
    """The checks of the deployed stacks and of what they made."""
    cloudformation = client("cloudformation")
    found: list[Json] = []

    def look() -> Check:
        found.extend(inventory.deployed(environment, cloudformation))
        return _stacks(found, environment)

    first = guarded("stacks", look)
    if not found:
        return first
    held = {
        kind: [r["PhysicalResourceId"] for r in resources]
        for kind, resources in _by_type(found, cloudformation).items()
    }
    return [
        *first,
        *guarded("protection", lambda: _protection(found, environment)),
        *guarded("buckets", lambda: _buckets(held.get("AWS::S3::Bucket", []))),
        *guarded("workgroups", lambda: _work_groups(held.get("AWS::Athena::WorkGroup", []))),
        *guarded("alarms", lambda: _alarms(held.get("AWS::CloudWatch::Alarm", []))),
        *guarded("drift", lambda: _drift(found, environment, cloudformation)),
    ]


def _stacks(found: list[Json], environment: Environment) -> Check:
    if not found:
        return Check("stacks", WARN, "none", f"strata deploy --env {environment.name}")
    bad = [
        f"{stack['StackName']} is in {stack['StackStatus']}"
        for stack in found
        if not stack["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in stack["StackStatus"]
    ]
    finding = ", ".join(bad) or f"{len(found)} deployed"
    hint = f"strata deploy --env {environment.name}: it mends the stack, or says how to"
    return judged("stacks", not bad, finding, hint)


def _by_type(found: list[Json], cloudformation: Any) -> dict[str, list[Json]]:
    by_type: dict[str, list[Json]] = {}
    for stack in found:
        for resource in inventory.resources(stack["StackName"], cloudformation):
            by_type.setdefault(resource["ResourceType"], []).append(resource)
    return by_type


def _protection(found: list[Json], environment: Environment) -> Iterator[Check]:
    if environment.is_production:
        open_ = [s["StackName"] for s in found if not s.get("EnableTerminationProtection")]
        finding = f"off for {', '.join(open_)}" if open_ else "on for all stacks"
        yield judged(
            "termination protection", not open_, finding, "strata deploy --env prod turns it on"
        )


def _buckets(names: list[str]) -> Iterator[Check]:
    s3 = client("s3")
    faults = [fault for name in names for fault in _bucket_faults(name, s3)]
    finding = ", ".join(faults) or f"{len(names)} encrypted with a key of ours, and not public"
    yield judged(
        "buckets", not faults, finding, "strata deploy --drift shows it; undo it, or deploy again"
    )


def _bucket_faults(name: str, s3: Any) -> Iterator[str]:
    try:
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        default = rules[0]["ApplyServerSideEncryptionByDefault"]
        # S3 delivers access logs to buckets with its own keys only.
        is_of_logs = name.endswith("-access-logs") and default["SSEAlgorithm"] == "AES256"
        if not is_of_logs and "KMSMasterKeyID" not in default:
            yield f"{name} is encrypted with {default['SSEAlgorithm']}"
    except ClientError as error:
        yield _lack(error, f"{name} has no encryption of its own")
    try:
        block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        if not all(block.get(setting) for setting in _CLOSED):
            yield f"{name} may become public"
    except ClientError as error:
        yield _lack(error, f"{name} may become public")


def _lack(error: ClientError, meaning: str) -> str:
    code = error.response["Error"]["Code"]
    if code in (
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    ):
        return meaning
    if code == "NoSuchBucket":
        return "a bucket is gone"
    raise error


def _work_groups(names: list[str]) -> Iterator[Check]:
    athena = client("athena")
    for name in names:
        found = athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
        cutoff = found.get("BytesScannedCutoffPerQuery")
        good = found.get("EnforceWorkGroupConfiguration") and cutoff
        text = (
            f"{name} is enforced, cut-off {cutoff:,} bytes" if good else f"{name} is not enforced"
        )
        yield judged("workgroup", bool(good), text, "clients may write results elsewhere: deploy")


def _alarms(names: list[str]) -> Iterator[Check]:
    pages = client("cloudwatch").get_paginator("describe_alarms").paginate()
    states = {a["AlarmName"]: a["StateValue"] for page in pages for a in page["MetricAlarms"]}
    gone = [name for name in names if name not in states]
    ringing = [name for name in names if states.get(name) == "ALARM"]
    if gone:
        yield Check("alarms", FAIL, f"gone: {', '.join(gone)}", "strata deploy --drift")
    elif ringing:
        yield Check(
            "alarms", WARN, f"ringing: {', '.join(ringing)}", "strata monitor; docs/runbooks"
        )
    else:
        yield Check("alarms", OK, f"{len(names)} exist, none rings")


def _drift(found: list[Json], environment: Environment, cloudformation: Any) -> Iterator[Check]:
    drifts = [drift.detect(stack["StackName"], cloudformation) for stack in found]
    drifted = [f"{d.stack}.{r.logical_id}" for d in drifts for r in d.resources]
    if drifted:
        hint = f"strata deploy --env {environment.name} --drift shows expected and actual values"
        yield Check("drift", WARN, ", ".join(drifted), hint)
    else:
        yield Check("drift", OK, f"none in {sum(d.checked for d in drifts)} resources")
