"""Athena's API: requests, workgroups, executions and their life cycle.

https://docs.aws.amazon.com/athena/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import functools
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.errors import AwsError

from . import metadata_tables, results
from .engine import Engine
from .failure import QueryCancelled, QueryFailed
from .history import History
from .iceberg import Metadata
from .lake import Lake
from .run import Outcome, Runner
from .types import to_hive

Json = dict[str, Any]
log = logging.getLogger("local_aws.athena")

_CONCURRENT = 8
_KEPT_RESULTS = 8
_WAIT_SECONDS = 0.5
_ENGINE = {
    "SelectedEngineVersion": "Athena engine version 3",
    "EffectiveEngineVersion": "Athena engine version 3",
}
_FINISHED = ("SUCCEEDED", "FAILED", "CANCELLED")
_CATALOG = {
    "Name": "AwsDataCatalog",
    "Type": "GLUE",
    "Description": "",
    "Parameters": {"catalog-id": "000000000000"},
}


class AthenaService:
    """One Athena over a Glue catalog and S3. See the package's README."""

    def __init__(
        self,
        catalog: Any,
        s3: Any,
        disk_path: Callable[[str, str], Path | None],
        clock: Callable[[], datetime],
        state_dir: Path,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._history = History(state_dir / "athena.db")
        lake = Lake(s3, disk_path, state_dir / "work")
        s3_root = state_dir.parent / "s3"
        self._engine = Engine(state_dir / "work", [s3_root])
        self._runner = Runner(
            catalog, lake, Metadata(lake), self._engine, clock, state_dir / "work"
        )
        self._lake = lake
        self._result = functools.lru_cache(_KEPT_RESULTS)(self._load_result)
        self._pool = ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="athena-query")
        self._running: dict[str, Any] = {}
        self._ended: dict[str, threading.Event] = {}
        self._stopped: set[str] = set()
        self._lock = threading.Lock()
        if "primary" not in self._history.work_groups():
            self._history.save_work_group("primary", {"Configuration": {}, "State": "ENABLED"})
        for execution in self._history.unfinished():
            self._finish(
                execution, "FAILED", "INTERNAL_ERROR: the local AWS stopped during the query"
            )

    def close(self) -> None:
        """Stop taking queries; those that run are interrupted."""
        with self._lock:
            for connection in self._running.values():
                connection.interrupt()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._engine.close()
        self._history.close()

    def handle(self, operation: str, payload: Json) -> Json:
        """Answer one operation; raises AwsError, also for what is not served."""
        method = getattr(self, "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower(), None)
        if operation not in _OPERATIONS or method is None:
            raise AwsError(
                "InvalidRequestException", f"athena:{operation} is not served by the local AWS"
            )
        answer: Json = method(payload)
        return answer

    # Executions

    def _start_query_execution(self, payload: Json) -> Json:
        token = payload.get("ClientRequestToken")
        with self._lock:
            if token and (known := self._history.by_token(token)):
                if known["Query"] != payload["QueryString"]:
                    raise _invalid("Idempotent parameters do not match")
                return {"QueryExecutionId": known["QueryExecutionId"]}
            execution = self._new_execution(payload)
            self._history.save(execution, token)
            execution_id: str = execution["QueryExecutionId"]
            self._ended[execution_id] = threading.Event()
        parameters = payload.get("ExecutionParameters") or []
        self._pool.submit(self._run, execution, parameters)
        return {"QueryExecutionId": execution_id}

    def _new_execution(self, payload: Json) -> Json:
        name = payload.get("WorkGroup") or "primary"
        group = self._group(name)
        if group.get("State") == "DISABLED":
            raise _invalid(f"WorkGroup {name} is disabled.")
        configuration = group.get("Configuration", {})
        own = configuration.get("ResultConfiguration", {}).get("OutputLocation")
        asked = payload.get("ResultConfiguration", {}).get("OutputLocation")
        location = own if _is_enforced(configuration) or not asked else asked
        if not location:
            raise _invalid("No output location provided. An output location is required")
        execution_id = str(uuid.uuid4())
        context = payload.get("QueryExecutionContext") or {}
        return {
            "QueryExecutionId": execution_id,
            "Query": payload["QueryString"],
            "StatementType": "DML",
            "ResultConfiguration": {"OutputLocation": f"{location.rstrip('/')}/{execution_id}.csv"},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": {
                "Database": (context.get("Database") or "").lower(),
                "Catalog": (context.get("Catalog") or "awsdatacatalog").lower(),
            },
            "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
            "Statistics": {"DataScannedInBytes": 0},
            "WorkGroup": name,
            "EngineVersion": _ENGINE,
            "SubstatementType": "",
        }

    def _run(self, execution: Json, parameters: list[str]) -> None:
        execution_id = execution["QueryExecutionId"]
        started = time.monotonic()
        submitted = execution["Status"]["SubmissionDateTime"]
        queued = max(0, int((time.time() - submitted) * 1000))
        statistics = execution["Statistics"]
        state, reason, error = "SUCCEEDED", "", None
        connection = self._engine.connect()
        try:
            with self._lock:
                if execution_id in self._stopped:
                    raise QueryCancelled("Query cancelled by user")
                self._running[execution_id] = connection
            execution["Status"]["State"] = "RUNNING"
            self._history.save(execution)
            configuration = self._group(execution["WorkGroup"])["Configuration"]
            results_folder = execution["ResultConfiguration"]["OutputLocation"].rpartition("/")[0]
            outcome = self._runner.run(
                execution["Query"],
                parameters,
                execution["QueryExecutionContext"]["Database"],
                connection,
                configuration.get("BytesScannedCutoffPerQuery"),
                f"{results_folder}/tables/{execution_id}",
                _is_enforced(configuration),
            )
            self._keep(execution, outcome)
        except QueryCancelled as cancelled:
            state, reason = "CANCELLED", str(cancelled)
        except QueryFailed as failed:
            state, reason, error = "FAILED", failed.reason, failed.athena_error()
            if execution_id in self._stopped:
                state, reason, error = "CANCELLED", "Query cancelled by user", None
        except Exception as fault:  # a fault of ours is the query's failure, never the server's
            log.exception("query %s", execution_id)
            state, reason = "FAILED", f"GENERIC_INTERNAL_ERROR: {type(fault).__name__}: {fault}"
        finally:
            with self._lock:
                self._running.pop(execution_id, None)
            connection.close()
        engine_time = int((time.monotonic() - started) * 1000)
        statistics["EngineExecutionTimeInMillis"] = engine_time
        statistics["QueryQueueTimeInMillis"] = queued
        statistics["TotalExecutionTimeInMillis"] = queued + engine_time
        self._finish(execution, state, reason, error)

    def _keep(self, execution: Json, outcome: Outcome) -> None:
        """Write the result object and keep the rows."""
        result = outcome.result
        execution["StatementType"] = outcome.statement_type
        execution["Statistics"]["DataScannedInBytes"] = outcome.scanned
        location = execution["ResultConfiguration"]["OutputLocation"]
        if not result.has_header:
            location = location.removesuffix(".csv") + ".txt"
            execution["ResultConfiguration"]["OutputLocation"] = location
        self._lake.write(location, results.csv(result))
        self._history.save_result(execution["QueryExecutionId"], results.dump(result))

    def _finish(
        self, execution: Json, state: str, reason: str = "", error: Json | None = None
    ) -> None:
        status = execution["Status"]
        status |= {"State": state, "CompletionDateTime": time.time()}
        if reason:
            status["StateChangeReason"] = reason
        if error:
            status["AthenaError"] = error
        self._history.save(execution)
        if ended := self._ended.pop(execution["QueryExecutionId"], None):
            ended.set()

    def _execution(self, execution_id: str) -> Json:
        found = self._history.execution(execution_id)
        if found is None:
            raise _invalid(f"QueryExecution {execution_id} was not found")
        return found

    def _get_query_execution(self, payload: Json) -> Json:
        """Waits briefly for the end: clients poll once at once and then sleep for long."""
        execution_id = payload["QueryExecutionId"]
        if ended := self._ended.get(execution_id):
            ended.wait(_WAIT_SECONDS)
        return {"QueryExecution": self._execution(execution_id)}

    def _batch_get_query_execution(self, payload: Json) -> Json:
        found, missing = [], []
        for execution_id in payload["QueryExecutionIds"]:
            if execution := self._history.execution(execution_id):
                found.append(execution)
            else:
                missing.append({"QueryExecutionId": execution_id, "ErrorCode": "NOT_FOUND"})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def _list_query_executions(self, payload: Json) -> Json:
        name = payload.get("WorkGroup") or "primary"
        self._group(name)
        size = payload.get("MaxResults", 50)
        before = int(payload["NextToken"]) if payload.get("NextToken") else None
        rows = self._history.ids(name, before, size)
        answer: Json = {"QueryExecutionIds": [execution_id for _, execution_id in rows]}
        if len(rows) == size:
            answer["NextToken"] = str(rows[-1][0])
        return answer

    def _stop_query_execution(self, payload: Json) -> Json:
        execution_id = payload["QueryExecutionId"]
        self._execution(execution_id)
        with self._lock:
            self._stopped.add(execution_id)
            if connection := self._running.get(execution_id):
                connection.interrupt()
        return {}

    def _get_query_results(self, payload: Json) -> Json:
        execution = self._execution(payload["QueryExecutionId"])
        state = execution["Status"]["State"]
        if state != "SUCCEEDED":
            raise _invalid(
                f"Query did not finish successfully. Final query state: {state}"
                if state in _FINISHED
                else f"Query has not yet finished. Current state: {state}"
            )
        result = self._result(payload["QueryExecutionId"])
        size = payload.get("MaxResults", 1000)
        if not 1 <= size <= 1000:
            raise _invalid("MaxResults is more than maximum allowed length 1000.")
        return results.page(result, payload.get("NextToken"), size)

    def _load_result(self, execution_id: str) -> results.Result:
        """The rows of a finished query; they never change, so its pages share them."""
        kept = self._history.result(execution_id)
        if kept is None:
            raise _invalid("Could not find results")
        return results.load(kept)

    def _get_query_runtime_statistics(self, payload: Json) -> Json:
        statistics = self._execution(payload["QueryExecutionId"])["Statistics"]
        timeline = {k: v for k, v in statistics.items() if k.endswith("InMillis")}
        rows = {"InputBytes": statistics["DataScannedInBytes"]}
        return {"QueryRuntimeStatistics": {"Timeline": timeline, "Rows": rows}}

    # Workgroups

    def _group(self, name: str) -> Json:
        group = self._history.work_groups().get(name)
        if group is None:
            raise _invalid(f"WorkGroup {name} is not found.")
        return group

    def _create_work_group(self, payload: Json) -> Json:
        name = payload["Name"]
        if name in self._history.work_groups():
            raise _invalid("WorkGroup is already created")
        body = {
            "Configuration": payload.get("Configuration", {}),
            "Description": payload.get("Description", ""),
            "State": "ENABLED",
            "CreationTime": self._clock().timestamp(),
        }
        self._history.save_work_group(name, body)
        return {}

    def _update_work_group(self, payload: Json) -> Json:
        group = self._group(payload["WorkGroup"])
        updates = {
            k.removesuffix("Updates"): v for k, v in payload.get("ConfigurationUpdates", {}).items()
        }
        group["Configuration"] = {**group["Configuration"], **updates}
        for member in ("Description", "State"):
            if member in payload:
                group[member] = payload[member]
        self._history.save_work_group(payload["WorkGroup"], group)
        return {}

    def _delete_work_group(self, payload: Json) -> Json:
        if payload["WorkGroup"] == "primary":
            raise _invalid("The primary workgroup cannot be deleted")
        if payload["WorkGroup"] not in self._history.work_groups():
            raise _invalid(f"WorkGroup {payload['WorkGroup']} is not found.")
        self._history.delete_work_group(payload["WorkGroup"])
        return {}

    def _get_work_group(self, payload: Json) -> Json:
        group = self._group(payload["WorkGroup"])
        configuration = {"EngineVersion": _ENGINE, **group["Configuration"]}
        configuration["EngineVersion"] = _ENGINE
        described = {**group, "Name": payload["WorkGroup"], "Configuration": configuration}
        return {"WorkGroup": described}

    def _list_work_groups(self, payload: Json) -> Json:
        groups = self._history.work_groups().items()
        listed = [
            {"Name": name, "State": group["State"], "EngineVersion": _ENGINE}
            for name, group in groups
        ]
        return {"WorkGroups": listed}

    def _list_engine_versions(self, payload: Json) -> Json:
        return {"EngineVersions": [_ENGINE]}

    def _list_tags_for_resource(self, payload: Json) -> Json:
        return {"Tags": []}

    # Catalogs

    def _list_data_catalogs(self, payload: Json) -> Json:
        return {"DataCatalogsSummary": [{"CatalogName": _CATALOG["Name"], "Type": "GLUE"}]}

    def _get_data_catalog(self, payload: Json) -> Json:
        if payload["Name"].lower() != "awsdatacatalog":
            raise _invalid(f"Data catalog {payload['Name']} was not found")
        return {"DataCatalog": _CATALOG}

    def _list_databases(self, payload: Json) -> Json:
        extra = {"NextToken": payload["NextToken"]} if payload.get("NextToken") else {}
        answer = self._catalog.get_databases(MaxResults=payload.get("MaxResults", 50), **extra)
        listed: Json = {"DatabaseList": [_database(d) for d in answer["DatabaseList"]]}
        if "NextToken" in answer:
            listed["NextToken"] = answer["NextToken"]
        return listed

    def _get_database(self, payload: Json) -> Json:
        try:
            found = self._catalog.get_database(Name=payload["DatabaseName"])["Database"]
        except AwsError as error:
            raise AwsError("MetadataException", error.message) from None
        return {"Database": _database(found)}

    def _get_table_metadata(self, payload: Json) -> Json:
        database, name = payload["DatabaseName"], payload["TableName"]
        try:
            glue = self._catalog.get_table(DatabaseName=database, Name=name)["Table"]
        except AwsError as error:
            raise AwsError("MetadataException", error.message) from None
        return {"TableMetadata": _table_metadata(glue)}

    def _list_table_metadata(self, payload: Json) -> Json:
        found = metadata_tables.tables(self._catalog, payload["DatabaseName"])
        pattern = re.compile(payload.get("Expression") or ".*")
        listed = [_table_metadata(glue) for glue in found if pattern.fullmatch(glue["Name"])]
        return {"TableMetadataList": listed}


_OPERATIONS = {
    "StartQueryExecution", "GetQueryExecution", "BatchGetQueryExecution", "ListQueryExecutions",
    "StopQueryExecution", "GetQueryResults", "GetQueryRuntimeStatistics",
    "CreateWorkGroup", "UpdateWorkGroup", "DeleteWorkGroup", "GetWorkGroup", "ListWorkGroups",
    "ListEngineVersions", "ListTagsForResource", "ListDataCatalogs", "GetDataCatalog",
    "ListDatabases", "GetDatabase", "GetTableMetadata", "ListTableMetadata",
}  # fmt: skip


def _is_enforced(configuration: Json) -> bool:
    """Whether a workgroup's output location is the only one that its queries may use."""
    own = configuration.get("ResultConfiguration", {}).get("OutputLocation")
    return bool(own and configuration.get("EnforceWorkGroupConfiguration", True))


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)


def _database(found: Json) -> Json:
    described = {"Name": found["Name"], "Parameters": found.get("Parameters", {})}
    return {**described, "Description": found.get("Description", "")}


def _table_metadata(glue: Json) -> Json:
    described = glue["StorageDescriptor"]
    keys = glue.get("PartitionKeys", [])
    columns = dict(metadata_tables.table_columns(glue))
    listed = [
        {"Name": c["Name"], "Type": to_hive(columns[c["Name"].lower()], iceberg=True)}
        | ({"Comment": c["Comment"]} if c.get("Comment") else {})
        for c in described.get("Columns", [])
    ]
    return {
        "Name": glue["Name"],
        "CreateTime": glue["CreateTime"],
        "TableType": glue.get("TableType", ""),
        "Columns": listed,
        "PartitionKeys": [{"Name": k["Name"], "Type": k["Type"]} for k in keys],
        "Parameters": glue.get("Parameters", {}),
    }
