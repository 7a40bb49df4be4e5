"""Statements that change rows of Iceberg tables: MERGE, UPDATE and DELETE.

Each is one snapshot, merge-on-read: new data files, and position deletes for the rows that are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyiceberg.table.snapshots import Operation
from sqlglot import exp

from . import engine, iceberg
from .failure import QueryFailed, not_supported
from .iceberg import Change
from .plan import Session
from .statement import Statement
from .types import Type, quote
from .writes import Planned, Written, assignable, stored, write_iceberg

_POSITION = ("strata_file", "strata_pos")


@dataclass(frozen=True)
class _Changes:
    """The query of what changes in a table: `gone` are its actions that delete a row, `new` those
    that make one."""

    table: iceberg.Table
    query: exp.Select
    gone: list[int]
    new: list[int]


def merge(session: Session, statement: Statement, folder: Path) -> Written:
    """MERGE INTO: https://docs.aws.amazon.com/athena/latest/ug/merge-into-statement.html

    Raises QueryFailed when a row of the target matches two rows of the source.
    """
    changes = _merge(session, statement)
    _materialize(session, _planned(session, changes, statement.text))
    _refuse_double_matches(session)
    return _commit_changes(session, changes, folder)


def _merge(session: Session, statement: Statement) -> _Changes:
    node = statement.node
    if not isinstance(node, exp.Merge):
        raise not_supported("this form of MERGE")
    table = session.iceberg_table(statement.table)
    session.positional = (table.database, table.name)
    target = node.this.alias or table.name
    matched = exp.Not(this=exp.Is(this=_position("strata_pos", target), expression=exp.Null()))
    whens = node.args["whens"].expressions
    actions, values = exp.Case(), {name: exp.Case() for name, _ in table.columns()}
    kinds: list[str] = []
    for number, when in enumerate(whens, start=1):
        condition = matched.copy() if when.args.get("matched") else exp.Not(this=matched.copy())
        if extra := when.args.get("condition"):
            condition = exp.And(this=condition, expression=exp.Paren(this=extra.copy()))
        kind, assigned = _clause(when, table.columns(), target)
        kinds.append(kind)
        actions = actions.when(condition.copy(), exp.Literal.number(number))
        for name, value in assigned.items():
            guard = exp.And(
                this=exp.Paren(this=condition.copy()),
                expression=_none_of(whens[: number - 1], matched),
            )
            values[name] = values[name].when(guard, value)
    shown: list[exp.Expression] = [
        exp.alias_(_position("strata_file", target), "strata_file"),
        exp.alias_(_position("strata_pos", target), "strata_pos"),
        exp.alias_(actions.else_(exp.Literal.number(0)), "strata_action"),
    ]
    shown += [
        exp.alias_(case if case.args.get("ifs") else exp.Null(), name, quoted=True)
        for name, case in values.items()
    ]
    query = exp.Select(expressions=shown)
    query.set("from_", exp.From(this=node.args["using"].copy()))
    joined = exp.Join(this=node.this.copy(), side="LEFT", on=node.args["on"].copy())
    query.set("joins", [joined])
    gone = [n for n, kind in enumerate(kinds, start=1) if kind in ("update", "delete")]
    new = [n for n, kind in enumerate(kinds, start=1) if kind in ("update", "insert")]
    return _Changes(table, query, gone, new)


def _none_of(whens: list[exp.Expression], matched: exp.Expression) -> exp.Expression:
    """No earlier clause took the row."""
    result: exp.Expression = exp.true()
    for when in whens:
        condition = matched.copy() if when.args.get("matched") else exp.Not(this=matched.copy())
        if extra := when.args.get("condition"):
            condition = exp.And(this=condition, expression=exp.Paren(this=extra.copy()))
        missed = exp.Anonymous(
            this="fn$coalesce", expressions=[exp.Paren(this=condition), exp.false()]
        )
        result = exp.And(this=result, expression=exp.Not(this=missed))
    return exp.Paren(this=result)


def _position(name: str, target: str) -> exp.Column:
    return exp.column(name, table=exp.to_identifier(target, quoted=True))


def _clause(
    when: exp.Expression, columns: list[tuple[str, Type]], target: str
) -> tuple[str, dict[str, exp.Expression]]:
    """What a WHEN clause does, and the values of all columns where it makes a row."""
    then, is_matched = when.args["then"], bool(when.args.get("matched"))
    if when.args.get("source"):
        raise not_supported("WHEN NOT MATCHED BY SOURCE")
    if is_matched == isinstance(then, exp.Insert):
        side = "MATCHED" if is_matched else "NOT MATCHED"
        raise QueryFailed("SYNTAX_ERROR", f"line 1:1: WHEN {side} THEN {then.sql('trino')}")
    if isinstance(then, exp.Update):
        values: dict[str, exp.Expression] = {
            name: exp.column(exp.to_identifier(name, quoted=True), table=target, quoted=True)
            for name, _ in columns
        }
        for assignment in then.expressions:
            values[_column_name(assignment.this, values)] = assignment.expression.copy()
        return "update", values
    if isinstance(then, exp.Insert):
        listed = then.this.expressions if then.this is not None else []
        known = dict.fromkeys(name for name, _ in columns)
        names = [_column_name(c, known) for c in listed] or [name for name, _ in columns]
        given = then.expression.expressions
        if len(given) != len(names):
            raise QueryFailed(
                "TYPE_MISMATCH", "line 1:1: MERGE INSERT has as many values as columns, or fails"
            )
        return "insert", {n: v.copy() for n, v in zip(names, given, strict=True)}
    if str(then.name).upper() == "DELETE":
        return "delete", {}
    raise not_supported(f"WHEN … THEN {then.sql('trino')}")


def _column_name(node: exp.Expression, known: dict[str, Any]) -> str:
    name = node.name.lower().removeprefix("fn$")
    if name not in known:
        raise QueryFailed("COLUMN_NOT_FOUND", f"line 1:1: Column '{name}' cannot be resolved")
    return name


def _planned(session: Session, changes: _Changes, text: str) -> Planned:
    """What changes: file, position, action and the new values of each row."""
    table = changes.table
    sql, relation = session.translate(changes.query, text)
    names = [*_POSITION, "strata_action", *(name for name, _ in table.columns())]
    types = dict(table.columns())
    shown = []
    for name, column in zip(names, relation.columns, strict=True):
        if name in types:
            if not assignable(column.type, types[name]):
                raise QueryFailed(
                    "TYPE_MISMATCH",
                    f"line 1:1: column '{name}' is {types[name]}, the value is {column.type}",
                )
            shown.append(f"{stored(column, types[name])} AS {quote(name)}")
        else:
            shown.append(f"{quote(column.sql_name)} AS {quote(name)}")
    sql = f"SELECT {', '.join(shown)} FROM ({sql})"
    return Planned(table.database, table.name, table.columns(), sql)


def _materialize(session: Session, planned: Planned) -> None:
    create = f"CREATE OR REPLACE TEMP TABLE strata_change AS {planned.sql}"
    engine.run(session.con, create, session.files)


def _refuse_double_matches(session: Session) -> None:
    found = session.con.execute(
        "SELECT 1 FROM strata_change WHERE strata_pos IS NOT NULL AND strata_action > 0 "
        "GROUP BY strata_file, strata_pos HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if found:
        raise QueryFailed(
            "MERGE_TARGET_ROW_MULTIPLE_MATCHES",
            "One MERGE target table row matched more than one source row",
        )


def change_rows(session: Session, statement: Statement, folder: Path) -> Written:
    """UPDATE and DELETE of the rows for which the condition holds.

    https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-updating-iceberg-table-data.html
    """
    changes = _rows(session, statement)
    _materialize(session, _planned(session, changes, statement.text))
    return _commit_changes(session, changes, folder)


def _rows(session: Session, statement: Statement) -> _Changes:
    table = session.iceberg_table(statement.table)
    node = statement.node
    if isinstance(node, exp.Update):
        values: dict[str, exp.Expression] = {
            name: exp.column(exp.to_identifier(name, quoted=True)) for name, _ in table.columns()
        }
        for assignment in node.expressions:
            values[_column_name(assignment.this, values)] = assignment.expression.copy()
    elif isinstance(node, exp.Delete):
        values = {name: exp.Null() for name, _ in table.columns()}
    else:
        raise not_supported("this statement")
    session.positional = (table.database, table.name)
    shown: list[exp.Expression] = [exp.column(name) for name in _POSITION]
    shown.append(exp.alias_(exp.Literal.number(1), "strata_action"))
    shown += [exp.alias_(value, name, quoted=True) for name, value in values.items()]
    query = exp.Select(expressions=shown)
    query.set("from_", exp.From(this=node.this.copy()))
    if where := node.args.get("where"):
        query.set("where", where.copy())
    return _Changes(table, query, [1], [1] if isinstance(node, exp.Update) else [])


def plan(session: Session, statement: Statement) -> Planned:
    """What a MERGE, an UPDATE or a DELETE is to change."""
    build = _merge if statement.kind == "merge" else _rows
    return _planned(session, build(session, statement), statement.text)


def _commit_changes(session: Session, changes: _Changes, folder: Path) -> Written:
    """One snapshot of what `strata_change` holds: `gone` actions delete, `new` ones add."""
    con, table, gone, new = session.con, changes.table, changes.gone, changes.new
    metadata = table.metadata
    change = Change()
    if new:
        rows = f"SELECT * FROM strata_change WHERE strata_action IN ({_list(new)})"
        change = write_iceberg(session, rows, table.columns(), metadata, folder / "new")
    deleted = 0
    if gone:
        positions = (
            f"SELECT strata_file, strata_pos FROM strata_change WHERE strata_pos IS NOT NULL "
            f"AND strata_action IN ({_list(gone)})"
        )
        deleted = con.execute(f"SELECT count(*) FROM ({positions})").fetchone()[0]
        if deleted:
            touched, _ = session.meta.files(table)
            change.deletes = iceberg.write_deletes(
                con, positions, table, touched, session.lake, folder / "gone", session.files
            )
    if change.data or change.deletes:
        operation = _operation(change)
        changed = iceberg.with_snapshot(metadata, change, operation, session.meta)
        iceberg.commit(table, changed, session.catalog, session.meta)
    listed = _list([*gone, *new])
    count = f"SELECT count(*) FROM strata_change WHERE strata_action IN ({listed})"
    return Written(con.execute(count).fetchone()[0])


def _operation(change: Change) -> Operation:
    if not change.deletes:
        return Operation.APPEND
    return Operation.OVERWRITE if change.data else Operation.DELETE


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "-1"
