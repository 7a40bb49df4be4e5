"""Looks for what keeps Strata from working: on this machine, in the account, in an environment."""

import os

from strata.doctor import account, deployed, machine
from strata.doctor.check import FAIL, Check, guarded
from strata.environment import choose

__all__ = ["FAIL", "Check", "examine"]


def examine(env: str | None) -> list[Check]:
    """Run all checks; a check that breaks is a finding too.

    Nothing is asked of an account whose credentials do not work.
    """
    name = env or os.environ.get("STRATA_ENV", "local")
    checks = machine.checks(name)
    credentials = guarded("credentials", lambda: account.credentials(choose(name)))
    checks += credentials
    if any(check.state == FAIL for check in credentials):
        return checks
    environment = choose(name)
    return [*checks, *account.checks(environment), *deployed.checks(environment)]
