"""`strata govern`: what is declared is what a reader sees, through the command line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from click.testing import Result
from typer.testing import CliRunner

from strata import dbt, docs, query
from strata.cli import app
from strata.environment import acting_as
from strata.errors import StrataError
from strata.governance import declared
from tests.conftest import Lakehouse

ROWS = [("p1", "web", "1111"), ("p2", "agency", "2222"), ("p3", "agency", "3333")]


def strata(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def rows(sql: str, reader: str | None = None) -> list[dict[str, str]]:
    """A query's rows as the command line gives them; raises what it fails with."""
    result = strata("query", sql, "--json", *(["--as", reader] if reader else []))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    found: list[dict[str, str]] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module", autouse=True)
def served(lakehouse: Lakehouse) -> Iterator[None]:
    """A table of serving as a declared model has it, and one that nobody declared."""
    athena = lakehouse.client("athena")
    place = f"s3://{lakehouse.environment.bucket('gold')}/governance"
    made = "with (table_type='iceberg', is_external=false, location='{}/{}') as select * from (values {}) as t ({})"
    values = ", ".join(str(row) for row in ROWS)
    columns = "payment_id, channel, card_last_four"
    query.run(
        "create table serving.fct_payments " + made.format(place, "p", values, columns), athena
    )
    query.run("create table serving.unknown " + made.format(place, "u", "(1)", "x"), athena)
    assert strata("govern", "apply").exit_code == 0
    yield
    for table in ("fct_payments", "unknown"):
        query.run(f"drop table serving.{table}", athena)


def test_applied_twice_changes_nothing() -> None:
    assert strata("govern", "plan").exit_code == 0
    assert "as declared" in strata("govern", "apply").stdout
    assert json.loads(strata("govern", "plan", "--json").stdout) == []


def test_each_reader_sees_its_part() -> None:
    everything = "select * from serving.fct_payments order by 1"
    assert rows(everything, "analyst") == [{"payment_id": i, "channel": c} for i, c, _ in ROWS]
    assert rows(everything, "agency_desk") == [
        {"payment_id": i, "channel": c} for i, c, _ in ROWS if c == "agency"
    ]
    assert rows(everything, "investigator") == [
        {"payment_id": i, "channel": c, "card_last_four": d} for i, c, d in ROWS
    ]
    assert len(rows(everything)) == 3


@pytest.mark.parametrize(
    ("sql", "reader"),
    [
        ("select card_last_four from serving.fct_payments", "analyst"),
        ("select * from serving.unknown", "analyst"),
        ("select * from gold.fct_payments", "investigator"),
        ("select * from bronze_ticketing.payments", "investigator"),
        ("drop table serving.fct_payments", "investigator"),
        ("create table serving.mine as select 1 as x", "analyst"),
    ],
)
def test_nothing_else_is_seen_or_changed(sql: str, reader: str) -> None:
    with pytest.raises(StrataError, match="query failed: (Access|COLUMN_NOT_FOUND|PERMISSION)"):
        rows(sql, reader)


def test_a_new_column_is_hidden_until_it_is_classified(lakehouse: Lakehouse) -> None:
    athena = lakehouse.client("athena")
    query.run("alter table serving.fct_payments add columns (amount_usd decimal(10,2))", athena)
    one = "select * from serving.fct_payments where payment_id = 'p2'"
    assert [list(row) for row in rows(one, "analyst")] == [["payment_id", "channel"]]
    plan = strata("govern", "plan")
    assert plan.exit_code == 2
    assert "none is the class of amount_usd" in " ".join(plan.stdout.split())
    assert strata("govern", "apply").exit_code == 0
    for reader in ("analyst", "agency_desk"):
        assert [list(row) for row in rows(one, reader)] == [["payment_id", "channel", "amount_usd"]]


def test_a_reader_that_is_not_declared_any_more_reads_nothing(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = [reader for reader in declared.readers() if reader.name != "investigator"]
    tables = declared.tables(dbt.manifest(), declared.readers())
    for table in tables:
        table.readers.pop("investigator", None)
    with monkeypatch.context() as patched:
        patched.setattr(declared, "readers", lambda: kept)
        patched.setattr(declared, "tables", lambda manifest, readers: tables)
        applied = strata("govern", "apply").stdout
    assert "- tag strata_reads_investigator" in applied
    with pytest.raises(StrataError, match="Insufficient Lake Formation"):
        rows("select count(*) from serving.fct_payments", "investigator")
    assert strata("govern", "apply").exit_code == 0
    assert rows("select count(*) as n from serving.fct_payments", "investigator") == [{"n": "3"}]


def test_a_role_that_may_not_be_assumed_says_so(lakehouse: Lakehouse) -> None:
    acting = acting_as("nobody", lakehouse.environment)
    with pytest.raises(StrataError, match="you may not act as strata-local-nobody"), acting:
        pass
    with pytest.raises(StrataError, match="no reader is named 'boss'"):
        rows("select 1", "boss")


def test_readers_have_a_boundary_and_a_cutoff(lakehouse: Lakehouse) -> None:
    iam, athena = lakehouse.client("iam"), lakehouse.client("athena")
    for reader in declared.readers():
        role = iam.get_role(RoleName=lakehouse.environment.resource(reader.role))["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("reader-boundary")
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
        group = athena.get_work_group(WorkGroup=f"strata-{reader.role}")["WorkGroup"]
        assert group["Configuration"]["BytesScannedCutoffPerQuery"] == 10 * 2**30


def test_no_policy_lifts_a_reader_over_its_boundary(lakehouse: Lakehouse) -> None:
    iam, role = lakehouse.client("iam"), lakehouse.environment.resource("analyst")
    more = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [more]})
    iam.put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=document)
    try:
        with acting_as("analyst", lakehouse.environment):
            s3 = lakehouse.client("s3")
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.list_objects_v2(Bucket=lakehouse.environment.bucket("gold"))
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="more")


def test_the_classification_page_says_who_sees_what(tmp_path: Path) -> None:
    page = docs.classify(tmp_path / "classification.html").read_text()
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "serving revenue serving.fct_payments card_last_four last4 investigator" in text
    assert "bronze ticketing bronze_ticketing.passengers full_name redact machines only" in text
    assert "rows where channel = &#39;agency&#39;" in text
