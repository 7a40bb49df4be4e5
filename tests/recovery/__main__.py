"""`make rehearse` (after `make demo`): breaks a lakehouse in each way of docs/disaster_recovery.md, brings
it back with the commands that stand there, and compares what is in it before and after.

Exit code 1: something did not come back as it was.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from typer.testing import CliRunner

from strata import console, query
from strata.cli import app
from strata.environment import Environment, choose, client
from strata.errors import StrataError

MODEL, TABLE = "fct_payments", "gold.fct_payments"
IN_BRONZE = "select count(*), checksum(payment_id) from {}"
SOURCE, BASE = "bronze_ticketing.payments", "base_ticketing__payments"
CONTENTS = "select count(*), checksum(payment_id), checksum(amount_usd), checksum(paid_at) from {}"


@dataclass
class Rehearsal:
    """What was broken, the seconds that its recovery took, and whether all came back."""

    what: str
    seconds: float
    is_whole: bool


def main() -> int:
    """Run every scenario, tell, and return the exit code."""
    environment = choose("local")
    strata("publish")
    done = [scenario(environment) for scenario in SCENARIOS]
    rows = [(r.what, f"{r.seconds:.1f} s", "yes" if r.is_whole else "NO") for r in done]
    console.out.print(console.table("Recovery", ("what was lost", "took", "as before"), rows))
    return 0 if all(r.is_whole for r in done) else 1


def rows_are_deleted(environment: Environment) -> Rehearsal:
    """A statement deletes what it should not: the table returns to its snapshot."""
    with rehearsed("rows of a Gold table", TABLE) as recover:
        snapshots = f'"gold"."{MODEL}$snapshots"'
        snapshot = scalar(f"select max_by(snapshot_id, committed_at) from {snapshots}")
        run_sql(f"delete from {TABLE} where amount_usd > 0")
        recover(lambda: strata("restore", TABLE, "--snapshot", snapshot))
    return recover.result


def a_publication_is_wrong(environment: Environment) -> Rehearsal:
    """Consumers see what they should not, though it passed its tests: the publication before."""
    served = f'"serving"."{MODEL}$snapshots"'
    with rehearsed(
        "a publication", served, "select max_by(snapshot_id, committed_at) from {}"
    ) as recover:
        run_sql(f"optimize {TABLE} rewrite data using bin_pack")
        strata("build", "--select", MODEL)
        strata("publish", "--select", MODEL)
        recover(lambda: strata("publish", "--rollback", "--select", MODEL))
    return recover.result


def serving_is_gone(environment: Environment) -> Rehearsal:
    """Somebody deletes an entry of serving in Glue: publishing makes it anew."""
    served = f"serving.{MODEL}"
    with rehearsed("an entry of serving", served) as recover:
        client("glue").delete_table(DatabaseName="serving", Name=MODEL)
        recover(lambda: (strata("build", "--select", MODEL), strata("publish", "--select", MODEL)))
    return recover.result


def bronze_objects_are_deleted(environment: Environment) -> Rehearsal:
    """Objects of Bronze are deleted: their versions are still there."""
    bucket, s3 = environment.bucket("bronze"), client("s3")
    prefix = "ticketing/payments/"
    with rehearsed("objects of Bronze", SOURCE, IN_BRONZE) as recover:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        for item in listed:
            s3.delete_object(Bucket=bucket, Key=item["Key"])
        recover(lambda: undelete(bucket, prefix))
    return recover.result


def undelete(bucket: str, prefix: str) -> None:
    """Take the delete markers of a prefix away."""
    s3 = client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for marker in page.get("DeleteMarkers", []):
            if marker["IsLatest"]:
                s3.delete_object(Bucket=bucket, Key=marker["Key"], VersionId=marker["VersionId"])


def the_catalog_of_bronze_is_gone(environment: Environment) -> Rehearsal:
    """The Glue database of a source is deleted: it is declared, so it is made anew."""
    with rehearsed("the catalog of a source", SOURCE, IN_BRONZE) as recover:
        client("glue").delete_database(Name=SOURCE.partition(".")[0])
        recover(lambda: strata("catalog", "apply"))
    return recover.result


def silver_is_gone(environment: Environment) -> Rehearsal:
    """A Silver table and all behind it are dropped, files and all: they are built from Bronze."""
    with rehearsed("a Silver table and its Gold", TABLE) as recover:
        run_sql(f"drop table silver.{BASE}")
        run_sql(f"drop table {TABLE}")
        recover(
            lambda: strata(
                "build", "--select", f"{BASE}+1", "stg_ticketing__payments+1", "--full-refresh"
            )
        )
    return recover.result


SCENARIOS: tuple[Callable[[Environment], Rehearsal], ...] = (
    rows_are_deleted, a_publication_is_wrong, serving_is_gone, bronze_objects_are_deleted,
    the_catalog_of_bronze_is_gone, silver_is_gone,
)  # fmt: skip


class Recovery:
    """Times a recovery, and compares a table before its loss, after it and after the recovery."""

    def __init__(self, what: str, sql: str) -> None:
        self._sql = sql
        self._before = query.rows(sql, client("athena"))
        self.result = Rehearsal(what, 0.0, False)

    def __call__(self, recover: Callable[[], object]) -> None:
        is_lost = self._contents() != self._before
        started = time.monotonic()
        recover()
        self.result.seconds = time.monotonic() - started
        self.result.is_whole = is_lost and self._contents() == self._before

    def _contents(self) -> list[list[str | None]] | None:
        try:
            return query.rows(self._sql, client("athena"))
        except StrataError:
            return None


@contextmanager
def rehearsed(what: str, table: str, contents: str = CONTENTS) -> Iterator[Recovery]:
    """What is lost within must be missed, and come back."""
    console.step(f"losing {what}")
    yield Recovery(what, contents.format(table))


def scalar(sql: str) -> str:
    return str(query.rows(sql, client("athena"))[0][0])


def run_sql(sql: str) -> None:
    query.run(sql, client("athena"))


def strata(*arguments: str) -> None:
    """Run a command; what it fails with ends the rehearsal."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exit_code:
        raise SystemExit(f"strata {' '.join(arguments)}: {result.output}{result.exception}")


if __name__ == "__main__":
    sys.exit(main())
