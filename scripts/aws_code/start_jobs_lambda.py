"""The Lambda that starts the landing job of each source whose files have arrived.

EventBridge sends an event for every new object of the landing bucket to a queue; the queue gives
this function what came within a batching window, so that files that arrive together are carried by
one run. A source whose run cannot start now keeps its messages in the queue.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from functools import cache
from typing import Any

import boto3

from aws_code.masking import rules

Json = dict[str, Any]

#: Glue's errors that pass by themselves.
_BUSY = (
    "ConcurrentRunsExceededException",
    "ThrottlingException",
    "ResourceNumberLimitExceededException",
)
#: Whose files wait in landing; a stream's do not.
_BY_FILE = ("batch", "cdc")


def handler(event: Json, context: Any) -> Json:
    """Start a run for each source in the messages; answer which messages are to come again.

    Raises botocore's ClientError when a run cannot start for another reason than a busy job.
    """
    glue = boto3.client("glue")
    again: list[Json] = []
    sources = _sources()
    for name, messages in arrived(event, sources).items():
        try:
            glue.start_job_run(**_run(sources[name]))
        except glue.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in _BUSY:
                raise
            again += [{"itemIdentifier": message} for message in messages]
    return {"batchItemFailures": again}


def _run(source: rules.Source) -> Json:
    """The run that carries a source: the Python-shell job's, or the Spark job's with its workers."""
    arguments = {"--source": source.name}
    if not source.spark:
        return {"JobName": os.environ["LANDING_JOB"], "Arguments": arguments}
    return {
        "JobName": os.environ["LANDING_SPARK_JOB"],
        "Arguments": arguments,
        "WorkerType": source.spark["worker_type"],
        "NumberOfWorkers": source.spark["workers"],
    }


def arrived(event: Json, sources: dict[str, rules.Source]) -> dict[str, list[str]]:
    """The ids of the messages by the source whose files they name; other objects start nothing."""
    found: dict[str, list[str]] = defaultdict(list)
    for message in event["Records"]:
        key = json.loads(message["body"])["detail"]["object"]["key"]
        for source in sources.values():
            if source.ingest in _BY_FILE and key.startswith(source.location):
                found[source.name].append(message["messageId"])
    return dict(found)


@cache
def _sources() -> dict[str, rules.Source]:
    return rules.packed()
