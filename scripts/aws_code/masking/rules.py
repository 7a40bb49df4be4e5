"""What the declarations say of each source, as `strata deploy` packed it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Column:
    """A declared column: its Trino type and how it is masked (None: not at all)."""

    name: str
    type: str
    mask: str | None


@dataclass(frozen=True)
class Source:
    """A declared source: `name` is `<system>.<table>`, `location` its prefix in every bucket.

    `spark` has the `worker_type` and the number of `workers` of a source that Spark carries.
    """

    name: str
    ingest: str
    file_format: str
    location: str
    event_time: str
    columns: dict[str, Column]
    spark: dict[str, Any] | None = None

    @cached_property
    def has_personal_data(self) -> bool:
        """Whether any column is masked."""
        return any(column.mask for column in self.columns.values())


def parse(document: dict[str, Any]) -> dict[str, Source]:
    """The sources of a rules document, by name."""
    return {
        name: Source(
            name=name,
            ingest=entry["ingest"],
            file_format=entry["file_format"],
            location=entry["location"],
            event_time=entry["event_time"],
            columns={
                column["name"]: Column(column["name"], column["type"], column.get("mask"))
                for column in entry["columns"]
            },
            spark=entry.get("spark"),
        )
        for name, entry in document.items()
    }


def packed() -> dict[str, Source]:
    """The rules inside the deployed zip; raises FileNotFoundError outside of it."""
    return parse(json.loads(resources.files("aws_code").joinpath("rules.json").read_text()))
