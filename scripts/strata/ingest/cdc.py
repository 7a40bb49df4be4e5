"""Change data capture: the DMS Serverless replication of a source system, steered and watched.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Serverless.Components.html
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from strata.errors import StrataError

_NEVER_STARTED = ("created", "ready")
_AT_REST = (*_NEVER_STARTED, "stopped", "failed", "deprovisioned")
_LOADED = "Table completed"
_LONGEST_WAIT = 15.0
_RUNBOOK = "see docs/cdc.md, A replication failed"

Progress = Callable[["Replication"], None]


@dataclass(frozen=True)
class Table:
    """What DMS has written of a table since its last full load began."""

    name: str
    state: str
    loaded: int
    inserts: int
    updates: int
    deletes: int


@dataclass(frozen=True)
class Replication:
    """A replication as DMS describes it; `error` is its last failure."""

    name: str
    arn: str
    status: str
    load_percent: int
    error: str
    tables: tuple[Table, ...]

    @property
    def is_sound(self) -> bool:
        """Whether neither it nor a table of it has failed."""
        states = {table.state for table in self.tables}
        return self.status != "failed" and not states & {"Table error", "Table does not exist"}

    @property
    def is_loading(self) -> bool:
        """Whether it runs, and its full load is not finished."""
        return self.status == "running" and any(table.state != _LOADED for table in self.tables)


def find(name: str, dms: Any) -> Replication:
    """The replication of that name; raises StrataError when none is deployed."""
    filters = [{"Name": "replication-config-id", "Values": [name]}]
    try:
        (found,) = dms.describe_replications(Filters=filters)["Replications"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundFault":
            raise
        raise StrataError(
            f"no replication is named {name}", "deploy it: strata deploy; see docs/cdc.md"
        ) from error
    return Replication(
        name=name,
        arn=found["ReplicationConfigArn"],
        status=found["Status"],
        load_percent=found.get("ReplicationStats", {}).get("FullLoadProgressPercent", 0),
        error=" ".join(found.get("FailureMessages", [])),
        tables=_tables(found, dms),
    )


def start(found: Replication, dms: Any) -> str:
    """Start a replication that does not run: by a full load the first time, then from where it was.

    Returns how it was started; empty when it runs already.
    """
    if found.status not in _AT_REST:
        return ""
    first = found.status in _NEVER_STARTED
    return _start(found, "start-replication" if first else "resume-processing", dms)


def stop(found: Replication, dms: Any) -> bool:
    """Stop a replication; returns whether it ran."""
    if found.status in _AT_REST:
        return False
    if found.status != "stopping":
        dms.stop_replication(ReplicationConfigArn=found.arn)
    return True


def reload(found: Replication, dms: Any) -> str:
    """Load every table again and go on from there; the replication must not run."""
    first = found.status in _NEVER_STARTED
    return _start(found, "start-replication" if first else "reload-target", dms)


def follow(
    found: Replication,
    until: Callable[[Replication], bool],
    dms: Any,
    tell: Progress = lambda found: None,
) -> Replication:
    """Wait until a replication is as `until` says, asking less and less often.

    Raises StrataError with DMS's own message when it fails instead.
    """
    wait = 0.1
    while True:
        found = find(found.name, dms)
        tell(found)
        if until(found):
            return found
        if not found.is_sound:
            raise StrataError(f"replication {found.name} failed: {found.error}", _RUNBOOK)
        time.sleep(wait)
        wait = min(wait * 1.5, _LONGEST_WAIT)


def _start(found: Replication, kind: str, dms: Any) -> str:
    dms.start_replication(ReplicationConfigArn=found.arn, StartReplicationType=kind)
    return kind


def _tables(found: dict[str, Any], dms: Any) -> tuple[Table, ...]:
    if found["Status"] in _NEVER_STARTED:
        return ()
    tables: list[Table] = []
    page: dict[str, Any] = {"ReplicationConfigArn": found["ReplicationConfigArn"]}
    while True:  # boto3 has no paginator for it
        answer = dms.describe_replication_table_statistics(**page)
        tables += map(_table, answer["ReplicationTableStatistics"])
        if not answer.get("Marker"):
            return tuple(tables)
        page["Marker"] = answer["Marker"]


def _table(statistics: dict[str, Any]) -> Table:
    return Table(
        name=statistics["TableName"],
        state=statistics["TableState"],
        loaded=statistics.get("FullLoadRows", 0),
        inserts=statistics.get("Inserts", 0),
        updates=statistics.get("Updates", 0),
        deletes=statistics.get("Deletes", 0),
    )
