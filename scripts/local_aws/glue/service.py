"""The Glue API on the gateway: the catalog's operations and the Python-shell jobs'."""

import re
from typing import Any

from local_aws.errors import AwsError
from local_aws.glue.catalog import GlueCatalog
from local_aws.glue.jobs import GlueJobs

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


class GlueService:
    """Routes an operation to the catalog or to the jobs."""

    def __init__(self, catalog: GlueCatalog, jobs: GlueJobs) -> None:
        self._catalog = catalog
        self._jobs = jobs

    def handle(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Answer `operation`; raises AwsError, also for what is not served here."""
        if operation in _CATALOG:
            target: Any = self._catalog
        elif operation in _JOBS:
            target = self._jobs
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
