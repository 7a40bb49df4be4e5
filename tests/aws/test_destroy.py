"""`strata destroy`: what it refuses, what it deletes, what stays, and that it can be killed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from strata.cli import app, destroy
from strata.deploy import inventory, operations
from strata.errors import StrataError
from tests.conftest import Lakehouse, start


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A lakehouse that these tests take down, one after the other."""
    yield from start(tmp_path_factory.mktemp("state"))


def run(*arguments: str) -> Result:
    """Run the command line in this process, without a terminal."""
    return CliRunner().invoke(app, list(arguments))


def refused(result: Result) -> StrataError:
    """The error of a command that was refused."""
    assert isinstance(result.exception, StrataError), result.output
    return result.exception


def names(lakehouse: Lakehouse) -> set[str]:
    """The stacks of the environment."""
    found = inventory.deployed(lakehouse.environment, lakehouse.client("cloudformation"))
    return {stack["StackName"] for stack in found}


def test_nothing_is_deleted_without_the_name_of_the_environment(lakehouse: Lakehouse) -> None:
    before = names(lakehouse)
    assert "--confirm local" in refused(run("destroy")).hint
    assert "nothing was deleted" in refused(run("destroy", "--confirm", "dev")).message
    assert names(lakehouse) == before


def test_data_and_protection_are_in_the_way(lakehouse: Lakehouse) -> None:
    before = names(lakehouse)
    s3 = lakehouse.client("s3")
    bucket = lakehouse.environment.bucket("bronze")
    for body in (b"old", b"new"):
        s3.put_object(Bucket=bucket, Key="a", Body=body)
    # The bucket is versioned: one object, two versions.
    error = refused(run("destroy", "--confirm", "local"))
    assert f"{bucket}: 2 objects" in error.message and "--delete-data" in error.hint
    cloudformation = lakehouse.client("cloudformation")
    storage = lakehouse.environment.resource("storage")
    protect = {"StackName": storage, "EnableTerminationProtection": True}
    cloudformation.update_termination_protection(**protect)
    error = refused(run("destroy", "--delete-data", "--confirm", "local"))
    assert storage in error.message
    cloudformation.update_termination_protection(
        **{**protect, "EnableTerminationProtection": False}
    )
    assert names(lakehouse) == before


def capture(lakehouse: Lakehouse) -> None:
    """Let a replication run: DMS deletes none that does."""
    path = lakehouse.settings.state / "sources" / "registry.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript("""
            create table carriers (carrier text primary key, name text);
            create table aircraft (tailnum text primary key, seats integer);
            create table airports (faa text primary key, name text);
        """)
    started = run("ingest", "cdc", "start", "registry", "--env", "local")
    assert started.exit_code == 0, (started.output, started.exception)


def test_killed_it_goes_on_and_leaves_what_is_kept(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(lakehouse)
    capture(lakehouse)
    deleted: list[str] = []
    delete = operations.delete

    def killed(name: str, *given: Any) -> Any:
        if len(deleted) == 2:
            raise KeyboardInterrupt
        deleted.append(name)
        return delete(name, *given)

    monkeypatch.setattr(destroy.operations, "delete", killed)
    run("destroy", "--delete-data", "--confirm", "local")
    assert names(lakehouse) == before - set(deleted)
    monkeypatch.undo()
    done = run("destroy", "--delete-data", "--confirm", "local")
    assert done.exit_code == 0, done.output
    assert "stopping the replication strata-local-registry" in done.output
    assert names(lakehouse) == set()
    assert lakehouse.client("s3").list_buckets()["Buckets"] == []
    assert lakehouse.client("glue").get_databases()["DatabaseList"] == []
    governance = lakehouse.client("lakeformation")
    assert governance.list_lf_tags()["LFTags"] == []
    assert governance.list_resources()["ResourceInfoList"] == []
    states = [
        lakehouse.client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        for key in lakehouse.client("kms").list_keys()["Keys"]
    ]
    assert states == ["PendingDeletion"] * 2  # of the lake and of landing
    assert "has no stacks" in run("destroy").output


def test_what_is_kept_without_data_is_listed_with_its_removal(lakehouse: Lakehouse) -> None:
    assert run("deploy").exit_code == 0
    done = run("destroy", "--confirm", "local")
    assert done.exit_code == 0, done.output
    told = done.output.replace("\n", " ")
    for layer in ("landing", "bronze", "silver", "gold", "athena-results", "artifacts"):
        assert f"aws s3 rb s3://{lakehouse.environment.bucket(layer)} --force" in told
    assert "aws secretsmanager delete-secret --secret-id strata-local-masking-key" in told
    assert told.count("aws kms schedule-key-deletion") == 2
