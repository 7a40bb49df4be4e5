"""Redshift Serverless and QuickSight over what is published: whether, with whose rights, how much."""

import os
from typing import Any

from strata.deploy.stacks import Stack, has_network, is_on
from strata.environment import Environment
from strata.errors import StrataError
from strata.governance.declared import Reader, find

_HOURS = "STRATA_REDSHIFT_RPU_HOURS"
_DEFAULT_HOURS = 24
_LIMIT = {"usageType": "serverless-compute", "period": "daily"}
_THEN = "deactivate"


def has_redshift(environment: Environment) -> bool:
    """Whether there is a Redshift workgroup: `STRATA_REDSHIFT=on`, and never on the laptop."""
    return not environment.is_local and is_on("STRATA_REDSHIFT", default="off")


def quicksight_principal(environment: Environment) -> str:
    """The QuickSight user or group of `STRATA_QUICKSIGHT`; empty for none, as on the laptop."""
    return "" if environment.is_local else os.environ.get("STRATA_QUICKSIGHT", "")


def reader(environment: Environment) -> Reader | None:
    """The reader whose rights both have, `STRATA_CONSUMPTION_READER`; None where neither is wanted.

    Raises StrataError when it is not named, or not declared.
    """
    if not (has_redshift(environment) or quicksight_principal(environment)):
        return None
    name = os.environ.get("STRATA_CONSUMPTION_READER")
    if not name:
        raise StrataError(
            "Redshift and QuickSight read with the rights of a reader, and none is named",
            "export STRATA_CONSUMPTION_READER=<one of vars.readers in dbt_project.yml>",
        )
    return find(name)


def consumption_stacks(environment: Environment) -> list[Stack]:
    """The stack of both, or none. Raises StrataError for a Redshift without three subnets.

    https://docs.aws.amazon.com/redshift/latest/mgmt/serverless-usage-considerations.html
    """
    chosen = reader(environment)
    if chosen is None:
        return []
    zones = os.environ.get("STRATA_NETWORK_ZONES")
    if has_redshift(environment) and not (has_network(environment) and zones == "3"):
        raise StrataError(
            "Redshift Serverless needs the network, in three zones",
            "export STRATA_NETWORK=on STRATA_NETWORK_ZONES=3",
        )
    parameters = {
        "Environment": environment.name,
        "Reader": chosen.role,
        "Redshift": "on" if has_redshift(environment) else "off",
        "QuickSightPrincipal": quicksight_principal(environment),
    }
    return [Stack(environment.resource("consumption"), "consumption.yaml", parameters)]


def keep_limit(environment: Environment, redshift: Any) -> int:
    """Make the workgroup's daily limit of RPU hours what `STRATA_REDSHIFT_RPU_HOURS` says.

    Beyond it queries are refused until the next day. CloudFormation has no resource for it.
    Returns the hours; raises StrataError for what is no number of hours.
    """
    text = os.environ.get(_HOURS, str(_DEFAULT_HOURS))
    if not text.isdigit() or int(text) == 0:
        raise StrataError(f"{_HOURS} is {text!r}", "a whole number of RPU hours a day")
    hours = int(text)
    arn = redshift.get_workgroup(workgroupName=environment.resource("")[:-1])["workgroup"][
        "workgroupArn"
    ]
    limits = redshift.list_usage_limits(resourceArn=arn, usageType=_LIMIT["usageType"])
    kept = [one for one in limits.get("usageLimits", []) if one["period"] == _LIMIT["period"]]
    wanted = {"amount": hours, "breachAction": _THEN}
    if not kept:
        redshift.create_usage_limit(resourceArn=arn, **_LIMIT, **wanted)
    elif {name: kept[0][name] for name in wanted} != wanted:
        redshift.update_usage_limit(usageLimitId=kept[0]["usageLimitId"], **wanted)
    return hours


def external_schema(environment: Environment, role: str, partition: str) -> str:
    """The statement that shows `serving` to Redshift, once run in its query editor as an admin.

    https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_SCHEMA.html
    """
    arn = f"arn:{partition}:iam::{environment.account}:role/{environment.resource(role)}"
    return (
        "create external schema if not exists serving\n"
        "from data catalog database 'serving'\n"
        f"region '{environment.region}'\n"
        f"iam_role '{arn}';\n"
        "grant usage on schema serving to public;"
    )
