"""Masking: what reaches Bronze of a record, for every way in which it can be wrong."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_code.masking import masks, records, rules

KEY = masks.Key("v1", b"secret")
ARRIVAL = records.Arrival("r1", datetime(2013, 1, 5, 6, 0, tzinfo=UTC), "d1")


def source(file_format: str = "json") -> rules.Source:
    """A source with each mask and some types."""
    columns = [
        {"name": "id", "type": "varchar"},
        {"name": "amount", "type": "decimal(10,2)"},
        {"name": "count", "type": "integer"},
        {"name": "at", "type": "timestamp"},
        {"name": "email", "type": "varchar", "mask": "hash"},
        {"name": "card", "type": "varchar", "mask": "last4"},
        {"name": "name", "type": "varchar", "mask": "redact"},
    ]
    entry = {
        "ingest": "stream", "file_format": file_format, "location": "a/b/", "event_time": "at",
        "columns": columns,
    }  # fmt: skip
    return rules.parse({"a.b": entry})["a.b"]


def test_masks_what_is_declared_and_keeps_numbers_as_they_were_written() -> None:
    payload = (
        b'{"id": "1", "amount": 12.50, "email": " A@B.c ", "card": "4111 1111 1111 1234",'
        b' "name": "Ada"}'
    )
    record = records.from_json(source(), payload, ARRIVAL, KEY)
    assert record["amount"] == "12.50"
    assert record["card"] == "************1234"
    assert record["name"] == "***"
    assert record["email"].startswith("v1:") and len(record["email"]) == 67
    assert record["email"] == masks.mask("a@b.c", "hash", KEY)
    assert record["_arrived_at"] == "2013-01-05T06:00:00.000000Z"
    assert record["_rejection"] is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{bad", "malformed_json"),
        (b"", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"[1]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b'{"id": "1", "id": "2"}', "repeated_field"),
        (b'{"id": {"a": 1, "a": 1}}', "repeated_field"),
        (b"[" * 100_000, "malformed_json"),
        (b"\xff{}", "malformed_json"),
    ],
)
def test_what_cannot_be_read_is_kept_as_id_hash_and_reason(payload: bytes, reason: str) -> None:
    record = records.from_json(source(), payload, ARRIVAL, KEY)
    assert record["_rejection"] == reason
    assert len(record["_payload_sha256"]) == 64
    assert set(record) == {
        "_record_id", "_arrived_at", "_delivery_id", "_rejection", "_payload_sha256",
    }  # fmt: skip


def test_text_that_cannot_be_written_is_null_with_its_reason() -> None:
    payload = b'{"id": "\\ud800", "undeclared": "\\udfff", "count": 1e400, "name": "a\\u0000b"}'
    record = records.from_json(source("parquet"), payload, ARRIVAL, KEY)
    assert record["id"] is None and record["undeclared"] is None and record["count"] is None
    assert record["_rejection"] == "invalid_text:id|invalid_text:undeclared|wrong_type:count"
    json.dumps(record).encode()


def test_a_field_name_from_outside_never_passes() -> None:
    record = records.from_json(source(), b'{"{{ env_var(1) }}": 1, "id": "7"}', ARRIVAL, KEY)
    assert record["_rejection"] == "invalid_field_name"
    assert record["id"] == "7"
    assert not any("{" in name for name in record)


def test_an_undeclared_field_of_a_source_with_personal_data_is_redacted() -> None:
    record = records.from_json(source(), b'{"id": "1", "passport": "C01X"}', ARRIVAL, KEY)
    assert record["passport"] == "***"


def test_a_wrong_type_for_parquet_is_null_with_its_reason() -> None:
    payload = b'{"id": "1", "count": "twelve", "at": "2013-01-05T01:02:03Z"}'
    record = records.from_json(source("parquet"), payload, ARRIVAL, KEY)
    assert record["count"] is None
    assert record["_rejection"] == "wrong_type:count"
    assert record["at"] == "2013-01-05 01:02:03.000"


def test_an_unknown_mask_stops_instead_of_letting_the_value_through() -> None:
    with pytest.raises(ValueError, match="unknown mask"):
        masks.mask("secret", "rot13", KEY)


@given(st.text(min_size=1), st.sampled_from(["hash", "redact", "last4"]))
def test_no_mask_keeps_the_value(value: str, how: str) -> None:
    masked = masks.mask(value, how, KEY)
    assert masked != value or value == masks.REDACTED
    assert how == "last4" or len(value) < 4 or value == masks.REDACTED or value not in masked


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans()))
def test_any_object_becomes_a_record_that_json_can_write(fields: dict[str, object]) -> None:
    record = records.from_json(source(), json.dumps(fields).encode(), ARRIVAL, KEY)
    assert record["_record_id"] == "r1"
    json.dumps(record)
