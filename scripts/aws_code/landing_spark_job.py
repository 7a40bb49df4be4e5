"""The Glue Spark job that does the landing job's work for a source that declares `engine: spark`.

The arguments and the results are those of `landing_job`. Spark only spreads the files: each is read,
masked and written by one task, as the Python-shell job does it, so a file is the unit of both speed
and repetition. Files of one size are carried by one task, in their order: of two with the same
content, the second must find the manifest of the first.
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from functools import lru_cache

from aws_code import landing_job


def main(argv: list[str]) -> None:
    """Carry all waiting files of one source and print what was done to each."""
    from pyspark.sql import SparkSession

    arguments = landing_job.arguments_of(argv)
    groups = groups_of(landing_job.waiting(landing_job.job_of(arguments)))
    if not groups:
        return
    spark = SparkSession.builder.getOrCreate()
    given = tuple(arguments.items())
    tasks = spark.sparkContext.parallelize(groups, len(groups))
    for report in tasks.flatMap(lambda keys: carry_in_order(given, keys)).collect():
        print(report)


def groups_of(sizes: dict[str, int]) -> list[list[str]]:
    """The keys by tasks, the largest files first: nobody waits for one that started last."""
    of_size: dict[int, list[str]] = defaultdict(list)
    for key in sorted(sizes):
        of_size[sizes[key]].append(key)
    return [of_size[size] for size in sorted(of_size, reverse=True)]


def carry_in_order(arguments: tuple[tuple[str, str], ...], keys: list[str]) -> list[str]:
    """One task: carry files one by one; returns their reports as JSON."""
    return [json.dumps(landing_job.carry(_job(arguments), key)) for key in keys]


@lru_cache(maxsize=1)
def _job(arguments: tuple[tuple[str, str], ...]) -> landing_job.Job:
    """An executor's own: clients cannot be sent to it."""
    return landing_job.job_of(dict(arguments))


if __name__ == "__main__":
    # Executors find functions by their module, and this script is none there: the package is.
    from aws_code import landing_spark_job

    landing_spark_job.main(sys.argv[1:])
