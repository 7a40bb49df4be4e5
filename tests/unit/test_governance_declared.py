"""What the declarations ask of Lake Formation: classes along the lineage, readers, grants."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from strata import dbt
from strata.environment import PROJECT, Environment
from strata.errors import StrataError
from strata.governance import classification, declared, desired

PROD = Environment("prod", "111122223333", "eu-central-1")


def node(kind: str, name: str, columns: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A node of dbt's manifest, as far as governance reads it."""
    listed = {c: {"name": c, "config": {"meta": meta}} for c, meta in columns.items()}
    own = {"resource_type": kind, "name": name, "alias": name, "columns": listed}
    return {**own, "unique_id": name, "original_file_path": f"models/{name}.yml", **more}


def manifest() -> dict[str, Any]:
    """A source with masked columns, a model that renames one, and a Gold table behind it."""
    gold = {"materialized": "table", "table_type": "iceberg", "schema": "gold"}
    model = {
        "config": {"materialized": "view", "schema": "silver"},
        "fqn": ["p", "silver", "shop", "m"],
    }
    table = {"config": gold, "fqn": ["p", "gold", "sales", "fct"]}
    columns = {
        "id": {},
        "email": {"mask": "hash"},
        "card": {"mask": "last4"},
        "name": {"mask": "redact"},
    }
    source = node("source", "src", columns, source_name="shop", schema="bronze_shop")
    renamed = {
        "id": {},
        "mail_hash": {"personal_data": "hash"},
        "card": {},
        "name": {"personal_data": "none"},
    }
    behind = {"id": {}, "mail_hash": {}, "card": {}, "name": {}, "total": {}}
    return {
        "sources": {"src": source},
        "nodes": {
            "m": node("model", "m", renamed, **model),
            "fct": node("model", "fct", behind, **table),
        },
        "parent_map": {"m": ["src"], "fct": ["m"]},
    }


def test_a_mask_makes_personal_data_of_all_columns_behind_it() -> None:
    found = classification.classify(manifest())
    assert found["src"] == {"id": "none", "email": "hash", "card": "last4", "name": "redact"}
    assert found["m"] == {"id": "none", "mail_hash": "hash", "card": "last4", "name": "none"}
    assert found["fct"] == {**found["m"], "total": "none"}


def test_of_two_classes_the_one_that_tells_more_wins() -> None:
    both = manifest()
    both["sources"]["other"] = node("source", "other", {"card": {"mask": "hash"}})
    both["parent_map"]["m"].append("other")
    assert classification.classify(both)["fct"]["card"] == "hash"


def test_an_unknown_class_names_its_file() -> None:
    bad = manifest()
    bad["nodes"]["m"]["columns"]["id"]["config"]["meta"] = {"personal_data": "secret"}
    with pytest.raises(
        StrataError, match=r"models/m\.yml: column id has the unknown class 'secret'"
    ):
        classification.classify(bad)


def granted(**config: Any) -> dict[str, Any]:
    found = deepcopy(manifest())
    found["nodes"]["fct"]["config"] |= config
    return found


READERS = [declared.Reader("analyst", ("none",)), declared.Reader("desk", ("none", "last4"))]


def test_serving_has_the_grants_of_gold() -> None:
    given = granted(
        grants={"select": ["analyst", "desk"]}, meta={"row_filters": {"desk": "id = 1"}}
    )
    tables = {(t.layer, t.name): t for t in declared.tables(given, READERS)}
    assert set(tables) == {("bronze", "src"), ("silver", "m"), ("gold", "fct"), ("serving", "fct")}
    served = tables["serving", "fct"]
    assert (served.domain, served.readers) == ("sales", {"analyst": "", "desk": "id = 1"})
    assert tables["gold", "fct"].readers == {}
    assert desired.table_tags(served) == {
        "strata_domain": "sales", "strata_reads_analyst": "all", "strata_reads_desk": "rows",
    }  # fmt: skip
    # The desk sees its rows, and the classes that it may see.
    assert desired.filters(served, READERS) == {
        "strata_desk": {
            "RowFilter": {"FilterExpression": "id = 1"},
            "ColumnNames": ["card", "id", "name", "total"],
        }
    }


def test_what_is_new_is_closed() -> None:
    assert desired.database_tags("serving", READERS) == {
        "strata_layer": "serving",
        "strata_personal_data": "unclassified",
        "strata_reads_analyst": "no",
        "strata_reads_desk": "no",
    }


def test_a_reader_selects_by_tags_and_never_from_gold() -> None:
    tables = declared.tables(granted(grants={"select": "analyst"}), READERS)
    own = [g for g in desired.grants(tables, READERS, PROD) if g.role == "analyst"]
    assert [g.permissions for g in own] == [("DESCRIBE",), ("SELECT",)]
    assert own[0].resource == {"Database": {"Name": "serving"}}
    assert own[1].resource["LFTagPolicy"]["Expression"] == [
        {"TagKey": "strata_personal_data", "TagValues": ["none"]},
        {"TagKey": "strata_reads_analyst", "TagValues": ["all"]},
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"grants": {"select": ["boss"]}},
            r"models/fct\.yml: fct: grants\.select names \['boss'\]",
        ),
        ({"meta": {"row_filters": {"boss": "x"}}}, r"meta\.row_filters names \['boss'\]"),
        ({"meta": {"row_filters": {"desk": "x"}}}, r"row_filters of \['desk'\] without a grant"),
    ],
)
def test_a_grant_to_nobody_names_its_file(config: dict[str, Any], message: str) -> None:
    with pytest.raises(StrataError, match=message):
        declared.tables(granted(**config), READERS)


@pytest.mark.parametrize(
    "body", ["Boss: {}", "b: {}", "boss: {personal_data: [all]}", "boss: {rows: x}"]
)
def test_a_reader_that_is_not_well_formed_is_refused(tmp_path: Path, body: str) -> None:
    (tmp_path / "dbt_project.yml").write_text(f"vars:\n  readers:\n    {body}\n")
    with pytest.raises(StrataError, match=r"dbt_project\.yml: vars\.readers\."):
        declared.readers(tmp_path)


def test_the_project_shows_no_reader_a_hash() -> None:
    """The example's own grants: who sees which classes."""
    readers = {reader.name: reader.personal_data for reader in declared.readers()}
    assert readers == {
        "analyst": ("none",), "agency_desk": ("none",), "investigator": ("none", "last4"),
    }  # fmt: skip
    tables = declared.tables(dbt.manifest(PROJECT), declared.readers())
    personal = {
        (t.name, column): kind
        for t in tables
        if t.layer == "serving"
        for column, kind in t.columns.items()
        if kind != "none"
    }
    assert personal == {("fct_payments", "card_last_four"): "last4"}
