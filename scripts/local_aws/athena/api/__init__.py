"""Athena's API: requests, workgroups, saved queries, executions and their life cycle."""
