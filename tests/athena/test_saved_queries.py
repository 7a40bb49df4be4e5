"""Named queries, prepared statements, tags and metrics, through real clients."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Athena


@pytest.fixture
def group(athena: Athena) -> str:
    """A workgroup of the test's own."""
    name = f"wg{uuid.uuid4().hex[:8]}"
    athena.aws.client("athena").create_work_group(Name=name, Tags=[{"Key": "team", "Value": "ops"}])
    return name


def test_a_named_query_is_kept_changed_and_deleted(athena: Athena, group: str) -> None:
    client = athena.aws.client("athena")
    body: dict[str, Any] = {
        "Name": "n",
        "Database": "d",
        "QueryString": "select 1",
        "WorkGroup": group,
    }
    token = uuid.uuid4().hex
    first, second = (
        client.create_named_query(**body, ClientRequestToken=token)["NamedQueryId"]
        for _ in range(2)
    )
    assert first == second
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        client.create_named_query(**{**body, "Name": "other"}, ClientRequestToken=token)
    client.update_named_query(NamedQueryId=first, Name="n", QueryString="select 2")
    assert client.get_named_query(NamedQueryId=first)["NamedQuery"]["QueryString"] == "select 2"
    assert client.list_named_queries(WorkGroup=group)["NamedQueryIds"] == [first]
    batch = client.batch_get_named_query(NamedQueryIds=[first, "nope"])
    assert [q["NamedQueryId"] for q in batch["NamedQueries"]] == [first]
    assert [q["NamedQueryId"] for q in batch["UnprocessedNamedQueryIds"]] == ["nope"]
    client.delete_named_query(NamedQueryId=first)
    with pytest.raises(ClientError, match="was not found"):
        client.get_named_query(NamedQueryId=first)


def test_a_prepared_statement_of_the_api_is_executed(athena: Athena, group: str) -> None:
    client = athena.aws.client("athena")
    client.create_prepared_statement(
        StatementName="adds", WorkGroup=group, QueryStatement="select ? + ?, ?"
    )
    with pytest.raises(ClientError, match="already exists"):
        client.create_prepared_statement(
            StatementName="adds", WorkGroup=group, QueryStatement="select 1"
        )
    execution = athena.run("EXECUTE adds USING 40, 2, 'it''s, all'", WorkGroup=group)
    answer = client.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    values = [d["VarCharValue"] for d in answer["ResultSet"]["Rows"][1]["Data"]]
    assert values == ["42", "it's, all"]
    listed = client.list_prepared_statements(WorkGroup=group)["PreparedStatements"]
    assert [s["StatementName"] for s in listed] == ["adds"]
    client.delete_prepared_statement(StatementName="adds", WorkGroup=group)
    failed = athena.run("execute adds using 1, 2, 3", WorkGroup=group)
    assert "PreparedStatement adds was not found" in failed["Status"]["StateChangeReason"]
    with pytest.raises(ClientError) as caught:
        client.get_prepared_statement(StatementName="adds", WorkGroup=group)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_prepare_and_deallocate_are_statements(athena: Athena, group: str) -> None:
    client = athena.aws.client("athena")
    made = athena.run(
        "-- from a tool\nPREPARE by_id FROM select x from (values 1, 2) as t(x) where x = ?",
        WorkGroup=group,
    )
    assert made["Status"]["State"] == "SUCCEEDED"
    execution = athena.run("execute by_id using 2", WorkGroup=group)
    rows = client.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"][
        "Rows"
    ]
    assert [r["Data"][0]["VarCharValue"] for r in rows] == ["x", "2"]
    none = athena.run("execute by_id", WorkGroup=group)["Status"]
    assert none["StateChangeReason"].startswith("INVALID_PARAMETER_USAGE: Incorrect number")
    injected = athena.run("execute by_id using (select 1)", WorkGroup=group)["Status"]
    assert injected["State"] == "FAILED"
    assert athena.run("DEALLOCATE PREPARE by_id", WorkGroup=group)["Status"]["State"] == "SUCCEEDED"
    broken = athena.run("prepare p from selec 1", WorkGroup=group)["Status"]
    assert broken["StateChangeReason"].startswith("SYNTAX_ERROR")


def test_a_workgroup_has_tags_and_is_deleted_empty_or_by_force(athena: Athena, group: str) -> None:
    client = athena.aws.client("athena")
    arn = f"arn:aws:athena:us-east-1:000000000000:workgroup/{group}"
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "cost", "Value": "42"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [
        {"Key": "cost", "Value": "42"}
    ]
    client.create_prepared_statement(StatementName="s", WorkGroup=group, QueryStatement="select 1")
    with pytest.raises(ClientError, match="is not empty"):
        client.delete_work_group(WorkGroup=group)
    client.delete_work_group(WorkGroup=group, RecursiveDeleteOption=True)


def test_a_workgroup_publishes_the_metrics_of_its_queries(athena: Athena, group: str) -> None:
    client, cloudwatch = athena.aws.client("athena"), athena.aws.client("cloudwatch")
    updates = {"PublishCloudWatchMetricsEnabled": True}
    client.update_work_group(WorkGroup=group, ConfigurationUpdates=updates)
    athena.iceberg("t", "select 1 as a")
    scanned = athena.run("select a from t", WorkGroup=group)["Statistics"]["DataScannedInBytes"]
    dimensions = {"QueryState": "SUCCEEDED", "QueryType": "DML", "WorkGroup": group}
    now = datetime.now(UTC)
    deadline = time.monotonic() + 10
    points: list[dict[str, Any]] = []
    while not points and time.monotonic() < deadline:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/Athena",
            MetricName="ProcessedBytes",
            Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
    assert sum(point["Sum"] for point in points) == scanned > 0


def test_statistics_are_of_the_query(athena: Athena) -> None:
    execution = athena.ok("select x from unnest(sequence(1, 500)) as t(x)")
    found = athena.aws.client("athena").get_query_runtime_statistics(
        QueryExecutionId=execution["QueryExecutionId"]
    )["QueryRuntimeStatistics"]
    assert found["Rows"] == {"InputBytes": 0, "OutputRows": 500}
    timeline = found["Timeline"]
    assert timeline["TotalExecutionTimeInMillis"] >= timeline["EngineExecutionTimeInMillis"] > 0
    assert timeline["QueryPlanningTimeInMillis"] <= timeline["EngineExecutionTimeInMillis"]
