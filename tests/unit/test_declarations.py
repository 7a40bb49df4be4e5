"""Source declarations: a bad one is an error that names the file and says what to write."""

from copy import deepcopy
from typing import Any

import pytest

from strata import declarations
from strata.errors import StrataError

NODE: dict[str, Any] = {
    "original_file_path": "models/bronze/a.yml",
    "source_name": "a",
    "name": "b",
    "schema": "bronze_a",
    "description": "d",
    "external": {"location": "a/b/", "file_format": "json"},
    "config": {
        "meta": {
            "ingest": "stream",
            "key": ["id"],
            "event_time": "at",
            "start": "2013-01-01",
            "owner": "o",
        }
    },
    "columns": {"id": {"name": "id", "config": {"meta": {"type": "varchar"}}}},
}


def parse(node: dict[str, Any]) -> declarations.Source:
    """The one source of a manifest."""
    return declarations.sources({"sources": {"x": node}})[0]


def test_a_good_one_is_read() -> None:
    assert parse(NODE).name == "a.b"
    assert parse(NODE).columns[0].glue_type("json") == "string"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("columns", "id", "config", "meta", "type"), "varhcar", "unknown type 'varhcar'"),
        (("columns", "id", "config", "meta", "mask"), "blur", "unknown mask 'blur'"),
        (("columns", "id", "name"), "{{ id }}", "a column has the name '{{ id }}'"),
        (("config", "meta", "event_time"), None, "meta.event_time is missing"),
        (("config", "meta", "ingest"), "fax", "ingest is 'fax'"),
        (("external", "file_format"), "xml", "file_format is 'xml'"),
        (("external", "location"), "s3://b/a", "location is 's3://b/a'"),
        (("config", "meta", "key"), ["nope"], "key names no column"),
        (("config", "meta", "owner"), None, "meta.owner is missing"),
        (("config", "meta", "engine"), "flink", "meta.engine is 'flink'"),
        (("config", "meta", "engine"), "spark", "engine is 'spark', and ingest 'stream'"),
        (("config", "meta", "workers"), 4, "meta.workers is for engine: spark"),
        (("config", "meta", "capture"), {"engine": "oracle"}, "capture.engine is 'oracle'"),
        (("config", "meta", "capture"), {"schema": "a%"}, "capture.schema is 'a%'"),
        (("config", "meta", "capture"), {"format": "csv"}, "meta.capture has ['format']"),
    ],
)
def test_a_bad_one_says_where_and_what(path: tuple[str, ...], value: Any, message: str) -> None:
    node = deepcopy(NODE)
    place = node
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(StrataError, match=r"models/bronze/a.yml: source a.b") as caught:
        parse(node)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "meta.worker_type is None"),
        ({"worker_type": "G.025X"}, "meta.worker_type is 'G.025X'"),  # streaming jobs alone
        ({"worker_type": "G.1X"}, "meta.workers is None"),
        ({"worker_type": "G.1X", "workers": 1}, "meta.workers is 1"),
        ({"worker_type": "G.1X", "workers": True}, "meta.workers is True"),
        ({"worker_type": "G.1X", "workers": "4"}, "meta.workers is '4'"),
    ],
)
def test_spark_needs_workers_that_glue_has(meta: dict[str, Any], message: str) -> None:
    node = deepcopy(NODE)
    node["config"]["meta"] |= {"ingest": "batch", "engine": "spark", **meta}
    with pytest.raises(StrataError, match=r"models/bronze/a.yml: source a.b") as caught:
        parse(node)
    assert message in caught.value.message
    node["config"]["meta"] |= {"worker_type": "G.1X", "workers": 2}
    assert parse(node).spark == declarations.Spark("G.1X", 2)


def test_an_unknown_name_lists_the_names_there_are() -> None:
    with pytest.raises(StrataError) as caught:
        declarations.find([parse(NODE)], "a.c")
    assert "a.b" in caught.value.hint
