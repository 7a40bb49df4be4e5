"""Query executions: their life cycle, results and statistics.

https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
"""

from __future__ import annotations

import contextvars
import functools
import itertools
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local_aws.arns import s3_object
from local_aws.caller import current
from local_aws.errors import AwsError

from .. import prepared, result_metadata, results
from ..engine import Engine
from ..failure import QueryCancelled, QueryFailed
from ..lake import Lake
from ..run import Outcome, Request, Runner
from .history import History
from .requests import Json, Operations, invalid
from .saved_queries import SavedQueries
from .work_groups import ENGINE, PRIMARY, WorkGroups, is_enforced

log = logging.getLogger("local_aws.athena")

_CONCURRENT = 8
_KEPT_RESULTS = 8
_WAIT_SECONDS = 2.0
_MOST_ROWS = 1000
_FINISHED = ("SUCCEEDED", "FAILED", "CANCELLED")

Publish = Callable[[Json], None]


class Executions:
    """The queries of one account; `publish` is told of each that finished in a workgroup that
    publishes metrics."""

    def __init__(
        self,
        history: History,
        work_groups: WorkGroups,
        saved: SavedQueries,
        runner: Runner,
        engine: Engine,
        lake: Lake,
        publish: Publish,
    ) -> None:
        self._history = history
        self._work_groups = work_groups
        self._saved = saved
        self._runner = runner
        self._engine = engine
        self._lake = lake
        self._publish = publish
        self._result = functools.lru_cache(_KEPT_RESULTS)(self._load_result)
        self._pool = ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="athena-query")
        self._lock = threading.Lock()
        self._running: dict[str, Any] = {}
        self._ended: dict[str, threading.Event] = {}
        self._stopped: set[str] = set()
        for execution in history.unfinished():
            reason = "INTERNAL_ERROR: the local AWS stopped during the query"
            self._finish(execution, "FAILED", reason)

    def operations(self) -> Operations:
        """What this part of the API serves."""
        return {
            "StartQueryExecution": self._start,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "StopQueryExecution": self._stop,
            "GetQueryResults": self._get_results,
            "GetQueryRuntimeStatistics": self._get_statistics,
        }

    def close(self) -> None:
        """Stop taking queries; those that run are interrupted."""
        with self._lock:
            for connection in self._running.values():
                connection.interrupt()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # Start

    def _start(self, payload: Json) -> Json:
        token = payload.get("ClientRequestToken")
        with self._lock:
            if token and (known := self._history.by_token(token)):
                if known["Query"] != payload["QueryString"]:
                    raise invalid("Idempotent parameters do not match")
                return {"QueryExecutionId": known["QueryExecutionId"]}
            execution = self._new(payload)
            self._history.save(execution, token)
            execution_id: str = execution["QueryExecutionId"]
            self._ended[execution_id] = threading.Event()
        # The query runs as whoever asked for it.
        self._pool.submit(contextvars.copy_context().run, self._run, execution)
        return {"QueryExecutionId": execution_id}

    def _new(self, payload: Json) -> Json:
        name = payload.get("WorkGroup") or PRIMARY
        group = self._work_groups.find(name)
        if group.get("State") == "DISABLED":
            raise invalid(f"WorkGroup {name} is disabled.")
        configuration = group.get("Configuration", {})
        own = configuration.get("ResultConfiguration", {}).get("OutputLocation")
        asked = payload.get("ResultConfiguration", {}).get("OutputLocation")
        location = own if is_enforced(configuration) or not asked else asked
        if not location:
            raise invalid(
                "No output location provided. An output location is required either through the "
                "Workgroup result configuration setting or as an API input."
            )
        execution_id = str(uuid.uuid4())
        context = payload.get("QueryExecutionContext") or {}
        return {
            "QueryExecutionId": execution_id,
            "Query": payload["QueryString"],
            "ExecutionParameters": payload.get("ExecutionParameters") or [],
            "StatementType": "DML",
            "ResultConfiguration": {"OutputLocation": f"{location.rstrip('/')}/{execution_id}.csv"},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": {
                "Database": (context.get("Database") or "").strip("`").lower(),
                "Catalog": (context.get("Catalog") or "awsdatacatalog").lower(),
            },
            "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
            "Statistics": {"DataScannedInBytes": 0},
            "WorkGroup": name,
            "EngineVersion": ENGINE,
            "SubstatementType": "",
        }

    # Run

    def _run(self, execution: Json) -> None:
        statistics = execution["Statistics"]
        instants = [execution["Status"]["SubmissionDateTime"], time.time()]
        state, reason, error = "SUCCEEDED", "", None
        try:
            outcome = self._outcome(execution)
            instants.append(time.time())
            self._keep(execution, outcome)
            statistics["QueryPlanningTimeInMillis"] = _milliseconds(outcome.planned)
        except QueryCancelled as cancelled:
            state, reason = "CANCELLED", str(cancelled)
            statistics["DataScannedInBytes"] = cancelled.scanned
        except QueryFailed as failed:
            state, reason, error = "FAILED", failed.reason, failed.athena_error()
            if execution["QueryExecutionId"] in self._stopped:
                state, reason, error = "CANCELLED", "Query cancelled by user", None
        except AwsError as refused:
            state, reason = "FAILED", f"{refused.code}: {refused.message}"
        except Exception as fault:  # a fault of ours is the query's failure, never the server's
            log.exception("query %s", execution["QueryExecutionId"])
            state, reason = "FAILED", f"GENERIC_INTERNAL_ERROR: {type(fault).__name__}: {fault}"
        statistics |= _times([*instants, time.time()])
        self._finish(execution, state, reason, error)
        self._publish_metrics(execution)

    def _outcome(self, execution: Json) -> Outcome:
        """Run the statement, or what it says of prepared ones, on a connection of its own."""
        connection = self._engine.connect()
        execution_id = execution["QueryExecutionId"]
        try:
            with self._lock:
                if execution_id in self._stopped:
                    raise QueryCancelled("Query cancelled by user")
                self._running[execution_id] = connection
            execution["Status"]["State"] = "RUNNING"
            self._history.save(execution)
            text, parameters = execution["Query"], execution["ExecutionParameters"]
            group = execution["WorkGroup"]
            match prepared.command(text):
                case prepared.Prepare(name, sql):
                    self._saved.prepare(group, name, sql)
                    return Outcome(results.lines([]), 0, "DDL")
                case prepared.Deallocate(name):
                    self._saved.deallocate(group, name)
                    return Outcome(results.lines([]), 0, "DDL")
                case prepared.Execute(name, given):
                    text, parameters = self._saved.prepared(group, name)["QueryStatement"], given
            return self._runner.run(self._request(execution, text, parameters), connection)
        finally:
            with self._lock:
                self._running.pop(execution_id, None)
            connection.close()

    def _request(self, execution: Json, text: str, parameters: list[str]) -> Request:
        configuration = self._work_groups.find(execution["WorkGroup"])["Configuration"]
        folder = execution["ResultConfiguration"]["OutputLocation"].rpartition("/")[0]
        return Request(
            text=text,
            parameters=parameters,
            database=execution["QueryExecutionContext"]["Database"],
            cutoff=configuration.get("BytesScannedCutoffPerQuery"),
            output=f"{folder}/tables/{execution['QueryExecutionId']}",
            enforced=is_enforced(configuration),
        )

    def _keep(self, execution: Json, outcome: Outcome) -> None:
        """Write the result objects and keep the rows.

        https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
        """
        result = outcome.result
        execution["StatementType"] = outcome.statement_type
        execution["SubstatementType"] = outcome.substatement_type
        execution["Statistics"]["DataScannedInBytes"] = outcome.scanned
        execution_id = execution["QueryExecutionId"]
        location = execution["ResultConfiguration"]["OutputLocation"].removesuffix(".csv")
        if result.written is not None:
            manifest = f"{location}-manifest.csv"
            self._lake.write(manifest, "".join(f"{uri}\n" for uri in result.written).encode())
            execution["Statistics"]["DataManifestLocation"] = manifest
        else:
            location += ".txt" if result.is_text else ".csv"
            self._lake.write(location, results.csv(result))
        execution["ResultConfiguration"]["OutputLocation"] = location
        self._lake.write(f"{location}.metadata", result_metadata.encode(execution_id, result))
        self._history.save_result(execution_id, results.dump(result))

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

    def _publish_metrics(self, execution: Json) -> None:
        try:
            group = self._work_groups.find(execution["WorkGroup"])
            if group.get("Configuration", {}).get("PublishCloudWatchMetricsEnabled"):
                self._publish(execution)
        except Exception:  # the query has its state already
            log.exception("metrics of query %s", execution["QueryExecutionId"])

    # Ask

    def _find(self, execution_id: str) -> Json:
        found = self._history.execution(execution_id)
        if found is None:
            raise invalid(f"QueryExecution {execution_id} was not found")
        return found

    def _get(self, payload: Json) -> Json:
        """Waits briefly for the end: clients poll once at once and then sleep for long."""
        execution_id = payload["QueryExecutionId"]
        if ended := self._ended.get(execution_id):
            ended.wait(_WAIT_SECONDS)
        return {"QueryExecution": _shown(self._find(execution_id))}

    def _batch_get(self, payload: Json) -> Json:
        found, missing = [], []
        for execution_id in payload["QueryExecutionIds"]:
            if execution := self._history.execution(execution_id):
                found.append(_shown(execution))
            else:
                missing.append({"QueryExecutionId": execution_id, "ErrorCode": "NOT_FOUND"})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def _list(self, payload: Json) -> Json:
        name = payload.get("WorkGroup") or PRIMARY
        self._work_groups.find(name)
        size = payload.get("MaxResults") or 50
        if not 1 <= size <= 50:
            raise invalid("MaxResults must be between 1 and 50")
        before = int(payload["NextToken"]) if payload.get("NextToken") else None
        rows = self._history.ids(name, before, size)
        answer: Json = {"QueryExecutionIds": [execution_id for _, execution_id in rows]}
        if len(rows) == size:
            answer["NextToken"] = str(rows[-1][0])
        return answer

    def _stop(self, payload: Json) -> Json:
        execution_id = payload["QueryExecutionId"]
        self._find(execution_id)
        with self._lock:
            self._stopped.add(execution_id)
            if connection := self._running.get(execution_id):
                connection.interrupt()
        return {}

    def _get_results(self, payload: Json) -> Json:
        execution = self._find(payload["QueryExecutionId"])
        state = execution["Status"]["State"]
        if state != "SUCCEEDED":
            raise invalid(
                f"Query did not finish successfully. Final query state: {state}"
                if state in _FINISHED
                else f"Query has not yet finished. Current state: {state}",
                "INVALID_QUERY_EXECUTION_STATE",
            )
        size = payload.get("MaxResults", _MOST_ROWS)
        if not 1 <= size <= _MOST_ROWS:
            raise invalid(f"MaxResults is more than maximum allowed length {_MOST_ROWS}.")
        place = execution["ResultConfiguration"]["OutputLocation"]
        current().require("s3:GetObject", s3_object(place))
        result = self._result(payload["QueryExecutionId"])
        return results.page(result, payload.get("NextToken"), size)

    def _load_result(self, execution_id: str) -> results.Result:
        """The rows of a finished query; they never change, so its pages share them."""
        kept = self._history.result(execution_id)
        if kept is None:
            raise invalid("Could not find results")
        return results.load(kept)

    def _get_statistics(self, payload: Json) -> Json:
        """https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryRuntimeStatistics.html"""
        execution_id = payload["QueryExecutionId"]
        execution = self._find(execution_id)
        statistics = execution["Statistics"]
        timeline = {k: v for k, v in statistics.items() if k.endswith("InMillis")}
        rows: Json = {"InputBytes": statistics["DataScannedInBytes"]}
        if execution["Status"]["State"] == "SUCCEEDED":
            rows["OutputRows"] = len(self._result(execution_id).rows)
        return {"QueryRuntimeStatistics": {"Timeline": timeline, "Rows": rows}}


def _times(instants: list[float]) -> dict[str, int]:
    """The times between submission, start, the query's end (of one that succeeds) and now."""
    names = ("QueryQueue", "EngineExecution", "ServiceProcessing")
    parts = {
        f"{name}TimeInMillis": _milliseconds(end - begin)
        for name, (begin, end) in zip(names, itertools.pairwise(instants), strict=False)
    }
    return {**parts, "TotalExecutionTimeInMillis": sum(parts.values())}


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000))


def _shown(execution: Json) -> Json:
    """An execution as the API gives it: parameters only when there are some."""
    hidden = () if execution.get("ExecutionParameters") else ("ExecutionParameters",)
    return {name: value for name, value in execution.items() if name not in hidden}
