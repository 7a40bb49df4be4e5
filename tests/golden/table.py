"""`python -m tests.golden.table`: write docs/athena_functions.md from the record and registries."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from local_aws.athena.aggregates import AGGREGATES, WINDOWS
from local_aws.athena.functions import SCALARS
from local_aws.athena.translate import LAMBDA_FUNCTIONS, SQL_JSON
from tests.golden import cases

PAGE = Path(__file__).parents[2] / "docs" / "athena_functions.md"
_REFERENCE = Path(__file__).parent / "reference.tsv"
#: What has a syntax of its own, or is translated by itself.
SPECIAL = (
    *LAMBDA_FUNCTIONS, *SQL_JSON, "cast", "try_cast", "extract", "position", "now", "current_date",
    "current_timestamp", "localtime", "localtimestamp", "grouping", "row",
)  # fmt: skip
_WORDS = re.compile(r"([a-z_0-9]+)\(|\b(current_date|current_timestamp|localtimestamp|localtime)\b")


def used(sql: str) -> set[str]:
    """The names of the functions that a statement calls."""
    without_text = re.sub(r"'[^']*'", "''", sql.lower())
    return {match[1] or match[2] for match in _WORDS.finditer(without_text)}


def supported(record: list[cases.Case]) -> Counter[str]:
    """How many cases that are not refused each function has."""
    return Counter(name for case in record if not case.refused for name in used(case.sql))


def sections() -> dict[str, list[str]]:
    """The functions of Athena's reference, by section."""
    found: dict[str, list[str]] = {}
    for line in _REFERENCE.read_text().splitlines():
        section, names = line.split("\t")
        found[section] = names.split()
    return found


def is_allowed(name: str) -> bool:
    return name in SCALARS or name in AGGREGATES or name in WINDOWS or name in SPECIAL


def page(record: list[cases.Case]) -> str:
    """The text of the page."""
    counts = supported(record)
    listed = sections()
    names = {name for found in listed.values() for name in found}
    allowed = {name for name in names if is_allowed(name)}
    errors = sum(bool(case.error) for case in record)
    refused = sum(bool(case.refused) for case in record)
    lines = [
        "# Functions of the embedded Athena",
        "",
        "Written by `make golden`; do not edit. Athena engine v3 runs Trino's functions: "
        f"{cases.ENGINE.read_text().strip()} answered {len(record):,} cases "
        f"(`tests/athena/golden/`), {errors} of them errors, and the embedded Athena gives the "
        f"same types, values and error names, but for {refused} that it refuses.",
        "",
        f"{len(allowed)} functions are supported, {len(names) - len(allowed)} are refused by name. "
        "A number is how many golden cases hold for a function.",
    ]
    for section, found in listed.items():
        lines += ["", f"## {section}", "", "| Function | Cases |", "|---|---|"]
        for name in sorted(found):
            lines.append(f"| `{name}` | {counts[name] if is_allowed(name) else 'refused'} |")
    lines += [
        "",
        "## Refused cases",
        "",
        "What a supported function or clause does not do here:",
        "",
    ]
    lines += ["| Case | Why it is refused |", "|---|---|"]
    for case in record:
        if case.refused and not _is_refused_name(case):
            lines.append(f"| `{_cell(case.sql)}` | {_cell(case.refused)} |")
    return "\n".join(lines) + "\n"


def _is_refused_name(case: cases.Case) -> bool:
    return case.refused.endswith("is not registered")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")


if __name__ == "__main__":
    PAGE.write_text(page(cases.load()))
