"""EXPLAIN: the plan of a query, as the local Athena would run it; nothing is read.

https://docs.aws.amazon.com/athena/latest/ug/athena-explain-statement.html
The scans say what static predicates leave to read; below them stands DuckDB's own plan.
"""

from __future__ import annotations

import json
import re
from typing import Any

from . import engine
from .failure import not_supported
from .parser import Statement
from .plan import Reading, Session
from .predicates import TRUE, Pred
from .results import Result
from .types import BOOLEAN, VARCHAR

Json = dict[str, Any]

_COLUMN = "Query Plan"


def explain(session: Session, statement: Statement) -> Result:
    """The plan of a query: FORMAT TEXT or JSON, TYPE LOGICAL or VALIDATE.

    Raises QueryFailed for what the query itself would fail of before it runs, and for the other
    formats and types by name.
    """
    options = statement.options["options"]
    kind, form = options.get("TYPE", "LOGICAL"), options.get("FORMAT", "TEXT")
    if kind not in ("LOGICAL", "VALIDATE") or form not in ("TEXT", "JSON"):
        raise not_supported(f"EXPLAIN (TYPE {kind}, FORMAT {form})")
    if statement.query is None:
        raise not_supported("EXPLAIN of a statement other than a query")
    session.cutoff = None
    sql, _ = session.translate(statement.query, statement.text)
    session.scanned = 0
    if kind == "VALIDATE":
        return Result([("Valid", BOOLEAN)], [["true"]], is_text=True)
    found = engine.run(session.con, f"EXPLAIN (FORMAT json) {sql}", session.files).fetchone()
    plan = [_node(child) for child in json.loads(found[1])]
    if form == "JSON":
        body = {"scans": [_scan(r) for r in session.readings], "plan": plan}
        lines = json.dumps(body, indent=2).splitlines()
    else:
        lines = [line for r in session.readings for line in _scan_lines(r)]
        lines += [line for child in plan for line in _lines(child, 0)]
    return Result([(_COLUMN, VARCHAR)], [[line] for line in lines], is_text=True)


def _scan(reading: Reading) -> Json:
    return {
        "table": reading.table,
        "columns": reading.columns,
        "pruned by": _text(reading.filter),
        "partitions": reading.partitions,
        "files": reading.files,
        "bytes": reading.size,
    }


def _scan_lines(reading: Reading) -> list[str]:
    shown = {**_scan(reading), "columns": ", ".join(reading.columns) or "none"}
    head = f"TableScan[{shown.pop('table')}]"
    return [head, *(f"    {name}: {value}" for name, value in shown.items() if value is not None)]


def _text(pred: Pred) -> str | None:
    if pred == TRUE:
        return None
    if pred[0] in ("and", "or"):
        return "(" + f" {pred[0]} ".join(str(_text(p)) for p in pred[1]) + ")"
    op, column, value = pred
    return f"{column} {op} {value!r}" if isinstance(value, str) else f"{column} {op} {value}"


def _node(plan: Json) -> Json:
    """A node of DuckDB's plan without the places on this machine's disk."""
    details = {
        key: value
        for key, value in plan.get("extra_info", {}).items()
        if not re.search(r"file|path|table$", key, re.IGNORECASE) and "/" not in str(value)
    }
    children = [_node(child) for child in plan.get("children", [])]
    return {"name": plan["name"].strip(), "details": details, "children": children}


def _lines(plan: Json, depth: int) -> list[str]:
    details = "; ".join(
        f"{key}: {', '.join(value) if isinstance(value, list) else ' '.join(str(value).split())}"
        for key, value in plan["details"].items()
    )
    line = f"{'    ' * depth}- {plan['name']}" + (f"[{details}]" if details else "")
    return [line, *(inner for child in plan["children"] for inner in _lines(child, depth + 1))]
