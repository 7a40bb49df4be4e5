"""The dbt project's own rules, read from its files and from the manifest that dbt makes of them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
LAYERS = {
    "silver": re.compile(r"(base|stg|quarantine|int)_[a-z_]+__[a-z_]+"),
    "gold": re.compile(r"(fct|dim|mart)_[a-z_]+"),
}
TYPES = re.compile(
    r"varchar|integer|bigint|double|boolean|date|timestamp\(6\)|decimal\(\d+,\d+\)|array\(varchar\)"
)
DECLARED_TYPES = re.compile(
    r"varchar|integer|bigint|double|boolean|date|timestamp|decimal\(\d+,\d+\)"
)
Node = dict[str, Any]


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """What `dbt parse` makes of the project; a warning is an error."""
    target = tmp_path_factory.mktemp("target")
    command = [str(Path(sys.executable).with_name("dbt")), "parse", "--warn-error"]
    folders = ["--target-path", str(target), "--profiles-dir", "profiles"]
    parsed = subprocess.run(
        [*command, *folders], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stdout
    return json.loads((target / "manifest.json").read_text())


def nodes(manifest: Node, kind: str) -> list[Node]:
    """The project's own nodes of a kind."""
    every = [*manifest["nodes"].values(), *manifest["sources"].values()]
    return [n for n in every if n["resource_type"] == kind and n["package_name"] == "strata"]


def generic_tests(manifest: Node, unique_id: str) -> list[str]:
    """Names of the generic tests attached to a node."""
    return [
        test["test_metadata"]["name"]
        for test in nodes(manifest, "test")
        if test.get("attached_node") == unique_id
    ]


def sql_files() -> Iterator[Path]:
    for folder in ("models", "macros", "tests/dbt"):
        yield from (PROJECT / folder).rglob("*.sql")


def test_names_say_the_layer(manifest: Node) -> None:
    wrong = [
        model["name"]
        for model in nodes(manifest, "model")
        if not LAYERS[model["path"].split("/")[0]].fullmatch(model["name"])
    ]
    assert not wrong


def test_silver_names_say_the_system(manifest: Node) -> None:
    for model in nodes(manifest, "model"):
        layer, folder, _ = model["path"].split("/")
        if layer == "silver":
            assert f"_{folder}__" in model["name"], model["path"]


def test_each_model_has_its_yaml_beside_it(manifest: Node) -> None:
    for model in nodes(manifest, "model"):
        beside = (PROJECT / model["original_file_path"]).with_suffix(".yml")
        declared = yaml.safe_load(beside.read_text())["models"]
        assert [m["name"] for m in declared] == [model["name"]], beside


def test_everything_is_described(manifest: Node) -> None:
    missing = []
    for kind in ("model", "source", "seed", "snapshot"):
        for node in nodes(manifest, kind):
            if not node["description"]:
                missing.append(node["name"])
            missing += [
                f"{node['name']}.{c['name']}"
                for c in node["columns"].values()
                if not c["description"]
            ]
    assert not missing


def test_every_model_is_tested(manifest: Node) -> None:
    for model in nodes(manifest, "model"):
        assert generic_tests(manifest, model["unique_id"]), model["name"]


def test_every_model_with_logic_has_a_unit_test(manifest: Node) -> None:
    tested = {test["model"] for test in manifest["unit_tests"].values()}
    # dim_date is a calendar that its data tests compute again, day by day.
    plain = re.compile(r"(stg|quarantine)_.*|dim_passenger|dim_date")
    untested = {m["name"] for m in nodes(manifest, "model")} - tested
    assert [name for name in sorted(untested) if not plain.fullmatch(name)] == []


def test_columns_have_full_types(manifest: Node) -> None:
    for model in nodes(manifest, "model"):
        for column in model["columns"].values():
            assert TYPES.fullmatch(column["data_type"]), (model["name"], column)


def test_gold_has_contracts_and_full_types(manifest: Node) -> None:
    for model in nodes(manifest, "model"):
        if model["path"].startswith("gold/"):
            assert model["config"]["contract"]["enforced"], model["name"]
            assert "full_types" in generic_tests(manifest, model["unique_id"]), model["name"]


def test_every_record_of_bronze_is_looked_for_in_silver(manifest: Node) -> None:
    for model in nodes(manifest, "model"):
        if model["name"].startswith("base_"):
            assert "conserved" in generic_tests(manifest, model["unique_id"]), model["name"]


def test_only_base_models_read_bronze_and_once(manifest: Node) -> None:
    readers: dict[str, list[str]] = {}
    for model in nodes(manifest, "model"):
        for source in model["sources"]:
            readers.setdefault(".".join(source), []).append(model["name"])
    assert all(len(models) == 1 for models in readers.values()), readers
    assert all(models[0].startswith("base_") for models in readers.values()), readers
    assert len(readers) == len(nodes(manifest, "source"))


def test_sources_are_fresh_by_partition(manifest: Node) -> None:
    for source in nodes(manifest, "source"):
        freshness = source["freshness"] or {}
        assert freshness.get("warn_after", {}).get("count"), source["name"]
        assert "year(current_date)" in freshness["filter"], source["name"]
        assert source["loaded_at_field"], source["name"]


def test_sources_declare_what_is_derived_from_them(manifest: Node) -> None:
    for source in nodes(manifest, "source"):
        meta = source["config"]["meta"]
        assert meta["ingest"] in ("stream", "cdc", "batch"), source["name"]
        assert meta["drift"] in ("strict", "evolve", "warn"), source["name"]
        assert meta["key"] and meta["event_time"] and meta["start"] and meta["owner"]
        assert source["schema"] == f"bronze_{source['source_name']}"
        place = f"{source['source_name']}/{source['name']}/"
        assert source["external"]["location"] == place
        for column in source["columns"].values():
            declared = column["config"]["meta"]
            assert DECLARED_TYPES.fullmatch(declared["type"]), (source["name"], column["name"])
            assert declared.get("mask") in (None, "hash", "redact", "last4")
            assert column["name"] not in ("year", "month", "day"), "these are the partitions"


def test_base_models_cast_to_the_declared_types(manifest: Node) -> None:
    declared = {
        (source["source_name"], source["name"]): source for source in nodes(manifest, "source")
    }
    for model in nodes(manifest, "model"):
        if not model["name"].startswith("base_"):
            continue
        source = declared[tuple(model["sources"][0])]
        for column in source["columns"].values():
            expected = column["config"]["meta"]["type"].replace("timestamp", "timestamp(6)")
            actual = model["columns"][column["name"]]["data_type"]
            assert actual == expected, (model["name"], column["name"])
            if source["external"]["file_format"] == "json":
                cast = f"'{column['name']}': '{column['config']['meta']['type']}'"
                assert cast in model["raw_code"], (model["name"], column["name"])


def test_merges_are_bounded_by_their_batch(manifest: Node) -> None:
    """Predicates written by hand, with a moving window, insert a late copy a second time."""
    assert [f for f in sql_files() if "overrides" not in f.parts and _predicates(f)] == []
    for model in nodes(manifest, "model"):
        assert not model["config"].get("incremental_predicates"), model["name"]
        bound = model["config"]["meta"].get("merge_bound")
        assert bound is None or bound in model["columns"], model["name"]


def _predicates(file: Path) -> bool:
    return "incremental_predicates" in file.read_text()


def test_one_sql_text_for_every_target() -> None:
    branches = re.compile(r"target\s*\.\s*(name|profile_name)")
    files = [*sql_files(), *(PROJECT / "models").rglob("*.yml"), PROJECT / "dbt_project.yml"]
    assert [f for f in files if branches.search(f.read_text())] == []


def test_models_say_their_grain() -> None:
    for file in (PROJECT / "models").rglob("*.sql"):
        assert file.read_text().startswith("-- grain: one row "), file


def test_macros_are_documented_with_their_arguments(manifest: Node) -> None:
    for macro in manifest["macros"].values():
        if macro["package_name"] != "strata":
            continue
        assert macro["description"], macro["name"]
        written = _parameters(macro)
        documented = [argument["name"] for argument in macro["arguments"]]
        assert documented == written, macro["name"]


def _parameters(macro: Node) -> list[str]:
    name = macro["name"].removeprefix("test_")
    found = re.search(
        rf"(?:macro|test)\s+{name}\s*\((.*?)\)\s*-?%}}", macro["macro_sql"], re.DOTALL
    )
    assert found, macro["name"]
    names = [part.split("=")[0].strip() for part in found.group(1).split(",")]
    return [n for n in names if n and not (macro["name"].startswith("test_") and n == "model")]


def test_rejection_reasons_of_the_models_are_in_the_seed() -> None:
    seed = (PROJECT / "seeds/rejection_reasons.csv").read_text().splitlines()[1:]
    known = {line.split(",")[0] for line in seed}
    files = [*(PROJECT / "models/silver").rglob("base_*.sql"), PROJECT / "macros/base_records.sql"]
    code = "".join(file.read_text() for file in files)
    given = re.findall(r"^\s+\('([a-z_]+)(?::[a-z_]*)?'(?:,|\s~)", code, re.MULTILINE)
    assert {"missing_key", "unknown_event_type", "unknown_operation"} <= {*given}
    assert set(given) <= known


def test_exposures_have_owners(manifest: Node) -> None:
    assert manifest["exposures"]
    for exposure in manifest["exposures"].values():
        assert exposure["owner"]["email"] and exposure["description"], exposure["name"]


def test_sqlfluff_exclusions_are_few_and_have_reasons() -> None:
    text = (PROJECT / ".sqlfluff").read_text()
    excluded = re.search(r"^exclude_rules = (.*)$", text, re.MULTILINE)
    rules = excluded.group(1).split(", ") if excluded else []
    assert len(rules) <= 5
    for rule in rules:
        assert re.search(rf"^#\s+{rule}\s+\w+", text, re.MULTILINE), rule
