"""Workgroups: what queries run in, with their result location, scan cut-off and tags.

https://docs.aws.amazon.com/athena/latest/ug/workgroups-manage-queries-control-costs.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from .history import History
from .requests import Json, Operations, invalid, page

ENGINE = {
    "SelectedEngineVersion": "Athena engine version 3",
    "EffectiveEngineVersion": "Athena engine version 3",
}
PRIMARY = "primary"
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,128}")
_LEAST_CUTOFF = 10_000_000


class WorkGroups:
    """The workgroups of one account. `primary` is always there."""

    def __init__(self, history: History, clock: Callable[[], datetime]) -> None:
        self._history = history
        self._clock = clock
        if PRIMARY not in history.work_groups():
            history.save_work_group(PRIMARY, {"Configuration": {}, "State": "ENABLED"})

    def operations(self) -> Operations:
        """What this part of the API serves."""
        return {
            "CreateWorkGroup": self._create,
            "UpdateWorkGroup": self._update,
            "DeleteWorkGroup": self._delete,
            "GetWorkGroup": self._get,
            "ListWorkGroups": self._list,
            "ListEngineVersions": lambda payload: {"EngineVersions": [ENGINE]},
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    def find(self, name: str | None) -> Json:
        """A workgroup as it is kept (None: primary); raises AwsError when there is none."""
        group = self._history.work_groups().get(name or PRIMARY)
        if group is None:
            raise invalid(f"WorkGroup {name} is not found.")
        return group

    def _create(self, payload: Json) -> Json:
        name = payload["Name"]
        if not _NAME.fullmatch(name):
            raise invalid(f"WorkGroup name {name} is not valid")
        if name in self._history.work_groups():
            raise invalid("WorkGroup is already created")
        configuration = payload.get("Configuration", {})
        _check(configuration)
        body = {
            "Configuration": configuration,
            "Description": payload.get("Description", ""),
            "State": "ENABLED",
            "CreationTime": self._clock().timestamp(),
            "Tags": {tag["Key"]: tag["Value"] for tag in payload.get("Tags", [])},
        }
        self._history.save_work_group(name, body)
        return {}

    def _update(self, payload: Json) -> Json:
        group = self.find(payload["WorkGroup"])
        group["Configuration"] = _updated(
            group["Configuration"], payload.get("ConfigurationUpdates", {})
        )
        _check(group["Configuration"])
        for member in ("Description", "State"):
            if member in payload:
                group[member] = payload[member]
        self._history.save_work_group(payload["WorkGroup"], group)
        return {}

    def _delete(self, payload: Json) -> Json:
        name = payload["WorkGroup"]
        if name == PRIMARY:
            raise invalid("The primary workgroup cannot be deleted")
        self.find(name)
        if self._history.is_in_use(name) and not payload.get("RecursiveDeleteOption"):
            raise invalid(f"WorkGroup {name} is not empty")
        self._history.delete_work_group(name)
        return {}

    def _get(self, payload: Json) -> Json:
        group = {k: v for k, v in self.find(payload["WorkGroup"]).items() if k != "Tags"}
        configuration = {
            "EnforceWorkGroupConfiguration": True,
            "PublishCloudWatchMetricsEnabled": False,
            "RequesterPaysEnabled": False,
            **group["Configuration"],
            "EngineVersion": ENGINE,
        }
        return {
            "WorkGroup": {**group, "Name": payload["WorkGroup"], "Configuration": configuration}
        }

    def _list(self, payload: Json) -> Json:
        listed = [
            {
                "Name": name,
                "State": group["State"],
                "Description": group.get("Description", ""),
                "EngineVersion": ENGINE,
            }
            for name, group in self._history.work_groups().items()
        ]
        return page(listed, payload, "WorkGroups")

    def _tag(self, payload: Json) -> Json:
        name, group = self._of_arn(payload["ResourceARN"])
        tags = {tag["Key"]: tag["Value"] for tag in payload["Tags"]}
        self._history.save_work_group(name, {**group, "Tags": group.get("Tags", {}) | tags})
        return {}

    def _untag(self, payload: Json) -> Json:
        name, group = self._of_arn(payload["ResourceARN"])
        kept = {k: v for k, v in group.get("Tags", {}).items() if k not in payload["TagKeys"]}
        self._history.save_work_group(name, {**group, "Tags": kept})
        return {}

    def _list_tags(self, payload: Json) -> Json:
        _, group = self._of_arn(payload["ResourceARN"])
        return {"Tags": [{"Key": k, "Value": v} for k, v in group.get("Tags", {}).items()]}

    def _of_arn(self, arn: str) -> tuple[str, Json]:
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if kind != "workgroup":
            raise invalid(f"{arn} is not the ARN of a workgroup")
        return name, self.find(name)


def is_enforced(configuration: Json) -> bool:
    """Whether a workgroup's output location is the only one that its queries may use."""
    own = configuration.get("ResultConfiguration", {}).get("OutputLocation")
    return bool(own and configuration.get("EnforceWorkGroupConfiguration", True))


def _updated(configuration: Json, updates: Json) -> Json:
    """A configuration after UpdateWorkGroup: `ResultConfigurationUpdates` and the Remove flags."""
    changed = {**configuration, **{k: v for k, v in updates.items() if _is_member(k)}}
    if updates.get("RemoveBytesScannedCutoffPerQuery"):
        changed.pop("BytesScannedCutoffPerQuery", None)
    if result := updates.get("ResultConfigurationUpdates"):
        kept = {**changed.get("ResultConfiguration", {})}
        kept |= {k: v for k, v in result.items() if not k.startswith("Remove")}
        for flag in (k for k, v in result.items() if k.startswith("Remove") and v):
            kept.pop(flag.removeprefix("Remove"), None)
        changed["ResultConfiguration"] = kept
    return changed


def _is_member(name: str) -> bool:
    return not name.startswith("Remove") and not name.endswith("Updates")


def _check(configuration: Json) -> None:
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < _LEAST_CUTOFF:
        raise invalid(f"BytesScannedCutoffPerQuery must be at least {_LEAST_CUTOFF}")
