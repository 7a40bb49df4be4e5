"""The masking Lambda on both shapes of Firehose's events: a Kinesis stream's and an MSK topic's."""

import base64
import dataclasses
import json
from typing import Any

import pytest

from aws_code import firehose_lambda
from strata import dbt, declarations
from strata.deploy import stacks
from strata.environment import Environment
from strata.errors import StrataError
from tests.unit.test_masking import KEY, source

ARN = "arn:aws:firehose:us-east-1:000000000000:deliverystream/strata-local-a.b"
PROD = Environment("prod", "111111111111", "us-east-1")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What goes to landing, with the declarations and the key of the test's own."""
    found: list[Any] = []
    monkeypatch.setattr(firehose_lambda, "_sources", lambda: {"a.b": source()})
    monkeypatch.setattr(firehose_lambda, "_key", lambda: KEY)
    monkeypatch.setattr(firehose_lambda, "_keep_in_landing", lambda *what: found.append(what))
    return found


def answer(member: str, metadata: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], str]:
    """The answer to an event of one record, and its data decoded."""
    record = {
        "recordId": "49", "approximateArrivalTimestamp": 1_357_000_000_000, **metadata,
        member: base64.b64encode(payload).decode(),
    }  # fmt: skip
    event = {"invocationId": "i1", "deliveryStreamArn": ARN, "records": [record]}
    (found,) = firehose_lambda.handler(event, None)["records"]
    return found, base64.b64decode(found[member]).decode()


@pytest.mark.parametrize(
    ("member", "metadata", "record_id"),
    [
        ("data", {"kinesisRecordMetadata": {"shardId": "s0", "sequenceNumber": "7"}}, "s0:7"),
        ("kafkaRecordValue", {"mskRecordMetadata": {"partitionId": "3", "offset": "9"}}, "3:9"),
        ("kafkaRecordValue", {}, "49"),
    ],
)
def test_both_shapes_are_masked_and_answered_in_kind(
    kept: list[Any], member: str, metadata: dict[str, Any], record_id: str
) -> None:
    found, text = answer(member, metadata, b'{"id": "1", "name": "Ada"}')
    assert (found["recordId"], found["result"]) == ("49", "Ok")
    assert text.endswith("\n")
    record = json.loads(text)
    assert (record["name"], record["_record_id"]) == ("***", record_id)
    assert not kept


def test_what_cannot_be_read_is_kept_in_landing(kept: list[Any]) -> None:
    _, text = answer("kafkaRecordValue", {}, b"{broken")
    assert json.loads(text)["_rejection"] == "malformed_json"
    ((location, invocation, (item,)),) = kept
    assert (location, invocation, base64.b64decode(item["data"])) == ("a/b/", "i1", b"{broken")


def test_what_an_answer_has_no_room_for_is_left_to_a_redrive(kept: list[Any]) -> None:
    payload = base64.b64encode(json.dumps({"id": "x" * 900_000}).encode()).decode()
    records = [
        {"recordId": str(number), "approximateArrivalTimestamp": 0, "data": payload}
        for number in range(8)
    ]
    event = {"invocationId": "i1", "deliveryStreamArn": ARN, "records": records}
    answer = firehose_lambda.handler(event, None)
    assert len(json.dumps(answer)) < 6 * 1024 * 1024
    results = [record["result"] for record in answer["records"]]
    assert [record["recordId"] for record in answer["records"]] == list("01234567")
    # A masked record takes 1.2 MB in base64: four of them fit.
    assert results == ["Ok"] * 4 + ["ProcessingFailed"] * 4


def test_a_topic_needs_a_cluster_in_an_account_and_none_on_the_laptop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = declarations.find(declarations.sources(dbt.manifest()), "ticketing.payments")
    topic = dataclasses.replace(declared, kafka_topic="payments")
    monkeypatch.delenv("STRATA_MSK_CLUSTER_ARN", raising=False)
    with pytest.raises(StrataError, match="comes from the Kafka topic payments"):
        stacks.source_stack(topic, PROD)
    laptop = dataclasses.replace(PROD, name="local")
    assert "MskTopic" not in stacks.source_stack(topic, laptop).parameters
    arn = "arn:aws:kafka:us-east-1:111111111111:cluster/c/uuid"
    monkeypatch.setenv("STRATA_MSK_CLUSTER_ARN", arn)
    parameters = stacks.source_stack(topic, PROD).parameters
    assert (parameters["MskClusterArn"], parameters["MskTopic"]) == (arn, "payments")
