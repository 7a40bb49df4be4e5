"""The saved query of the audit stack, run over events of a trail.

The engine does not read CloudTrail's files: the events lie as JSON lines, as CloudTrail's input
format hands them to the table. Columns, partition projection and query are the template's.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.template_rules import load, of_type

from .conftest import Athena

AUDIT = load(Path(__file__).parents[2] / "infra" / "audit.yaml")
NOW = datetime.now(UTC)


def event(role: str, key: str, days_ago: int = 0, **changed: Any) -> tuple[str, dict[str, Any]]:
    """The read of an object, as CloudTrail logs it, and the folder of its day."""
    time = NOW - timedelta(days=days_ago)
    assumed = f"arn:aws:sts::123456789012:assumed-role/{role}/session"
    issuer = {"type": "Role", "arn": f"arn:aws:iam::123456789012:role/{role}"}
    logged = {
        "eventversion": "1.11",
        "useridentity": {"arn": assumed, "sessioncontext": {"sessionissuer": issuer}},
        "eventtime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "eventsource": "s3.amazonaws.com",
        "eventname": "GetObject",
        "requestparameters": json.dumps({"bucketName": "gold", "key": key}),
        **changed,
    }
    return f"{time:%Y/%m/%d}", logged


def make_table(athena: Athena) -> None:
    """The trail's table in the test's database and bucket."""
    (table,) = [found["TableInput"] for _, found in of_type(AUDIT, "AWS::Glue::Table")]
    template = f"s3://{athena.bucket}/trail/${{day}}"
    own = {
        "projection.day.range": "2013/01/01,NOW",
        "storage.location.template": template,
    }
    storage = {
        "Columns": table["StorageDescriptor"]["Columns"],
        "Location": f"s3://{athena.bucket}/trail/",
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    }
    parameters = {**table["Parameters"], **own}
    made = {**table, "Parameters": parameters, "StorageDescriptor": storage}
    athena.aws.client("glue").create_table(DatabaseName=athena.database, TableInput=made)


def test_who_read_what_counts_the_reads_of_a_week_by_reader_and_folder(athena: Athena) -> None:
    events = [
        event("dashboards", "marts/delays/1.parquet"),
        event("dashboards", "marts/delays/2.parquet", days_ago=3),
        event("dashboards", "marts/delays/3.parquet", errorcode="AccessDenied"),
        event("analyst", "top.parquet"),
        event("analyst", "marts/old.parquet", days_ago=9),
        event("analyst", "marts/new.parquet", eventname="PutObject"),
        event("analyst", "marts/queue", eventsource="sqs.amazonaws.com"),
    ]
    make_table(athena)
    for number, (day, logged) in enumerate(events):
        athena.put(f"trail/{day}/{number}.json", json.dumps(logged).encode())
    (query,) = [found["QueryString"] for _, found in of_type(AUDIT, "AWS::Athena::NamedQuery")]
    rows = athena.rows(query)
    role = "arn:aws:iam::123456789012:role/"
    assert [(row[0], *row[3:7]) for row in rows] == [
        (f"{role}dashboards", "gold", "marts/delays/", "3", "1"),
        (f"{role}analyst", "gold", None, "1", "0"),
    ]
    assert rows[0][7:] == [events[1][1]["eventtime"], events[0][1]["eventtime"]]
