"""`dbt build` on the embedded Athena beside dbt-duckdb: the same models, in SQL that both read.

The example's own models are in Athena's SQL, which DuckDB does not read, so this generates a
project of the example's size and shape: seeds, staging views, incremental facts that merge, marts,
and data tests on all of them.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from strata import console
from tests.athena.conftest import Athena, new_athena, start

_SYSTEMS = 10
_ROWS = 1000
_LIMIT = 1.5
_COMMANDS = {
    "dbt's start-up": "parse --no-partial-parse",
    "first build": "build",
    "incremental build": "build",
}

_STAGING = """{{{{ config(materialized='view') }}}}
select id, category, cast(amount as double) as amount, id % 7 as weekday
from {{{{ ref('raw_{n}') }}}} where amount >= 0
"""
_FACT = """{{{{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}}}
select id, category, weekday, amount,
    row_number() over (partition by category order by amount desc, id) as place
from {{{{ ref('stg_{n}') }}}}
"""
_MART = """{{{{ config(materialized='table') }}}}
select category, count(*) as records, sum(amount) as amount, max(place) as places
from {{{{ ref('fct_{n}') }}}} group by category
"""


def main() -> None:
    """Print the seconds of the first and of the incremental build on each side."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir()
        gateway, process = start(state)
        try:
            athena = new_athena(gateway)
            project = generate(Path(folder), athena)
            rows = [measure(project, athena, what) for what in _COMMANDS.values()]
        finally:
            process.terminate()
            process.wait(20)
    console.out.print(
        console.table(
            f"dbt over {4 * _SYSTEMS} nodes and {6 * _SYSTEMS} tests",
            ("step", "dbt-athena s", "dbt-duckdb s", "ratio", "at most", "queries", "in Athena s"),
            [(name, *row) for name, row in zip(_COMMANDS, rows, strict=True)],
        )
    )
    console.out.print(
        "in Athena: the queries' seconds, summed over dbt's threads. The rest is dbt and boto3, "
        "which dbt-athena starts anew for every node."
    )


def generate(folder: Path, athena: Athena) -> Path:
    """The project and its profile, with a target for each adapter."""
    project = folder / "project"
    for name in ("models", "seeds"):
        (project / name).mkdir(parents=True)
    _write(project / "dbt_project.yml", {
        "name": "bench", "version": "1.0", "profile": "bench",
        "models": {"+table_type": "iceberg"}, "seeds": {"+table_type": "iceberg"},
        "flags": {"send_anonymous_usage_stats": False},
    })  # fmt: skip
    _write(project / "profiles.yml", {"bench": {"target": "athena", "outputs": {
        "athena": {
            "type": "athena", "database": "awsdatacatalog", "schema": athena.database,
            "region_name": "us-east-1", "s3_staging_dir": f"s3://{athena.bucket}/results/",
            "s3_data_dir": f"s3://{athena.bucket}/data/", "threads": 4,
        },
        "duckdb": {"type": "duckdb", "path": str(folder / "bench.duckdb"), "threads": 4},
    }}})  # fmt: skip
    _write(folder / "environment.yml", {
        "AWS_ENDPOINT_URL": athena.aws.settings.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    })  # fmt: skip
    models = []
    for n in range(_SYSTEMS):
        with (project / "seeds" / f"raw_{n}.csv").open("w", newline="") as file:
            rows = ((i, f"c{i * (n + 1) % 17}", i * 31 % 1000 / 4) for i in range(_ROWS))
            csv.writer(file).writerows([("id", "category", "amount"), *rows])
        for layer, sql in (("stg", _STAGING), ("fct", _FACT), ("mart", _MART)):
            (project / "models" / f"{layer}_{n}.sql").write_text(sql.format(n=n))
            key = "category" if layer == "mart" else "id"
            columns = [{"name": key, "data_tests": ["unique", "not_null"]}]
            models.append({"name": f"{layer}_{n}", "columns": columns})
    _write(project / "models" / "models.yml", {"version": 2, "models": models})
    return project


def measure(
    project: Path, athena: Athena, command: str
) -> tuple[float, float, float, float, int, float]:
    """Seconds of a dbt command on Athena and on DuckDB, their ratio and its limit; the queries
    that Athena ran for it, and their seconds."""
    before = len(_executions(athena))
    here, there = (_seconds(project, command, target) for target in ("athena", "duckdb"))
    found = _executions(athena)
    new = found[: len(found) - before]
    busy = sum(e["Statistics"]["TotalExecutionTimeInMillis"] for e in new) / 1000
    return (round(here, 1), round(there, 1), round(here / there, 2), _LIMIT, len(new),
            round(busy, 1))  # fmt: skip


def _executions(athena: Athena) -> list[Any]:
    """All query executions, the newest first."""
    client = athena.aws.client("athena")
    pages = client.get_paginator("list_query_executions").paginate()
    return [
        execution
        for page in pages
        if page["QueryExecutionIds"]
        for execution in client.batch_get_query_execution(
            QueryExecutionIds=page["QueryExecutionIds"]
        )["QueryExecutions"]
    ]


def _seconds(project: Path, command: str, target: str) -> float:
    settings = yaml.safe_load((project.parent / "environment.yml").read_text())
    dbt = Path(sys.executable).with_name("dbt")
    started = time.perf_counter()
    done = subprocess.run(
        [dbt, "--quiet", *command.split(), "--target", target, "--profiles-dir", project,
         "--target-path", project.parent / target],
        cwd=project, env={**os.environ, **settings}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"dbt {command} failed on {target}")
    return time.perf_counter() - started


def _write(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content))
