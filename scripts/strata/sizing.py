"""Rules of thumb: what a load needs, and what a month of it costs.

The quotas and prices are AWS's of us-east-1, read in November 2026 from the pages that are named; prices
change, so read the result as an order of magnitude.
"""

import math
from dataclasses import dataclass

#: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_RECORDS, SHARD_MIB = 1_000, 1.0
#: Room for an uneven spread of keys and for catching up.
HEADROOM = 1.5
#: https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html: open partitions of a statement.
ATHENA_PARTITIONS = 100
#: A day's partition pays for itself from about one good file on; see macros and docs/architecture.md.
DAY_PARTITION_MIB = 128
#: https://docs.aws.amazon.com/glue/latest/dg/add-job-python.html: a Python-shell job's smallest capacity.
SHELL_DPU, SHELL_MIB_A_MINUTE = 0.0625, 300
HOURS, DAYS = 730, 30.4
GIB = 1024

#: USD. https://aws.amazon.com/kinesis/data-streams/pricing/ (provisioned)
SHARD_HOUR, RETENTION_HOUR, PUT_MILLION = 0.015, 0.020, 0.014
#: https://aws.amazon.com/firehose/pricing/: records are rounded up to 5 KB; Parquet costs extra.
FIREHOSE_GIB, FIREHOSE_ROUND_KIB = 0.029, 5
#: https://aws.amazon.com/lambda/pricing/
LAMBDA_MILLION, LAMBDA_GB_SECOND = 0.20, 0.0000166667
#: https://aws.amazon.com/s3/pricing/: standard, and what nobody has read for 30 days.
S3_GIB, S3_COLD_GIB, S3_PUT_THOUSAND = 0.023, 0.0125, 0.005
#: https://aws.amazon.com/athena/pricing/
ATHENA_TIB = 5.0
#: https://aws.amazon.com/glue/pricing/, https://aws.amazon.com/codebuild/pricing/ (general1.small)
DPU_HOUR, BUILD_MINUTE = 0.44, 0.005
#: https://aws.amazon.com/kms/pricing/, https://aws.amazon.com/cloudwatch/pricing/,
#: https://aws.amazon.com/secrets-manager/pricing/
KEY_MONTH, ALARM_MONTH, SECRET_MONTH = 1.0, 0.10, 0.40

#: What the masking function was measured to take (`make bench`), with its 512 MB.
MASKED_A_SECOND, LAMBDA_GB = 5_000, 0.5
#: Compressed Bronze is a fifth of the JSON that came; Silver and Gold together are twice that.
COMPRESSION, SILVER_AND_GOLD = 5, 2
ALARMS_SHARED, ALARMS_A_SOURCE = 20, 7


@dataclass(frozen=True)
class Load:
    """A day's data: uncompressed GiB, a record's bytes, the number of stream and batch sources, how
    many times the mean the peak is, builds a day, TiB that readers scan a month, months kept."""

    gib_a_day: float
    record_bytes: int = 500
    streams: int = 5
    batches: int = 5
    peak: float = 3.0
    builds_a_day: int = 4
    read_tib_a_month: float = 0.1
    months: int = 12


@dataclass(frozen=True)
class Need:
    """What a load needs: shards of all streams, MiB of an object that Firehose writes, minutes of
    Glue's Python-shell jobs a day, and whether Silver is partitioned by day or month."""

    records_a_second: float
    shards: int
    object_mib: float
    job_minutes_a_day: float
    partition: str


def shards(records_a_second: float, mib_a_second: float) -> int:
    """The shards of one stream at its peak, with headroom; at least one."""
    wanted = max(records_a_second / SHARD_RECORDS, mib_a_second / SHARD_MIB)
    return max(1, math.ceil(wanted * HEADROOM))


def partition(mib_a_day: float) -> str:
    """How a Silver table is partitioned that gets so much compressed data a day."""
    return "day" if mib_a_day >= DAY_PARTITION_MIB else "month"


def need(load: Load) -> Need:
    """What a load needs; half of it comes by streams where there are streams and files."""
    streamed = _streamed(load)
    mib_a_second = streamed * GIB / 86_400
    records = mib_a_second * 2**20 / load.record_bytes
    streams = max(load.streams, 1)
    each = shards(records * load.peak / streams, mib_a_second * load.peak / streams)
    compressed_a_source = load.gib_a_day * GIB / COMPRESSION / max(load.streams + load.batches, 1)
    five_minutes = mib_a_second * 300 / COMPRESSION / streams
    filed = (load.gib_a_day - streamed) * GIB
    return Need(
        records_a_second=records,
        shards=each * load.streams,
        object_mib=min(five_minutes, 128),
        job_minutes_a_day=max(filed / SHELL_MIB_A_MINUTE, load.batches),
        partition=partition(compressed_a_source),
    )


def month(load: Load) -> dict[str, float]:
    """USD a month by service, in steady state: after `load.months` of data."""
    found = need(load)
    streamed = _streamed(load) * DAYS
    records = streamed * 2**30 / load.record_bytes
    rounded = (
        records * math.ceil(load.record_bytes / 1024 / FIREHOSE_ROUND_KIB) * FIREHOSE_ROUND_KIB
    )
    bronze = load.gib_a_day * DAYS / COMPRESSION
    kept = bronze * (1 + SILVER_AND_GOLD) * load.months
    # A build reads what is new from Bronze, rewrites what it merges into, and tests the last weeks.
    built = bronze * (1 + 2 * SILVER_AND_GOLD) / 1024
    objects = found.shards * 12 * 24 * DAYS + load.builds_a_day * DAYS * 500
    hot = min(1.0, load.months) * bronze * (1 + SILVER_AND_GOLD)
    alarms = ALARMS_SHARED + ALARMS_A_SOURCE * (load.streams + load.batches)
    return {
        "Kinesis": found.shards * HOURS * (SHARD_HOUR + RETENTION_HOUR)
        + records / 1e6 * PUT_MILLION,
        "Firehose": rounded / 2**20 * FIREHOSE_GIB,
        "Lambda": records / MASKED_A_SECOND * LAMBDA_GB * LAMBDA_GB_SECOND
        + records / 500 / 1e6 * LAMBDA_MILLION,
        "S3": hot * S3_GIB + (kept - hot) * S3_COLD_GIB + objects / 1000 * S3_PUT_THOUSAND,
        "Athena, builds": built * ATHENA_TIB,
        "Athena, readers": load.read_tib_a_month * ATHENA_TIB,
        "Glue jobs": found.job_minutes_a_day * DAYS / 60 * SHELL_DPU * DPU_HOUR,
        "CodeBuild": load.builds_a_day * DAYS * 10 * BUILD_MINUTE,
        "keys, secrets, alarms": 2 * KEY_MONTH + SECRET_MONTH + alarms * ALARM_MONTH,
    }


def _streamed(load: Load) -> float:
    if not load.streams:
        return 0.0
    return load.gib_a_day / 2 if load.batches else load.gib_a_day


#: The three sizes of docs/cost.md.
SIZES = {
    "small": Load(gib_a_day=1),
    "medium": Load(gib_a_day=50, streams=20, batches=20, read_tib_a_month=5, builds_a_day=24),
    "large": Load(
        gib_a_day=1_000, streams=100, batches=100, read_tib_a_month=100, builds_a_day=48, months=24
    ),
}
