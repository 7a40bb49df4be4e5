"""What was changed by hand since a stack was deployed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from strata.deploy import inventory

_DRIFTED = ["MODIFIED", "DELETED"]
_LONGEST = 3.0


@dataclass(frozen=True)
class ResourceDrift:
    """A resource that is not as its template says: property, expected and actual value of each."""

    logical_id: str
    type: str
    differences: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class StackDrift:
    """The drifted resources of a stack, and how many could be looked at and could not."""

    stack: str
    resources: tuple[ResourceDrift, ...]
    checked: int
    not_checked: int


def detect(stack: str, cloudformation: Any) -> StackDrift:
    """Look for drift in a stack and wait for the answer."""
    _wait(cloudformation.detect_stack_drift(StackName=stack), cloudformation)
    drifted = tuple(_drift(found) for found in _drifted(stack, cloudformation))
    states = [
        resource.get("DriftInformation", {}).get("StackResourceDriftStatus", "NOT_CHECKED")
        for resource in inventory.resources(stack, cloudformation)
    ]
    skipped = states.count("NOT_CHECKED")
    return StackDrift(stack, drifted, len(states) - skipped, skipped)


def _drifted(stack: str, cloudformation: Any) -> Iterator[dict[str, Any]]:
    """boto3 has no paginator for it."""
    given: dict[str, Any] = {"StackName": stack, "StackResourceDriftStatusFilters": _DRIFTED}
    while True:
        page = cloudformation.describe_stack_resource_drifts(**given)
        yield from page["StackResourceDrifts"]
        if not page.get("NextToken"):
            return
        given["NextToken"] = page["NextToken"]


def _wait(detection: dict[str, Any], cloudformation: Any) -> None:
    pause = 0.2
    while True:
        found = cloudformation.describe_stack_drift_detection_status(
            StackDriftDetectionId=detection["StackDriftDetectionId"]
        )
        if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            return
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST)


def _drift(found: dict[str, Any]) -> ResourceDrift:
    if found["StackResourceDriftStatus"] == "DELETED":
        differences: tuple[tuple[str, str, str], ...] = (("", "exists", "deleted"),)
    else:
        differences = tuple(
            (d["PropertyPath"], d["ExpectedValue"], d["ActualValue"])
            for d in found.get("PropertyDifferences", [])
        )
    return ResourceDrift(found["LogicalResourceId"], found["ResourceType"], differences)
