"""Snapshots that a tag or another entry of the catalog points to: they stay readable."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .conftest import Athena
from .test_iceberg import glue_catalog

SNAPSHOTS = 'select snapshot_id from "t$snapshots" order by committed_at'


@pytest.fixture
def versions(athena: Athena) -> list[str]:
    """A table of one, two and three rows; gives its snapshots."""
    athena.iceberg("t", "select 1 as a")
    athena.ok("insert into t values 2")
    athena.ok("insert into t values 3")
    return [str(row[0]) for row in athena.rows(SNAPSHOTS)]


def vacuum(athena: Athena) -> None:
    """VACUUM all that may go."""
    athena.ok(
        f"alter table {athena.database}.t set tblproperties ('vacuum_max_snapshot_age_seconds'='1')"
    )
    time.sleep(1.2)
    athena.ok("vacuum t")


def objects(athena: Athena, ending: str) -> list[str]:
    """The keys of the table's objects."""
    listed: Any = athena.aws.client("s3").list_objects_v2(Bucket=athena.bucket, Prefix="t-")
    return [o["Key"] for o in listed["Contents"] if o["Key"].endswith(ending)]


def test_vacuum_keeps_a_tagged_snapshot(athena: Athena, versions: list[str]) -> None:
    table = glue_catalog(athena).load_table((athena.database, "t"))
    table.manage_snapshots().create_tag(int(versions[0]), "kept").commit()
    athena.ok("delete from t where a = 1")
    athena.ok("optimize t rewrite data using bin_pack")
    vacuum(athena)
    newest = athena.rows(SNAPSHOTS)[-1][0]
    assert athena.rows(SNAPSHOTS) == [[versions[0]], [newest]]
    assert athena.rows(f"select a from t for version as of {versions[0]}") == [["1"]]
    assert athena.rows("select a from t order by a") == [["2"], ["3"]]
    # The tagged snapshot's file, and the one that holds both rows.
    assert len(objects(athena, ".parquet")) == 2


def test_vacuum_after_a_rollback_keeps_the_current_snapshot(
    athena: Athena, versions: list[str]
) -> None:
    table = glue_catalog(athena).load_table((athena.database, "t"))
    table.manage_snapshots().rollback_to_snapshot(int(versions[1])).commit()
    assert athena.rows("select a from t order by a") == [["1"], ["2"]]
    vacuum(athena)
    assert athena.rows(SNAPSHOTS) == [[versions[1]]]
    assert athena.rows("select a from t order by a") == [["1"], ["2"]]


def test_an_entry_reads_metadata_that_lies_elsewhere(athena: Athena, versions: list[str]) -> None:
    glue, s3 = athena.aws.client("glue"), athena.aws.client("s3")
    made = glue.get_table(DatabaseName=athena.database, Name="t")["Table"]
    key = made["Parameters"]["metadata_location"].split("/", 3)[3]
    elsewhere = "registered/u/metadata/00000-copy.metadata.json"
    s3.copy_object(
        Bucket=athena.bucket, Key=elsewhere, CopySource={"Bucket": athena.bucket, "Key": key}
    )
    glue.create_table(
        DatabaseName=athena.database,
        TableInput={
            "Name": "registered",
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": made["StorageDescriptor"],
            "Parameters": {
                "table_type": "ICEBERG",
                "metadata_location": f"s3://{athena.bucket}/{elsewhere}",
            },
        },
    )
    athena.ok("delete from t where a < 3")
    assert athena.rows("select a from t") == [["3"]]
    assert athena.rows("select a from registered order by a") == [["1"], ["2"], ["3"]]
    assert athena.rows(f"select a from registered for version as of {versions[0]}") == [["1"]]
    paths = {row[0] for row in athena.rows('select distinct "$path" from registered')}
    assert len(paths) == 3
    assert all(str(path).startswith(f"s3://{athena.bucket}/t-") for path in paths)
    assert athena.rows('select count(*) from "registered$files"') == [["3"]]
