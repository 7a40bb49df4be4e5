"""The columns of a replicated table's files: the table's own, and those that settings and rules add."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_aws.dms.capture import Column, RowChange
from local_aws.dms.files import Field, Row
from local_aws.dms.mappings import Mapping

_COUNTER_DIGITS = 19


@dataclass(frozen=True)
class Layout:
    """Makes rows of a table's values, in the order of `fields`."""

    mapping: Mapping
    columns: list[Column]
    settings: dict[str, Any]

    def fields(self, is_load: bool) -> list[Field]:
        """The columns of a file of a full load, or of changes."""
        found = [Field("Op")] if self._has_op(is_load) else []
        if name := self.settings.get("TimestampColumnName"):
            found.append(Field(name))
        found += [Field(column.name, column.type) for column in self.columns]
        if (prefix := self.mapping.before_prefix) is not None:
            found += [Field(f"{prefix}{column.name}", column.type) for column in self._key]
        if self.mapping.sequence_column:
            found.append(Field(self.mapping.sequence_column))
        return found

    def loaded(self, values: Row, stamp: datetime) -> Row:
        """The row of a full load: an insertion without a place in the source's log."""
        op = ["I"] if self._has_op(is_load=True) else []
        return [*op, *self._stamp(stamp), *values, *self._added(None, {})]

    def changed(self, change: RowChange, committed: datetime) -> Row:
        """The row of a change."""
        values = [change.row.get(column.name) for column in self.columns]
        sequence = _change_sequence(committed, change.sequence)
        added = self._added(sequence, change.key_before)
        return [change.op, *self._stamp(committed), *values, *added]

    @property
    def _key(self) -> list[Column]:
        return [column for column in self.columns if column.is_key]

    def _has_op(self, is_load: bool) -> bool:
        return not is_load or bool(self.settings.get("IncludeOpForFullLoad"))

    def _stamp(self, instant: datetime) -> Row:
        if not self.settings.get("TimestampColumnName"):
            return []
        return [instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")]

    def _added(self, sequence: str | None, key_before: dict[str, Any]) -> Row:
        has_before = self.mapping.before_prefix is not None
        before = [key_before.get(column.name) for column in self._key] if has_before else []
        return [*before, sequence] if self.mapping.sequence_column else before


def _change_sequence(committed: datetime, counter: int) -> str:
    """35 digits: the commit to hundredths of a second, and an increasing number."""
    return committed.strftime("%Y%m%d%H%M%S%f")[:16] + str(counter).rjust(_COUNTER_DIGITS, "0")
