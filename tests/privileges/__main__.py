"""`make privileges`: compares the policies of the deployed roles with what was asked of IAM.

The local AWS notes what each identity asked of IAM, and what services asked on its behalf
(`local_aws/iam.py`). After the demo this program lets the role that builds publish and maintain, and
the readers read; it adds what the tests noted, where `STRATA_PRIVILEGES` told them to keep it. Then,
for every statement of every role: each of its actions was asked for, or on_behalf.yml says which
service asks for it in an account, and where AWS documents that. What the demo was denied is a missing
right. Exit code 1: something is unused, missing, or documented in vain.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from local_aws.settings import Settings
from strata import console
from strata.cli import app
from strata.environment import Environment, choose, client
from strata.governance import declared
from strata.operate import build_lock

Json = dict[str, Any]
ON_BEHALF = Path(__file__).with_name("on_behalf.yml")
RECORD = Path("control") / "asked_of_iam.json"


@dataclass(frozen=True)
class Asked:
    """Something that a role asked of IAM."""

    role: str
    action: str
    decision: str
    resource: str


@dataclass(frozen=True)
class Granted:
    """An action that a statement allows a role, on resources (patterns)."""

    role: str
    sid: str
    action: str
    resources: tuple[str, ...]


def main() -> int:
    """Run what the demo leaves out, compare, and tell; returns the exit code."""
    environment, settings = choose("local"), Settings.from_env()
    console.step("publishing, maintaining and reading as the roles")
    operate(environment)
    demo = list(asked(settings.state / RECORD))
    kept = Path(os.environ.get("STRATA_PRIVILEGES", ".privileges"))
    tests = [one for file in sorted(kept.glob("*.json")) for one in asked(file)]
    documented = yaml.safe_load(ON_BEHALF.read_text())
    grants = list(granted(environment))
    faults = [
        *(f"{g.role}: {g.action} ({g.sid}) is never asked for" for g in unused(grants, [*demo, *tests], documented)),
        *(f"{a.role}: {a.action} on {a.resource} is missing" for a in missing(demo)),
        *needless(grants, [*demo, *tests], documented),
    ]  # fmt: skip
    tell(grants, [*demo, *tests], documented)
    for fault in faults:
        console.err.print(f"[red]✗[/] {fault}", soft_wrap=True)
    if not tests:
        console.next_step(f"make test keeps what it asked in {kept}: nothing is there")
    return 1 if faults else 0


def operate(environment: Environment) -> None:
    """Publish what the demo built, build anew, also beside another build, maintain, govern and read:
    by the command line."""
    run("publish")
    with build_lock.exclusive(environment, client("s3")):
        if not CliRunner().invoke(app, ["build", "--select", "dim_carrier"]).exit_code:
            raise SystemExit("strata build ran beside another build")
    run("build", "--select", "dim_carrier")
    run("publish")
    run("maintain", "run", "--select", "dim_carrier", "--select", "fct_payments")
    run("govern", "apply")
    for reader in declared.readers():
        for sql in READ:
            run("query", sql, "--as", reader.name)
    time.sleep(SAVED_WITHIN)


#: What a reader does, in a tool that shows it the catalog first.
READ = (
    "show databases",
    "show tables in serving",
    "select count(*) as n from serving.fct_payments",
)
SAVED_WITHIN = 5


def run(*arguments: str) -> None:
    """Run a command; what it fails with is told."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exit_code:
        raise SystemExit(f"strata {' '.join(arguments)}: {result.output}{result.exception}")


def asked(record: Path) -> Iterator[Asked]:
    """What was asked by the environment's roles."""
    prefix = "role/strata-local-"
    for arn, action, decision, resource in json.loads(record.read_text()):
        name = arn.partition(":")[2].rpartition(":")[2]
        if name.startswith(prefix):
            yield Asked(name.removeprefix(prefix), action, decision, _any_key(resource))


def granted(environment: Environment) -> Iterator[Granted]:
    """What the inline policies of the deployed roles allow."""
    iam = client("iam")
    prefix = environment.resource("")
    for role in iam.get_paginator("list_roles").paginate().search("Roles[].RoleName"):
        if not role.startswith(prefix):
            continue
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            found = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            document = found if isinstance(found, dict) else json.loads(found)
            yield from _allowed(role.removeprefix(prefix), document)


def _allowed(role: str, document: Json) -> Iterator[Granted]:
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            resources = tuple(map(_any_key, _listed(statement["Resource"])))
            for action in _listed(statement["Action"]):
                yield Granted(role, statement.get("Sid", ""), action, resources)


def _any_key(resource: str) -> str:
    """A key's ARN without its id, which is another one in each lakehouse of the tests."""
    return re.sub(r"(:kms:.*:key/).+", r"\1key", resource)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def unused(grants: list[Granted], every: list[Asked], documented: list[Json]) -> Iterator[Granted]:
    """The grants that nobody asked for and no service is documented to."""
    for grant in grants:
        if not any(_uses(one, grant) for one in every) and not _entry(grant, documented):
            yield grant


def missing(demo: list[Asked]) -> Iterator[Asked]:
    """What the demo was denied."""
    yield from (one for one in demo if one.decision == "denied")


def needless(grants: list[Granted], every: list[Asked], documented: list[Json]) -> Iterator[str]:
    """What is documented and granted to nobody, or asked for on the laptop as well."""
    for entry in documented:
        for action in entry["actions"]:
            own = [g for g in grants if g.action == action and _entry(g, [entry])]
            where = f"on_behalf.yml: {action} of {', '.join(entry['roles'])}"
            if not own:
                yield f"{where} is granted to none of them"
            elif all(any(_uses(one, grant) for one in every) for grant in own):
                yield f"{where} is asked for on the laptop: it needs no entry"


def _uses(one: Asked, grant: Granted) -> bool:
    return (
        one.role == grant.role
        and one.decision == "allowed"
        and one.action == grant.action
        and any(fnmatchcase(one.resource, pattern) for pattern in grant.resources)
    )


def _entry(grant: Granted, documented: list[Json]) -> bool:
    return any(
        any(fnmatchcase(grant.role, role) for role in entry["roles"])
        and grant.action in entry["actions"]
        and any(fnmatchcase(r, p) for r in grant.resources for p in entry.get("resources", ["*"]))
        for entry in documented
    )


def tell(grants: list[Granted], every: list[Asked], documented: list[Json]) -> None:
    """A row a role."""
    rows = []
    for role in sorted({grant.role for grant in grants}):
        own = [grant for grant in grants if grant.role == role]
        used = sum(any(_uses(one, grant) for one in every) for grant in own)
        on_behalf = sum(
            _entry(grant, documented) and not any(_uses(one, grant) for one in every)
            for grant in own
        )
        rows.append((role, len(own), used, on_behalf, len(own) - used - on_behalf))
    columns = ("role", "allowed", "asked for", "documented", "unused")
    console.out.print(console.table("Least privilege", columns, rows))


if __name__ == "__main__":
    sys.exit(main())
