"""Kinesis streams that invoke Lambda functions: the event source mappings that were deployed.

MiniStack keeps the mappings and serves their API; this room reads the shards and invokes.
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""
