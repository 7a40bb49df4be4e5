"""AWS DMS Serverless from a SQLite database to S3: full load, then ongoing changes.

Kept from the service: endpoints and replications as resources, their states and error codes, the
selection and transformation rules of the table mappings, and the S3 target's files: names, folders
by commit date, `Op`, the commit timestamp, CSV and Parquet, compression, encryption, delivery at
least once from a checkpoint, and the rights of the endpoint's role. The engine `sqlite` is this
stand-in's own: DMS has no such source. Not kept: other engines, capacity and its provisioning
states, validation, LOB settings, and the time of the commit: a change has that of its statement.
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Serverless.html
"""
