"""Disaster recovery, rehearsed on the local AWS."""
