"""The state of an alarm, from the data points of its evaluation range.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"

_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
#: CloudWatch looks further back than the evaluation periods; its examples have two points more.
_FURTHER = 2


@dataclass(frozen=True)
class Rule:
    """When an alarm breaches: `needed` of the last `periods` points, compared with a threshold."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str

    @classmethod
    def of(cls, alarm: dict[str, Any]) -> "Rule":
        """The rule of an alarm as DescribeAlarms gives it."""
        periods = alarm["EvaluationPeriods"]
        return cls(
            comparison=alarm["ComparisonOperator"],
            threshold=alarm["Threshold"],
            periods=periods,
            needed=alarm.get("DatapointsToAlarm") or periods,
            missing=alarm.get("TreatMissingData") or "missing",
        )

    def breaches(self, value: float) -> bool:
        """Whether a point is outside the threshold."""
        return _COMPARISONS[self.comparison][0](value, self.threshold)


def looked_at(evaluation_periods: int) -> int:
    """How many of the newest periods are the evaluation range."""
    return evaluation_periods + _FURTHER


def check(comparison: str) -> None:
    """Raise ValueError for a comparison that is not served: those with a band."""
    if comparison not in _COMPARISONS:
        raise ValueError(f"the comparison {comparison} is not served")


def state(rule: Rule, points: list[float | None], present: str) -> str:
    """The state after `points`, the evaluation range from its oldest to its newest period.

    None is a missing point. As many existing points as there are evaluation periods decide alone;
    with fewer, what is missing is treated as the rule says.
    """
    existing = [point for point in points if point is not None]
    if not existing:
        return {"breaching": ALARM, "notBreaching": OK, "missing": INSUFFICIENT}.get(
            rule.missing, present
        )
    newest = existing[-rule.periods :]
    breaching = sum(map(rule.breaches, newest))
    lacking = rule.periods - len(newest)
    if breaching >= rule.needed:
        return ALARM
    if lacking == 0 or rule.missing == "notBreaching":
        return OK
    if rule.missing == "breaching":
        return ALARM if breaching + lacking >= rule.needed else OK
    if breaching < len(newest):
        return OK
    oldest = next(age for age in range(len(points), 0, -1) if points[-age] is not None)
    return ALARM if rule.missing == "missing" and oldest >= rule.needed else present


def reason(rule: Rule, points: list[float | None], becomes: str) -> str:
    """Why an alarm has its new state, in the words of CloudWatch's notifications."""
    existing = [point for point in points if point is not None][-rule.periods :]
    if not existing:
        words = {"breaching": "Breaching", "notBreaching": "NonBreaching"}
        treated = words.get(rule.missing)
        if becomes == INSUFFICIENT or treated is None:
            return f"Insufficient Data: {rule.periods} datapoints were unknown."
        return (
            f"Threshold Crossed: no datapoints were received for {rule.periods} periods and "
            f"{rule.periods} missing datapoints were treated as [{treated}]."
        )
    crossed = sum(map(rule.breaches, existing))
    count = crossed if becomes == ALARM else len(existing) - crossed
    verb = "were" if becomes == ALARM else "were not"
    return (
        f"Threshold Crossed: {count} out of the last {len(existing)} datapoints {existing} {verb} "
        f"{_COMPARISONS[rule.comparison][1]} the threshold ({rule.threshold})."
    )
