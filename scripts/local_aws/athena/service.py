"""One Athena: its API's parts over one engine, one Glue catalog and S3.

https://docs.aws.amazon.com/athena/latest/APIReference/Welcome.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.errors import AwsError

from .api.catalogs import Catalogs
from .api.executions import Executions, Publish
from .api.history import History
from .api.requests import Json
from .api.saved_queries import SavedQueries
from .api.work_groups import WorkGroups
from .engine import Engine
from .iceberg import Metadata
from .lake import Lake
from .run import Runner


class AthenaService:
    """Answers Athena's operations. See the package's README.

    `disk_path` maps an object's bucket and key to its file, `publish` takes a finished execution
    whose workgroup publishes metrics.
    """

    def __init__(
        self,
        catalog: Any,
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
        runner = Runner(catalog, lake, Metadata(lake), self._engine, clock, work)
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
