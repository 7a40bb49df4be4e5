"""The DMS API: endpoints, replication configurations, and serverless replications of them.

https://docs.aws.amazon.com/dms/latest/APIReference/Welcome.html
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from local_aws import operations
from local_aws.dms import files, mappings
from local_aws.dms.replication import FAILED, LOADED, NEW_TABLE
from local_aws.dms.store import Store
from local_aws.dms.workers import MOVING, Workers
from local_aws.errors import AwsError

Json = dict[str, Any]

_OPERATIONS = {
    "CreateEndpoint", "ModifyEndpoint", "DescribeEndpoints", "DeleteEndpoint",
    "CreateReplicationConfig", "ModifyReplicationConfig", "DescribeReplicationConfigs",
    "DeleteReplicationConfig", "StartReplication", "StopReplication", "DescribeReplications",
    "DescribeReplicationTableStatistics", "ReloadReplicationTables",
}  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z](-?[A-Za-z0-9])*")
_DATABASE = re.compile(r"[A-Za-z0-9_]+")
_RUN_MEMBERS = ("Status", "StartReplicationType", "StopReason", "FailureMessages")
_DATES = ("FreshStartDate", "StartDate", "StopDate")
_FIRST, _AGAIN, _ON = "start-replication", "reload-target", "resume-processing"


class DmsService:
    """Answers DMS's operations from `store`; `workers` move the data."""

    def __init__(
        self, store: Store, workers: Workers, clock: Callable[[], datetime], arn_prefix: str
    ) -> None:
        self._store = store
        self._workers = workers
        self._clock = clock
        self._arn_prefix = arn_prefix

    def handle(self, operation: str, payload: Json) -> Json:
        """Answer `operation`; raises AwsError, also for what is not served here."""
        if operation not in _OPERATIONS:
            raise AwsError(
                "InvalidParameterValueException", f"dms:{operation} is not served by the local AWS"
            )
        return operations.call(self, operation, payload, "InvalidParameterValueException")

    def resources(self, operation: str, payload: Json) -> list[str]:
        """The endpoints and replications that IAM is asked about, by their ARNs."""
        return [value for name, value in payload.items() if name.endswith("Arn")]

    # Endpoints

    def create_endpoint(self, *, EndpointIdentifier: str, **body: Any) -> Json:
        """Keep an endpoint; a source is a SQLite database, a target is S3."""
        arn = self._new_arn("endpoints", "endpoint", EndpointIdentifier)
        self._put_endpoint(arn, {"EndpointIdentifier": EndpointIdentifier, **body})
        return {"Endpoint": self._store.get("endpoints", arn)}

    def modify_endpoint(self, *, EndpointArn: str, **body: Any) -> Json:
        """Change members of an endpoint."""
        self._put_endpoint(EndpointArn, {**self._store.get("endpoints", EndpointArn), **body})
        return {"Endpoint": self._store.get("endpoints", EndpointArn)}

    def describe_endpoints(self, *, Filters: list[Json] | None = None, **_: Any) -> Json:
        """The endpoints, by `endpoint-arn` or `endpoint-id`."""
        members = {"endpoint-arn": "EndpointArn", "endpoint-id": "EndpointIdentifier"}
        return {"Endpoints": _filtered(self._store.all("endpoints"), Filters, members)}

    def delete_endpoint(self, *, EndpointArn: str, **_: Any) -> Json:
        """Forget an endpoint that no replication uses."""
        endpoint = self._store.get("endpoints", EndpointArn)
        for config in self._store.all("configs"):
            if EndpointArn in (config["SourceEndpointArn"], config["TargetEndpointArn"]):
                name = config["ReplicationConfigIdentifier"]
                raise _state_fault(f"endpoint {EndpointArn} is used by the replication {name}")
        self._store.delete("endpoints", EndpointArn)
        return {"Endpoint": endpoint}

    def _put_endpoint(self, arn: str, body: Json) -> None:
        if body["EndpointType"] == "target":
            if body["EngineName"] != "s3":
                raise AwsError("InvalidParameterValueException", "only S3 targets are served")
            files.check_settings(body["S3Settings"])
        elif not _DATABASE.fullmatch(body.get("DatabaseName", "")):
            raise AwsError("InvalidParameterValueException", "DatabaseName is no database's name")
        kept = {**body, "EndpointArn": arn, "Status": "active"}
        self._store.put("endpoints", arn, kept)

    # Replication configurations

    def create_replication_config(self, *, ReplicationConfigIdentifier: str, **body: Any) -> Json:
        """Keep a configuration; its replication is `created` with it."""
        arn = self._new_arn("configs", "replication-config", ReplicationConfigIdentifier)
        body["ReplicationConfigIdentifier"] = ReplicationConfigIdentifier
        config = self._checked_config(arn, body)
        now = self._clock().timestamp()
        self._store.put("configs", arn, {**config, "ReplicationConfigCreateTime": now})
        run = {"ReplicationConfigArn": arn, "Status": "created", "ReplicationCreateTime": now}
        self._store.put("runs", arn, run)
        return {"ReplicationConfig": self._store.get("configs", arn)}

    def modify_replication_config(self, *, ReplicationConfigArn: str, **body: Any) -> Json:
        """Change a configuration whose replication does not run."""
        self._require(ReplicationConfigArn, is_moving=False)
        before = self._store.get("configs", ReplicationConfigArn)
        changed = self._checked_config(ReplicationConfigArn, {**before, **body})
        self._store.put("configs", ReplicationConfigArn, changed)
        return {"ReplicationConfig": changed}

    def describe_replication_configs(self, *, Filters: list[Json] | None = None, **_: Any) -> Json:
        """The configurations, by `replication-config-arn` or `replication-config-id`."""
        found = _filtered(self._store.all("configs"), Filters, _BY_CONFIG)
        return {"ReplicationConfigs": found}

    def delete_replication_config(self, *, ReplicationConfigArn: str) -> Json:
        """Forget a configuration whose replication does not run."""
        self._require(ReplicationConfigArn, is_moving=False)
        config = self._store.get("configs", ReplicationConfigArn)
        self._store.delete("configs", ReplicationConfigArn)
        self._store.delete("runs", ReplicationConfigArn)
        return {"ReplicationConfig": config}

    def _checked_config(self, arn: str, body: Json) -> Json:
        if body["ReplicationType"] != "full-load-and-cdc":
            raise AwsError("InvalidParameterValueException", "only full-load-and-cdc is served")
        for member in ("SourceEndpointArn", "TargetEndpointArn"):
            self._store.get("endpoints", body[member])
        if not isinstance(body["TableMappings"], str):
            body["TableMappings"] = json.dumps(body["TableMappings"])
        mappings.parse(body["TableMappings"])
        return {**body, "ReplicationConfigArn": arn}

    # Replications

    def start_replication(
        self, *, ReplicationConfigArn: str, StartReplicationType: str, **_: Any
    ) -> Json:
        """Start, go on, or load everything again; the first time only start-replication is right.

        https://docs.aws.amazon.com/dms/latest/APIReference/API_StartReplication.html
        """
        run = self._require(ReplicationConfigArn, is_moving=False)
        allowed = (_FIRST,) if run["Status"] == "created" else (_AGAIN, _ON)
        if StartReplicationType not in allowed:
            raise _state_fault(
                f"a replication that is {run['Status']} starts by {' or '.join(allowed)}, "
                f"not {StartReplicationType}"
            )
        now = self._clock().timestamp()
        started = {**run, "Status": "initializing", "StartReplicationType": StartReplicationType}
        started |= {"StartDate": now, "FailureMessages": []}
        started.pop("StopReason", None)
        if StartReplicationType != _ON:
            started |= {"FreshStartDate": now, "position": None, "tables": {}}
        self._store.put("runs", ReplicationConfigArn, started)
        self._workers.start(ReplicationConfigArn)
        return {"Replication": self._replication(started)}

    def stop_replication(self, *, ReplicationConfigArn: str) -> Json:
        """Stop a replication that runs; it is `stopping` until what waits is stored."""
        run = self._require(ReplicationConfigArn, is_moving=True)
        self._store.update("runs", ReplicationConfigArn, Status="stopping")
        self._workers.stop(ReplicationConfigArn)
        return {"Replication": {**self._replication(run), "Status": "stopping"}}

    def describe_replications(self, *, Filters: list[Json] | None = None, **_: Any) -> Json:
        """The replications, by `replication-config-arn` or `replication-config-id`."""
        replications = [self._replication(run) for run in self._store.all("runs")]
        return {"Replications": _filtered(replications, Filters, _BY_CONFIG)}

    def describe_replication_table_statistics(self, *, ReplicationConfigArn: str, **_: Any) -> Json:
        """What was loaded and changed of each table since the full load began."""
        run = self._store.get("runs", ReplicationConfigArn)
        config = self._store.get("configs", ReplicationConfigArn)
        found = []
        for mapping in mappings.parse(config["TableMappings"]):
            table = {**NEW_TABLE, **run.get("tables", {}).get(mapping.table, {})}
            table.pop("last_file", None)
            applied = {f"Applied{name}": table[name] for name in ("Inserts", "Updates", "Deletes")}
            names = {"SchemaName": mapping.schema, "TableName": mapping.table}
            found.append({**names, **table, **applied})
        return {
            "ReplicationConfigArn": ReplicationConfigArn,
            "ReplicationTableStatistics": found,
        }

    def reload_replication_tables(
        self, *, ReplicationConfigArn: str, TablesToReload: list[Json], **_: Any
    ) -> Json:
        """Load tables of a replication that runs again."""
        run = self._require(ReplicationConfigArn, is_moving=True)
        names = [table["TableName"] for table in TablesToReload]
        unknown = set(names) - run.get("tables", {}).keys()
        if run["Status"] != "running" or unknown:
            raise _state_fault(f"{run['Status']}; tables that it has not: {sorted(unknown)}")
        self._workers.reload(ReplicationConfigArn, names)
        return {"ReplicationConfigArn": ReplicationConfigArn}

    def _require(self, arn: str, is_moving: bool) -> Json:
        run = self._store.get("runs", arn)
        if (run["Status"] in MOVING) != is_moving or run["Status"] == "stopping":
            raise _state_fault(f"the replication {arn} is {run['Status']}")
        return run

    def _replication(self, run: Json) -> Json:
        config = self._store.get("configs", run["ReplicationConfigArn"])
        copied = ("ReplicationConfigIdentifier", "ReplicationConfigArn", "SourceEndpointArn")
        return {
            **{name: config[name] for name in (*copied, "TargetEndpointArn", "ReplicationType")},
            **{name: run[name] for name in _RUN_MEMBERS if name in run},
            "ReplicationCreateTime": run["ReplicationCreateTime"],
            "ReplicationStats": self._stats(run),
        }

    def _stats(self, run: Json) -> Json:
        states = [table["TableState"] for table in run.get("tables", {}).values()]
        loaded, queued = states.count(LOADED), states.count("Before load")
        dates = {name: run[name] for name in _DATES if name in run}
        errored = states.count(FAILED)
        return {
            **dates,
            "FullLoadProgressPercent": 100 * loaded // len(states) if states else 0,
            "TablesLoaded": loaded,
            "TablesQueued": queued,
            "TablesErrored": errored,
            "TablesLoading": len(states) - loaded - queued - errored,
        }

    def _new_arn(self, kind: str, resource: str, identifier: str) -> str:
        if not _IDENTIFIER.fullmatch(identifier):
            raise AwsError("InvalidParameterValueException", f"{identifier!r} is no identifier")
        arn = f"{self._arn_prefix}:{resource}:{identifier}"
        if any(arn == _arn(kept) for kept in self._store.all(kind)):
            raise AwsError("ResourceAlreadyExistsFault", f"{resource} {identifier} exists already.")
        return arn


_BY_CONFIG = {
    "replication-config-arn": "ReplicationConfigArn",
    "replication-config-id": "ReplicationConfigIdentifier",
}


def _arn(kept: Json) -> str:
    return str(kept.get("EndpointArn") or kept.get("ReplicationConfigArn"))


def _filtered(found: list[Json], filters: list[Json] | None, members: dict[str, str]) -> list[Json]:
    """Those that all filters let through; DMS answers a filter without a match with a fault."""
    for wanted in filters or []:
        member = members[wanted["Name"]]
        found = [item for item in found if item[member] in wanted["Values"]]
    if filters and not found:
        raise AwsError("ResourceNotFoundFault", "nothing is found by these filters.")
    return found


def _state_fault(message: str) -> AwsError:
    return AwsError("InvalidResourceStateFault", message)
