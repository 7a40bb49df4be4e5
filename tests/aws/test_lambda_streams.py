"""Kinesis to Lambda, as AWS documents it: a test for each promise of the event source mapping.

https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

import io
import itertools
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from local_aws.kinesis import Trim
from tests.conftest import Lakehouse, wait

# Notes the numbers of each batch, then does what one of its records says.
FUNCTION = """
import base64, json, time, boto3
def handler(event, context):
    records = [(r["kinesis"]["sequenceNumber"], json.loads(base64.b64decode(r["kinesis"]["data"])))
               for r in event["Records"]]
    numbers = [data["n"] for _, data in records]
    key = f"{context.function_name}/{time.time_ns()}"
    boto3.client("s3").put_object(Bucket="calls", Key=key, Body=json.dumps(numbers))
    for sequence, data in records:
        if data["do"] == "crash":
            raise RuntimeError("poison")
        if data["do"] == "report":
            return {"batchItemFailures": [{"itemIdentifier": sequence}]}
        if data["do"] == "report nothing":
            return {"batchItemFailures": [{"itemIdentifier": ""}]}
    return None
"""
_NAMES = (f"mapped-{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def role(lakehouse: Lakehouse) -> str:
    """The function's role: it may read its streams, note its calls and tell its failures, no more."""
    lakehouse.client("s3").create_bucket(Bucket="calls")
    iam = lakehouse.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    made = iam.create_role(
        RoleName="mapped", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    allowed = [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::calls/*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:*:*:mapped-*"},
        {
            "Effect": "Allow",
            "Action": "kinesis:*",
            "Resource": "arn:aws:kinesis:*:*:stream/mapped-*",
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName="mapped", PolicyName="own", PolicyDocument=policy)
    arn: str = made["Role"]["Arn"]
    return arn


@dataclass
class Mapped:
    """A stream of one shard, a function and a queue of failures."""

    lakehouse: Lakehouse
    name: str
    stream_arn: str
    queue: str
    uuid: str = ""
    sequences: dict[int, str] = field(default_factory=dict)

    def put(self, numbers: range | list[int], **does: str) -> None:
        """Send numbered records; `does` says which do something, as `_3="crash"`."""
        kinesis = self.lakehouse.client("kinesis")
        for n in numbers:
            data = json.dumps({"n": n, "do": does.get(f"_{n}", "ok")}).encode()
            put = kinesis.put_record(StreamName=self.name, Data=data, PartitionKey=str(n))
            self.sequences[n] = put["SequenceNumber"]

    def map(self, **settings: Any) -> None:
        """Map the stream to the function."""
        queue_arn = f"arn:aws:sqs:us-east-1:000000000000:{self.name}"
        defaults = {
            "StartingPosition": "TRIM_HORIZON",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {"OnFailure": {"Destination": queue_arn}},
        }
        made = self.lakehouse.client("lambda").create_event_source_mapping(
            EventSourceArn=self.stream_arn, FunctionName=self.name, **{**defaults, **settings}
        )
        self.uuid = made["UUID"]

    def calls(self) -> list[list[int]]:
        """The numbers of each batch, in the order of the invocations."""
        s3 = self.lakehouse.client("s3")
        listed = s3.list_objects_v2(Bucket="calls", Prefix=f"{self.name}/").get("Contents", [])
        keys = sorted(item["Key"] for item in listed)
        return [json.loads(s3.get_object(Bucket="calls", Key=k)["Body"].read()) for k in keys]

    def failure(self) -> dict[str, Any]:
        """The next document of the on-failure destination."""
        sqs = self.lakehouse.client("sqs")
        (message,) = wait(
            lambda: sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=1).get("Messages")
        )
        sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        found: dict[str, Any] = json.loads(message["Body"])
        return found


@pytest.fixture
def mapped(lakehouse: Lakehouse, role: str) -> Iterator[Mapped]:
    """Everything but the mapping."""
    name = next(_NAMES)
    kinesis, functions = lakehouse.client("kinesis"), lakehouse.client("lambda")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    stream = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("code.py", FUNCTION)
    functions.create_function(
        FunctionName=name, Runtime="python3.12", Handler="code.handler", Role=role,
        Code={"ZipFile": packed.getvalue()},
    )  # fmt: skip
    queue = lakehouse.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    found = Mapped(lakehouse, name, stream["StreamARN"], queue)
    yield found
    if found.uuid:
        functions.delete_event_source_mapping(UUID=found.uuid)
    kinesis.delete_stream(StreamName=name)


def test_batches_are_of_the_batch_size_and_in_order(mapped: Mapped) -> None:
    mapped.put(range(7))
    mapped.map(BatchSize=3)
    wait(lambda: len(mapped.calls()) == 3)
    assert mapped.calls() == [[0, 1, 2], [3, 4, 5], [6]]


def test_latest_leaves_what_was_there(mapped: Mapped) -> None:
    mapped.put([0])
    mapped.map(StartingPosition="LATEST")
    numbers = itertools.count(1)
    wait(lambda: mapped.put([next(numbers)]) or time.sleep(0.2) or mapped.calls())
    assert not {0} & {n for call in mapped.calls() for n in call}


def test_a_partial_failure_is_tried_again_from_its_first_record(mapped: Mapped) -> None:
    mapped.put(range(5), _2="report")
    mapped.map(MaximumRetryAttempts=1)
    failure = mapped.failure()
    # Without bisecting, all that is behind the failed record shares its fate.
    assert mapped.calls() == [[0, 1, 2, 3, 4], [2, 3, 4]]
    assert failure["KinesisBatchInfo"]["startSequenceNumber"] == mapped.sequences[2]
    assert failure["KinesisBatchInfo"]["endSequenceNumber"] == mapped.sequences[4]
    assert failure["responseContext"]["functionError"] is None


def test_a_failing_batch_is_bisected_until_the_poison_is_alone(mapped: Mapped) -> None:
    mapped.put(range(4), _2="crash")
    mapped.map(MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
    failure = mapped.failure()
    mapped.put([4])
    wait(lambda: mapped.calls()[-1] == [4])
    # Halves of four, halves of the second two; splitting is no retry, so the poison has its one.
    assert mapped.calls() == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [2], [3], [4]]
    info = failure["KinesisBatchInfo"]
    assert info["startSequenceNumber"] == info["endSequenceNumber"] == mapped.sequences[2]
    assert (info["batchSize"], info["streamArn"]) == (1, mapped.stream_arn)
    assert info["shardId"] == "shardId-000000000000"
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["requestContext"]["functionArn"].endswith(f":function:{mapped.name}")
    assert failure["requestContext"]["approximateInvokeCount"] == 4
    assert failure["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
    }  # fmt: skip
    arrived = datetime.fromisoformat(info["approximateArrivalOfFirstRecord"])
    assert abs(arrived - mapped.lakehouse.clock.now()) < timedelta(minutes=1)


def test_a_reported_record_is_isolated_with_what_is_good_behind_it_taken(mapped: Mapped) -> None:
    mapped.put(range(5), _1="report")
    mapped.map(MaximumRetryAttempts=0, BisectBatchOnFunctionError=True)
    info = mapped.failure()["KinesisBatchInfo"]
    wait(lambda: mapped.calls()[-1] == [3, 4])
    # Split at the reported record; then it is the first of four, and they are halved.
    assert mapped.calls() == [[0, 1, 2, 3, 4], [1, 2, 3, 4], [1, 2], [1], [2], [3, 4]]
    assert info["startSequenceNumber"] == info["endSequenceNumber"] == mapped.sequences[1]


def test_an_identifier_that_names_nothing_fails_the_whole_batch(mapped: Mapped) -> None:
    mapped.put(range(2), _1="report nothing")
    mapped.map(MaximumRetryAttempts=0)
    assert mapped.failure()["KinesisBatchInfo"]["batchSize"] == 2
    assert mapped.calls() == [[0, 1]]


def test_reported_failures_count_only_where_the_mapping_says_so(mapped: Mapped) -> None:
    mapped.put(range(2), _0="report")
    mapped.map(FunctionResponseTypes=[])
    wait(mapped.calls)
    mapped.put([2])
    wait(lambda: mapped.calls()[-1] == [2])
    assert mapped.calls() == [[0, 1], [2]]


def test_a_record_past_its_age_is_given_up_and_the_delay_is_measured(mapped: Mapped) -> None:
    started = mapped.lakehouse.clock.now()
    mapped.put([0])
    mapped.map(MaximumRecordAgeInSeconds=2)  # and retried for ever
    wait(mapped.calls)
    mapped.put([1], _1="crash")
    failure = mapped.failure()
    assert failure["requestContext"]["condition"] == "RecordAgeExceeded"
    mapped.put([2])
    wait(lambda: mapped.calls()[-1] == [2])
    assert mapped.calls().count([1]) > 1
    for namespace, metric, dimension in (
        ("AWS/Lambda", "IteratorAge", "FunctionName"),
        ("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName"),
    ):
        (point,) = mapped.lakehouse.client("cloudwatch").get_metric_statistics(
            Namespace=namespace, MetricName=metric,
            Dimensions=[{"Name": dimension, "Value": mapped.name}],
            StartTime=started - timedelta(minutes=1), EndTime=started + timedelta(minutes=5),
            Period=3600, Statistics=["Maximum"], Unit="Milliseconds",
        )["Datapoints"]  # fmt: skip
        assert 300 < point["Maximum"] < 2000, metric  # the last try, within its age


def test_a_disabled_mapping_waits_and_goes_on_where_it_was(mapped: Mapped) -> None:
    mapped.put([0])
    mapped.map()
    wait(mapped.calls)
    functions = mapped.lakehouse.client("lambda")
    functions.update_event_source_mapping(UUID=mapped.uuid, Enabled=False)
    time.sleep(0.6)  # as the service, it takes a moment to stop
    mapped.put([1])
    time.sleep(0.6)
    assert mapped.calls() == [[0]]
    functions.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    wait(lambda: len(mapped.calls()) == 2)
    assert mapped.calls() == [[0], [1]]


def test_the_function_s_role_must_be_allowed_to_tell_its_failures(mapped: Mapped) -> None:
    forbidden = "arn:aws:sqs:us-east-1:000000000000:other"
    mapped.lakehouse.client("sqs").create_queue(QueueName="other")
    mapped.put([0], _0="crash")
    mapped.map(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": forbidden}})
    wait(lambda: len(mapped.calls()) > 1)  # not given up before it is told
    assert "Messages" not in mapped.lakehouse.client("sqs").receive_message(
        QueueUrl=mapped.queue.replace(mapped.name, "other")
    )


def test_a_record_is_kept_until_firehose_and_every_mapping_have_taken_it() -> None:
    kept: dict[str, str] = {}

    class Streams:
        def trim(self, arn: str, done: dict[str, str]) -> None:
            kept.update(done)

    @dataclass
    class Reader:
        done: list[dict[str, str]]

        def taken(self, stream_arn: str) -> list[dict[str, str]]:
            return self.done

    trim = Trim(Streams())
    trim.readers = [Reader([{"a": "05", "b": "05"}]), Reader([{"a": "07", "b": "02"}, {"a": "03"}])]
    trim("arn")
    assert kept == {"a": "03", "b": ""}
