"""What queries scanned, by model, test, build and reader, and what Athena charges for that.

From Athena's own history, which keeps 45 days. dbt writes the node that a query is for into each of its
queries, so that all of them count: a model's temporary tables, merges, contracts and metadata too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from strata.dbt import declared_in
from strata.errors import StrataError
from strata.operate.builds import Build

Json = dict[str, Any]

# https://aws.amazon.com/athena/pricing/: by the terabyte scanned, at least 10 MB a query that scans
_USD_PER_TERABYTE = 5.0
_TERABYTE = 10**12
_LEAST_BYTES = 10 * 10**6
_BATCH = 50
_NODE = re.compile(r'"node_id": "([^"]+)"')


@dataclass(frozen=True)
class Query:
    """A query that has ended: the dbt node that it is for (empty: none), its workgroup, when it was
    submitted, and the bytes that it scanned."""

    node: str
    work_group: str
    submitted_at: datetime
    scanned_bytes: int


@dataclass(frozen=True)
class Cost:
    """Some queries, the bytes that they scanned and their price in US dollars."""

    queries: int
    scanned_bytes: int
    usd: float


@dataclass(frozen=True)
class ModelCost:
    """What a model cost in a build, and its tests; the median of both in the builds before (None
    without one), and its budget in US dollars a build."""

    model: str
    own: Cost
    tests: Cost
    usual_usd: float | None
    budget_usd: float | None

    @property
    def usd(self) -> float:
        """The model and its tests."""
        return self.own.usd + self.tests.usd

    @property
    def is_over(self) -> bool:
        """Whether they cost more than the budget."""
        return self.budget_usd is not None and self.usd > self.budget_usd


def price(scanned_bytes: int) -> float:
    """US dollars for one query."""
    if scanned_bytes == 0:
        return 0.0
    return max(scanned_bytes, _LEAST_BYTES) / _TERABYTE * _USD_PER_TERABYTE


def cost(queries: Iterable[Query]) -> Cost:
    """The sum of some queries."""
    sizes = [query.scanned_bytes for query in queries]
    return Cost(len(sizes), sum(sizes), sum(map(price, sizes)))


def cost_since(start: datetime, work_group: str, athena: Any) -> Cost:
    """The cost of a workgroup's queries submitted at `start` (aware) or later."""
    return cost(queries_since(start, work_group, athena))


def queries_since(start: datetime, work_group: str, athena: Any) -> Iterator[Query]:
    """The queries of a workgroup submitted at `start` (aware) or later, newest first."""
    for execution in _executions(start, work_group, athena):
        match = _NODE.search(execution["Query"])
        yield Query(
            node=match[1] if match else "",
            work_group=work_group,
            submitted_at=execution["Status"]["SubmissionDateTime"],
            scanned_bytes=execution.get("Statistics", {}).get("DataScannedInBytes", 0),
        )


def of_build(queries: Iterable[Query], build: Build) -> list[Query]:
    """The queries of dbt's nodes that were submitted while a build ran."""
    begin = datetime.fromisoformat(build.started_at)
    end = begin + timedelta(seconds=build.seconds)
    return [query for query in queries if query.node and begin <= query.submitted_at <= end]


def by_model(queries: list[Query], builds: list[Build], manifest: Json) -> list[ModelCost]:
    """What each model cost in the newest of `builds`, the dearest first.

    Raises StrataError that names the file of a budget that is no amount.
    """
    if not builds:
        return []
    newest, *before = [_by_owner(of_build(queries, build), manifest) for build in builds]
    found = []
    for owner, (own, tests) in newest.items():
        earlier = [cost([*o, *t]).usd for o, t in (past[owner] for past in before if owner in past)]
        found.append(
            ModelCost(
                model=owner.rpartition(".")[2],
                own=cost(own),
                tests=cost(tests),
                usual_usd=median(earlier) if earlier else None,
                budget_usd=budget(manifest["nodes"].get(owner, {})),
            )
        )
    return sorted(found, key=lambda one: (-one.usd, one.model))


def budget(node: Json) -> float | None:
    """`config.meta.budget_usd` of a model: what a build of it, with its tests, may cost."""
    given = ((node.get("config") or {}).get("meta") or {}).get("budget_usd")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or given <= 0:
        raise StrataError(
            f"{declared_in(node)}: meta.budget_usd of {node['name']} is {given!r}",
            "write the US dollars that a build of it, with its tests, may cost: 0.05",
        )
    return float(given)


def _by_owner(queries: list[Query], manifest: Json) -> dict[str, tuple[list[Query], list[Query]]]:
    """The own queries and those of the tests, by the model, seed or snapshot that they are for."""
    found: dict[str, tuple[list[Query], list[Query]]] = {}
    for query in queries:
        node = manifest["nodes"].get(query.node) or {}
        is_test = query.node.startswith(("test.", "unit_test."))
        owner = (node.get("attached_node") if is_test else None) or query.node
        found.setdefault(owner, ([], []))[is_test].append(query)
    return found


def _executions(start: datetime, work_group: str, athena: Any) -> Iterator[Json]:
    pages = athena.get_paginator("list_query_executions").paginate(
        WorkGroup=work_group, PaginationConfig={"PageSize": _BATCH}
    )
    for page in pages:
        ids = page["QueryExecutionIds"]
        if not ids:
            return
        found = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
        recent = [e for e in found if e["Status"]["SubmissionDateTime"] >= start]
        yield from recent
        if len(recent) < len(found):  # newest first
            return
