"""One record from the source's bytes or row to Bronze's columns, with its envelope.

A data fault never stops a record: it goes on with what could be kept and a reason in `_rejection`
(codes joined by `|`), so that it is catalogued, quarantined and counted.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from aws_code.masking.masks import REDACTED, Key, mask
from aws_code.masking.rules import Column, Source

Json = dict[str, Any]

_FIELD_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_TRUE_FALSE = {"true": True, "false": False}


@dataclass(frozen=True)
class Arrival:
    """The identity of what arrived: record, instant (aware, UTC) and delivery."""

    record_id: str
    arrived_at: datetime
    delivery_id: str


def from_json(source: Source, payload: bytes, arrival: Arrival, key: Key) -> Json:
    """The Bronze record of a JSON payload."""
    try:
        fields = _DECODER.decode(payload.decode())
    except _RepeatedField:
        return unusable("repeated_field", digest(payload), arrival)
    except (ValueError, RecursionError):
        return unusable("malformed_json", digest(payload), arrival)
    if not isinstance(fields, dict):
        return unusable("not_an_object", digest(payload), arrival)
    return from_fields(source, fields, arrival, key)


class _RepeatedField(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> Json:
    """A JSON object; of a name that it has twice, nobody knows which value is meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedField
    return made


#: Numbers stay as they were written: 12.0 is not 12, and 0.1 is not a binary fraction.
_DECODER = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_object
)


def digest(payload: bytes) -> str:
    """The hash by which a payload that cannot be read is known."""
    return hashlib.sha256(payload).hexdigest()


def unusable(reason: str, payload_sha256: str, arrival: Arrival) -> Json:
    """The Bronze record of a payload that cannot be read, hence not masked: id, hash and reason."""
    return {**_envelope(arrival), "_rejection": reason, "_payload_sha256": payload_sha256}


def from_fields(source: Source, fields: Json, arrival: Arrival, key: Key) -> Json:
    """The Bronze record of named values: masked, and typed where the table is Parquet."""
    record: Json = {}
    undeclared: Json = {}
    reasons = []
    columns, is_typed = source.columns, source.file_format == "parquet"
    for name, value in fields.items():
        folded, column = name, columns.get(name)
        if column is None:
            folded = name.strip().lower()
            column = columns.get(folded)
        if column is None and not _FIELD_NAME.fullmatch(folded):
            reasons.append("invalid_field_name")
            continue
        text = value if isinstance(value, str) else as_text(value)
        if text is not None and not _is_text(text):
            record[folded] = None
            reasons.append(f"invalid_text:{folded}")
            continue
        if column is None:
            # Where some columns hold personal data, one that nobody declared may hold it too.
            undeclared[folded] = REDACTED if source.has_personal_data else text
            continue
        if text is not None and column.mask:
            text = mask(text, column.mask, key)
        try:
            record[folded] = typed(text, column) if is_typed else text
        except ValueError:
            record[folded] = None
            reasons.append(f"wrong_type:{folded}")
    if source.file_format == "json":
        record = {**undeclared, **record}
    elif undeclared:
        record["_undeclared"] = json.dumps(undeclared)
    return {**record, **_envelope(arrival), "_rejection": "|".join(sorted(set(reasons))) or None}


def _envelope(arrival: Arrival) -> Json:
    arrived_at = arrival.arrived_at.astimezone(timezone.utc).replace(tzinfo=None)
    return {
        "_record_id": arrival.record_id,
        "_arrived_at": arrived_at.isoformat(timespec="microseconds") + "Z",
        "_delivery_id": arrival.delivery_id,
        "_rejection": None,
        "_payload_sha256": None,
    }


def as_text(value: Any) -> str | None:
    """A leaf as the text it was; null stays null, nested values are JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":"))


def _is_text(text: str) -> bool:
    """Whether it can be written: lone surrogates (or bytes that were no UTF-8) cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def typed(text: str | None, column: Column) -> Any:
    """`text` as a JSON value that Firehose and Parquet take for the column's Trino type.

    Timestamps come out as `YYYY-MM-DD HH:MM:SS.mmm` in UTC. An empty text is null, except for
    varchar. Raises ValueError when the text is no such value.
    """
    if text is None or (text.strip() == "" and column.type != "varchar"):
        return None
    kind = column.type.partition("(")[0]
    if kind == "varchar":
        return text
    if kind in ("integer", "bigint"):
        return int(text)
    if kind == "double":
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"{text} is not finite")
        return number
    if kind == "decimal":
        return str(Decimal(text))
    if kind == "boolean":
        if text.lower() not in _TRUE_FALSE:
            raise ValueError(f"{text} is no boolean")
        return _TRUE_FALSE[text.lower()]
    if kind == "date":
        return date.fromisoformat(text).isoformat()
    if kind == "timestamp":
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if instant.tzinfo:
            instant = instant.astimezone(timezone.utc)
        return instant.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    raise ValueError(f"column {column.name}: unknown type {column.type!r}")
