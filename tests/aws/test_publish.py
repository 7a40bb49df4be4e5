"""Publishing: consumers see what was audited, at once and by table, and can go back."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from strata import query
from strata.cli import app
from strata.environment import PROJECT
from strata.errors import StrataError
from strata.operate import build_lock, evidence, iceberg, publications, serving
from strata.operate.evidence import Evidence
from tests.conftest import Lakehouse

PREFIX = "pub_"
MODELS = {
    "fct": "{{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}",
    "dim": "{{ config(materialized='table') }}",
}
SELECT = "select id, 'n' || cast(id as varchar) as name from unnest(sequence(1, {{ var('rows') }})) as t(id)"
YAML = """
version: 2
models:
  - name: {model}
    description: Rows 1 to n.
    columns:
      - name: id
        description: A number up to the limit.
        data_tests:
          - not_null
          - at_most
      - name: name
        description: Its name.
"""
AT_MOST = """
{% test at_most(model, column_name) %}
select {{ column_name }} from {{ model }} where {{ column_name }} > {{ var('limit') }}
{% endtest %}
"""


@dataclass(frozen=True)
class Shop:
    """A dbt project of two models, built for real, in schemas of its own."""

    folder: Path
    lakehouse: Lakehouse

    def build(self, rows: int, limit: int = 10) -> int:
        """Run `dbt build`; gives its exit code: 1 when more than `limit` rows fail the tests."""
        values = json.dumps({"rows": rows, "limit": limit})
        dbt = str(Path(sys.executable).with_name("dbt"))
        return subprocess.run(
            [dbt, "--quiet", "build", "--vars", values],
            cwd=self.folder, check=False, capture_output=True,
        ).returncode  # fmt: skip

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        sql = f"select count(*), sum(id) from {PREFIX}{table}"
        count, total = map(int, query.rows(sql, self.lakehouse.client("athena"))[0])  # type: ignore[arg-type]
        assert total == count * (count + 1) // 2
        return count

    def both(self, schema: str) -> list[int]:
        """The rows of both tables of a schema."""
        return [self.rows(f"{schema}.{model}") for model in MODELS]


@pytest.fixture(scope="module")
def shop(lakehouse: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    project = f"name: shop\nprofile: strata\nmodels:\n  shop:\n    +schema: gold\n    +table_type: iceberg\n    +persist_docs: {{relation: true, columns: true}}\n    +s3_data_dir: s3://{lakehouse.environment.bucket('gold')}/\n"
    (folder / "dbt_project.yml").write_text(project)
    (folder / "macros").mkdir()
    for macro in ("generate_schema_name", "drop_relation_glue"):
        shutil.copy(PROJECT / f"macros/overrides/{macro}.sql", folder / "macros")
    (folder / "macros/at_most.sql").write_text(AT_MOST)
    (folder / "models").mkdir()
    for model, config in MODELS.items():
        (folder / f"models/{model}.sql").write_text(f"{config}\n{SELECT}\n")
        (folder / f"models/{model}.yml").write_text(YAML.format(model=model))
    before = dict(os.environ)
    os.environ |= {"STRATA_SCHEMA_PREFIX": PREFIX, "DBT_TARGET_PATH": str(folder / "target")}
    yield Shop(folder, lakehouse)
    os.environ.clear()
    os.environ.update(before)


def strata(*arguments: str) -> Result:
    """Run the command line; errors are raised as they are."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def states(result: Result) -> list[str]:
    """What a publish command says of each table."""
    return [outcome["state"] for outcome in json.loads(result.stdout)]


def test_consumers_see_the_old_tables_until_publish_and_can_go_back(shop: Shop) -> None:
    assert shop.build(rows=2) == 0
    assert states(strata("publish", "--json")) == ["published", "published"]
    assert shop.both("serving") == [2, 2]
    assert shop.build(rows=3) == 0
    assert (shop.both("gold"), shop.both("serving")) == ([3, 3], [2, 2])
    assert states(strata("publish", "--json")) == ["published", "published"]
    assert shop.both("serving") == [3, 3]
    assert states(strata("publish", "--json")) == ["unchanged", "unchanged"]

    back = strata("publish", "--rollback", "--select", "*", "--json")
    assert states(back) == ["rolled back", "rolled back"]
    assert (shop.both("gold"), shop.both("serving")) == ([3, 3], [2, 2])
    again = strata("publish", "--json")
    assert (again.exit_code, states(again)) == (1, ["refused", "refused"])
    assert shop.both("serving") == [2, 2]
    further = strata("publish", "--rollback", "--select", "dim", "--json")
    assert (further.exit_code, states(further)) == (1, ["refused"])

    newest = [
        one["publications"][-1]["snapshot_id"]
        for one in json.loads(strata("publish", "--list", "--json").stdout)
    ]
    for model, snapshot in zip(sorted(MODELS), newest, strict=True):
        strata("publish", "--rollback", "--select", model, "--to", str(snapshot))
    assert shop.both("serving") == [3, 3]


def test_serving_has_golds_columns_and_comments(shop: Shop) -> None:
    glue = shop.lakehouse.client("glue")
    shown, built = (
        glue.get_table(DatabaseName=f"{PREFIX}{schema}", Name="fct")["Table"]
        for schema in ("serving", "gold")
    )
    assert shown["Description"] == "Rows 1 to n."
    assert shown["StorageDescriptor"]["Columns"] == built["StorageDescriptor"]["Columns"]
    assert shown["StorageDescriptor"]["Columns"][1]["Comment"] == "Its name."


def test_a_failing_test_blocks(shop: Shop) -> None:
    assert shop.build(rows=5, limit=4) == 1
    refused = strata("publish", "--json")
    assert (refused.exit_code, states(refused)) == (1, ["refused", "refused"])
    assert "its test at_most_fct_id ended with fail" in refused.stdout
    assert (shop.both("gold"), shop.both("serving")) == ([5, 5], [3, 3])


def test_a_second_build_keeps_publish_waiting(shop: Shop) -> None:
    with (
        build_lock.exclusive(shop.lakehouse.environment, shop.lakehouse.client("s3")),
        pytest.raises(StrataError, match="is running"),
    ):
        strata("publish")


# Evidence: the artifacts of the failing build, changed by hand.


def faults(shop: Shop, change: Any) -> list[str | None]:
    """What speaks against each model, once `change` was made to the run results."""
    manifest, results = evidence.last_build(shop.folder)
    for result in results["results"]:
        result["status"] = "pass" if result["unique_id"].startswith("test.") else "success"
    change(results["results"])
    return [one.fault for one in evidence.of_models(manifest, results, f"{PREFIX}gold")]


def test_evidence_is_a_test_that_ran_and_passed(shop: Shop) -> None:
    def of(name: str, results: list[Any]) -> Any:
        return next(r for r in results if name in r["unique_id"])

    assert faults(shop, lambda results: None) == [None, None]
    warned = faults(shop, lambda results: of("at_most_dim", results).update(status="warn"))
    assert warned == [None, None]
    skipped = faults(shop, lambda results: of("not_null_dim", results).update(status="skipped"))
    assert skipped == ["its test not_null_dim_id ended with skipped", None]
    unrun = faults(shop, lambda results: results.remove(of("not_null_fct", results)))
    assert unrun == [None, "its test not_null_fct_id did not run in the last build"]
    absent = faults(
        shop,
        lambda results: results.__setitem__(
            slice(None), [r for r in results if "dim" not in r["unique_id"]]
        ),
    )
    assert absent == ["it was not in the last build", None]
    broken = faults(shop, lambda results: of("model.shop.dim", results).update(status="error"))
    assert broken == ["the model ended with error in the last build", None]


def test_a_command_without_tests_is_no_evidence(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, results = evidence.last_build()
    with pytest.raises(StrataError, match="no models in gold, but in pub_gold"):
        evidence.of_models(manifest, results, "gold")
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    with pytest.raises(StrataError, match="nothing was built here"):
        evidence.last_build()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    results["args"]["which"] = "generate"
    (tmp_path / "run_results.json").write_text(json.dumps(results))
    with pytest.raises(StrataError, match="was generate, which runs no tests"):
        evidence.last_build()


# Tables made by Athena alone, with evidence written by hand.


class Killed(Exception):
    """What a kill looks like from inside."""


class Dying:
    """A client that dies before its n-th call that changes something."""

    def __init__(self, client: Any, left: list[int]) -> None:
        self._client, self._left = client, left

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("create_", "update_", "delete", "put_", "new_output")):
            self._left[0] -= 1
            if self._left[0] < 0:
                raise Killed
        return getattr(self._client, name)


def clients(lakehouse: Lakehouse) -> iceberg.Clients:
    return iceberg.Clients(*(lakehouse.client(name) for name in ("glue", "s3", "athena")))


def dying(lakehouse: Lakehouse, calls: int) -> iceberg.Clients:
    """Clients that die before the call `calls`, whichever of them makes it."""
    whole, left = clients(lakehouse), [calls]
    mortal = replace(whole, glue=Dying(whole.glue, left))
    object.__setattr__(mortal, "s3", Dying(whole.s3, left))
    object.__setattr__(mortal, "io", Dying(whole.io, left))
    return mortal


class Hand:
    """A Gold table that is written through Athena."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.shop, self.name, self.table = shop, name, f"{PREFIX}gold.{name}"
        self.athena = shop.lakehouse.client("athena")

    def make(self, folder: str) -> None:
        """Create the table of one row, anew under a folder when there is one: as dbt swaps."""
        if iceberg.glue_entry(self.table, self.shop.lakehouse.client("glue")):
            self.shop.lakehouse.client("glue").delete_table(
                DatabaseName=f"{PREFIX}gold", Name=self.name
            )
        bucket = self.shop.lakehouse.environment.bucket("gold")
        self.sql(
            f"create table {self.table} with (table_type='ICEBERG', is_external=false, "
            f"location='s3://{bucket}/{PREFIX}gold/{self.name}/{folder}/') as select 1 as id"
        )

    def sql(self, text: str) -> list[list[str | None]]:
        return query.rows(text, self.athena)

    def evidence(self, publications: int = 3) -> Evidence:
        """Passed tests that ran just now."""
        node = {
            "name": self.name, "alias": self.name, "schema": f"{PREFIX}gold",
            "original_file_path": f"models/{self.name}.sql",
            "config": {"table_type": "iceberg", "materialized": "incremental",
                       "meta": {"maintenance": {"publications": publications}}},
        }  # fmt: skip
        time.sleep(0.01)
        now = datetime.now(UTC)
        return Evidence(node, "invocation", 1, None, now, now)

    def served(self) -> publications.Served:
        found = publications.find(
            f"{PREFIX}serving.{self.name}", self.shop.lakehouse.client("glue")
        )
        assert found
        return found

    def serving_rows(self) -> int:
        return self.shop.rows(f"serving.{self.name}")


def test_killed_anywhere_and_repeated_it_is_the_same(shop: Shop) -> None:
    hand, own = Hand(shop, "killed"), clients(shop.lakehouse)
    hand.make("a")
    with pytest.raises(Killed):
        serving.publish(hand.evidence(publications=1), dying(shop.lakehouse, 0))
    serving.publish(hand.evidence(publications=1), own)
    for calls in range(20):
        before = hand.serving_rows()
        hand.sql(f"insert into {hand.table} values {before + 1}")
        audited = hand.evidence(publications=1)
        try:
            serving.publish(audited, dying(shop.lakehouse, calls))
            break
        except Killed:
            assert hand.serving_rows() in (before, before + 1)
        serving.publish(audited, own)
        assert hand.serving_rows() == before + 1
        assert hand.served().publications == (hand.served().current,)
    # The tag: metadata and commit; the new file; the pointer. What is forgotten: the old tag's
    # metadata and commit, the old file, the history.
    assert calls == 8
    tags = hand.sql(f'select name from "{PREFIX}gold"."{hand.name}$refs" where type = \'TAG\'')
    assert tags == [[f"published-{hand.served().current.snapshot_id}"]]


def test_what_only_forgotten_publications_need_is_deleted(shop: Shop) -> None:
    hand, own = Hand(shop, "made_anew"), clients(shop.lakehouse)
    for folder in "abc":
        hand.make(folder)
        serving.publish(hand.evidence(publications=2), own)
    prefix = f"{PREFIX}gold/{hand.name}/"
    folders = {key.split("/")[2] for key in shop.lakehouse.objects("gold", prefix)}
    assert folders == {"b", "c"}
    assert serving.rollback(hand.served(), None, own).state == "rolled back"
    assert hand.serving_rows() == 1
    files = shop.lakehouse.objects("gold", f"{PREFIX}serving/{hand.name}/")
    assert len(files) == 2


def test_the_audited_snapshot_is_published_and_no_later_one(shop: Shop) -> None:
    hand, own = Hand(shop, "later"), clients(shop.lakehouse)
    hand.make("a")
    audited = hand.evidence()
    hand.sql(f"insert into {hand.table} values 2")
    assert serving.publish(audited, own).state == "published"
    assert hand.serving_rows() == 1
    assert audited.started
    during = replace(audited, ended=datetime.now(UTC))
    outcome = serving.publish(during, own)
    assert outcome.state == "refused"
    assert "changed while its tests ran" in str(outcome.reason)
    hand.make("b")
    assert "made anew after its tests ran" in str(serving.publish(audited, own).reason)


def test_a_view_is_left_out(shop: Shop) -> None:
    hand = Hand(shop, "seen")
    node = {**hand.evidence().node, "config": {"table_type": "iceberg", "materialized": "view"}}
    outcome = serving.publish(replace(hand.evidence(), node=node), clients(shop.lakehouse))
    assert (outcome.state, outcome.reason) == (
        "left out",
        "a view has no snapshots: read it in Gold",
    )


def test_restore_returns_a_table_by_one_commit(shop: Shop) -> None:
    hand = Hand(shop, "restored")
    hand.make("a")
    hand.sql(f"insert into {hand.table} values 2")
    time.sleep(1)  # the option takes whole seconds
    second = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    time.sleep(1)
    hand.sql(f"insert into {hand.table} values 3")
    strata("restore", "gold.restored", "--at", second)
    assert shop.rows("gold.restored") == 2
    assert [
        version["is_current"]
        for version in json.loads(strata("restore", "gold.restored", "--json").stdout)
    ] == [False, True, False]
    strata("restore", "gold.restored", "--at", f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}")
    hand.sql(f"insert into {hand.table} values 3")
    versions = json.loads(strata("restore", "gold.restored", "--json").stdout)
    assert [version["rows"] for version in versions] == [3, 3, 2, 1]
    hand.sql(f"delete from {hand.table} where id = 2")
    newest = json.loads(strata("restore", "gold.restored", "--json").stdout)[0]
    assert (newest["operation"], newest["rows"]) == ("delete", 2)
    first = str(versions[-1]["snapshot_id"])
    strata("restore", "gold.restored", "--snapshot", first)
    assert shop.rows("gold.restored") == 1
    assert "is at snapshot" in strata("restore", "gold.restored", "--snapshot", first).stdout
    newest = str(versions[0]["snapshot_id"])
    strata("restore", "gold.restored", "--snapshot", newest)
    assert shop.rows("gold.restored") == 3
    for place, text in (
        ("serving.fct", "shows a publication"),
        ("gold.nope", "there is no table pub_gold.nope"),
    ):
        with pytest.raises(StrataError, match=text):
            strata("restore", place)
    with pytest.raises(StrataError, match="has no snapshot 1"):
        strata("restore", "gold.restored", "--snapshot", "1")
    with pytest.raises(StrataError, match="knows nothing of 2001"):
        strata("restore", "gold.restored", "--at", "2001-01-01")
