"""Amazon Data Firehose from a Kinesis stream to S3, as its deployed configuration says.

Kept from the service: at-least-once delivery from a checkpoint that survives `kill -9`, batches to
the processing Lambda and its three result codes with retries, buffering by size and by time (on
the local clock), gzip, prefixes of the oldest record's arrival, conversion to Parquet by a Glue
table, error objects in the documented shape. Not kept: dynamic partitioning, other destinations,
direct puts, S3 backup mode, server-side encryption settings.
"""
