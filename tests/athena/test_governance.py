# ruff: noqa: E501 (a statement reads best in one line)
"""What a role may not see stays unseen: IAM and Lake Formation on the embedded Athena.

Rules: https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html,
https://docs.aws.amazon.com/lake-formation/latest/dg/data-filtering.html and
https://docs.aws.amazon.com/athena/latest/ug/lf-athena-limitations.html
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Athena, Gateway, new_athena

ACCOUNT = "000000000000"
GLUE = [
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetPartitions",
]
#: Rows of the tables: only Oslo's are for the guide, and nobody but the owner sees an e-mail.
ROWS = [
    ("ann", "Oslo", "ann@secret.example", 1),
    ("bob", "Bergen", "bob@secret.example", 2),
    ("cid", "Oslo", "cid@secret.example", 3),
]
SECRETS = ("secret.example", "bob", "Bergen")


def arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role}"


def policy(athena: Athena, results: str, *more: dict[str, Any]) -> dict[str, Any]:
    """The rights of a role that reads through Athena: nothing in S3 but its own results."""
    allowed: list[tuple[list[str], str]] = [
        (
            ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults"],
            "arn:aws:athena:us-east-1:*:workgroup/primary",
        ),
        (GLUE, "*"),
        (["lakeformation:GetDataAccess"], "*"),
        (["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{athena.bucket}/{results}/*"),
    ]
    statements = [{"Effect": "Allow", "Action": actions, "Resource": on} for actions, on in allowed]
    return {"Version": "2012-10-17", "Statement": [*statements, *more]}


@dataclass
class Reader(Athena):
    """A role's Athena with results below a prefix of its own."""

    results: str = ""

    def run(self, sql: str, **request: Any) -> dict[str, Any]:
        place = {"OutputLocation": f"s3://{self.bucket}/{self.results}/"}
        client = self.aws.client("athena")
        started = client.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.database},
            ResultConfiguration=place,
        )["QueryExecutionId"]
        while True:
            found: dict[str, Any] = client.get_query_execution(QueryExecutionId=started)[
                "QueryExecution"
            ]
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return found


@dataclass
class Lake:
    """The owner, and two roles that see a part: the clerk no e-mails, the guide Oslo alone."""

    owner: Athena
    clerk: Reader
    guide: Reader
    names: dict[str, str]


def reader(owner: Athena, name: str, *more: dict[str, Any]) -> Reader:
    aws = owner.aws.as_role(name, policy(owner, f"results/{name}", *more))
    return Reader(aws, owner.database, owner.bucket, results=f"results/{name}")


@pytest.fixture(scope="module")
def lake(gateway: Gateway) -> Iterator[Lake]:
    owner = new_athena(gateway)
    names = {kind: f"{kind}-{uuid.uuid4().hex[:6]}" for kind in ("clerk", "guide", "other")}
    values = ", ".join(f"('{n}', '{c}', '{e}', {a})" for n, c, e, a in ROWS)
    query = f"select * from (values {values}) as v (name, city, email, amount)"
    owner.iceberg("visits", query, "'city'")
    owner.ok(
        f"create table old_visits with (format='PARQUET', external_location='{owner.location('old')}/', partitioned_by=array['city']) as select name, email, amount, city from ({query})"
    )
    owner.ok("create view emails as select name, email from visits")
    owner.ok("create view names as select name from visits")
    glue, governance = gateway.client("glue"), gateway.client("lakeformation")
    glue.update_database(
        Name=owner.database,
        DatabaseInput={"Name": owner.database, "CreateTableDefaultPermissions": []},
    )
    reads = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    gateway.as_role("lake", {"Version": "2012-10-17", "Statement": [reads]})
    governance.register_resource(ResourceArn=f"arn:aws:s3:::{owner.bucket}", RoleArn=arn("lake"))
    govern(governance, owner.database, names)
    yield Lake(owner, reader(owner, names["clerk"]), reader(owner, names["guide"]), names)


def govern(governance: Any, database: str, names: dict[str, str]) -> None:
    """Tags for the clerk, a data cells filter for the guide."""
    for key, values in (("personal", ["yes", "no"]), ("kind", ["visits", "none"])):
        with_key = {"TagKey": f"{key}-{database}", "TagValues": values}
        governance.create_lf_tag(**with_key)

    def tag(resource: dict[str, Any], key: str, value: str) -> None:
        governance.add_lf_tags_to_resource(
            Resource=resource, LFTags=[{"TagKey": f"{key}-{database}", "TagValues": [value]}]
        )

    tag({"Database": {"Name": database}}, "personal", "no")
    for table in ("visits", "old_visits", "emails", "names"):
        tag({"Table": {"DatabaseName": database, "Name": table}}, "kind", "visits")
    for table in ("visits", "old_visits"):
        tag(
            {
                "TableWithColumns": {
                    "DatabaseName": database,
                    "Name": table,
                    "ColumnNames": ["email"],
                }
            },
            "personal",
            "yes",
        )
    wanted = [
        {"TagKey": f"personal-{database}", "TagValues": ["no"]},
        {"TagKey": f"kind-{database}", "TagValues": ["visits"]},
    ]
    clerk = {"DataLakePrincipalIdentifier": arn(names["clerk"])}
    governance.grant_permissions(
        Principal=clerk,
        Resource={"LFTagPolicy": {"ResourceType": "TABLE", "Expression": wanted}},
        Permissions=["SELECT"],
    )
    governance.grant_permissions(
        Principal=clerk, Resource={"Database": {"Name": database}}, Permissions=["DESCRIBE"]
    )
    guide = {"DataLakePrincipalIdentifier": arn(names["guide"])}
    governance.grant_permissions(
        Principal=guide, Resource={"Database": {"Name": database}}, Permissions=["DESCRIBE"]
    )
    for table in ("visits", "old_visits"):
        cells = {
            "DatabaseName": database,
            "TableName": table,
            "Name": "oslo",
            "TableCatalogId": ACCOUNT,
        }
        governance.create_data_cells_filter(
            TableData={
                **cells,
                "RowFilter": {"FilterExpression": "city = 'Oslo' and amount < 100"},
                "ColumnWildcard": {"ExcludedColumnNames": ["email"]},
            }
        )
        governance.grant_permissions(
            Principal=guide, Resource={"DataCellsFilter": cells}, Permissions=["SELECT"]
        )


TABLES = pytest.mark.parametrize("table", ["visits", "old_visits"])


@TABLES
def test_a_star_is_the_columns_that_are_granted(lake: Lake, table: str) -> None:
    assert sorted(lake.clerk.rows(f"select * from {table}")) == sorted(
        [n, c, str(a)] if table == "visits" else [n, str(a), c] for n, c, _, a in ROWS
    )


@TABLES
def test_a_row_filter_leaves_the_rows_that_are_granted(lake: Lake, table: str) -> None:
    assert lake.guide.rows(f"select name from {table} order by 1") == [["ann"], ["cid"]]
    assert lake.guide.rows(f"select count(*), sum(amount) from {table}") == [["2", "4"]]


@TABLES
def test_the_owner_sees_everything(lake: Lake, table: str) -> None:
    assert lake.owner.rows(f"select count(email) from {table}") == [["3"]]


def test_a_filter_follows_time_travel(lake: Lake) -> None:
    snapshot = lake.owner.rows('select snapshot_id from "visits$snapshots"')[0][0]
    assert lake.guide.rows(f"select count(*) from visits for version as of {snapshot}") == [["2"]]


def test_a_filter_holds_at_every_reference(lake: Lake) -> None:
    joined = "select count(*) from visits a join old_visits b on a.name = b.name left join visits c on c.amount > 0"
    assert lake.guide.rows(joined) == [["4"]]
    assert lake.guide.rows(
        "with v as (select * from visits) select (select count(*) from v), (select max(name) from v)"
    ) == [["2", "cid"]]


LEAKS = [
    "select email from {t}",
    "select count(*) from {t} where email like 'bob%'",
    "select name from {t} order by email",
    "select max(t.email) from {t} t",
    'select "$path" from {t}',
    'select * from "{t}$partitions"',
    'select lower_bounds, upper_bounds from "{t}$files"',
    'select * from "{t}$snapshots"',
    'select * from "{t}$manifests"',
    "explain select email from {t}",
    "show create table {t}",
    "show partitions {t}",
    "create table copy with (table_type='iceberg', is_external=false, location='s3://{bucket}/copy') as select email from {t}",
    "create table copy2 with (external_location='s3://{bucket}/copy2/') as select * from {t}",
    "unload (select email from {t}) to 's3://{bucket}/results/x/' with (format='PARQUET')",
    "unload (select name from {t}) to 's3://{bucket}/elsewhere/' with (format='PARQUET')",
    "select * from emails",
    "create view mine as select * from {t}",
    "insert into {t} select 'x', 'Oslo', 'e', 1",
    "delete from {t} where name = 'ann'",
    "update {t} set name = 'x' where name = 'ann'",
    "merge into {t} t using (values 1) s (x) on t.amount = s.x when matched then delete",
    "optimize {t} rewrite data using bin_pack",
    "vacuum {t}",
    "drop table {t}",
    "alter table {t} add columns (more string)",
    "alter table {t} set tblproperties ('comment'='x')",
]


@TABLES
@pytest.mark.parametrize("role", ["clerk", "guide"])
@pytest.mark.parametrize("leak", LEAKS)
def test_what_a_role_may_not_do_fails_and_tells_nothing(
    lake: Lake, leak: str, role: str, table: str
) -> None:
    reason = getattr(lake, role).fails(leak.format(t=table, bucket=lake.owner.bucket))
    assert not any(secret in reason for secret in SECRETS), reason
    assert lake.owner.rows(f"select count(*), count(email) from {table}") == [["3", "3"]]


@TABLES
@pytest.mark.parametrize(
    "predicate",
    [
        "cast(name as integer) = 1", "1 / (amount - 2) > 5", "1 / nullif(amount - 2, null) > 5",
        "json_parse(name) is null", "date(city) > date '2013-01-01'",
        "case when name = 'bob' then cast(city as integer) else 1 end = 1",
        "element_at(array[1], amount - 2) = 7", "regexp_like('x', case when amount = 2 then '(' else 'x' end)",
    ],
)  # fmt: skip
def test_no_predicate_meets_a_hidden_row(lake: Lake, predicate: str, table: str) -> None:
    """An error, or its absence, would tell whether a row is there and what it holds."""
    execution = lake.guide.run(f"select count(*) from {table} where {predicate}")
    reason = execution["Status"].get("StateChangeReason", "")
    assert not any(secret in reason for secret in SECRETS), reason
    if "amount - 2" in predicate or "amount = 2" in predicate or "'bob'" in predicate:
        assert execution["Status"]["State"] == "SUCCEEDED", reason


@TABLES
def test_metadata_has_no_hidden_column(lake: Lake, table: str) -> None:
    for role in (lake.clerk, lake.guide):
        described = role.rows(f"describe {table}") + role.rows(f"show columns in {table}")
        described += role.rows(
            f"select column_name from information_schema.columns where table_name = '{table}' and table_schema = '{lake.owner.database}'"
        )
        assert described and not any("email" in str(line) for line in described)
        glue = role.aws.client("glue")
        entry = glue.get_table(DatabaseName=lake.owner.database, Name=table)["Table"]
        listed = next(
            t
            for t in glue.get_tables(DatabaseName=lake.owner.database)["TableList"]
            if t["Name"] == table
        )
        for found in (entry, listed):
            assert "email" not in [c["Name"] for c in found["StorageDescriptor"]["Columns"]]


def test_explain_shows_neither_the_filter_nor_its_constants(lake: Lake) -> None:
    for form in ("text", "json"):
        plan = str(lake.guide.rows(f"explain (format {form}) select name from visits"))
        assert "Oslo" not in plan and "100" not in plan and "email" not in plan


def test_a_view_shows_what_its_tables_show(lake: Lake) -> None:
    assert lake.clerk.rows("select * from names order by 1") == [["ann"], ["bob"], ["cid"]]


def test_a_table_without_a_grant_is_not_there(lake: Lake) -> None:
    lake.owner.ok(
        "create table hidden with (external_location='"
        + lake.owner.location("hidden")
        + "/') as select 1 as x"
    )
    assert "hidden" not in str(lake.clerk.rows("show tables"))
    assert "hidden" not in str(lake.clerk.rows(f"show tables in {lake.owner.database}"))
    assert "Insufficient Lake Formation permission" in lake.clerk.fails("select * from hidden")
    glue = lake.clerk.aws.client("glue")
    assert "hidden" not in [
        t["Name"] for t in glue.get_tables(DatabaseName=lake.owner.database)["TableList"]
    ]


def test_objects_are_not_read_around_athena(lake: Lake) -> None:
    owned = lake.owner.aws.client("s3").list_objects_v2(Bucket=lake.owner.bucket, Prefix="old-")
    s3 = lake.clerk.aws.client("s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=lake.owner.bucket, Key=owned["Contents"][0]["Key"])
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=lake.owner.bucket)


def test_the_results_of_another_role_are_not_read(lake: Lake) -> None:
    found = lake.clerk.run("select * from visits")
    place = found["ResultConfiguration"]["OutputLocation"].removeprefix(
        f"s3://{lake.owner.bucket}/"
    )
    s3 = lake.guide.aws.client("s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=lake.owner.bucket, Key=place)
    athena = lake.guide.aws.client("athena")
    with pytest.raises(ClientError, match="s3:GetObject"):
        athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])


def test_a_role_uses_the_work_groups_that_it_is_given(lake: Lake) -> None:
    lake.owner.aws.client("athena").create_work_group(Name=f"w{lake.names['other']}")
    athena = lake.clerk.aws.client("athena")
    for call in (
        lambda: athena.start_query_execution(
            QueryString="select 1", WorkGroup=f"w{lake.names['other']}"
        ),
        lambda: athena.list_query_executions(WorkGroup=f"w{lake.names['other']}"),
        lambda: athena.get_query_execution(QueryExecutionId=str(uuid.uuid4())),
        lambda: athena.delete_work_group(WorkGroup="primary"),
    ):
        with pytest.raises(
            ClientError, match="AccessDenied.*is not authorized to perform: athena:"
        ):
            call()


def test_iam_alone_decides_where_nothing_is_governed(gateway: Gateway, lake: Lake) -> None:
    """A database with the default permissions: the caller's own rights in S3 and Glue count."""
    plain = new_athena(gateway)
    plain.iceberg("t", "select 1 as x")
    name = f"plain-{uuid.uuid4().hex[:6]}"
    without = reader(plain, name)
    assert "is not authorized to perform: s3:" in without.fails("select * from t")
    rights = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{plain.bucket}", f"arn:aws:s3:::{plain.bucket}/t-*"],
    }
    assert reader(plain, f"{name}-s3", rights).rows("select * from t") == [["1"]]


def test_a_wrong_signature_is_nobody(gateway: Gateway, lake: Lake) -> None:
    key = lake.clerk.aws._credentials[0]
    forged = Gateway(gateway.settings, key, "guessed", lake.clerk.aws._credentials[2])
    with pytest.raises(ClientError, match="SignatureDoesNotMatch|InvalidSignature"):
        forged.client("athena").list_work_groups()
    unknown = Gateway(gateway.settings, "AKIAIOSFODNN7EXAMPLE", "guessed")
    with pytest.raises(ClientError, match="UnrecognizedClient"):
        unknown.client("glue").get_databases()


def test_who_creates_a_table_owns_it_and_a_drop_takes_its_grants_along(
    lake: Lake, gateway: Gateway
) -> None:
    owner, governance = lake.owner, gateway.client("lakeformation")
    name = f"maker-{uuid.uuid4().hex[:6]}"
    more = {
        "Effect": "Allow",
        "Action": ["glue:CreateTable", "glue:DeleteTable", "glue:UpdateTable", "s3:*"],
        "Resource": "*",
    }
    maker = reader(owner, name, more)
    statement = f"create table made with (table_type='iceberg', is_external=false, location='{owner.location('made')}') as select 1 as x"
    assert "Required CREATE_TABLE" in maker.fails(statement)
    principal = {"DataLakePrincipalIdentifier": arn(name)}
    governance.grant_permissions(
        Principal=principal,
        Resource={"Database": {"Name": owner.database}},
        Permissions=["CREATE_TABLE", "DESCRIBE"],
    )
    assert "Required DATA_LOCATION_ACCESS" in maker.fails(statement.replace("made-", "made2-"))
    governance.grant_permissions(
        Principal=principal,
        Resource={"DataLocation": {"ResourceArn": f"arn:aws:s3:::{owner.bucket}"}},
        Permissions=["DATA_LOCATION_ACCESS"],
    )
    maker.ok(statement.replace("made-", "made3-"))
    maker.ok("insert into made values 2")
    assert maker.rows("select x from made order by 1") == [["1"], ["2"]]
    maker.ok("drop table made")
    owner.ok(statement.replace("made-", "made4-"))
    assert "Insufficient Lake Formation" in maker.fails("select * from made")


def test_grants_are_listed_and_taken_back(lake: Lake, gateway: Gateway) -> None:
    governance, database = gateway.client("lakeformation"), lake.owner.database
    principal = {"DataLakePrincipalIdentifier": arn("somebody")}
    resource = {"Table": {"DatabaseName": database, "Name": "visits"}}
    governance.grant_permissions(
        Principal=principal, Resource=resource, Permissions=["SELECT", "INSERT"]
    )
    governance.revoke_permissions(Principal=principal, Resource=resource, Permissions=["INSERT"])
    (found,) = governance.list_permissions(Principal=principal)["PrincipalResourcePermissions"]
    assert (found["Permissions"], found["Resource"]["Table"]["Name"]) == (["SELECT"], "visits")
    governance.revoke_permissions(Principal=principal, Resource=resource, Permissions=["SELECT"])
    assert governance.list_permissions(Principal=principal)["PrincipalResourcePermissions"] == []
    with pytest.raises(ClientError, match="No permissions revoked"):
        governance.revoke_permissions(
            Principal=principal, Resource=resource, Permissions=["SELECT"]
        )
