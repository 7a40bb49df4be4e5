"""A new column of a source in its `base_` model: every model of the project, and those of other forms."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from strata.catalog import silver_drift
from strata.declarations import Column
from strata.environment import PROJECT

NEW = [Column("gate", "integer", None, "A gate."), Column("seen_at", "timestamp", None, "Seen.")]
MODELS = sorted((PROJECT / "models" / "silver").rglob("base_*.sql"))


def hashed(document: dict[str, Any]) -> list[str]:
    """The columns that `intact_records` hashes."""
    (model,) = document["models"]
    (test,) = (t["intact_records"] for t in model["data_tests"] if "intact_records" in t)
    names: list[str] = test["arguments"]["columns"]
    return names


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_each_base_model_of_the_project_takes_new_columns(model: Path) -> None:
    before = model.read_text()
    is_text = "parsed_columns(types)" in before
    texts = silver_drift.with_columns(model, NEW, is_text)
    assert set(texts) == {model, model.with_suffix(".yml")}
    added = [line.strip() for line in texts[model].splitlines() if line not in before.splitlines()]
    assert added == (
        ["'gate': 'integer',", "'seen_at': 'timestamp',"]
        if is_text
        else ["'gate',", "'seen_at',", "gate,", "cast(seen_at as timestamp(6)) as seen_at,"]
    )
    old, new = (
        yaml.safe_load(t)
        for t in (model.with_suffix(".yml").read_text(), texts[model.with_suffix(".yml")])
    )
    assert hashed(new) == [*hashed(old), "gate", "seen_at"]
    columns = {c["name"]: c for c in new["models"][0]["columns"]}
    assert columns["gate"] == {"name": "gate", "data_type": "integer", "description": "A gate."}
    assert columns["seen_at"]["data_type"] == "timestamp(6)"
    names = [name for name in columns if name not in ("gate", "seen_at")]
    assert names == [c["name"] for c in old["models"][0]["columns"]]


def test_what_is_there_already_is_not_added_again(tmp_path: Path) -> None:
    source = MODELS[0]
    model = tmp_path / source.name
    model.write_text(source.read_text())
    model.with_suffix(".yml").write_text(source.with_suffix(".yml").read_text())
    is_text = "parsed_columns(types)" in source.read_text()
    for _ in range(2):
        texts = silver_drift.with_columns(model, NEW, is_text)
        for path, text in texts.items():
            path.write_text(text)
    assert hashed(yaml.safe_load(model.with_suffix(".yml").read_text())).count("gate") == 1
    assert model.read_text().count("'gate'") == 1


def test_a_model_of_another_form_is_left_to_a_person(tmp_path: Path) -> None:
    model = tmp_path / "base_a__b.sql"
    model.write_text("select 1 as one")
    model.with_suffix(".yml").write_text("models: [{name: base_a__b, columns: []}]")
    assert silver_drift.with_columns(model, NEW, True) == {}
