"""EXPLAIN: the plan of a statement, as the local Athena would run it; nothing is read or written.

https://docs.aws.amazon.com/athena/latest/ug/athena-explain-statement.html
The scans say what static predicates leave to read; below them stands DuckDB's own plan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from . import changes, engine
from .failure import not_supported
from .plan import CATALOG, Reading, Session
from .predicates import TRUE, Pred
from .results import Result
from .statement import Statement
from .types import BOOLEAN, VARCHAR
from .writes import Planned, plan_create, plan_insert

Json = dict[str, Any]

_COLUMN = "Query Plan"


def explain(session: Session, statement: Statement) -> Result:
    """The plan of a statement: FORMAT TEXT or JSON, TYPE LOGICAL or VALIDATE.

    Raises QueryFailed for what the statement itself would fail of before it runs, and for the other
    formats and types by name.
    """
    options = statement.options["options"]
    kind, form = options.get("TYPE", "LOGICAL"), options.get("FORMAT", "TEXT")
    if kind not in ("LOGICAL", "VALIDATE") or form not in ("TEXT", "JSON"):
        raise not_supported(f"EXPLAIN (TYPE {kind}, FORMAT {form})")
    session.cutoff = None
    sql, writers = _planned(session, statement.options["statement"])
    session.scanned = 0
    if kind == "VALIDATE":
        return Result([("Valid", BOOLEAN)], [["true"]], is_text=True)
    found = engine.run(session.con, f"EXPLAIN (FORMAT json) {sql}", session.files).fetchone()
    plan = [_node(child) for child in json.loads(found[1])]
    for name, details in writers:
        plan = [{"name": name, "details": details, "children": plan}]
    if form == "JSON":
        body = {"scans": [_scan(r) for r in session.readings], "plan": plan}
        lines = json.dumps(body, indent=2).splitlines()
    else:
        lines = [line for r in session.readings for line in _scan_lines(r)]
        lines += [line for child in plan for line in _lines(child, 0)]
    return Result([(_COLUMN, VARCHAR)], [[line] for line in lines], is_text=True)


def _planned(session: Session, explained: Statement) -> tuple[str, list[tuple[str, Json]]]:
    """DuckDB SQL of a statement's rows, and the nodes of Trino's plan that write them, inmost
    first."""
    if explained.kind == "select" and explained.query is not None:
        return session.translate(explained.query, explained.text)[0], []
    planned = _PLANS[explained.kind](session, explained)
    if planned is None:
        # CREATE TABLE IF NOT EXISTS of a table that is there.
        return "SELECT 0 AS rows", []
    table = f"{CATALOG}.{planned.database}.{planned.name}"
    writer = "TableWriter" if explained.kind in ("ctas", "insert") else "MergeWriter"
    columns = [name for name, _ in planned.columns]
    return planned.sql, [(writer, {"columns": columns}), ("TableCommit", {"target": table})]


_PLANS: dict[str, Callable[[Session, Statement], Planned | None]] = {
    "ctas": plan_create,
    "insert": plan_insert,
    "merge": changes.plan,
    "update": changes.plan,
    "delete": changes.plan,
}


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
