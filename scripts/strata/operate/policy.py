"""How a model's table is kept: `config.meta.maintenance` of the model, with defaults.

The defaults are Athena's own, but for the size of files: a table of a few gigabytes is better in
files of 128 MB than of 512.
https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
"""

from dataclasses import dataclass, fields
from typing import Any

from strata.errors import StrataError

Json = dict[str, Any]

_MEGABYTE = 1024 * 1024
_SMALL = 0.75  # of the target, as optimize_rewrite_min_data_file_size_bytes has it
_MATERIALIZED = ("table", "incremental", "snapshot", "seed")


@dataclass(frozen=True)
class Policy:
    """What maintenance does with a table.

    Files under three quarters of `target_file_megabytes` are small; `small_files` of them in a
    partition, or `delete_files` on a data file, are worth an OPTIMIZE. Snapshots are kept for
    `snapshot_days`, at least the newest `snapshots`; `publications` can be rolled back to.
    """

    target_file_megabytes: int = 128
    small_files: int = 5
    delete_files: int = 2
    snapshot_days: int = 5
    snapshots: int = 1
    publications: int = 3

    @property
    def small_bytes(self) -> int:
        """A data file under it is small."""
        return int(self.target_file_megabytes * _MEGABYTE * _SMALL)

    @property
    def snapshot_seconds(self) -> int:
        """The age at which a snapshot, or an orphan, may go."""
        return max(self.snapshot_days * 86_400, 1)

    def properties(self, least_snapshots: int) -> dict[str, str]:
        """The table properties with which Athena's OPTIMIZE and VACUUM follow the policy.

        `least_snapshots` are kept at least, if they are more than the policy's own.
        """
        values = {
            "write_target_data_file_size_bytes": self.target_file_megabytes * _MEGABYTE,
            "optimize_rewrite_data_file_threshold": self.small_files,
            "optimize_rewrite_delete_file_threshold": self.delete_files,
            "vacuum_max_snapshot_age_seconds": self.snapshot_seconds,
            "vacuum_min_snapshots_to_keep": max(self.snapshots, least_snapshots),
        }
        return {key: str(value) for key, value in values.items()}


@dataclass(frozen=True)
class Kept:
    """A table that dbt builds, `<database>.<table>`, and how it is kept."""

    table: str
    name: str
    policy: Policy


def of(node: Json) -> Policy:
    """The policy of a node of dbt's manifest; raises StrataError that names the file of a bad one."""
    where = f"{node['original_file_path']}: {node['name']}: meta.maintenance"
    declared = (node["config"].get("meta") or {}).get("maintenance") or {}
    known = {field.name for field in fields(Policy)}
    if unknown := sorted(set(declared) - known):
        raise StrataError(
            f"{where} has the unknown {unknown[0]!r}", f"use {', '.join(sorted(known))}"
        )
    for key, value in declared.items():
        least = 0 if key == "snapshot_days" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise StrataError(f"{where}: {key} is {value!r}", f"use a whole number from {least}")
    return Policy(**declared)


def is_iceberg_table(node: Json) -> bool:
    """Whether a node of dbt's manifest is an Iceberg table."""
    config = node["config"]
    return config.get("table_type") == "iceberg" and config.get("materialized") in _MATERIALIZED


def kept_tables(manifest: Json) -> list[Kept]:
    """Every Iceberg table of the project with its policy, by name."""
    nodes = [node for node in manifest["nodes"].values() if is_iceberg_table(node)]
    kept = [Kept(f"{node['schema']}.{node['alias']}", node["name"], of(node)) for node in nodes]
    return sorted(kept, key=lambda one: one.table)
