"""Maintenance of Iceberg tables: planned from their metadata, done by Athena's OPTIMIZE and VACUUM.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyiceberg.manifest import DataFile, DataFileContent
from pyiceberg.table.snapshots import ancestors_of

from strata import query
from strata.errors import StrataError
from strata.operate import iceberg
from strata.operate.iceberg import Clients, Table
from strata.operate.policy import Kept, Policy

_MEGABYTE = 1024 * 1024
_BUCKETS = (1, 8, 32, 128, 512)
_MOST_RUNS = 100


@dataclass(frozen=True)
class State:
    """What a table's metadata and folder say: counts, bytes, and data files by size in megabytes.

    `expirable` are the snapshots that VACUUM would expire, `published` those that serving needs,
    `orphans` the objects old enough that nothing needs.
    """

    data_files: int
    small_files: int
    delete_files: int
    data_bytes: int
    histogram: dict[str, int]
    snapshots: int
    expirable: int
    published: int
    orphans: int
    orphan_bytes: int


@dataclass(frozen=True)
class Plan:
    """What maintenance would do with a table, and why: `statements` for Athena, in order."""

    table: str
    state: State
    statements: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """A plan that was carried out: the statements that ran, the table before and after."""

    table: str
    statements: tuple[str, ...]
    before: State
    after: State


def plan(kept: Kept, published: set[int], clients: Clients) -> Plan | None:
    """The plan of a table; None for one that was never built."""
    if iceberg.glue_entry(kept.table, clients.glue) is None:
        return None
    table = iceberg.load(kept.table, clients)
    _require_tags(table, published)
    least = _depth(table, published)
    files = list(iceberg.files(table.metadata.current_snapshot(), clients))
    state = _state(table, files, kept.policy, published, least, clients)
    reasons, statements = [], []
    if worth := _worth_rewriting(files, kept.policy):
        reasons.append(worth)
        statements.append(f"optimize {kept.table} rewrite data using bin_pack")
    if state.expirable or state.orphans or statements:
        reasons += [f"{state.expirable} snapshots expire"] if state.expirable else []
        reasons += [f"{state.orphans} orphans"] if state.orphans else []
        statements.append(f"vacuum {kept.table}")
    # An OPTIMIZE adds a snapshot on top of the published ones.
    keep = least + 1 if least and worth else least
    changes = _changed(table, kept.policy.properties(keep))
    if changes and statements:
        statements.insert(0, _set_properties(kept.table, changes))
    return Plan(kept.table, state, tuple(statements), tuple(reasons))


def carry_out(kept: Kept, planned: Plan, published: set[int], clients: Clients) -> Done:
    """Run a plan's statements, each as often as Athena asks for.

    Raises StrataError with Athena's reason when one fails; running it again goes on.
    """
    for statement in planned.statements:
        _run_until_done(lambda sql: query.run(sql, clients.athena), statement)
    after = plan(kept, published, clients)
    return Done(
        kept.table, planned.statements, planned.state, after.state if after else planned.state
    )


def _run_until_done(run: Callable[[str], Any], statement: str) -> None:
    """Athena ends a long OPTIMIZE or VACUUM with an error that asks for another run."""
    for _ in range(_MOST_RUNS):
        try:
            run(statement)
        except StrataError as error:
            if "_MORE_RUNS_NEEDED" not in error.message:
                raise
        else:
            return
    raise StrataError(f"not done after {_MOST_RUNS} runs: {statement}", "run the command again")


def _require_tags(table: Table, published: set[int]) -> None:
    """A published snapshot without a reference would be lost to an expiry by any engine."""
    present = {s.snapshot_id for s in table.metadata.snapshots}
    tagged = {ref.snapshot_id for ref in table.metadata.refs.values()}
    if missing := sorted((published & present) - tagged):
        raise StrataError(
            f"{table.name}: the published snapshot {missing[0]} has lost its tag",
            "publish again before you maintain it",
        )


def _depth(table: Table, published: set[int]) -> int:
    """How many of the newest snapshots include every published one.

    Athena does not document that VACUUM heeds tags as Iceberg does; that it keeps the newest
    `vacuum_min_snapshots_to_keep` it does.
    """
    line = [s.snapshot_id for s in ancestors_of(table.metadata.current_snapshot(), table.metadata)]
    return max((number for number, one in enumerate(line, 1) if one in published), default=0)


def _state(
    table: Table,
    files: list[DataFile],
    policy: Policy,
    published: set[int],
    least: int,
    clients: Clients,
) -> State:
    data = [f for f in files if f.content == DataFileContent.DATA]
    orphans = list(_orphans(table, policy, clients))
    return State(
        data_files=len(data),
        small_files=sum(f.file_size_in_bytes < policy.small_bytes for f in data),
        delete_files=len(files) - len(data),
        data_bytes=sum(f.file_size_in_bytes for f in data),
        histogram=_histogram(f.file_size_in_bytes for f in data),
        snapshots=len(table.metadata.snapshots),
        expirable=len(_expirable(table, policy, least)),
        published=len(published & {s.snapshot_id for s in table.metadata.snapshots}),
        orphans=len(orphans),
        orphan_bytes=sum(orphans),
    )


def _histogram(sizes: Iterator[int]) -> dict[str, int]:
    counts = Counter(
        next((top for top in _BUCKETS if size < top * _MEGABYTE), None) for size in sizes
    )
    names = {top: f"<{top} MB" for top in _BUCKETS} | {None: f">={_BUCKETS[-1]} MB"}
    return {name: counts[top] for top, name in names.items()}


def _worth_rewriting(files: list[DataFile], policy: Policy) -> str | None:
    """Why OPTIMIZE is worth its scan, as Athena's thresholds count; None when it is not."""
    small: Counter[tuple[int, str]] = Counter()
    deletes: Counter[tuple[int, str]] = Counter()
    for file in files:
        partition = (file.spec_id, repr(file.partition))
        if file.content != DataFileContent.DATA:
            deletes[partition] += 1
        elif file.file_size_in_bytes < policy.small_bytes:
            small[partition] += 1
    many = sum(count for count in small.values() if count >= max(policy.small_files, 2))
    merged = sum(count for count in deletes.values() if count >= policy.delete_files)
    reasons = [f"{many} small files"] * bool(many) + [f"{merged} delete files"] * bool(merged)
    return ", ".join(reasons) or None


def _expirable(table: Table, policy: Policy, least: int) -> list[int]:
    """The snapshots that are old enough and that no tag and no branch's newest keep.

    https://iceberg.apache.org/spec/#snapshot-retention-policy
    """
    oldest = (time.time() - policy.snapshot_seconds) * 1000
    metadata, keep = table.metadata, max(policy.snapshots, least)
    kept = set()
    for ref in metadata.refs.values():
        line = list(ancestors_of(metadata.snapshot_by_id(ref.snapshot_id), metadata))
        kept |= {s.snapshot_id for s in line[: 1 if ref.snapshot_ref_type == "tag" else keep]}
    return [
        s.snapshot_id
        for s in metadata.snapshots
        if s.snapshot_id not in kept and s.timestamp_ms < oldest
    ]


def _orphans(table: Table, policy: Policy, clients: Clients) -> Iterator[int]:
    """The sizes of the objects under a table that nothing needs and that are old enough."""
    needed = {table.metadata_location} | {e.metadata_file for e in table.metadata.metadata_log}
    for snapshot in table.metadata.snapshots:
        needed.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(clients.io):
            if manifest.manifest_path not in needed:
                needed.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(clients.io)
                needed |= {entry.data_file.file_path for entry in entries}
    bucket, prefix = iceberg.bucket_and_key(table.location)
    listed = clients.s3.get_paginator("list_objects_v2")
    for page in listed.paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for item in page.get("Contents", []):
            age = time.time() - item["LastModified"].timestamp()
            if f"s3://{bucket}/{item['Key']}" not in needed and age > policy.snapshot_seconds:
                yield item["Size"]


def _changed(table: Table, properties: dict[str, str]) -> dict[str, str]:
    present = table.metadata.properties
    return {key: value for key, value in properties.items() if present.get(key) != value}


def _set_properties(table: str, properties: dict[str, str]) -> str:
    pairs = ", ".join(f"'{key}'='{value}'" for key, value in properties.items())
    return f"alter table {table} set tblproperties ({pairs})"
