"""Alarm states and metric math, as CloudWatch documents them."""

import pytest

from local_aws.cloudwatch import expressions
from local_aws.cloudwatch.expressions import Scope
from local_aws.cloudwatch.states import Rule, state

#: The tables of
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
#: X is a breaching point, 0 one that is not, - a missing one, the newest last. The states are those
#: of missing, ignore, breaching and notBreaching; R keeps the present state.
THREE_OF_THREE = [
    ("0-X-X", "OK OK OK OK"),
    ("----0", "OK OK OK OK"),
    ("-----", "INSUFFICIENT_DATA R ALARM OK"),
    ("0XX-X", "ALARM ALARM ALARM ALARM"),
    ("--X--", "ALARM R ALARM OK"),
]
TWO_OF_THREE = [
    ("0-X-X", "ALARM ALARM ALARM ALARM"),
    ("00X0X", "ALARM ALARM ALARM ALARM"),
    ("0-X--", "OK OK ALARM OK"),
    ("----0", "OK OK ALARM OK"),
    ("---X-", "ALARM R ALARM OK"),
]


@pytest.mark.parametrize(
    ("needed", "points", "states"),
    [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE],
)
def test_missing_data_is_treated_as_documented(needed: int, points: str, states: str) -> None:
    values = [{"X": 2.0, "0": 0.0, "-": None}[point] for point in points]
    treatments = ("missing", "ignore", "breaching", "notBreaching")
    for treatment, expected in zip(treatments, states.split(), strict=True):
        rule = Rule("GreaterThanThreshold", 1, 3, needed, treatment)
        found = state(rule, values, "R")
        assert found == expected, treatment


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [2]),
        ("GreaterThanOrEqualToThreshold", [1, 2]),
        ("LessThanThreshold", [0]),
        ("LessThanOrEqualToThreshold", [0, 1]),
    ],
)
def test_comparisons(comparison: str, breaching: list[float]) -> None:
    rule = Rule(comparison, 1, 1, 1, "missing")
    assert [value for value in (0, 1, 2) if rule.breaches(value)] == breaching


@pytest.mark.parametrize(
    ("expression", "series"),
    [
        ("a + b", {60: 5}),  # a period that one side lacks has no point
        ("a / b", {60: 1.5}),
        ("a / (b - 2)", {}),  # nor has a division by zero
        ("a * 2 - 1", {0: 1, 60: 5}),
        ("FILL(b, 0)", {0: 0, 60: 2, 120: 7, 180: 0}),
        ("a + FILL(b, 0)", {0: 1, 60: 5}),
        ("IF(a > 2, a, 0)", {0: 0, 60: 3}),
        ("IF(a >= 1, b, a)", {60: 2}),
        ("SUM(METRICS())", {0: 1, 60: 5, 120: 7}),
        ("MAX(METRICS())", {0: 1, 60: 3, 120: 7}),
        ("SUM(FILL(METRICS(), 1))", {0: 2, 60: 5, 120: 8, 180: 2}),
        ("a == 3", {0: 0, 60: 1}),
    ],
)
def test_metric_math(expression: str, series: dict[int, float]) -> None:
    """By hand, from https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"""
    a, b = {0: 1.0, 60: 3.0}, {60: 2.0, 120: 7.0}
    expressions.check(expression)
    found = expressions.evaluate(expression, Scope({"a": a, "b": b}, [a, b], range(0, 240, 60)))
    assert found == series


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("RATE(a)", "RATE"),
        ("SEARCH('x', 'Sum', 60)", "SEARCH"),
        ("FILL(a, REPEAT)", "REPEAT"),
        ("a % 2", "Mod"),
        ("0 < a < 2", "chain"),
        ("a and b", "a and b"),
        ("a[0]", "a"),
        ("a +", r"a \+"),
        ("FILL(a)", "FILL"),
    ],
)
def test_other_metric_math_is_refused_by_name(expression: str, names: str) -> None:
    scope = Scope({"a": {}, "b": {}}, [], range(0))
    with pytest.raises((ValueError, KeyError), match=names):
        expressions.check(expression)
        expressions.evaluate(expression, scope)
