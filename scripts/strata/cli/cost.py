"""`strata cost`: what builds, models, tests and readers scanned, and what Athena charges for it."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from strata import console, dbt, query
from strata.cli.common import AsJson, Env, ready
from strata.environment import client
from strata.governance import declared
from strata.operate import builds as builds_of
from strata.operate.builds import Build
from strata.operate.cost import Cost, ModelCost, Query, by_model, of_build, queries_since
from strata.operate.cost import cost as sum_of


def cost(
    days: Annotated[
        int, typer.Option(help="Days to look back; Athena keeps 45.", min=1, max=45)
    ] = 7,
    builds: Annotated[int, typer.Option(help="Builds to compare.", min=1)] = 10,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 when the last build is over a budget.")
    ] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show what the last builds cost, each model of the last one with its tests, and the readers.

    All queries that dbt ran for a model count. `config.meta.budget_usd` of a model is what a build of
    it, with its tests, may cost: --check holds the last build to that, in CI.
    """
    environment = ready(env)
    athena, since = client("athena"), datetime.now(UTC) - timedelta(days=days)
    queries = list(queries_since(since, query.WORK_GROUP, athena))
    recent = [
        build
        for build in builds_of.last(environment, client("s3"), builds)
        if datetime.fromisoformat(build.started_at) >= since
    ]
    models = by_model(queries, recent, dbt.manifest())
    groups = {query.WORK_GROUP: sum_of(queries)}
    for reader in declared.readers():
        group = f"{query.WORK_GROUP}-{reader.role}"
        groups[group] = sum_of(queries_since(since, group, athena))
    over = [model for model in models if model.is_over]
    if as_json:
        told = {
            "builds": [{**asdict(b), "cost": asdict(sum_of(of_build(queries, b)))} for b in recent],
            "models": [{**asdict(m), "usd": m.usd, "is_over": m.is_over} for m in models],
            "work_groups": {name: asdict(found) for name, found in groups.items()},
        }
        print(json.dumps(told))
    else:
        _print(recent, queries, models, groups, days)
        for model in over:
            console.err.print(
                f"[red]✗[/] {model.model} cost {model.usd:.5f} USD, its budget is {model.budget_usd}"
            )
    if check and over:
        raise typer.Exit(1)


def _print(
    recent: list[Build],
    queries: list[Query],
    models: list[ModelCost],
    groups: dict[str, Cost],
    days: int,
) -> None:
    rows = [(build.started_at[:19], *_cells(sum_of(of_build(queries, build)))) for build in recent]
    console.out.print(console.table("Builds", ("started", "queries", "scanned", "USD"), rows))
    priced = [
        (
            model.model,
            f"{model.own.queries:,}",
            _size(model.own.scanned_bytes),
            f"{model.own.usd:.5f}",
            f"{model.tests.usd:.5f}",
            "" if model.usual_usd is None else f"{model.usual_usd:.5f}",
            "" if model.budget_usd is None else f"{model.budget_usd:g}{' !' * model.is_over}",
        )
        for model in models
        if model.usd
    ]
    columns = ("model", "queries", "scanned", "USD", "its tests", "usual, both", "budget")
    console.out.print(console.table("The last build, by model", columns, priced))
    grouped = [(name, *_cells(found)) for name, found in groups.items()]
    heads = ("workgroup", "queries", "scanned", "USD")
    console.out.print(console.table(f"Workgroups, {days} days", heads, grouped))


def _cells(found: Cost) -> tuple[str, str, str]:
    return f"{found.queries:,}", _size(found.scanned_bytes), f"{found.usd:.5f}"


def _size(scanned_bytes: int) -> str:
    return f"{scanned_bytes / 1e6:,.1f} MB"
