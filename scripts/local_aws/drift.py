"""What CloudFormation's drift detection reads of resources, where MiniStack reads none or too little.

A reader gives a resource's present properties in the template's shape, None where it is gone; only
properties that the template sets are compared. A type without a reader is NOT_CHECKED. MiniStack's
readers that find out only whether a resource exists would call it IN_SYNC: they are left out.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

from local_aws.errors import AwsError
from local_aws.gateway import JsonService

Json = dict[str, Any]
Reader = Callable[[str, Json], Json | None]

_ALARM = {
    "ActionsEnabled", "AlarmActions", "ComparisonOperator", "DatapointsToAlarm", "Dimensions",
    "EvaluationPeriods", "MetricName", "Namespace", "OKActions", "Period", "Statistic",
    "Threshold", "TreatMissingData",
}  # fmt: skip
_BUCKET = {
    "BucketEncryption", "BucketName", "PublicAccessBlockConfiguration", "VersioningConfiguration",
}  # fmt: skip
_JOB = {
    "Command", "DefaultArguments", "ExecutionProperty", "GlueVersion", "MaxCapacity",
    "MaxRetries", "Role", "Timeout",
}  # fmt: skip
_RULE = {"Description", "EventPattern", "ScheduleExpression", "State"}
_STREAM = {"Name", "RetentionPeriodHours", "StreamModeDetails"}


def register(athena: JsonService, glue: JsonService) -> None:
    """Make drift detection look at what Strata's templates deploy."""
    from ministack.services.cloudformation import drift

    looking = {kind: found for kind, found in drift._DRIFT_READERS.items() if found[1]}
    drift._DRIFT_READERS.clear()
    drift._DRIFT_READERS.update(
        {
            **looking,
            "AWS::Athena::WorkGroup": (_work_group(athena), {"WorkGroupConfiguration"}),
            "AWS::CloudWatch::Alarm": (_alarm, _ALARM),
            "AWS::Events::Rule": (_rule, _RULE),
            "AWS::Glue::Job": (_glue_job(glue), _JOB),
            "AWS::Kinesis::Stream": (_stream, _STREAM),
            "AWS::S3::Bucket": (_bucket, _BUCKET),
        }
    )


def encryption_xml(configuration: Json) -> bytes:
    """A template's `BucketEncryption` as the body of PutBucketEncryption."""
    root = ElementTree.Element("ServerSideEncryptionConfiguration")
    for rule in configuration["ServerSideEncryptionConfiguration"]:
        node = ElementTree.SubElement(root, "Rule")
        default = ElementTree.SubElement(node, "ApplyServerSideEncryptionByDefault")
        for name, value in rule["ServerSideEncryptionByDefault"].items():
            ElementTree.SubElement(default, name).text = value
        if "BucketKeyEnabled" in rule:
            enabled = str(rule["BucketKeyEnabled"]).lower()
            ElementTree.SubElement(node, "BucketKeyEnabled").text = enabled
    return ElementTree.tostring(root)


def _bucket(name: str, expected: Json) -> Json | None:
    from ministack.services import s3

    if name not in s3._buckets:
        return None
    return _without_empty(
        {
            "BucketName": name,
            "VersioningConfiguration": {"Status": s3._bucket_versioning.get(name)},
            "PublicAccessBlockConfiguration": _flags(s3._buckets[name].get("_public_access_block")),
            "BucketEncryption": _encryption(s3._bucket_encryption.get(name)),
        }
    )


def _flags(xml: str | None) -> Json:
    return {_tag(node): node.text == "true" for node in ElementTree.fromstring(xml)} if xml else {}  # noqa: S314


def _encryption(xml: str | None) -> Json:
    if not xml:
        return {}
    rules = []
    for node in ElementTree.fromstring(xml):  # noqa: S314
        rule: Json = {}
        for child in node:
            if _tag(child) == "BucketKeyEnabled":
                rule["BucketKeyEnabled"] = child.text == "true"
            else:
                rule["ServerSideEncryptionByDefault"] = {_tag(g): g.text for g in child}
        rules.append(rule)
    return {"ServerSideEncryptionConfiguration": rules}


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _without_empty(properties: Json) -> Json:
    empty: tuple[Json, ...] = ({}, {"Status": None})
    return {name: value for name, value in properties.items() if value not in empty}


def _alarm(name: str, expected: Json) -> Json | None:
    from ministack.services import cloudwatch

    alarm = cloudwatch._alarms.get(name)
    return None if alarm is None else {k: _whole(v) for k, v in alarm.items() if k in _ALARM}


def _whole(value: Any) -> Any:
    """A number as a template writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rule(name: str, expected: Json) -> Json | None:
    from ministack.services import eventbridge

    rule = eventbridge._rules.get(eventbridge._rule_key(name, "default"))
    if rule is None:
        return None
    pattern = rule.get("EventPattern")
    found = {member: rule[member] for member in _RULE if rule.get(member)}
    return (
        {**found, "EventPattern": json.loads(pattern)}
        if isinstance(pattern, str) and pattern
        else found
    )


def _stream(name: str, expected: Json) -> Json | None:
    from ministack.services import kinesis

    stream = kinesis._streams.get(name)
    if stream is None:
        return None
    return {"Name": name, **{member: stream[member] for member in _STREAM - {"Name"}}}


def _work_group(athena: JsonService) -> Reader:
    def read(name: str, expected: Json) -> Json | None:
        with suppress(AwsError):
            found = athena.handle("GetWorkGroup", {"WorkGroup": name})["WorkGroup"]
            wanted = expected.get("WorkGroupConfiguration", {})
            return {"WorkGroupConfiguration": _as_far_as(wanted, found["Configuration"])}
        return None

    return read


def _glue_job(glue: JsonService) -> Reader:
    def read(name: str, expected: Json) -> Json | None:
        with suppress(AwsError):
            found = glue.handle("GetJob", {"JobName": name})["Job"]
            return {m: _as_far_as(expected.get(m), _whole(found[m])) for m in _JOB & found.keys()}
        return None

    return read


def _as_far_as(expected: Any, actual: Any) -> Any:
    """The members of `actual` that the template sets: services add defaults of their own."""
    if not (isinstance(expected, dict) and isinstance(actual, dict)):
        return actual
    return {
        key: _as_far_as(expected[key], value) for key, value in actual.items() if key in expected
    }
