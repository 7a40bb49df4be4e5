"""CloudWatch's alarms, evaluated on the local clock; metrics and alarms are kept by MiniStack.

Kept from the service: dimensions, statistics and percentiles, `DatapointsToAlarm`, the treatment of
missing data, metric math of the functions in `expressions`, state changes with their reasons, their
history and their SNS actions. Not kept: anomaly detection, Metrics Insights, units, periods that
begin elsewhere than at a multiple of their length.
"""
