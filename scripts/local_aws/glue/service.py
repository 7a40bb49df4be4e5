"""The Glue API on the gateway: the catalog, the Python-shell jobs and their triggers."""

from typing import Any

from local_aws import arns, operations
from local_aws.errors import AwsError
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

    def __init__(self, catalog: Any, jobs: GlueJobs, triggers: GlueTriggers) -> None:
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
        return operations.call(target, operation, payload, "InvalidInputException")

    def resources(self, operation: str, payload: dict[str, Any]) -> list[str]:
        """What IAM is asked about. Creating a job or a trigger is asked of its name as well."""
        kind = "job" if operation in _JOBS else "trigger"
        if operation not in _CATALOG:
            name = payload.get("JobName") or payload.get("Name")
            return [arns.arn("glue", f"{kind}/{name}")] if name else []
        return catalog_resources(operation, payload)


def catalog_resources(operation: str, payload: dict[str, Any]) -> list[str]:
    """The catalog, databases and tables that an operation of the catalog touches."""
    if "Database" in operation:
        name = payload.get("Name") or payload.get("DatabaseInput", {}).get("Name")
        return arns.glue_database(*([name] if name else []))
    if operation == "GetTables":
        tables = ["*"]
    elif operation == "BatchDeleteTable":
        tables = payload["TablesToDelete"]
    else:
        own = payload.get("Name") if operation in ("GetTable", "DeleteTable") else None
        tables = [payload.get("TableName") or own or payload.get("TableInput", {}).get("Name", "")]
    return arns.glue_table(payload.get("DatabaseName", ""), *tables)
