"""Runs one statement on a connection of its own and gives its result."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlglot import exp

from . import changes, ddl, engine, governance, maintenance, results, show, writes
from .explain import explain
from .failure import QueryCancelled, QueryFailed, not_supported
from .governance import Governance
from .iceberg import Metadata
from .lake import Lake
from .parser import parse
from .plan import Session
from .results import Result
from .statement import Statement
from .types import BIGINT
from .unload import unload

_WRITES: dict[str, Callable[[Session, Statement, Path], writes.Written]] = {
    "ctas": writes.create_table_as,
    "insert": writes.insert,
    "merge": changes.merge,
    "update": changes.change_rows,
    "delete": changes.change_rows,
    "optimize": maintenance.optimize,
    "vacuum": maintenance.vacuum,
    "unload": unload,
}

#: Athena's SubstatementType where it is not the statement's own name: clients look at these.
_SUBSTATEMENTS = {"ctas": "CREATE_TABLE_AS_SELECT", "vacuum": "VACUUM_TABLE"}


@dataclass(frozen=True)
class Request:
    """A statement to run: its text, the parameters for its `?`, and what its workgroup allows.

    `cutoff` is the most bytes that it may scan, `output` where a table without a location goes;
    `enforced` says that the workgroup allows no other.
    """

    text: str
    parameters: list[str]
    database: str
    cutoff: int | None
    output: str
    enforced: bool


@dataclass(frozen=True)
class Outcome:
    """A finished statement: its result, the bytes that it scanned, Athena's statement types, and
    the seconds that its planning took."""

    result: Result
    scanned: int
    statement_type: str
    planned: float = 0.0
    substatement_type: str = ""


class Runner:
    """Takes statements from text to results over one lake."""

    def __init__(
        self,
        catalog: Any,
        governed: Governance,
        lake: Lake,
        meta: Metadata,
        database_engine: engine.Engine,
        clock: Callable[[], datetime],
        folder: Path,
    ) -> None:
        self._catalog = catalog
        self._governance = governed
        self._lake = lake
        self._meta = meta
        self._engine = database_engine
        self._clock = clock
        self._folder = folder

    def run(self, request: Request, connection: Any) -> Outcome:
        """Run a statement. Raises QueryFailed, or QueryCancelled at the scan cut-off."""
        started = time.monotonic()
        statement = parse(request.text)
        _bind(statement, request.parameters)
        session = Session(
            catalog=self._catalog,
            governance=self._governance,
            lake=self._lake,
            meta=self._meta,
            con=connection,
            now=self._clock(),
            database=request.database,
            cutoff=request.cutoff,
            output=request.output,
            enforced=request.enforced,
            planned=time.monotonic() - started,
        )
        folder = self._folder / uuid.uuid4().hex
        try:
            governance.check(session, statement)
            result = self._result(session, statement, folder)
        except QueryCancelled as cancelled:
            cancelled.scanned = session.scanned
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        kind = _SUBSTATEMENTS.get(statement.kind, statement.kind.upper())
        return Outcome(result, session.scanned, statement.type, session.planned, kind)

    def _result(self, session: Session, statement: Statement, folder: Path) -> Result:
        if statement.kind == "select":
            return _select(session, statement)
        if statement.kind == "explain":
            return explain(session, statement)
        if statement.kind in ddl.RUNNERS:
            return results.lines(ddl.RUNNERS[statement.kind](session, statement))
        if statement.kind in show.RUNNERS:
            runner, columns = show.RUNNERS[statement.kind]
            return results.lines(runner(session, statement), *columns)
        if statement.kind in _WRITES:
            written = _WRITES[statement.kind](session, statement, folder)
            return Result([("rows", BIGINT)], [], written.rows, False, True, written.files)
        raise not_supported(f"the statement {statement.kind}")


def _select(session: Session, statement: Statement) -> Result:
    if statement.query is None:
        raise not_supported("this query")
    sql, relation = session.translate(statement.query, statement.text, printed=True)
    shown = [column for column in relation.columns if not column.hidden]
    listed = ", ".join(f'"{c.sql_name}"' for c in shown)
    wrapped = sql if len(shown) == len(relation.columns) else f"SELECT {listed} FROM ({sql})"
    cursor = engine.run(session.con, wrapped, session.files)
    try:
        fetched = cursor.fetchall()
    except Exception as error:
        raise engine.as_failure(error, session.files) from None
    rows = [
        [results.text(value, column.type) for value, column in zip(row, shown, strict=True)]
        for row in fetched
    ]
    return Result([(c.name, c.type) for c in shown], rows)


def _bind(statement: Statement, parameters: list[str]) -> None:
    """Put ExecutionParameters in the place of `?`; each is an SQL literal as Athena wants it.

    Raises QueryFailed when their number differs or one is no literal.
    """
    tree = statement.node or statement.query
    marks = [] if tree is None else list(tree.find_all(exp.Placeholder, bfs=False))
    if len(marks) != len(parameters):
        raise QueryFailed(
            "INVALID_PARAMETER_USAGE",
            f"Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}",
        )
    for mark, text in zip(marks, parameters, strict=True):
        select = parse(f"select {text}").query or exp.Select()
        value = select.expressions[0] if isinstance(select, exp.Select) else None
        if value is None or list(select.find_all(exp.From, exp.Subquery)):
            raise QueryFailed("INVALID_PARAMETER_USAGE", f"{text} is no literal")
        mark.replace(value.copy())
