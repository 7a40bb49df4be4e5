"""The Glue catalog: versions, compare-and-set, partition expressions, Python-shell jobs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_aws.errors import AwsError
from local_aws.glue.catalog import GlueCatalog


@pytest.fixture
def catalog(tmp_path: Path) -> GlueCatalog:
    """An empty catalog with one database."""
    made = GlueCatalog(tmp_path / "catalog.db", lambda: datetime.now(UTC), "000000000000")
    made.create_database(DatabaseInput={"Name": "Lake"})
    return made


def table(name: str, **members: object) -> dict[str, object]:
    """A TableInput."""
    return {"Name": name, "StorageDescriptor": {"Columns": []}, **members}


def test_names_are_folded_and_unknown_ones_are_errors(catalog: GlueCatalog) -> None:
    catalog.create_table(DatabaseName="LAKE", TableInput=table("Orders"))
    assert catalog.get_table(DatabaseName="lake", Name="ORDERS")["Table"]["Name"] == "orders"
    with pytest.raises(AwsError, match="EntityNotFoundException"):
        catalog.get_table(DatabaseName="lake", Name="nope")
    with pytest.raises(AwsError, match="AlreadyExistsException"):
        catalog.create_table(DatabaseName="lake", TableInput=table("orders"))


def test_concurrent_updates_with_a_version_lose_nothing(catalog: GlueCatalog) -> None:
    catalog.create_table(DatabaseName="lake", TableInput=table("t", Parameters={"n": "0"}))

    def increment(_: int) -> None:
        while True:
            found = catalog.get_table(DatabaseName="lake", Name="t")["Table"]
            count = int(found["Parameters"]["n"]) + 1
            try:
                catalog.update_table(
                    DatabaseName="lake",
                    TableInput=table("t", Parameters={"n": str(count)}),
                    VersionId=found["VersionId"],
                )
                return
            except AwsError as error:
                assert error.code == "ConcurrentModificationException"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(40)))
    found = catalog.get_table(DatabaseName="lake", Name="t")["Table"]
    assert found["Parameters"]["n"] == found["VersionId"] == "40"
    versions = catalog.get_table_versions(DatabaseName="lake", TableName="t", MaxResults=100)
    assert len(versions["TableVersions"]) == 41


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("year = 2013 and month in (1, 2)", [["2013", "1"], ["2013", "2"]]),
        ("month between 2 and 11", [["2013", "2"], ["2014", "11"]]),
        ("(year='2014') or not (month > 1)", [["2013", "1"], ["2014", "11"]]),
    ],
)
def test_partitions_are_filtered_by_expression(
    catalog: GlueCatalog, expression: str, values: list[list[str]]
) -> None:
    keys = [{"Name": "year", "Type": "int"}, {"Name": "month", "Type": "int"}]
    catalog.create_table(DatabaseName="lake", TableInput=table("p", PartitionKeys=keys))
    inputs = [{"Values": v} for v in (["2013", "1"], ["2013", "2"], ["2014", "11"])]
    catalog.batch_create_partition(DatabaseName="lake", TableName="p", PartitionInputList=inputs)
    found = catalog.get_partitions(DatabaseName="lake", TableName="p", Expression=expression)
    assert [p["Values"] for p in found["Partitions"]] == values


@pytest.mark.parametrize("expression", ["year = (select 1)", "load_extension('x')", "day = 1", "("])
def test_a_bad_expression_is_refused(catalog: GlueCatalog, expression: str) -> None:
    keys = [{"Name": "year", "Type": "int"}]
    catalog.create_table(DatabaseName="lake", TableInput=table("p", PartitionKeys=keys))
    catalog.create_partition(
        DatabaseName="lake", TableName="p", PartitionInput={"Values": ["2013"]}
    )
    with pytest.raises(AwsError, match="InvalidInputException"):
        catalog.get_partitions(DatabaseName="lake", TableName="p", Expression=expression)
