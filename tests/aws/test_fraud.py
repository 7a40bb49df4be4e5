"""Payments scored in flight: from the stream through the function to people, Bronze and the queue."""

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws_code.fraud import state
from aws_code.fraud.score import Payment
from strata.deploy import stacks
from strata.deploy.code import Artifacts
from strata.errors import StrataError
from strata.ingest import stream
from tests.conftest import Lakehouse, queue_of_topic, wait

PAYMENTS, ALERTS = "ticketing.payments", "ticketing.fraud_alerts"
NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)
CARD, EMAIL = "4111111111111234", "ada@x.example"


def payment(passenger: str, number: int, amount: str) -> bytes:
    """A payment, a minute after the one before it."""
    paid_at = NOON + timedelta(minutes=number)
    fields = {
        "payment_id": f"{passenger}-{number}", "passenger_id": passenger, "amount": amount,
        "card_number": CARD, "email": EMAIL, "country": "US",
        "paid_at": paid_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip
    return json.dumps(fields).encode()


def send(lakehouse: Lakehouse, payloads: list[bytes]) -> None:
    """Send to the stream of payments."""
    source, kinesis = lakehouse.source(PAYMENTS), lakehouse.client("kinesis")
    stream.send(source, payloads, lakehouse.environment, kinesis)


def remembered(lakehouse: Lakehouse, passenger: str) -> state.Passenger:
    """What the state table has of a passenger."""
    table = lakehouse.environment.resource("fraud-state")
    return state.read([passenger], table, lakehouse.client("dynamodb"))[passenger]


def queue_url(lakehouse: Lakehouse, name: str) -> str:
    """The URL of one of the environment's queues."""
    found: str = lakehouse.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return found


@pytest.fixture(scope="module")
def told(lakehouse: Lakehouse) -> Callable[[], list[dict[str, Any]]]:
    """What a subscriber of the alerts is told; each alert once."""
    sqs, queue = lakehouse.client("sqs"), queue_of_topic(lakehouse, "fraud-alerts")

    def receive() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(json.loads(message["Body"])["Message"]) for message in messages]

    return receive


def test_a_tried_card_is_told_to_people_and_lands_in_bronze(
    lakehouse: Lakehouse, told: Callable[[], list[dict[str, Any]]]
) -> None:
    lakehouse.clock.set(NOON)
    tries = [payment("A", n, "1.99") for n in range(3)]
    send(lakehouse, [*tries, b'{"payment_id": "of nobody"}'])
    (alert,) = wait(told)
    # The third small payment on a card within ten minutes, at 12:02.
    assert alert.pop("detected_at").startswith("2013-05-01T12:0")
    assert alert == {
        "payment_id": "A-2", "passenger_id": "A", "rules": "card_testing", "amount": "1.99",
        "paid_at": "2013-05-01T12:02:00Z",
    }  # fmt: skip
    lakehouse.clock.advance(timedelta(minutes=10))
    prefix = "ticketing/fraud_alerts/year=2013/month=05/day=01/"
    (key,) = wait(lambda: lakehouse.objects("bronze", prefix))
    bucket = lakehouse.environment.bucket("bronze")
    body = lakehouse.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    (record,) = [json.loads(line) for line in gzip.decompress(body).decode().splitlines()]
    assert {name: record[name] for name in alert} == alert
    assert record["_rejection"] is None


def test_nothing_personal_is_remembered_or_logged(lakehouse: Lakehouse) -> None:
    dynamodb, logs = lakehouse.client("dynamodb"), lakehouse.client("logs")
    table = lakehouse.environment.resource("fraud-state")
    (item,) = [i for i in dynamodb.scan(TableName=table)["Items"] if i["passenger_id"]["S"] == "A"]
    group = f"/aws/lambda/{lakehouse.environment.resource('fraud')}"
    written = json.dumps([item, logs.filter_log_events(logGroupName=group)["events"]])
    assert '"payments": 3' in written.replace("\\", "")
    assert CARD not in written and EMAIL not in written and "of nobody" not in written
    # DynamoDB drops the item sixty days after the last payment.
    assert abs(int(item["expires_at"]["N"]) - time.time() - 60 * 24 * 3600) < 600


def test_a_payment_sent_again_is_decided_as_before(
    lakehouse: Lakehouse, told: Callable[[], list[dict[str, Any]]]
) -> None:
    before = remembered(lakehouse, "A")
    lakehouse.clock.advance(timedelta(hours=1))
    send(lakehouse, [payment("A", 2, "1.99")])
    (alert,) = wait(told)
    assert (alert["payment_id"], alert["rules"]) == ("A-2", "card_testing")
    assert alert["detected_at"] == before.decisions[2].detected_at
    assert remembered(lakehouse, "A") == before


def test_what_nobody_can_be_told_of_ends_in_the_queue_and_the_rest_is_scored(
    lakehouse: Lakehouse, told: Callable[[], list[dict[str, Any]]]
) -> None:
    functions, name = lakehouse.client("lambda"), lakehouse.environment.resource("fraud")
    right = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    topic = {**right, "ALERT_TOPIC": right["ALERT_TOPIC"] + "-of-nobody"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": topic})
    queue, sqs = queue_url(lakehouse, f"{name}-failures"), lakehouse.client("sqs")
    try:
        send(lakehouse, [*(payment("B", n, "1.99") for n in range(3)), payment("D", 0, "50.00")])
        (message,) = wait(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": right})
    failure = json.loads(message["Body"])
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["KinesisBatchInfo"]["batchSize"] == 1  # the alert's payment, and no other
    assert sqs.receive_message(QueueUrl=queue).get("Messages") is None
    wait(lambda: len(remembered(lakehouse, "B").decisions) == 3)
    wait(lambda: remembered(lakehouse, "D").decisions)
    # The runbook: what the queue names is sent again, and is told as it was decided.
    send(lakehouse, [payment("B", 2, "1.99")])
    (alert,) = wait(told)
    assert (alert["payment_id"], alert["rules"]) == ("B-2", "card_testing")


class Racing:
    """DynamoDB, where somebody else writes the passenger just before we do, once."""

    def __init__(self, dynamodb: Any, table: str, other: state.Passenger) -> None:
        self._dynamodb = dynamodb
        self._others = [(other, table)]
        self.batch_get_item = dynamodb.batch_get_item

    def transact_write_items(self, **request: Any) -> Any:
        while self._others:
            other, table = self._others.pop()
            state.write([other], table, self._dynamodb)
        return self._dynamodb.transact_write_items(**request)


def test_two_that_decide_at_once_do_not_forget_each_other(lakehouse: Lakehouse) -> None:
    dynamodb = lakehouse.client("dynamodb")
    table = lakehouse.environment.resource("fraud-state")
    paid = Payment("C-1", "C", NOON, 1_000, "US", None)
    other = state.Decision(replace(paid, payment_id="C-0", country="AU"), (), "then")
    racing = Racing(dynamodb, table, state.Passenger("C", decisions=(other,)))
    decisions = state.decide([state.Arrival("1", paid, "now")], table, racing)
    assert [d.rules for d in decisions] == [("impossible_travel",)]  # scored again, with the other
    assert len(remembered(lakehouse, "C").decisions) == 2
    with pytest.raises(ClientError, match="TransactionCanceled"):
        state.write([state.Passenger("C", decisions=(other,))], table, dynamodb)


def test_the_stack_watches_and_keeps_as_declared(lakehouse: Lakehouse) -> None:
    name = lakehouse.environment.resource("fraud")
    pages = lakehouse.client("lambda").list_event_source_mappings(FunctionName=name)
    (mapping,) = pages["EventSourceMappings"]
    assert mapping["EventSourceArn"].endswith(f":stream/strata-local-{PAYMENTS}")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith(f":{name}-failures")
    pages = lakehouse.client("cloudwatch").get_paginator("describe_alarms").paginate()
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    watched = {
        (alarm["MetricName"], alarm["Threshold"])
        for alarm in alarms
        if {d["Value"] for d in alarm.get("Dimensions", ())}
        & {name, f"{name}-failures", lakehouse.environment.resource(PAYMENTS)}
    }
    assert watched >= {
        ("IteratorAge", 5000.0),
        ("GetRecords.IteratorAgeMilliseconds", 5000.0),
        ("WriteProvisionedThroughputExceeded", 0.0),
        ("ApproximateNumberOfMessagesVisible", 0.0),
    }
    dynamodb, table = lakehouse.client("dynamodb"), f"{name}-state"
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires_at")


def test_a_consumer_without_a_template_is_named(lakehouse: Lakehouse) -> None:
    lost = replace(lakehouse.source(PAYMENTS), consumer="nobody")
    with pytest.raises(StrataError, match=r"ticketing.payments has the consumer nobody, and infra"):
        stacks.consumer_stacks([lost], lakehouse.environment, Artifacts("a", "b", "c", "d", "e"))
