"""What DMS remembers: endpoints, replication configurations and their runs, as one JSON file."""

import json
import threading
from pathlib import Path
from typing import Any

from local_aws.errors import AwsError
from local_aws.files import write_atomically

Json = dict[str, Any]


class Store:
    """Endpoints, configurations and runs by ARN.

    A run has the members of DMS's `Replication`, and what the replicator goes on from: `position`
    in the source's log and the statistics of its `tables`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        kept: Json = json.loads(path.read_text()) if path.exists() else {}
        self._kept: dict[str, dict[str, Json]] = {
            kind: kept.get(kind, {}) for kind in ("endpoints", "configs", "runs")
        }

    def all(self, kind: str) -> list[Json]:
        """All of a kind, by ARN."""
        with self._lock:
            return [self._copy(kind, arn) for arn in sorted(self._kept[kind])]

    def get(self, kind: str, arn: str) -> Json:
        """A copy of one; raises ResourceNotFoundFault."""
        with self._lock:
            if arn not in self._kept[kind]:
                raise AwsError("ResourceNotFoundFault", f"{arn} not found.")
            return self._copy(kind, arn)

    def put(self, kind: str, arn: str, body: Json) -> None:
        """Keep one; a reader sees all of it or nothing."""
        with self._lock:
            self._kept[kind][arn] = json.loads(json.dumps(body))
            self._save()

    def update(self, kind: str, arn: str, **changed: Any) -> None:
        """Change members of one; one that was deleted meanwhile stays so."""
        with self._lock:
            if arn in self._kept[kind]:
                self.put(kind, arn, {**self._kept[kind][arn], **changed})

    def advance(self, arn: str, before: str, status: str) -> None:
        """Give a run its next status, unless another one came in between."""
        with self._lock:
            if self.get("runs", arn)["Status"] == before:
                self.update("runs", arn, Status=status)

    def delete(self, kind: str, arn: str) -> None:
        """Forget one; raises ResourceNotFoundFault."""
        with self._lock:
            self.get(kind, arn)
            del self._kept[kind][arn]
            self._save()

    def _copy(self, kind: str, arn: str) -> Json:
        copied: Json = json.loads(json.dumps(self._kept[kind][arn]))
        return copied

    def _save(self) -> None:
        write_atomically(self._path, json.dumps(self._kept))
