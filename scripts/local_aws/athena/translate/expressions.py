"""Expressions: columns, literals, operators, predicates, casts, values of nested types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlglot import exp

from .. import clocks, comparison, functions, literals, zones
from ..casts import cast
from ..expression import NOT_CONSTANT, Expr
from ..failure import QueryFailed
from ..predicates import TRUE
from ..relations import Relation
from ..types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    arithmetic,
    array,
    from_ast,
    literal,
    row,
    timestamp,
    timestamptz,
    to_duckdb,
)
from .arithmetic import decimal_operation, divide
from .pruning import COMPARISONS, Pruning
from .scope import Scope

OPERATORS: dict[type, str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "||",
}  # fmt: skip


class Expressions(Pruning):
    """Translates expressions."""

    def boolean(self, node: exp.Expression, scope: Scope) -> Expr:
        """A condition. Raises QueryFailed(TYPE_MISMATCH) when it is not boolean."""
        value = self.expr(node, scope)
        if value.type not in (BOOLEAN, UNKNOWN):
            raise self.error(
                "TYPE_MISMATCH", f"Expression must evaluate to a boolean: actual type {value.type}",
                node,
            )  # fmt: skip
        return value

    def _use(self, value: Expr, scope: Scope) -> None:
        if value.column:
            scope.deps.add(value.column)

    def column(self, node: exp.Column, scope: Scope) -> Expr:
        parts = [p.name.lower() for p in node.parts]
        return self.name(parts, node, scope)

    def name(self, parts: list[str], node: exp.Expression, scope: Scope) -> Expr:
        """A column, with its qualifiers, or a field of a row."""
        current: Scope | None = scope
        while current:
            if parts[0] in current.lambdas:
                return self._fields(current.lambdas[parts[0]], parts[1:], node)
            found = self._lookup(parts, node, current)
            if found:
                value, rest = found
                self._use(value, scope)
                if current is not scope:
                    self._use(value, current)
                return self._fields(value, rest, node)
            current = current.parent
        raise self.error("COLUMN_NOT_FOUND", f"Column '{'.'.join(parts)}' cannot be resolved", node)

    def _lookup(
        self, parts: list[str], node: exp.Expression, scope: Scope
    ) -> tuple[Expr, list[str]] | None:
        for size in range(min(3, len(parts) - 1), 0, -1):
            qualifier, name = parts[:size], parts[size]
            for source in scope.sources:
                own = [*source.schema, source.alias]
                if own[-size:] != qualifier:
                    continue
                match = [c for c in source.columns if c.name == name]
                if len(match) == 1:
                    return self._column(source, match[0]), parts[size + 1 :]
                if len(match) > 1:
                    raise self.error("AMBIGUOUS_NAME", f"Column '{name}' is ambiguous", node)
        matches = [(s, c) for s in scope.sources for c in s.columns if c.name == parts[0]]
        if len(matches) > 1:
            if all(parts[0] in s.merged for s, _ in matches):
                return self._merged(parts[0], scope), parts[1:]
            raise self.error("AMBIGUOUS_NAME", f"Column '{parts[0]}' is ambiguous", node)
        if matches:
            return self._column(*matches[0]), parts[1:]
        return None

    def _fields(self, value: Expr, names: list[str], node: exp.Expression) -> Expr:
        for name in names:
            value = self.field(value, name, node)
        return value

    def field(self, value: Expr, name: str, node: exp.Expression) -> Expr:
        """`row.field`."""
        if value.type.name != "row" or name not in value.type.fields:
            raise self.error("COLUMN_NOT_FOUND", f"Column '{name}' cannot be resolved", node)
        index = value.type.fields.index(name)
        kind = value.type.items[index]
        return Expr(f"struct_extract_at({value.sql}, {index + 1})", kind)

    def literal(self, node: exp.Literal, scope: Scope) -> Expr:
        if node.is_string:
            return Expr(literal(node.this), Type("varchar", (len(node.this),)), node.this)
        text = node.this
        if "e" in text.lower():
            return Expr(f"CAST('{text}' AS DOUBLE)", DOUBLE, float(text))
        if "." in text:
            return literals.decimal_number(text)
        number = int(text)
        if number > 2**63 - 1:
            raise self.error("SYNTAX_ERROR", f"Invalid numeric literal: {text}", node)
        if number > 2**31 - 1:
            return Expr(f"CAST({number} AS BIGINT)", BIGINT, number)
        return Expr(str(number), INTEGER, number)

    def cast_(self, node: exp.Cast, scope: Scope) -> Expr:
        if node.args.get("format"):
            raise self.refuse("CAST ... FORMAT", node)
        try:
            target = from_ast(node.to)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None
        safe = isinstance(node, exp.TryCast)
        if isinstance(node.this, exp.Literal) and node.this.is_string and not safe:
            text = node.this.this
            if literals.is_typed(self.text, text):
                if not literals.is_valid(text, target):
                    raise self.error("INVALID_LITERAL", f"'{text}' is not a valid {target}", node)
                if re.search(r"\.\d{6}\d*[1-9]", text) and target.name.startswith("timestamp"):
                    raise self.refuse("a timestamp with nanoseconds", node)
            if (
                target.name == "timestamptz"
                and (found := zones.literal_instant(text, target.args[0]))
                and literals.is_typed(self.text, text)
            ):
                return Expr(found[0], target, zone=found[1])
            if target.name == "timetz" and literals.is_typed(self.text, text):
                return Expr(literal(clocks.zoned(text) or ""), target)
            if target.name == "char" and not node.to.expressions:
                target = Type("char", (max(1, len(text)),)) if literals.is_typed(
                    self.text, text) else target  # fmt: skip
        value = self.expr(node.this, scope)
        constant = _constant_cast(value.constant, target)
        try:
            result = cast(value, target, safe)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None
        return replace(result, constant=constant, column=None)

    def binary(self, node: exp.Binary, scope: Scope) -> Expr:
        """+ - * / % and ||."""
        a, b = self.expr(node.left, scope), self.expr(node.right, scope)
        op = OPERATORS[type(node)]
        if op == "||":
            return self._guard(node, lambda: functions.concatenation(a, b))
        if "time" in (a.type.name, b.type.name) and op in "+-":
            return self._guard(node, lambda: functions.clock_arithmetic(op, a, b))
        if op in "+-" and a.type.is_time and b.type.name.startswith("interval"):
            return functions.plus_interval(a, b, op)
        if op == "+" and b.type.is_time and a.type.name.startswith("interval"):
            return functions.plus_interval(b, a, op)
        if op == "-" and a.type.is_time and b.type.is_time:
            return self._guard(node, lambda: functions.minus_time(a, b))
        has_interval = any(v.type.name.startswith("interval") for v in (a, b))
        if has_interval and (made := functions.combined(a, b, op)):
            return made
        if op == "%":
            return self._guard(node, lambda: functions.modulo(a, b))
        kind = arithmetic(op, a.type, b.type)
        if UNKNOWN in (a.type, b.type):
            kind = b.type if a.type == UNKNOWN else a.type
            return Expr(f"CAST(NULL AS {to_duckdb(kind)})", kind, None)
        if kind is None:
            raise self.error(
                "TYPE_MISMATCH", f"Cannot apply operator: {a.type} {op} {b.type}", node
            )
        if op == "/":
            return Expr(divide(a, b, kind), kind)
        if kind.name == "decimal":
            return Expr(decimal_operation(op, a, b, kind), kind)
        left, right = (as_type(v, kind) for v in (a, b))
        return Expr(f"({left} {op} {right})", kind)

    def _guard(self, node: exp.Expression, build: Callable[[], Expr]) -> Expr:
        try:
            return build()
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None

    def _unzoned(self, what: str, values: list[Expr], node: exp.Expression) -> None:
        if any(value.zone for value in values):
            raise self.refuse(f"{what} of a timestamp in another zone than UTC", node)

    def comparison(self, node: exp.Binary, scope: Scope) -> Expr:
        op = COMPARISONS[type(node)]
        right = node.right
        if isinstance(right, exp.Any | exp.All):
            a = self.expr(node.left, scope)
            quantifier = "ANY" if isinstance(right, exp.Any) else "ALL"
            query = right.this
            sql, relation = self.query(
                query.this if isinstance(query, exp.Subquery) else query, scope
            )
            self._whole(relation, scope)
            self._check_comparable(op, a, Expr("", relation.columns[0].type), node)
            return Expr(f"({a.sql} {op} {quantifier} ({sql}))", BOOLEAN)
        if isinstance(node.left, tuple(COMPARISONS)):
            raise self.error("SYNTAX_ERROR", f"mismatched input '{op}'", node)
        a, b = self.expr(node.left, scope), self.expr(right, scope)
        self._check_comparable(op, a, b, node)
        return Expr(comparison.compare(op, a, b), BOOLEAN)

    def _check_comparable(self, op: str, a: Expr, b: Expr, node: exp.Expression) -> None:
        if not comparison.comparable(op, a.type, b.type):
            raise self.error(
                "TYPE_MISMATCH", f"Cannot apply operator: {a.type} {op} {b.type}", node
            )

    def distinct_from(self, node: exp.Binary, scope: Scope) -> Expr:
        a, b = self.expr(node.left, scope), self.expr(node.right, scope)
        word = "NOT " if isinstance(node, exp.NullSafeEQ) else ""
        self._check_comparable("IS DISTINCT FROM", a, b, node)
        return Expr(f"({a.sql} IS {word}DISTINCT FROM {b.sql})", BOOLEAN)

    def logical(self, node: exp.Binary, scope: Scope) -> Expr:
        word = "AND" if isinstance(node, exp.And) else "OR"
        parts = [self.boolean(n, scope).sql for n in node.flatten()]
        return Expr(f"({f' {word} '.join(parts)})", BOOLEAN)

    def not_(self, node: exp.Not, scope: Scope) -> Expr:
        return Expr(f"(NOT {self.boolean(node.this, scope).sql})", BOOLEAN)

    def paren(self, node: exp.Paren, scope: Scope) -> Expr:
        value = self.expr(node.this, scope)
        return replace(value, sql=f"({value.sql})" if not value.column else value.sql)

    def negative(self, node: exp.Neg, scope: Scope) -> Expr:
        if isinstance(node.this, exp.Literal) and node.this.this == str(2**63):
            return Expr(f"CAST('-{2**63}' AS BIGINT)", BIGINT, -(2**63))
        value = self.expr(node.this, scope)
        if value.constant == 2**31 and isinstance(node.this, exp.Literal):
            return Expr(f"CAST(-{2**31} AS INTEGER)", INTEGER, -(2**31))
        if not (value.type.is_numeric or value.type.name.startswith("interval")):
            raise self.error("TYPE_MISMATCH", f"Cannot negate {value.type}", node)
        constant = value.constant
        if isinstance(constant, int | float) and not isinstance(constant, bool):
            constant = -constant
        return Expr(f"(-{value.sql})", value.type, constant)

    def is_(self, node: exp.Is, scope: Scope) -> Expr:
        if not isinstance(node.expression, exp.Null):
            raise self.refuse("IS with anything but NULL", node)
        return Expr(f"({self.expr(node.this, scope).sql} IS NULL)", BOOLEAN)

    def between(self, node: exp.Between, scope: Scope) -> Expr:
        value, low, high = (self.expr(node.args[k], scope) for k in ("this", "low", "high"))
        self._check_comparable("BETWEEN", value, low, node)
        self._check_comparable("BETWEEN", value, high, node)
        if {value.type.name, low.type.name, high.type.name} & {"double", "real"}:
            above, below = (
                comparison.compare(">=", value, low),
                comparison.compare("<=", value, high),
            )
            return Expr(f"({above} AND {below})", BOOLEAN)
        return Expr(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)

    def in_(self, node: exp.In, scope: Scope) -> Expr:
        if node.args.get("unnest") or node.args.get("field"):
            raise self.refuse("IN of this form", node)
        query = node.args.get("query")
        if query is not None:
            width = len(node.this.expressions) if isinstance(node.this, exp.Tuple) else 1
            value = self.expr(node.this, scope)
            if width > 1:
                parts = (self.expr(e, scope).sql for e in node.this.expressions)
                value = replace(value, sql=f"({', '.join(parts)})")
            inner = query.this if isinstance(query, exp.Subquery) else query
            sql, relation = self.query(inner, scope)
            self._whole(relation, scope)
            width = len(relation.columns)
            if width == 1:
                self._check_comparable("IN", value, Expr("", relation.columns[0].type), node)
            return Expr(f"({value.sql} IN ({sql}))", BOOLEAN)
        value = self.expr(node.this, scope)
        items = [self.expr(e, scope) for e in node.expressions]
        for item in items:
            self._check_comparable("IN", value, item, node)
        if value.type.items or value.type.name in ("double", "real", "char"):
            tests = (comparison.equal(value, item) for item in items)
            return Expr(f"({' OR '.join(tests)})", BOOLEAN)
        return Expr(f"({value.sql} IN ({', '.join(i.sql for i in items)}))", BOOLEAN)

    def exists(self, node: exp.Exists, scope: Scope) -> Expr:
        inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        sql, relation = self.query(inner, scope)
        relation.use(TRUE, ())
        scope.subqueries.append(relation)
        return Expr(f"EXISTS ({sql})", BOOLEAN)

    def _scalar_subquery(self, node: exp.Expression, scope: Scope) -> Expr:
        inner = node.this if isinstance(node, exp.Subquery) else node
        sql, relation = self.query(inner, scope)
        self._whole(relation, scope)
        if len(relation.columns) != 1:
            raise self.error(
                "NOT_SUPPORTED",
                f"Multiple columns returned by subquery are not yet supported. "
                f"Found {len(relation.columns)}",
                node,
            )
        column = relation.columns[0]
        return Expr(f"({sql})", column.type, zone=column.zone)

    def _whole(self, relation: Relation, scope: Scope) -> None:
        relation.use(TRUE, (c.sql_name for c in relation.columns))
        scope.subqueries.append(relation)

    def like(self, node: exp.Expression, scope: Scope) -> Expr:
        escape = None
        if isinstance(node, exp.Escape):
            escape = self.expr(node.expression, scope)
            node = node.this
        if not isinstance(node, exp.Like):
            raise self.refuse(type(node).__name__.upper(), node)
        a, b = self.expr(node.this, scope), self.expr(node.expression, scope)
        for side in (a, b):
            if not (side.type.is_text or side.type == UNKNOWN):
                raise self.error("TYPE_MISMATCH", f"LIKE must have varchars: {side.type}", node)
        text = cast(a, Type("varchar", a.type.args)).sql if a.type.name == "char" else a.sql
        negated = "NOT " if node.args.get("negate") else ""
        if escape is None:
            return Expr(f"({text} {negated}LIKE {b.sql})", BOOLEAN)
        if isinstance(b.constant, str) and isinstance(escape.constant, str):
            self._check_escape(b.constant, escape.constant, node)
        return Expr(f"({text} {negated}LIKE {b.sql} ESCAPE {escape.sql})", BOOLEAN)

    def _check_escape(self, pattern: str, escape: str, node: exp.Expression) -> None:
        """The escape is one character and stands before `%`, `_` or itself only."""
        rest = pattern.replace(escape * 2, "") if escape else pattern
        if len(escape) > 1 or (escape and re.search(rf"{re.escape(escape)}(?![%_])", rest)):
            raise self.error(
                "INVALID_FUNCTION_ARGUMENT",
                "Escape character must be followed by '%', '_' or the escape character itself",
                node,
            )

    def case(self, node: exp.Case, scope: Scope) -> Expr:
        subject = self.expr(node.this, scope) if node.this else None
        conditions, values = [], []
        for branch in node.args.get("ifs") or []:
            if subject:
                test = self.expr(branch.this, scope)
                self._check_comparable("=", subject, test, branch)
                conditions.append(comparison.equal(subject, test))
            else:
                conditions.append(self.boolean(branch.this, scope).sql)
            values.append(self.expr(branch.args["true"], scope))
        default = node.args.get("default")
        if default is not None:
            values.append(self.expr(default, scope))
        kind = self._unify(values, node)
        sqls = [cast(v, kind).sql for v in values]
        whens = " ".join(f"WHEN {c} THEN {v}" for c, v in zip(conditions, sqls, strict=False))
        other = f" ELSE {sqls[-1]}" if default is not None else ""
        return Expr(f"CASE {whens}{other} END", kind, zone=functions.zone_of(kind, values))

    def _unify(self, values: list[Expr], node: exp.Expression) -> Type:
        try:
            return functions.unify("CASE", values)
        except QueryFailed as error:
            raise self.error(error.code, error.message, node) from None

    def extract(self, node: exp.Extract, scope: Scope) -> Expr:
        part = node.name.lower()
        value = self.expr(node.expression, scope)
        if part not in functions.SCALARS:
            raise self.error("SYNTAX_ERROR", f"Invalid EXTRACT field: {part}", node)
        is_clock = part in ("hour", "minute", "second")
        if value.type == DATE and is_clock or value.type.name == "time" and not is_clock:
            raise self.error("TYPE_MISMATCH", f"Cannot extract {part} from {value.type}", node)
        return self._guard(node, lambda: functions.date_part(part, value))

    def at_zone(self, node: exp.AtTimeZone, scope: Scope) -> Expr:
        value, zone = self.expr(node.this, scope), self.expr(node.args["zone"], scope)
        return self._guard(node, lambda: functions.at_timezone(value, zone))

    def interval(self, node: exp.Interval, scope: Scope) -> Expr:
        amount = node.this
        unit = node.args.get("unit")
        sign = ""
        if isinstance(amount, exp.Neg):
            sign, amount = "-", amount.this
        if not isinstance(amount, exp.Literal) or not isinstance(unit, exp.Var):
            raise self.refuse("an interval of this form", node)
        name = unit.name.lower().rstrip("s")
        if name not in ("second", "minute", "hour", "day", "week", "month", "year"):
            raise self.refuse(f"INTERVAL {unit.name}", node)
        return self._guard(node, lambda: functions.interval(sign + amount.this, name))

    def array_(self, node: exp.Array, scope: Scope) -> Expr:
        items = [self.expr(e, scope) for e in node.expressions]
        if not items:
            return Expr("[]", array(UNKNOWN))
        kind = self._unify(items, node)
        self._unzoned("an array", items, node)
        sqls = ", ".join(cast(i, kind).sql for i in items)
        return Expr(f"CAST([{sqls}] AS {to_duckdb(array(kind))})", array(kind))

    def row_(self, node: exp.Expression, scope: Scope) -> Expr:
        items = [self.expr(e, scope) for e in node.expressions]
        if not items:
            raise self.error(
                "FUNCTION_NOT_FOUND", "Unexpected parameters () for function row", node
            )
        self._unzoned("a row", items, node)
        kind = row(tuple(i.type for i in items), tuple(None for _ in items))
        inner = ", ".join(f"'field{n}': {as_type(i, i.type)}" for n, i in enumerate(items))
        return Expr(f"{{{inner}}}", kind)

    def map_(self, node: exp.Expression, scope: Scope) -> Expr:
        args = [node.args.get("keys"), node.args.get("values")]
        values = [self.expr(a, scope) for a in args if a is not None]
        return self._call("map", values, node)

    def bracket(self, node: exp.Bracket, scope: Scope) -> Expr:
        if len(node.expressions) != 1:
            raise self.refuse("a subscript of this form", node)
        base, index = self.expr(node.this, scope), self.expr(node.expressions[0], scope)
        return self._guard(node, lambda: functions.subscript(base, index))

    def dot(self, node: exp.Dot, scope: Scope) -> Expr:
        return self.field(self.expr(node.this, scope), node.expression.name.lower(), node)

    def now_(self, node: exp.Expression, scope: Scope) -> Expr:
        if node.this is not None and not isinstance(node.this, exp.Literal):
            raise self.refuse("a precision that is not a number", node)
        return self.now_expr(type(node).__name__, int(node.this.this) if node.this else 3)

    def now_expr(self, name: str, digits: int = 3) -> Expr:
        """current_date, current_timestamp, localtime, …: the local AWS's clock at the start."""
        if not (0 if name == "Localtime" else 3) <= digits <= 6:
            raise QueryFailed("NOT_SUPPORTED", f"{name} of precision {digits} is not supported")
        unit = 10 ** (6 - digits)
        wall = self.now.replace(tzinfo=None, microsecond=self.now.microsecond // unit * unit)
        if name == "CurrentDate":
            return Expr(f"DATE '{wall.date()}'", DATE, wall.date())
        if name == "Localtime":
            return Expr(f"TIME '{wall.time()}'", Type("time", (digits,)))
        if name == "Localtimestamp":
            return Expr(f"TIMESTAMP '{wall}'", timestamp(digits), wall)
        return Expr(f"timezone('UTC', TIMESTAMP '{wall}')", timestamptz(digits))

    def null(self, node: exp.Null, scope: Scope) -> Expr:
        return Expr("NULL", UNKNOWN, None)

    def truth(self, node: exp.Boolean, scope: Scope) -> Expr:
        return Expr("true" if node.this else "false", BOOLEAN, bool(node.this))

    def hex_string(self, node: exp.HexString, scope: Scope) -> Expr:
        text = node.this
        if isinstance(text, str) and re.fullmatch(r"([0-9a-fA-F]{2})*", text):
            return Expr(f"unhex('{text}')", VARBINARY)
        raise self.error("SYNTAX_ERROR", "Binary literal must have pairs of hex digits", node)

    def json_literal(self, node: exp.ParseJSON, scope: Scope) -> Expr:
        return self._call("json_parse", [self.expr(node.this, scope)], node)

    def trim(self, node: exp.Trim, scope: Scope) -> Expr:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(
            str(node.args.get("position") or "").upper(), "trim"
        )
        parts = [node.this, node.expression] if node.expression else [node.this]
        return self._call(name, [self.expr(p, scope) for p in parts], node)

    def substring(self, node: exp.Substring, scope: Scope) -> Expr:
        parts = [node.this, node.args.get("start"), node.args.get("length")]
        return self._call("substr", [self.expr(p, scope) for p in parts if p is not None], node)

    def position_(self, node: exp.StrPosition, scope: Scope) -> Expr:
        args = [self.expr(node.this, scope), self.expr(node.args["substr"], scope)]
        return self._call("strpos", args, node)

    def date_(self, node: exp.Date, scope: Scope) -> Expr:
        return self._call("date", [self.expr(node.this, scope)], node)

    def unicode_string(self, node: exp.UnicodeString, scope: Scope) -> Expr:
        if node.args.get("escape"):
            raise self.refuse("UESCAPE", node)
        text = re.sub(
            r"\\(?:\+([0-9a-fA-F]{6})|([0-9a-fA-F]{4}))",
            lambda m: chr(int(m[1] or m[2], 16)),
            str(node.this),
        )
        return Expr(literal(text), Type("varchar", (len(text),)), text)

    def normalize(self, node: exp.Normalize, scope: Scope) -> Expr:
        form = node.args.get("form")
        name = form.name if isinstance(form, exp.Expression) else "NFC"
        args = [self.expr(node.this, scope), Expr(literal(name), VARCHAR, name)]
        return self._call("normalize", args, node)

    def timezone_name(self, node: exp.Expression, scope: Scope) -> Expr:
        return self._call("current_timezone", [], node)

    def stray_lambda(self, node: exp.Expression, scope: Scope) -> Expr:
        raise self.error("TYPE_MISMATCH", "A lambda expression is not expected here", node)


def as_type(value: Expr, kind: Type) -> str:
    """SQL of a value that DuckDB must see as of one type."""
    return value.sql if value.type == kind != UNKNOWN else cast(value, kind).sql


def _constant_cast(value: Any, target: Type) -> Any:
    """The constant after a cast, where that is simple; else NOT_CONSTANT."""
    try:
        if isinstance(value, str) and target == DATE:
            return date.fromisoformat(value.strip())
        if isinstance(value, str) and target.name == "timestamp":
            return datetime.fromisoformat(value)
        if isinstance(value, str) and target.is_integer and re.fullmatch(r"[+-]?\d+", value):
            return int(value)
        if isinstance(value, datetime) and target == DATE:
            return value.date()
        if type(value) is date and target.name == "timestamp":
            return datetime(value.year, value.month, value.day)
        if isinstance(value, datetime) and target.name == "timestamp" and target.args[0] >= 6:
            return value
        if isinstance(value, int) and target.is_integer:
            return value
        if isinstance(value, str) and target.is_text and not target.args:
            return value
    except ValueError:
        pass
    return None if value is None else NOT_CONSTANT
