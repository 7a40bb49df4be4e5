"""Athena's tests: expressions run in process, statements on a real gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_aws.athena import engine, relations, results
from local_aws.athena.failure import QueryFailed
from local_aws.athena.query_parser import parse_query
from local_aws.athena.translate import Translator
from local_aws.athena.types import Type
from local_aws.settings import Settings
from tests.conftest import free_port

NOW = datetime(2013, 1, 15, 12, 30, 45, 123456, tzinfo=UTC)


class NoTables:
    """A catalog without tables."""

    database = "d"

    def resolve(self, parts: list[str], version: object, position: str) -> Any:
        raise QueryFailed("TABLE_NOT_FOUND", f"{position}Table '{'.'.join(parts)}' does not exist")


@pytest.fixture(scope="session")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Runs a query without tables; gives its types and rows."""
    db = engine.Engine(tmp_path_factory.mktemp("engine"), [])

    def run(sql: str) -> tuple[list[Type], list[Any]]:
        con = db.connect()
        translator = Translator(sql, NoTables(), NOW, lambda text: engine.fold(con, text))
        text, relation = translator.result(parse_query(sql))
        relations.finish(translator.relations, [relation])
        try:
            rows = engine.run(con, text, {}).fetchall()
        finally:
            con.close()
        kinds = [c.type for c in relation.columns]
        return kinds, rows

    yield run
    db.close()


@pytest.fixture(scope="session")
def evaluate(typed: Callable[[str], Any]) -> Callable[[str], Any]:
    """Runs a query without tables; gives rows as Athena prints them."""

    def run(sql: str) -> list[list[str | None]]:
        kinds, rows = typed(sql)
        return [[results.text(v, t) for v, t in zip(r, kinds, strict=True)] for r in rows]

    return run


@dataclass
class Athena:
    """A client of the gateway's Athena, with a database and a bucket of its own."""

    aws: Any
    database: str
    bucket: str
    executions: list[dict[str, Any]] = field(default_factory=list)

    def run(self, sql: str, **request: Any) -> dict[str, Any]:
        """Run a statement to its end; gives the QueryExecution."""
        client = self.aws.client("athena")
        started = client.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.database},
            ResultConfiguration={"OutputLocation": f"s3://{self.bucket}/results/"},
            **request,
        )["QueryExecutionId"]
        while True:
            found = client.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                self.executions.append(found)
                return dict(found)
            time.sleep(0.01)

    def rows(self, sql: str) -> list[list[str | None]]:
        """The rows of a query, without its header."""
        execution = self.run(sql)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        answer = self.aws.client("athena").get_query_results(
            QueryExecutionId=execution["QueryExecutionId"]
        )
        rows = [[d.get("VarCharValue") for d in r["Data"]] for r in answer["ResultSet"]["Rows"]]
        return rows if execution["StatementType"] != "DML" else rows[1:]

    def ok(self, sql: str) -> dict[str, Any]:
        """Run a statement that has to succeed."""
        execution = self.run(sql)
        assert execution["Status"]["State"] == "SUCCEEDED", (sql, execution["Status"])
        return execution

    def fails(self, sql: str) -> str:
        """The reason for which a statement fails."""
        execution = self.run(sql)
        assert execution["Status"]["State"] == "FAILED", (sql, execution["Status"])
        return str(execution["Status"]["StateChangeReason"])

    def scanned(self, sql: str) -> int:
        """DataScannedInBytes of a query."""
        return int(self.ok(sql)["Statistics"]["DataScannedInBytes"])

    def location(self, name: str) -> str:
        """A fresh location in the test's bucket."""
        return f"s3://{self.bucket}/{name}-{uuid.uuid4().hex[:8]}"

    def iceberg(self, name: str, query: str, partitioning: str = "") -> None:
        """Create an Iceberg table from a query."""
        parts = f", partitioning=array[{partitioning}]" if partitioning else ""
        self.ok(
            f"create table {name} with (table_type='iceberg', is_external=false, "
            f"location='{self.location(name)}'{parts}) as {query}"
        )

    def put(self, key: str, body: bytes) -> None:
        """Put an object into the test's bucket."""
        self.aws.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)


class Gateway:
    """A local AWS of the test session's own, without stacks; by default as the account itself."""

    def __init__(
        self, settings: Settings, key: str = "test", secret: str = "test", token: str | None = None
    ) -> None:
        self.settings = settings
        self._credentials = (key, secret, token)
        self._clients: dict[str, Any] = {}

    def as_role(self, name: str, policy: dict[str, Any]) -> Gateway:
        """The same local AWS for a session of a new role with one policy."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [trust]}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        found = self.client("sts").assume_role(RoleArn=arn["Arn"], RoleSessionName="test")
        keys = found["Credentials"]
        given = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return Gateway(self.settings, *given)

    def client(self, service: str) -> Any:
        """A boto3 client of the gateway."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.settings.endpoint,
                region_name="us-east-1",
                aws_access_key_id=self._credentials[0],
                aws_secret_access_key=self._credentials[1],
                aws_session_token=self._credentials[2],
            )
        return self._clients[service]


def start(state: Path) -> tuple[Gateway, subprocess.Popen[bytes]]:
    """A gateway process over a state folder, ready to answer."""
    settings = Settings(free_port(), state)
    env = {**os.environ, "STRATA_PORT": str(settings.port), "STRATA_STATE": str(state)}
    env["PYTHONPATH"] = str(Path(__file__).parents[2] / "scripts")
    with (state / "gateway.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_aws"], env=env, stdout=log, stderr=log
        )
    gateway = Gateway(settings)
    for _ in range(200):
        try:
            gateway.client("athena").list_work_groups()
            return gateway, process
        except Exception:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError((state / "gateway.log").read_text())


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the tests of this process."""
    running, process = start(tmp_path_factory.mktemp("state"))
    yield running
    process.terminate()
    process.wait(20)


def new_athena(gateway: Gateway) -> Athena:
    """A client with a fresh database and bucket."""
    name = f"t{uuid.uuid4().hex[:10]}"
    gateway.client("s3").create_bucket(Bucket=name)
    gateway.client("glue").create_database(DatabaseInput={"Name": name})
    return Athena(gateway, name, name)


@pytest.fixture
def athena(gateway: Gateway) -> Athena:
    """A database and a bucket of the test's own."""
    return new_athena(gateway)
