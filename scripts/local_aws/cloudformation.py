"""CloudFormation resource types that our own services provide instead of MiniStack's, or complete.

MiniStack looks a type up in a plain dict (a private one: the version is pinned and
`tests/aws/test_cloudformation.py` deploys every template). A handler maps the template's
properties to the same API call that a client would make.
"""

from collections.abc import Callable
from typing import Any

from local_aws import drift, ministack, replacements
from local_aws.errors import AwsError
from local_aws.firehose.streams import DeliveryStreams
from local_aws.gateway import JsonService

Json = dict[str, Any]
Created = tuple[str, Json]


def register(
    athena: JsonService,
    glue: JsonService,
    firehose: DeliveryStreams,
    dms: JsonService,
    lake_formation: JsonService,
    codebuild: JsonService,
) -> None:
    """Make MiniStack's CloudFormation create what our own services have, here."""
    from ministack.services.cloudformation import provisioners

    completed = {
        "AWS::DynamoDB::Table": _keep_time_to_live,
        "AWS::IAM::Role": _keep_boundary,
        "AWS::S3::Bucket": _keep_encryption,
    }
    provisioners._RESOURCE_HANDLERS.update(
        {
            **{kind: _completed(kind, complete) for kind, complete in completed.items()},
            "AWS::CloudWatch::Alarm": _alarm(),
            "AWS::Athena::WorkGroup": _work_group(athena),
            "AWS::CodeBuild::Project": _build_project(codebuild),
            "AWS::Glue::Job": _glue_job(glue),
            "AWS::Glue::Trigger": _glue_trigger(glue),
            "AWS::KinesisFirehose::DeliveryStream": _delivery_stream(firehose),
            "AWS::LakeFormation::Resource": _registered_location(lake_formation),
            "AWS::DMS::Endpoint": _dms_resource(dms, "Endpoint"),
            "AWS::DMS::ReplicationConfig": _dms_resource(dms, "ReplicationConfig"),
        }
    )
    drift.register(athena, glue)
    replacements.register()


def _work_group(athena: JsonService) -> dict[str, Callable[..., Any]]:
    def apply(operation: str, name: str, props: Json) -> Created:
        configuration = props.get("WorkGroupConfiguration", {})
        member = "Configuration" if operation == "CreateWorkGroup" else "ConfigurationUpdates"
        name_member = "Name" if operation == "CreateWorkGroup" else "WorkGroup"
        athena.handle(operation, {name_member: name, member: _typed(configuration)})
        return name, {}

    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        return apply("CreateWorkGroup", props["Name"], props)

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        return apply("UpdateWorkGroup", physical_id, new)

    def delete(physical_id: str, props: Json) -> None:
        recursive = _typed(props.get("RecursiveDeleteOption", False))
        payload = {"WorkGroup": physical_id, "RecursiveDeleteOption": recursive}
        _ignore_missing(lambda: athena.handle("DeleteWorkGroup", payload))

    return {"create": create, "update": update, "delete": delete}


def _glue_job(glue: JsonService) -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        glue.handle("CreateJob", _typed(props))
        return props["Name"], {}

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        definition = {k: v for k, v in _typed(new).items() if k != "Name"}
        glue.handle("UpdateJob", {"JobName": physical_id, "JobUpdate": definition})
        return physical_id, {}

    def delete(physical_id: str, props: Json) -> None:
        glue.handle("DeleteJob", {"JobName": physical_id})

    return {"create": create, "update": update, "delete": delete}


def _glue_trigger(glue: JsonService) -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        glue.handle("CreateTrigger", _typed(props))
        return props["Name"], {}

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        glue.handle("DeleteTrigger", {"Name": physical_id})
        return create("", new, stack_name)

    def delete(physical_id: str, props: Json) -> None:
        glue.handle("DeleteTrigger", {"Name": physical_id})

    return {"create": create, "update": update, "delete": delete}


def _build_project(codebuild: JsonService) -> dict[str, Callable[..., Any]]:
    """Templates write the members of CodeBuild's API with a capital, and numbers as text."""

    def spelled(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                "buildspec" if key == "BuildSpec" else key[:1].lower() + key[1:]: spelled(item)
                for key, item in value.items()
            }
        return [spelled(item) for item in value] if isinstance(value, list) else value

    def apply(operation: str, props: Json) -> Created:
        numbers = ("TimeoutInMinutes", "QueuedTimeoutInMinutes", "ConcurrentBuildLimit")
        definition = {**props, **{name: int(props[name]) for name in numbers if name in props}}
        project = codebuild.handle(operation, spelled(definition))["project"]
        return project["name"], {"Arn": project["arn"]}

    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        return apply("CreateProject", props)

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        return apply("UpdateProject", new)

    def delete(physical_id: str, props: Json) -> None:
        codebuild.handle("DeleteProject", {"name": physical_id})

    return {"create": create, "update": update, "delete": delete}


def _delivery_stream(firehose: DeliveryStreams) -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        arn = firehose.create(_typed(props))
        return props["DeliveryStreamName"], {"Arn": arn}

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        firehose.update(physical_id, _typed(new))
        return physical_id, {"Arn": firehose.get(physical_id)["DeliveryStreamARN"]}

    def delete(physical_id: str, props: Json) -> None:
        _ignore_missing(lambda: firehose.delete(physical_id))

    return {"create": create, "update": update, "delete": delete}


def _registered_location(lake_formation: JsonService) -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        lake_formation.handle("RegisterResource", props)
        return props["ResourceArn"], {}

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        delete(physical_id, old)
        return create("", new, stack_name)

    def delete(physical_id: str, props: Json) -> None:
        payload = {"ResourceArn": physical_id}
        _ignore_missing(lambda: lake_formation.handle("DeregisterResource", payload))

    return {"create": create, "update": update, "delete": delete}


def _alarm() -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        name = props.get("AlarmName", f"{stack_name}-{logical_id}")
        return name, {"Arn": ministack.put_alarm({**_typed(props), "AlarmName": name})}

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        return create("", {**new, "AlarmName": physical_id}, stack_name)

    def delete(physical_id: str, props: Json) -> None:
        ministack.delete_alarm(physical_id)

    return {"create": create, "update": update, "delete": delete}


def _completed(kind: str, complete: Callable[[str, Json], None]) -> Json:
    """MiniStack's handler of a type; `complete(physical_id, properties)` adds what it drops."""
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS[kind]

    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        made: Created = handler["create"](logical_id, props, stack_name)
        complete(made[0], props)
        return made

    def update(physical_id: str, old: Json, new: Json, *others: str) -> Created:
        made: Created = handler["update"](physical_id, old, new, *others)
        complete(made[0], new)
        return made

    return {**handler, "create": create, "update": update}


def _keep_time_to_live(table: str, props: Json) -> None:
    from ministack.services import dynamodb

    if specification := props.get("TimeToLiveSpecification"):
        request = {"TableName": table, "TimeToLiveSpecification": _typed(specification)}
        dynamodb._update_ttl(request)


def _keep_encryption(bucket: str, props: Json) -> None:
    from ministack.services import s3

    if configuration := props.get("BucketEncryption"):
        s3._put_bucket_encryption(bucket, drift.encryption_xml(configuration))
    else:
        s3._delete_bucket_encryption(bucket)


def _keep_boundary(role: str, props: Json) -> None:
    from ministack.services import iam

    iam._roles[role]["PermissionsBoundary"] = props.get("PermissionsBoundary")


def _dms_resource(dms: JsonService, kind: str) -> dict[str, Callable[..., Any]]:
    """An endpoint or a replication configuration: `Ref` gives its ARN."""
    arn = f"{kind}Arn"

    def create(logical_id: str, props: Json, stack_name: str) -> Created:
        made = dms.handle(f"Create{kind}", _typed(props))[kind]
        return made[arn], {arn: made[arn]}

    def update(physical_id: str, old: Json, new: Json, stack_name: str) -> Created:
        dms.handle(f"Modify{kind}", {arn: physical_id, **_typed(new)})
        return physical_id, {arn: physical_id}

    def delete(physical_id: str, props: Json) -> None:
        _ignore_missing(lambda: dms.handle(f"Delete{kind}", {arn: physical_id}))

    return {"create": create, "update": update, "delete": delete}


def _ignore_missing(call: Callable[[], Any]) -> None:
    """A stack that is deleted again finds its resources gone, which is what it wants."""
    try:
        call()
    except AwsError as error:
        if "not found" not in error.message:
            raise


def _typed(value: Any) -> Any:
    """Template values with the text of booleans and numbers made what the APIs take."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if value in ("true", "false"):
        return value == "true"
    if isinstance(value, str) and value.isdigit() and str(int(value)) == value:
        return int(value)
    return value
