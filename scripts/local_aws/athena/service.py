"""One Athena: its API's parts over one engine, one Glue catalog and S3.

https://docs.aws.amazon.com/athena/latest/APIReference/Welcome.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws import arns
from local_aws.errors import AwsError

from .api.catalogs import Catalogs
from .api.executions import Executions, Publish
from .api.history import History
from .api.requests import Json
from .api.saved_queries import SavedQueries
from .api.work_groups import PRIMARY, WorkGroups
from .engine import Engine
from .governance import Governance
from .iceberg import Metadata
from .lake import Lake
from .run import Runner


class AthenaService:
    """Answers Athena's operations. See the package's README.

    `governance` says what a caller may do in `catalog`. `disk_path` maps an object's bucket and key to its file, `publish` takes a finished execution
    whose workgroup publishes metrics.
    """

    def __init__(
        self,
        catalog: Any,
        governance: Governance,
        s3: Any,
        disk_path: Callable[[str, str], Path | None],
        clock: Callable[[], datetime],
        state_dir: Path,
        publish: Publish = lambda execution: None,
    ) -> None:
        work = state_dir / "work"
        self._history = History(state_dir / "athena.db")
        self._engine = Engine(work, [state_dir.parent / "s3"])
        lake = Lake(s3, disk_path, work)
        runner = Runner(catalog, governance, lake, Metadata(lake), self._engine, clock, work)
        work_groups = WorkGroups(self._history, clock)
        saved = SavedQueries(self._history, work_groups)
        self._executions = Executions(
            self._history, work_groups, saved, runner, self._engine, lake, publish
        )
        self._operations = {
            **self._executions.operations(),
            **work_groups.operations(),
            **saved.operations(),
            **Catalogs(catalog).operations(),
        }

    def close(self) -> None:
        """Stop taking queries; those that run are interrupted."""
        self._executions.close()
        self._engine.close()
        self._history.close()

    def handle(self, operation: str, payload: Json) -> Json:
        """Answer one operation; raises AwsError, also for what is not served."""
        if operation not in self._operations:
            raise AwsError(
                "InvalidRequestException", f"athena:{operation} is not served by the local AWS"
            )
        return self._operations[operation](payload)

    def resources(self, operation: str, payload: Json) -> list[str]:
        """What IAM is asked about: a data catalog, or workgroups, also those of given executions
        and saved queries."""
        if "CatalogName" in payload or operation == "GetDataCatalog":
            return [
                arns.arn("athena", f"datacatalog/{payload.get('CatalogName') or payload['Name']}")
            ]
        if operation in ("ListWorkGroups", "ListDataCatalogs"):
            return []
        return [arns.work_group(name) for name in self._work_groups_of(operation, payload)]

    def _work_groups_of(self, operation: str, payload: Json) -> list[str]:
        of_id = {
            "QueryExecutionId": self._history.execution,
            "NamedQueryId": self._history.named_query,
        }
        for member, find in of_id.items():
            ids = [payload[member]] if member in payload else payload.get(f"{member}s")
            if ids:
                found = [find(item) for item in ids]
                return sorted({item["WorkGroup"] for item in found if item})
        own = payload.get("Name") if operation == "CreateWorkGroup" else None
        return [payload.get("WorkGroup") or own or PRIMARY]
