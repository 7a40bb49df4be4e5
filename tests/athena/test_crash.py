# ruff: noqa: E501 (a statement reads best in one line)
"""Killed in the middle of a MERGE, the table stays at its last commit."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

from .conftest import new_athena, start


def test_kill_in_a_merge_leaves_the_last_commit(tmp_path: Path) -> None:
    gateway, process = start(tmp_path)
    athena = new_athena(gateway)
    athena.iceberg(
        "big",
        "select cast(a * 1000 + b as bigint) as id, 0 as v from unnest(sequence(0, 999)) as x(a), unnest(sequence(0, 499)) as y(b)",
    )
    (before,) = athena.rows('select count(*) from "big$snapshots"')[0]
    client = gateway.client("athena")
    for delay in (0.05, 0.15, 0.4):
        client.start_query_execution(
            QueryString="merge into big t using (select id from big) s on t.id = s.id when matched then update set v = t.v + 1",
            QueryExecutionContext={"Database": athena.database},
            ResultConfiguration={"OutputLocation": f"s3://{athena.bucket}/r/"},
        )
        killer = threading.Timer(delay, process.kill)
        killer.start()
        process.wait(20)
        with contextlib.suppress(Exception):
            killer.cancel()
        time.sleep(0.1)
        gateway, process = start(tmp_path)
        client = gateway.client("athena")
        athena.aws = gateway
        count, low, high = athena.rows("select count(*), min(v), max(v) from big")[0]
        assert count == "500000"
        assert low == high
        assert int(athena.rows('select count(*) from "big$snapshots"')[0][0] or 0) == int(
            before or 0
        ) + int(low or 0)
    states = client.list_query_executions(WorkGroup="primary")["QueryExecutionIds"]
    found = client.batch_get_query_execution(QueryExecutionIds=states[:50])["QueryExecutions"]
    assert {e["Status"]["State"] for e in found} <= {"SUCCEEDED", "FAILED"}
    process.terminate()
    process.wait(20)
