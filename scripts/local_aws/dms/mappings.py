"""Table mappings: which tables are replicated, under which names, with which columns added.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.html
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from local_aws.errors import AwsError

Json = dict[str, Any]

_SEQUENCE = "$AR_H_CHANGE_SEQ"


@dataclass(frozen=True)
class Mapping:
    """A selected table and what the transformation rules make of it.

    `sequence_column` gets the change sequence; columns of the key before an update get
    `before_prefix`. Without such a rule they are None.
    """

    schema: str
    table: str
    target_schema: str
    target_table: str
    sequence_column: str | None = None
    before_prefix: str | None = None


def parse(text: str) -> list[Mapping]:
    """The mappings of a JSON document of rules; raises AwsError for what is not served."""
    try:
        rules = json.loads(text)["rules"]
        selections = [rule for rule in rules if rule["rule-type"] == "selection"]
        found = [_selected(rule) for rule in selections]
        transformations = [rule for rule in rules if rule["rule-type"] != "selection"]
        mappings = [_transformed(mapping, transformations) for mapping in found]
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(f"not understood: {error!r}") from error
    if not mappings:
        raise _refused("no table is selected")
    return mappings


def _selected(rule: Json) -> Mapping:
    schema, table = rule["object-locator"]["schema-name"], rule["object-locator"]["table-name"]
    if rule["rule-action"] not in ("include", "explicit") or "%" in schema + table:
        raise _refused("the local AWS selects tables by their names: include, no wildcards")
    return Mapping(schema, table, schema, table)


def _transformed(mapping: Mapping, rules: Iterable[Json]) -> Mapping:
    made = mapping
    for rule in rules:
        if not _covers(rule["object-locator"], mapping):
            continue
        action = rule["rule-action"]
        if action == "rename" and rule["rule-target"] == "schema":
            made = replace(made, target_schema=rule["value"])
        elif action == "rename" and rule["rule-target"] == "table":
            made = replace(made, target_table=rule["value"])
        elif action == "add-column" and rule["expression"] == _SEQUENCE:
            made = replace(made, sequence_column=rule["value"])
        elif (
            action == "add-before-image-columns"
            and rule["before-image-def"]["column-filter"] == "pk-only"
            and not rule["before-image-def"].get("column-suffix")
        ):
            made = replace(made, before_prefix=rule["before-image-def"]["column-prefix"])
        else:
            raise _refused(f"rule {rule['rule-id']} ({action}) is not served by the local AWS")
    return made


def _covers(locator: Json, mapping: Mapping) -> bool:
    wanted = (locator["schema-name"], locator.get("table-name", "%"))
    names = (mapping.schema, mapping.table)
    return all(
        fnmatchcase(name, pattern.replace("%", "*"))
        for name, pattern in zip(names, wanted, strict=True)
    )


def _refused(reason: str) -> AwsError:
    return AwsError("InvalidParameterValueException", f"TableMappings: {reason}")
