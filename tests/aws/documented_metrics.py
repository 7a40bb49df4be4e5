"""The metrics that alarms may use: their dimensions as the page of each namespace documents them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Namespace:
    """The page that documents a namespace, and the dimensions of its metrics by their names."""

    page: str
    metrics: dict[str, tuple[str, ...]]


NAMESPACES = {
    "AWS/States": Namespace(
        "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html",
        {
            "ExecutionsAborted": ("StateMachineArn",),
            "ExecutionsFailed": ("StateMachineArn",),
            "ExecutionsTimedOut": ("StateMachineArn",),
        },
    ),
    "AWS/Athena": Namespace(
        "https://docs.aws.amazon.com/athena/latest/ug/query-metrics-viewing.html",
        {"ProcessedBytes": ("QueryState", "QueryType", "WorkGroup")},
    ),
    # "These statistics are grouped by each serverless replication": the dimension has no name there.
    "AWS/DMS": Namespace(
        "https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Serverless.Components.html",
        {
            "CDCLatencySource": ("ReplicationConfigIdentifier",),
            "CDCLatencyTarget": ("ReplicationConfigIdentifier",),
        },
    ),
    "AWS/Firehose": Namespace(
        "https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html",
        {
            "DeliveryToS3.DataFreshness": ("DeliveryStreamName",),
            "DeliveryToS3.Success": ("DeliveryStreamName",),
            "ExecuteProcessing.Success": ("DeliveryStreamName",),
            "FailedConversion.Records": ("DeliveryStreamName",),
        },
    ),
    "AWS/Kinesis": Namespace(
        "https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html",
        {
            "GetRecords.IteratorAgeMilliseconds": ("StreamName",),
            "WriteProvisionedThroughputExceeded": ("StreamName",),
        },
    ),
    "AWS/Lambda": Namespace(
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
        {
            "Errors": ("FunctionName",),
            "Invocations": ("FunctionName",),
            "IteratorAge": ("FunctionName",),
        },
    ),
    "AWS/S3": Namespace(
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html",
        {"4xxErrors": ("BucketName", "FilterId"), "BytesDownloaded": ("BucketName", "FilterId")},
    ),
    "AWS/SQS": Namespace(
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
        {"ApproximateNumberOfMessagesVisible": ("QueueName",)},
    ),
    # Of Spark jobs alone, with --enable-metrics; usage is a fraction of 1.
    "Glue": Namespace(
        "https://docs.aws.amazon.com/glue/latest/dg/monitoring-awsglue-with-cloudwatch-metrics.html",
        {
            "glue.driver.aggregate.elapsedTime": ("JobName", "JobRunId", "Type"),
            "glue.driver.jvm.heap.usage": ("JobName", "JobRunId", "Type"),
            "glue.ALL.jvm.heap.usage": ("JobName", "JobRunId", "Type"),
        },
    ),
    "Strata": Namespace(
        "docs/monitoring.md",
        {
            "DbtFailures": ("Environment", "Schemas"),
            "SourceIsLate": ("Environment", "Source"),
            "SourceAgeSeconds": ("Environment", "Source"),
            "TimesUsualElapsed": ("JobName",),
            "ElapsedSeconds": ("JobName",),
        },
    ),
}
