"""The delivery of a stream as its deployed configuration says: results, retries, errors, buffering.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

import base64
import gzip
import io
import json
import os
import signal
import time
import uuid
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from strata import local
from tests.conftest import Lakehouse, wait

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)
#: Does to each record what the record says.
HANDLER = """
import base64

def handler(event, context):
    answers = []
    for record in event["records"]:
        wish = base64.b64decode(record["data"]).decode()
        if wish == "crash":
            raise RuntimeError("told to crash")
        answer = {"recordId": record["recordId"], "result": wish.split(":")[0]}
        if wish.startswith("Ok:sequence"):
            wish = record["kinesisRecordMetadata"]["sequenceNumber"]
        if answer["result"] == "Ok" and wish != "Ok:nothing":
            answer["data"] = base64.b64encode((wish.upper() + "\\n").encode()).decode()
        if wish != "silent":
            answers.append(answer)
    return {"records": answers}
"""


@dataclass(frozen=True)
class Delivery:
    """A stream of its own, with a Firehose and a Lambda."""

    lakehouse: Lakehouse
    name: str

    def send(self, *records: str) -> list[str]:
        """Send records; their sequence numbers."""
        done = self.lakehouse.client("kinesis").put_records(
            StreamName=self.name,
            Records=[{"Data": r.encode(), "PartitionKey": r[:9]} for r in records],
        )
        return [record["SequenceNumber"] for record in done["Records"]]

    def pass_the_buffer(self) -> None:
        self.lakehouse.clock.advance(timedelta(minutes=2))

    def texts(self, prefix: str, count: int) -> list[str]:
        """The lines of all objects below a prefix, as soon as there are `count`."""
        deadline = time.monotonic() + 60
        while True:
            found = [line for key in self.keys(prefix) for line in self._lines(key)]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def keys(self, prefix: str) -> list[str]:
        return self.lakehouse.objects("bronze", f"{self.name}/{prefix}")

    def invocations(self) -> float:
        """How often the Lambda was invoked, as CloudWatch knows it."""
        points = self.lakehouse.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda", MetricName="Invocations",
            Dimensions=[{"Name": "FunctionName", "Value": self.name}], Statistics=["Sum"],
            StartTime=NOON - timedelta(hours=1), EndTime=NOON + timedelta(hours=1), Period=7200,
        )["Datapoints"]  # fmt: skip
        return sum(point["Sum"] for point in points)

    def iterator_age(self) -> float:
        """How old in milliseconds, at most, what was read of the stream has been."""
        points = self.lakehouse.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Kinesis", MetricName="GetRecords.IteratorAgeMilliseconds",
            Dimensions=[{"Name": "StreamName", "Value": self.name}], Statistics=["Maximum"],
            StartTime=NOON - timedelta(hours=1), EndTime=NOON + timedelta(days=2), Period=259_200,
        )["Datapoints"]  # fmt: skip
        return max((point["Maximum"] for point in points), default=0.0)

    def on_the_stream(self) -> list[str]:
        """The sequence numbers of the records that the stream still has."""
        kinesis = self.lakehouse.client("kinesis")
        (shard,) = kinesis.list_shards(StreamName=self.name)["Shards"]
        iterator = kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator)["Records"]
        return [record["SequenceNumber"] for record in records]

    def lines_in(self, bucket: str) -> list[str]:
        """The lines of all data objects of a bucket."""
        listed = self.lakehouse.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
        keys = [item["Key"] for item in listed if "/data/" in item["Key"]]
        return [line for key in keys for line in self._lines(key, bucket)]

    def _lines(self, key: str, bucket: str = "") -> list[str]:
        bucket = bucket or self.lakehouse.environment.bucket("bronze")
        body = self.lakehouse.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return gzip.decompress(body).decode().splitlines()


ROLE = "firehose-test"


def delivering_role(lakehouse: Lakehouse) -> str:
    """The ARN of a role that may everything, as Firehose's of any name."""
    iam = lakehouse.client("iam")
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}  # fmt: skip  # noqa: E501
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=ROLE, PolicyName="own", PolicyDocument=document)
    arn: str = iam.get_role(RoleName=ROLE)["Role"]["Arn"]
    return arn


@pytest.fixture
def delivery(lakehouse: Lakehouse) -> Delivery:
    """A stream, a Lambda that does as it is told, and a Firehose between them and Bronze."""
    return deliver(lakehouse, seconds=60)


def deliver(
    lakehouse: Lakehouse, seconds: int, bucket: str | None = None, **of_the_lambda: str
) -> Delivery:
    """The same with a buffer of so many seconds, a bucket and parameters of the processing Lambda."""
    name = f"firehose-test-{uuid.uuid4().hex[:8]}"
    lakehouse.clock.set(NOON)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("told.py", HANDLER)
    function = lakehouse.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="told.handler",
        Role=lakehouse.client("iam").get_role(RoleName="strata-local-masking")["Role"]["Arn"],
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
    )["FunctionArn"]
    kinesis = lakehouse.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    stream = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    role = delivering_role(lakehouse)
    lakehouse.client("firehose").create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": stream["StreamARN"],
            "RoleARN": role,
        },
        ExtendedS3DestinationConfiguration={
            "BucketARN": f"arn:aws:s3:::{bucket or lakehouse.environment.bucket('bronze')}",
            "RoleARN": role,
            "Prefix": f"{name}/data/!{{timestamp:yyyy/MM/dd/HH}}/",
            "ErrorOutputPrefix": f"{name}/errors/!{{firehose:error-output-type}}/",
            "BufferingHints": {"IntervalInSeconds": seconds, "SizeInMBs": 1},
            "CompressionFormat": "GZIP",
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [
                    {
                        "Type": "Lambda",
                        "Parameters": [
                            {"ParameterName": name, "ParameterValue": value}
                            for name, value in {"LambdaArn": function, **of_the_lambda}.items()
                        ],
                    }
                ],
            },
        },
    )
    return Delivery(lakehouse, name)


def raw(error: dict[str, Any]) -> str:
    """The record that an error record keeps."""
    return base64.b64decode(error["rawData"]).decode()


def test_each_result_of_the_lambda_has_its_end(delivery: Delivery) -> None:
    delivery.send("Ok:a", "Dropped:b", "ProcessingFailed:c", "silent", "Ok:d")
    delivery.pass_the_buffer()
    assert delivery.texts("data/2013/05/01/12/", 2) == ["OK:A", "OK:D"]
    errors = [json.loads(line) for line in delivery.texts("errors/processing-failed/", 2)]
    assert [raw(error) for error in errors] == ["ProcessingFailed:c", "silent"]
    arrived = errors[0]["arrivalTimestamp"] / 1000
    assert datetime.fromtimestamp(arrived, UTC).replace(minute=0, second=0, microsecond=0) == NOON
    assert errors[0]["lambdaArn"].endswith(f":function:{delivery.name}")
    assert {"attemptsMade", "errorCode", "errorMessage", "attemptEndingTimestamp"} < {*errors[0]}


def test_an_ok_without_data_is_a_failure_of_that_record_alone(delivery: Delivery) -> None:
    delivery.send("Ok:a", "Ok:nothing", "Ok:b")
    delivery.pass_the_buffer()
    assert delivery.texts("data/", 2) == ["OK:A", "OK:B"]
    (error,) = [json.loads(line) for line in delivery.texts("errors/processing-failed/", 1)]
    assert raw(error) == "Ok:nothing"


def test_a_lambda_that_crashes_is_tried_four_times_and_nothing_is_lost(delivery: Delivery) -> None:
    delivery.send("Ok:a", "crash")
    delivery.pass_the_buffer()
    errors = [json.loads(line) for line in delivery.texts("errors/processing-failed/", 2)]
    assert [raw(error) for error in errors] == ["Ok:a", "crash"]
    assert {error["attemptsMade"] for error in errors} == {4}
    assert "told to crash" in errors[0]["errorMessage"]
    assert delivery.keys("data/") == []


def test_a_buffer_waits_for_its_time_or_its_size(delivery: Delivery) -> None:
    delivery.send("Ok:small")
    time.sleep(3)
    assert delivery.keys("") == []
    delivery.send(*("Ok:" + f"{n}" * 200_000 for n in range(6)))
    assert len(delivery.texts("data/", 7)) == 7


def test_the_lambda_has_a_buffer_of_its_own_before_that_of_the_destination(
    lakehouse: Lakehouse,
) -> None:
    delivery = deliver(lakehouse, seconds=600, BufferIntervalInSeconds="60")
    delivery.send("Ok:a", "Ok:b")
    assert delivery.invocations() == 0
    delivery.pass_the_buffer()
    wait(delivery.invocations)
    delivery.send("Ok:c")
    assert delivery.keys("") == []
    lakehouse.clock.advance(timedelta(minutes=10))
    assert delivery.texts("data/2013/05/01/12/", 3) == ["OK:A", "OK:B", "OK:C"]
    assert delivery.invocations() == 2


def test_records_past_the_retention_are_gone_and_the_reader_goes_on_behind_them(
    lakehouse: Lakehouse,
) -> None:
    """A destination that takes nothing for longer than the stream's 24 hours.

    https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
    """
    bucket = f"late-{uuid.uuid4().hex[:8]}"
    delivery = deliver(lakehouse, seconds=60, bucket=bucket)
    lost = delivery.send("Ok:sequence 1", "Ok:sequence 2")
    lakehouse.clock.advance(timedelta(hours=23))
    # Read again with each try, and older each time: what the alarm `stream-behind` looks at.
    wait(lambda: delivery.iterator_age() > 900)
    assert delivery.on_the_stream() == lost
    lakehouse.clock.advance(timedelta(hours=2))
    wait(lambda: delivery.on_the_stream() == [])
    time.sleep(2)  # the reader gives up what it holds with its try, and reads from the stream again
    kept = delivery.send("Ok:sequence 3", "Ok:sequence 4")
    delivery.pass_the_buffer()
    lakehouse.client("s3").create_bucket(Bucket=bucket)
    wait(lambda: delivery.lines_in(bucket))
    # What was sent and did not arrive is known by its sequence numbers.
    assert {*lost, *kept} - {*delivery.lines_in(bucket)} == {*lost}


def test_what_was_delivered_before_a_kill_is_not_delivered_again(delivery: Delivery) -> None:
    delivery.send("Ok:before")
    delivery.pass_the_buffer()
    delivery.texts("data/", 1)
    status = local.status(delivery.lakehouse.settings)
    assert status.pid is not None
    time.sleep(4)  # the control plane is saved every three seconds
    os.kill(status.pid, signal.SIGKILL)
    local.up(delivery.lakehouse.settings)
    delivery.send("Ok:after")
    delivery.pass_the_buffer()
    assert sorted(delivery.texts("data/", 2)) == ["OK:AFTER", "OK:BEFORE"]


@pytest.mark.parametrize("action", ["kinesis:GetRecords", "lambda:InvokeFunction", "s3:PutObject"])
def test_a_role_that_lost_a_right_delivers_nothing_and_loses_nothing(
    delivery: Delivery, action: str
) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html"""
    iam = delivery.lakehouse.client("iam")
    denied = {"Effect": "Deny", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    iam.put_role_policy(RoleName=ROLE, PolicyName="denied", PolicyDocument=document)
    try:
        delivery.send("Ok:kept")
        delivery.pass_the_buffer()
        time.sleep(2)
        assert delivery.lakehouse.objects("bronze", delivery.name) == []
    finally:
        iam.delete_role_policy(RoleName=ROLE, PolicyName="denied")
    delivery.pass_the_buffer()
    assert delivery.texts("data/", 1) == ["OK:KEPT"]
