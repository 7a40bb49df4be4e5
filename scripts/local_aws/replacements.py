"""Which properties cannot be changed without a new resource, where MiniStack does not know it.

It would call each of their changes a conditional replacement. These are the create-only properties
of the types' schemas in CloudFormation's registry; `tests/aws/test_deploy_command.py` compares.
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

CREATE_ONLY: dict[str, tuple[str, ...]] = {
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::CodeBuild::Project": ("Name",),
    "AWS::DMS::Endpoint": ("KmsKeyId", "ResourceIdentifier"),
    "AWS::DMS::ReplicationConfig": ("ResourceIdentifier",),
    "AWS::Events::Rule": ("Name",),
    "AWS::IAM::Policy": (),
    "AWS::KMS::Key": (),
    "AWS::Kinesis::Stream": ("Name",),
    "AWS::KinesisFirehose::DeliveryStream": (
        "DatabaseSourceConfiguration",
        "DeliveryStreamName",
        "DeliveryStreamType",
        "DirectPutSourceConfiguration",
        "KinesisStreamSourceConfiguration",
        "MSKSourceConfiguration",
    ),
    "AWS::LakeFormation::Resource": ("ResourceArn",),
    "AWS::Lambda::EventSourceMapping": (
        "EventSourceArn",
        "SelfManagedEventSource",
        "StartingPosition",
        "StartingPositionTimestamp",
    ),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::S3::Bucket": ("BucketName", "BucketNamePrefix", "BucketNamespace"),
    "AWS::S3::BucketPolicy": ("Bucket",),
    "AWS::SNS::Subscription": ("Endpoint", "Protocol", "TopicArn"),
    "AWS::SNS::TopicPolicy": (),
    "AWS::SQS::QueuePolicy": (),
    "AWS::Scheduler::Schedule": ("Name",),
    "AWS::SecretsManager::Secret": ("Name",),
}


def register() -> None:
    """Make change sets, and updates, tell a replacement from a change in place."""
    from ministack.services.cloudformation import provisioners

    provisioners._REPLACING_PROPERTIES.update(CREATE_ONLY)
