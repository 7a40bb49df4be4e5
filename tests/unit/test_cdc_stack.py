"""The stack of a captured system, and the files that the laptop's DMS writes."""

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from aws_code.landing import changes
from local_aws.dms import files
from strata.declarations import Capture, Source
from strata.deploy.cdc import cdc_stack, table_mappings
from strata.environment import Environment
from strata.errors import StrataError

DEV = Environment("dev", "123456789012", "eu-west-1")
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:strata-dev-a-b-database-AbCdEf"
ZEROS = "0" * 19


def table(name: str = "t", **changed: Any) -> Source:
    """A captured table of the system a_b."""
    source = Source(
        name=f"a_b.{name}", database="bronze_a_b", table=name, location=f"a_b/{name}/",
        file_format="json", ingest="cdc", key=("id",), event_time="_committed_at",
        start="2013-01-01", owner="o", description="d", columns=(), drift="warn", file="a.yml",
    )  # fmt: skip
    return replace(source, **changed)


def test_tables_are_selected_renamed_and_given_the_change_sequence_and_the_key_before() -> None:
    rules = table_mappings("a_b", [table("t"), table("u")])["rules"]
    assert [rule["rule-id"] for rule in rules] == ["1", "2", "3", "4", "5"]
    assert rules[1]["object-locator"] == {"schema-name": "public", "table-name": "u"}
    assert rules[2]["value"] == "a_b"
    assert rules[3]["expression"] == "$AR_H_CHANGE_SEQ"
    assert rules[4]["before-image-def"]["column-filter"] == "pk-only"


def test_a_database_of_an_account_is_reached_by_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_CDC_SUBNET_GROUP", "private")
    source = table(capture=Capture(engine="mysql", schema="shop", file_format="parquet"))
    stack = cdc_stack("a_b", [source], DEV, SECRET)
    assert stack.name == "strata-dev-cdc-a-b"
    given = {name: value for name, value in stack.parameters.items() if name != "TableMappings"}
    assert given == {
        "Environment": "dev", "System": "a-b", "Folder": "a_b", "Engine": "mysql",
        "DatabaseName": "", "DatabaseSecretArn": SECRET, "FileFormat": "parquet",
        "SubnetGroup": "private",
    }  # fmt: skip
    assert len(json.loads(stack.parameters["TableMappings"])["rules"]) == 4


def test_tables_that_disagree_or_are_too_many_are_refused() -> None:
    with pytest.raises(StrataError, match=r"a.yml: the tables of a_b differ in meta.capture"):
        cdc_stack("a_b", [table("t"), table("u", capture=Capture(engine="mysql"))], DEV, None)
    with pytest.raises(StrataError, match="too many tables for one replication: 60"):
        cdc_stack("a_b", [table(f"table_{n}") for n in range(60)], DEV, None)


def test_files_of_a_full_load_have_a_size_and_count_in_hexadecimal() -> None:
    settings = {"CompressionType": "gzip", "AddColumnName": True, "MaxFileSize": 1}
    rows = [["x" * 600, n] for n in range(5)]
    fields = [files.Field("a"), files.Field("b", "INTEGER")]
    written = [gzip.decompress(f.read()).decode() for f in files.write(fields, rows, settings)]
    assert [text.count("\n") - 1 for text in written] == [2, 2, 1]
    assert all(text.startswith("a,b\n") for text in written)
    assert files.load_name(10, settings) == "LOAD0000000A.csv.gz"


def test_nulls_and_quotes_are_written_as_the_settings_say() -> None:
    row = ["I", None, 'say "hi",\nthen']
    fields = [files.Field(name) for name in "abc"]
    (plain,) = [file.read() for file in files.write(fields, [row], {})]
    assert plain == b'I,NULL,"say ""hi"",\nthen"\n'
    (empty,) = [file.read() for file in files.write(fields, [row], {"CsvNullValue": ""})]
    assert empty.startswith(b"I,,")


def test_a_change_of_key_is_a_deletion_and_an_update_at_one_place() -> None:
    stamp = {"Op": "U", "dms_commit_timestamp": "2013-05-02 12:00:00.120000"}
    row = {**stamp, "id": "2", "name": "n", "BI_id": "1", "ar_h_change_seq": "7"}
    (old, deletion), (new, update) = changes.split(row)
    assert (old, deletion["_op"]) == ({"id": "1"}, "D")
    assert (new, update["_op"]) == ({"id": "2", "name": "n"}, "U")
    assert deletion["_change_sequence"] == update["_change_sequence"] == "7".rjust(35, "0")
    assert update["_committed_at"] == "2013-05-02T12:00:00.120000Z"
    assert len(list(changes.split({**row, "BI_id": "2"}))) == 1


@pytest.mark.parametrize(
    ("stamp", "sequence"),
    [
        ("2013-05-02 12:00:00.120000", "2013050212000012" + ZEROS),
        ("2013-05-02 12:00:00", "2013050212000000" + ZEROS),
        ("soon", None),
        (None, None),
    ],
)
def test_a_row_of_a_full_load_is_placed_at_its_start(stamp: str | None, sequence: str) -> None:
    ((_, change),) = changes.split({"Op": "I", "dms_commit_timestamp": stamp, "id": "1"})
    assert change["_change_sequence"] == sequence
