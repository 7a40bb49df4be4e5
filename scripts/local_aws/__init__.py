"""AWS on a laptop: one process, one loopback port, state in one folder.

Requests are routed by their SigV4 service. Athena, Glue, Firehose and the change-data-capture
files are our own; the rest is an embedded MiniStack. Nothing here knows Strata's models.
"""
