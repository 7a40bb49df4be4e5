"""The producer: batches within Kinesis' limits, and only what was refused is sent again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata.declarations import Source
from strata.environment import Environment
from strata.errors import StrataError
from strata.ingest import stream

ENVIRONMENT = Environment("local", "000000000000", "us-east-1")
SOURCE = Source(
    name="a.b", database="bronze_a", table="b", location="a/b/", file_format="json",
    ingest="stream", key=("id",), event_time="at", start="2013-01-01", owner="ops", description="", columns=(),
    drift="warn", file="a.yml",
)  # fmt: skip


class Kinesis:
    """A stream that refuses the first `refusals` records that it is given."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[bytes] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer as PutRecords does."""
        results: list[dict[str, str]] = []
        for record in Records:
            if self.refusals:
                self.refusals -= 1
                results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
            else:
                self.taken.append(record["Data"])
                results.append({"ShardId": "s0", "SequenceNumber": str(len(self.taken))})
        return {"Records": results}


@given(st.lists(st.binary(max_size=50), max_size=1200), st.integers(0, 3))
def test_everything_is_sent_once(payloads: list[bytes], refusals: int) -> None:
    kinesis = Kinesis(refusals)
    sent = stream.send(SOURCE, payloads, ENVIRONMENT, kinesis, sleep=lambda s: None)
    assert sorted(kinesis.taken) == sorted(payloads)
    assert sent.records == len(payloads)


def test_a_stream_that_goes_on_refusing_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(StrataError, match="refused 1 records 8 times") as caught:
        stream.send(SOURCE, [b"x"], ENVIRONMENT, Kinesis(10**6), sleep=lambda s: None)
    assert "again later" in caught.value.hint


def test_an_oversize_record_is_named() -> None:
    with pytest.raises(StrataError, match="record 2 has"):
        list(stream.batches([b"ok", b"x" * (2**20 + 1)]))


@given(st.lists(st.integers(0, 900_000), max_size=20))
def test_batches_stay_within_five_mebibytes(sizes: list[int]) -> None:
    for batch in stream.batches(b"x" * size for size in sizes):
        assert sum(map(len, batch)) <= 5 * 2**20
        assert len(batch) <= 500
