"""AWS DMS to S3, from a SQLite database: full load, then ongoing changes.

Kept from the service: the files' names and folders, the `Op` column, the commit timestamp, the
change sequence that a transformation rule adds, gzip'd CSV with a header, order by commit,
at-least-once delivery from a checkpoint. Not kept: tasks and endpoints as resources, other
engines, Parquet, LOB settings, validation.
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
"""
