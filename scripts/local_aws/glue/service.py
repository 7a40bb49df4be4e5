"""The Glue API on the gateway: the catalog, the Python-shell jobs and their triggers."""

import re
from typing import Any

from local_aws.errors import AwsError
from local_aws.glue.catalog import GlueCatalog
from local_aws.glue.jobs import GlueJobs
from local_aws.glue.triggers import GlueTriggers

_CATALOG = {
    "CreateDatabase", "GetDatabase", "GetDatabases", "UpdateDatabase", "DeleteDatabase",
    "CreateTable", "GetTable", "GetTables", "UpdateTable", "DeleteTable", "BatchDeleteTable",
    "GetTableVersion", "GetTableVersions", "DeleteTableVersion", "BatchDeleteTableVersion",
    "CreatePartition", "GetPartition", "GetPartitions", "BatchGetPartition", "UpdatePartition",
    "DeletePartition", "BatchCreatePartition", "BatchDeletePartition",
}  # fmt: skip
_JOBS = {
    "CreateJob", "GetJob", "GetJobs", "ListJobs", "UpdateJob", "DeleteJob",
    "StartJobRun", "GetJobRun", "GetJobRuns", "BatchStopJobRun",
}  # fmt: skip
_TRIGGERS = {
    "CreateTrigger", "GetTrigger", "GetTriggers", "UpdateTrigger", "DeleteTrigger",
    "StartTrigger", "StopTrigger",
}  # fmt: skip


class GlueService:
    """Routes an operation to the catalog, to the jobs or to the triggers."""

    def __init__(self, catalog: GlueCatalog, jobs: GlueJobs, triggers: GlueTriggers) -> None:
        self._catalog = catalog
        self._jobs = jobs
        self._triggers = triggers

    def handle(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Answer `operation`; raises AwsError, also for what is not served here."""
        if operation in _CATALOG:
            target: Any = self._catalog
        elif operation in _JOBS:
            target = self._jobs
        elif operation in _TRIGGERS:
            target = self._triggers
        else:
            raise AwsError(
                "UnsupportedOperationException", f"glue:{operation} is not served by the local AWS"
            )
        method = getattr(target, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
        try:
            answer: dict[str, Any] = method(**payload)
        except (TypeError, KeyError) as error:
            raise AwsError("InvalidInputException", f"{operation}: {error}") from error
        return answer
