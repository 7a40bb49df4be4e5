"""The Silver models of a declared source, written to start from: base_, stg_ and quarantine_."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from strata.declarations import Column, Source
from strata.errors import StrataError

_FILES = ("base.sql", "base.yml", "stg.sql", "stg.yml", "quarantine.sql", "quarantine.yml")
_CHANGE_COLUMNS = (
    Column("_op", "varchar", None, "Operation: I (insert), U (update) or D (delete)."),
    Column("_committed_at", "timestamp", None, "When the source committed the change, in UTC."),
    Column("_change_sequence", "varchar", None, "Position in the source's log; zeros for a load."),
)
_EXAMPLES: dict[str, Any] = {
    "varchar": "a", "integer": 1, "bigint": 1, "double": 1.5, "boolean": True,
    "date": "2013-01-01", "timestamp": "2013-01-01 09:00:00",
}  # fmt: skip
_CHANGE_EXAMPLES: dict[str, Any] = {"_op": "I", "_change_sequence": "0" * 35}


def write(source: Source, project: Path) -> list[Path]:
    """Write the Silver models of `source` under `models/silver/`; returns the new files.

    Raises StrataError, and writes nothing, when one of them is there already.
    """
    system, table = source.name.split(".")
    folder = project / "models" / "silver" / system
    texts = {_path(folder, file, f"{system}__{table}"): text for file, text in _render(source)}
    for path in texts:
        if path.exists():
            raise StrataError(f"{path.relative_to(project)} exists", "edit it, or remove it first")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text)
    return list(texts)


def _path(folder: Path, file: str, name: str) -> Path:
    kind, _, suffix = file.partition(".")
    return folder / f"{kind}_{name}.{suffix}"


def _render(source: Source) -> list[tuple[str, str]]:
    """The files' texts. Their own tags are `[[ ]]` and `[% %]`: what they write has dbt's."""
    templates = Environment(
        loader=PackageLoader("strata.catalog", "silver"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 (SQL and YAML: names are checked, texts are JSON)
        keep_trailing_newline=True,
        variable_start_string="[[", variable_end_string="]]",
        block_start_string="[%", block_end_string="%]",
        comment_start_string="[#", comment_end_string="#]",
    )  # fmt: skip
    is_text = source.file_format == "json"
    templates.filters["silver_type"] = lambda kind: kind.replace("timestamp", "timestamp(6)")
    templates.filters["example"] = lambda column: _example(column, is_text)
    context = _context(source, is_text)
    return [(file, templates.get_template(f"{file}.j2").render(context)) for file in _FILES]


def _context(source: Source, is_text: bool) -> dict[str, Any]:
    system, table = source.name.split(".")
    is_changes = source.ingest == "cdc"
    columns = source.columns + (_CHANGE_COLUMNS if is_changes else ())
    key = [*source.key, "_change_sequence"] if is_changes else list(source.key)
    by_name = {column.name: column for column in columns}
    texts = [_key_text(by_name[name], is_text) for name in key]
    return {
        "system": system,
        "table": table,
        "name": f"{system}__{table}",
        "noun": f"change of {table}" if is_changes else f"record of {table}",
        "columns": columns,
        "key": key,
        "event_time": source.event_time,
        "is_text": is_text,
        "is_changes": is_changes,
        "time_is_key": source.ingest == "stream",
        # The bound of a merge must never change for a key: a stream's event is what it is, a
        # file's row may come again with another time.
        "bound": {"stream": "_occurred_at", "cdc": "_change_sequence"}.get(source.ingest),
        "record_key": " || '|' || ".join(f"coalesce({text}, '~')" for text in texts),
        "arrived_at": "2013-01-02T00:00:00Z" if is_text else "2013-01-02 00:00:00",
        "example_key": "|".join(_example_key(by_name[name]) for name in key),
    }


def _key_text(column: Column, is_text: bool) -> str:
    """SQL of a key column's text in Silver, from its value in Bronze."""
    if not is_text:
        kind = "timestamp(6)" if column.type == "timestamp" else column.type
        return f"cast(cast({column.name} as {kind}) as varchar)"
    trimmed = f"trim({column.name})"
    if column.type == "timestamp":
        instant = f"from_iso8601_timestamp_nanos({trimmed})"
        return f"cast(cast(at_timezone({instant}, 'UTC') as timestamp(6)) as varchar)"
    return (
        trimmed
        if column.type == "varchar"
        else f"cast(try_cast({trimmed} as {column.type}) as varchar)"
    )


def _example_key(column: Column) -> str:
    fraction = ".000000" if column.type == "timestamp" else ""
    return _text(_CHANGE_EXAMPLES.get(column.name, _EXAMPLES.get(column.type, 1.25))) + fraction


def _example(column: Column, is_text: bool) -> Any:
    value = _CHANGE_EXAMPLES.get(column.name, _EXAMPLES.get(column.type, 1.25))
    if is_text and column.type == "timestamp":
        return f"{value.replace(' ', 'T')}Z"
    return _text(value) if is_text else value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
