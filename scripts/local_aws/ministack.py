"""MiniStack embedded: its settings, its persistence, and the paths of its objects on disk.

MiniStack reads its settings when it is imported, so `configure` comes before `load`.
"""

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from local_aws.errors import AwsError
from local_aws.settings import ACCOUNT, REGION, ROOT_KEY, Settings

_OF_ONE_METRIC = (
    "Namespace", "MetricName", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit",
)  # fmt: skip
_STACKS = "cloudformation"
_OF_RECORDS = {"GetRecords", "GetShardIterator", "ListShards", "PutRecord", "PutRecords"}


def configure(settings: Settings) -> None:
    """Set MiniStack's environment: loopback only, quiet, no Docker, state in our folder."""
    os.environ.update(
        {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(settings.port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "LOG_LEVEL": "ERROR",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(settings.state / "control"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(settings.state / "s3"),
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": settings.endpoint,
        }
    )


def load() -> Any:
    """Import MiniStack and return its ASGI application."""
    from ministack import app
    from ministack.core import iam_actions

    checks = iam_actions.dynamodb_transaction_checks
    # It asks IAM for each item of a transaction: a hundred writes to one table are one question.
    iam_actions.dynamodb_transaction_checks = lambda *request: list(dict.fromkeys(checks(*request)))
    return app.app


def is_of_data(service: str, operation: str, path: str) -> bool:
    """Whether a request leaves the control plane as it is: objects, records and metrics, which
    are most requests. `operation` is that of the header, and empty where the service has none."""
    if service == "s3":
        return "/" in path.strip("/")
    return service in ("sts", "monitoring") or operation in _OF_RECORDS


def save_control_plane(changed: set[str]) -> None:
    """Write what MiniStack keeps in memory to disk (it does so itself only on SIGTERM).

    `changed` has the services that were asked something since the last time: the stacks, which are
    most of the text, change by CloudFormation's own requests alone.

    Without the records of the streams: they are most of the memory, and a producer that was not
    told of their delivery sends them again.
    """
    from ministack import app
    from ministack.core import persistence

    states = app._build_persistence_save_dict()
    if "kinesis" in states:
        states["kinesis"] = _kinesis_without_records
    if _STACKS not in changed:
        states.pop(_STACKS, None)
    persistence.save_all(states)


def keep_alarms(clock: Callable[[], datetime], check: Callable[[dict[str, Any]], None]) -> None:
    """Let MiniStack keep CloudWatch's alarms and metrics, by `clock`, and evaluate no alarm itself.

    Its evaluation ignores dimensions and missing data, and it forgets an alarm's metric math. An
    alarm that `check` raises ValueError for is refused.
    """
    from ministack.services import cloudwatch

    put = cloudwatch._put_metric_alarm

    def put_metric_alarm(params: Any, given: Any, is_cbor: bool, is_json: bool = False) -> Any:
        try:
            check(given)
        except ValueError as error:
            return cloudwatch._error(
                "ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor
            )
        answer = put(params, given, is_cbor, is_json)
        if answer[0] == 200 and given.get("Metrics"):
            alarm = cloudwatch._alarms[given["AlarmName"]]
            for member in _OF_ONE_METRIC:
                alarm.pop(member, None)
            alarm["Metrics"] = given["Metrics"]
        return answer

    cloudwatch._put_metric_alarm = put_metric_alarm
    cloudwatch._evaluate_alarm = lambda alarm: None
    cloudwatch.time = SimpleNamespace(time=lambda: clock().timestamp())


def put_alarm(alarm: dict[str, Any]) -> str:
    """Create or update an alarm from a template; returns its ARN, raises AwsError for a bad one."""
    from ministack.services import cloudwatch

    # CloudFormation's own tags are among them, which PutMetricAlarm refuses.
    tags = alarm.pop("Tags", [])
    status, _, body = cloudwatch._put_metric_alarm({}, alarm, False, True)
    if status != 200:
        raise AwsError("ValidationError", json.loads(body)["message"])
    cloudwatch.cloudformation_set_metric_alarm_tags(alarm["AlarmName"], tags)
    arn: str = cloudwatch._alarms[alarm["AlarmName"]]["AlarmArn"]
    return arn


def delete_alarm(name: str) -> None:
    """Delete an alarm of a template; one that is gone already is no error."""
    from ministack.services import cloudwatch

    cloudwatch.cloudformation_delete_metric_alarm(name)


def record_metric(
    namespace: str, metric: str, dimension: str, value: str, milliseconds: float
) -> None:
    """Keep a metric of an AWS service, which PutMetricData refuses."""
    from ministack.services import cloudwatch

    act_for_the_account()
    cloudwatch.record_metric(namespace, metric, milliseconds, "Milliseconds", {dimension: value})


def emit_event(detail_type: str, source: str, detail: dict[str, Any]) -> None:
    """Put an event of an AWS service (`aws.glue`) on the default bus, which PutEvents refuses."""
    from ministack.services import eventbridge

    act_for_the_account()
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def next_cron(expression: str, after: datetime) -> datetime | None:
    """When AWS's `cron(…)`, in UTC, is due after a time. Raises ValueError for what is none."""
    from ministack.services import eventbridge

    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        raise ValueError(f"'{expression}' is no cron expression")
    return eventbridge._cron_next_fire(fields, after)


def act_as(role: str) -> tuple[str, str, str]:
    """Access key, secret key and token with the rights of a role, as a service's own session.

    Not by `AssumeRole`: a trust policy names the service, and conditions that only it fulfils.
    """
    from ministack.services import sts

    access_key, secret_key, token = (
        sts._gen_session_access_key(),
        sts._gen_secret(),
        sts._gen_session_token(),
    )
    account, name = role.split(":")[4], role.rpartition("/")[2]
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/service",
        "UserId": f"{sts._role_id(role)}:service",
        "SecretAccessKey": secret_key,
        "SessionToken": token,
        "AccountId": account,
        "PrincipalType": "AssumedRole",
    }
    sts.register_session(access_key, session)
    return access_key, secret_key, token


def act_for_the_account() -> None:
    """Make this thread's (or task's) calls those of the account.

    MiniStack finds the account's resources by the request that its thread serves.
    """
    from ministack.core import responses

    responses.set_request_account_id(ACCOUNT)
    responses.set_request_region(REGION)


def _kinesis_without_records() -> dict[str, Any]:
    from ministack.core.responses import AccountRegionScopedDict
    from ministack.services import kinesis

    streams = AccountRegionScopedDict()
    for key, stream in list(kinesis._streams._data.items()):
        shards = {name: {**shard, "records": []} for name, shard in stream["shards"].items()}
        streams._data[key] = {**stream, "shards": shards}
    return {"streams": streams, "resource_policies": kinesis._resource_policies}


def object_path(bucket: str, key: str) -> Path | None:
    """The file that holds an object's body, or None where there is none."""
    from ministack.services import s3

    found = s3._object_disk_path(bucket, key, ACCOUNT)
    path = Path(found) if found else None
    return path if path and path.is_file() else None
