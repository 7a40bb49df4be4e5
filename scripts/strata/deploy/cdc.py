"""The stack of a system whose changes are captured: its DMS Serverless replication."""

import json
import os
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from strata.declarations import Capture, Source
from strata.deploy.stacks import Stack, runbooks
from strata.environment import Environment
from strata.errors import StrataError

_LONGEST_PARAMETER = 4096
_NO_DATABASE_NAME = ("mysql", "mariadb", "aurora")  # DMS wants none: the schema is the database
_NETWORK = {
    "SubnetGroup": "STRATA_CDC_SUBNET_GROUP",
    "SecurityGroupIds": "STRATA_CDC_SECURITY_GROUP_IDS",
    "CertificateArn": "STRATA_CDC_CERTIFICATE_ARN",
}


def captured_systems(sources: Iterable[Source]) -> dict[str, list[Source]]:
    """The tables whose changes are captured, by their source system."""
    found: dict[str, list[Source]] = {}
    for source in sources:
        if source.ingest == "cdc":
            found.setdefault(source.system, []).append(source)
    return found


def replication_name(system: str, environment: Environment) -> str:
    """The name of a system's replication; DMS takes no underscores."""
    return environment.resource(system.replace("_", "-"))


def secret_name(system: str, environment: Environment) -> str:
    """The secret that gives a system its database: host, port, dbname, username and password."""
    return f"{replication_name(system, environment)}-database"


def find_secret(system: str, environment: Environment, secrets: Any) -> str | None:
    """The ARN of a system's secret; None while no database is given."""
    try:
        arn: str = secrets.describe_secret(SecretId=secret_name(system, environment))["ARN"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    return arn


def cdc_stack(
    system: str, tables: list[Source], environment: Environment, secret_arn: str | None
) -> Stack:
    """The replication of a system's declared tables.

    On the laptop the database is a SQLite file of the system's name. Raises StrataError when the
    tables disagree on how they are captured, or are too many for one replication.
    """
    captures = {table.capture for table in tables}
    if len(captures) > 1:
        raise StrataError(
            f"{tables[0].file}: the tables of {system} differ in meta.capture",
            "declare it once, under the config of the source",
        )
    (capture,) = captures
    mappings = json.dumps(table_mappings(system, tables), separators=(",", ":"))
    if len(mappings) > _LONGEST_PARAMETER:
        raise StrataError(
            f"{tables[0].file}: {system} has too many tables for one replication: {len(tables)}",
            "declare a part of them as another source system",
        )
    hyphened = system.replace("_", "-")
    parameters = {
        "Environment": environment.name,
        "System": hyphened,
        "Folder": system,
        "TableMappings": mappings,
        "FileFormat": capture.file_format,
        **_database(system, capture, secret_arn),
        **runbooks(),
    }
    return Stack(environment.resource(f"cdc-{hyphened}"), "cdc.yaml", parameters)


def table_mappings(system: str, tables: list[Source]) -> dict[str, Any]:
    """DMS's rules: the tables, in files under the system's name, with two kinds of added columns.

    The change sequence orders the changes; the primary key before an update tells a change of key.
    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Transformations.html
    """
    schema = tables[0].capture.schema
    all_tables = {"schema-name": schema, "table-name": "%"}
    rules: list[dict[str, Any]] = [
        {
            "rule-type": "selection",
            "rule-action": "include",
            "object-locator": {"schema-name": schema, "table-name": table.table},
        }
        for table in tables
    ]
    rules += [
        {
            "rule-type": "transformation",
            "rule-target": "schema",
            "rule-action": "rename",
            "object-locator": {"schema-name": schema},
            "value": system,
        },
        {
            "rule-type": "transformation",
            "rule-target": "column",
            "rule-action": "add-column",
            "object-locator": all_tables,
            "value": "ar_h_change_seq",
            "expression": "$AR_H_CHANGE_SEQ",
            "data-type": {"type": "string", "length": 50},
        },
        {
            "rule-type": "transformation",
            "rule-target": "column",
            "rule-action": "add-before-image-columns",
            "object-locator": all_tables,
            "before-image-def": {
                "column-prefix": "BI_",
                "column-suffix": "",
                "column-filter": "pk-only",
            },
        },
    ]
    numbers = [{"rule-id": str(n), "rule-name": str(n)} for n in range(1, len(rules) + 1)]
    return {"rules": [{**number, **rule} for number, rule in zip(numbers, rules, strict=True)]}


def _database(system: str, capture: Capture, secret_arn: str | None) -> dict[str, str]:
    if secret_arn is None:
        return {"Engine": "sqlite", "DatabaseName": system}
    given = {name: os.environ.get(variable, "") for name, variable in _NETWORK.items()}
    name = "" if capture.engine in _NO_DATABASE_NAME else capture.database or system
    return {
        "Engine": capture.engine,
        "DatabaseName": name,
        "DatabaseSecretArn": secret_arn,
        **{parameter: value for parameter, value in given.items() if value},
    }
