"""The stacks of governance: who Lake Formation reads as, and a role a reader."""

import os

from strata.deploy import consumption
from strata.deploy.stacks import Stack
from strata.environment import Environment
from strata.governance.declared import Reader


def governance_stack(environment: Environment) -> Stack:
    """The role that Lake Formation reads with, what it has registered, and the role that builds."""
    return Stack(environment.resource("governance"), "governance.yaml", _own(environment))


def reader_stacks(readers: list[Reader], environment: Environment) -> list[Stack]:
    """The role and the workgroup of each reader.

    `STRATA_READERS_SCAN_CUTOFF` limits the bytes that one of their queries may scan. The role of one
    of them may be taken by Redshift and QuickSight.
    """
    shared = consumption.reader(environment)
    cutoff = os.environ.get("STRATA_READERS_SCAN_CUTOFF")
    given = {"ScanCutoffBytes": cutoff} if cutoff else {}
    return [
        Stack(
            environment.resource(f"reader-{reader.role}"),
            "reader.yaml",
            {
                **_own(environment),
                "Reader": reader.role,
                **given,
                **(_consumers(environment) if reader == shared else {}),
            },
        )
        for reader in readers
    ]


def _consumers(environment: Environment) -> dict[str, str]:
    wanted = {
        "Redshift": consumption.has_redshift(environment),
        "QuickSight": consumption.quicksight_principal(environment),
    }
    return {name: "on" for name, is_wanted in wanted.items() if is_wanted}


def _own(environment: Environment) -> dict[str, str]:
    """The laptop's one identity is the account's root, which carries no tag."""
    tag = "false" if environment.is_local else "true"
    return {"Environment": environment.name, "RequireTag": tag}
