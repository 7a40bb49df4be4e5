"""Deployment and the catalog: repeatable, and careful with what is not Strata's."""

from dataclasses import replace
from typing import Any

import pytest

from strata import dbt
from strata.catalog.plan import apply_plan, make_plan
from strata.declarations import Source
from strata.deploy import stacks
from strata.errors import StrataError
from tests.conftest import Lakehouse, deploy_stack


@pytest.fixture
def source(lakehouse: Lakehouse, request: pytest.FixtureRequest) -> Source:
    """A declared source in a database of this test's own."""
    found = lakehouse.source("registry.carriers")
    return replace(found, database=f"bronze_{request.node.name.lower()}"[:60])


def test_a_second_deployment_changes_nothing(lakehouse: Lakehouse) -> None:
    stack = stacks.storage_stack(lakehouse.environment)
    assert deploy_stack(stack, lakehouse) == "unchanged"
    plan = make_plan(lakehouse.sources, lakehouse.environment, lakehouse.client("glue"))
    assert [c for c in plan.changes if c.kind != "remove"] == []


def test_a_stack_that_fails_names_the_resource(lakehouse: Lakehouse) -> None:
    good = stacks.source_stack(lakehouse.source("ticketing.payments"), lakehouse.environment)
    broken = replace(
        good, name="strata-local-broken", parameters={**good.parameters, "Source": "no.stream"}
    )
    other = replace(broken, name="strata-local-broken-twin")
    assert deploy_stack(broken, lakehouse) == "created"
    with pytest.raises(
        StrataError, match=r"(?s)broken-twin ended in ROLLBACK_COMPLETE.*no.stream exists already"
    ):
        deploy_stack(other, lakehouse)


def plan_of(lakehouse: Lakehouse, source: Source) -> Any:
    """The plan's changes of one database."""
    plan = make_plan([source], lakehouse.environment, lakehouse.client("glue"))
    changes = tuple(c for c in plan.changes if c.database == source.database)
    return replace(plan, changes=changes)


def test_the_catalog_follows_the_declaration(lakehouse: Lakehouse, source: Source) -> None:
    glue = lakehouse.client("glue")
    (created,) = apply_plan(plan_of(lakehouse, source), glue, allow_breaking=False)
    assert created.kind == "create"
    assert plan_of(lakehouse, source).changes == ()
    described = replace(source, description="Another description")
    (change,) = plan_of(lakehouse, described).changes
    assert change.kind == "change" and not change.is_breaking
    narrower = replace(source, columns=source.columns[:1])
    plan = plan_of(lakehouse, narrower)
    assert "- column name" in plan.changes[0].details
    with pytest.raises(StrataError, match="breaking"):
        list(apply_plan(plan, glue, allow_breaking=False))
    assert list(apply_plan(plan, glue, allow_breaking=True))
    assert plan_of(lakehouse, narrower).changes == ()


def test_a_source_that_is_gone_is_removed_with_the_flag_only(
    lakehouse: Lakehouse, source: Source
) -> None:
    glue = lakehouse.client("glue")
    list(apply_plan(plan_of(lakehouse, source), glue, allow_breaking=False))
    renamed = replace(source, table="other")
    plan = plan_of(lakehouse, renamed)
    assert {change.kind for change in plan.changes} == {"create", "remove"}
    with pytest.raises(StrataError, match="no longer declared"):
        list(apply_plan(plan, glue, allow_breaking=False))


def test_a_table_of_somebody_else_is_never_touched(lakehouse: Lakehouse, source: Source) -> None:
    glue = lakehouse.client("glue")
    glue.create_database(DatabaseInput={"Name": source.database})
    theirs = {"Name": source.table, "StorageDescriptor": {"Columns": [], "Location": "s3://x/y"}}
    glue.create_table(DatabaseName=source.database, TableInput=theirs)
    with pytest.raises(StrataError, match="Strata did not create"):
        plan_of(lakehouse, source)
    other = replace(source, table="another")
    kinds = {c.table: c.kind for c in plan_of(lakehouse, other).changes}
    assert kinds == {"another": "create"}


def test_the_manifest_is_parsed_once(lakehouse: Lakehouse) -> None:
    assert dbt.manifest() == dbt.manifest()
