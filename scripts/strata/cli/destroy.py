"""`strata destroy`: take an environment down, and say what stays."""

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape

from strata import console
from strata.cli.common import Env, ready
from strata.cli.deploy import followed
from strata.deploy import inventory, leftovers, operations
from strata.environment import Environment, client
from strata.errors import StrataError
from strata.ingest import cdc


def destroy(
    env: Env = None,
    delete_data: Annotated[
        bool,
        typer.Option("--delete-data", help="Also all objects with their versions, and the keys."),
    ] = False,
    confirm: Annotated[
        str | None, typer.Option("--confirm", help="The environment's name, typed beforehand.")
    ] = None,
) -> None:
    """Delete the stacks of an environment, those first that import from others.

    Refuses prod, stacks with termination protection, and, unless --delete-data is given, an
    environment whose buckets hold data. You type the environment's name to go on. Buckets, keys
    and secrets outlive their stacks: without --delete-data they are listed with the commands that
    remove them. Killed, it goes on where it was when it is run again.

    Exit codes: 0 done or nothing to do, 1 refused or failed.
    """
    environment = ready(env)
    cloudformation = client("cloudformation")
    stacks = inventory.importers_first(
        inventory.deployed(environment, cloudformation), cloudformation
    )
    _refuse_protected(environment, stacks)
    if not delete_data:
        _refuse_data(environment)
    if not stacks and not (delete_data and leftovers.kept(environment, client)):
        console.done(f"{environment.name} has no stacks")
        _tell_kept(environment)
        return
    _ask(environment, len(stacks), delete_data, confirm)
    for stack in stacks:
        name = stack["StackName"]
        held = inventory.resources(name, cloudformation)
        _stop_replications(held)
        followed(f"deleting {name}", len(held), operations.delete, name)
        console.done(f"{name}: deleted")
    if delete_data:
        _erase(environment)
    _tell_kept(environment)


def _refuse_protected(environment: Environment, stacks: list[dict[str, Any]]) -> None:
    if environment.is_production:
        raise StrataError(
            "prod is not destroyed by a command",
            "delete its stacks by hand, after turning off their termination protection",
        )
    protected = [s["StackName"] for s in stacks if s.get("EnableTerminationProtection")]
    if protected:
        raise StrataError(
            f"stacks with termination protection: {', '.join(protected)}",
            "turn it off first: aws cloudformation update-termination-protection "
            f"--no-enable-termination-protection --stack-name {protected[0]}",
        )


def _refuse_data(environment: Environment) -> None:
    held = leftovers.held_data(environment, client("s3"))
    if held:
        buckets = "\n".join(f"  {bucket}: {count} objects" for bucket, count in held.items())
        raise StrataError(
            f"{environment.name} holds data:\n{buckets}",
            "copy what is needed; then strata destroy "
            f"--env {environment.name} --delete-data deletes it for good",
        )


def _ask(environment: Environment, count: int, delete_data: bool, confirm: str | None) -> None:
    what = f"{count} stacks of {environment.name} in account {environment.account}"
    if delete_data:
        what += ", and all their data"
    if confirm is None and sys.stdin.isatty():
        console.out.print(f"[red]This deletes {what}.[/]")
        confirm = typer.prompt("Type the environment's name to go on")
    if confirm != environment.name:
        raise StrataError(
            f"nothing was deleted: {what} would be",
            f"confirm with the environment's name: --confirm {environment.name}",
        )


def _stop_replications(resources: list[dict[str, Any]]) -> None:
    """DMS deletes no replication that runs."""
    dms = client("dms")
    for resource in resources:
        if resource["ResourceType"] == "AWS::DMS::ReplicationConfig":
            arn = resource["PhysicalResourceId"]
            filters = [{"Name": "replication-config-arn", "Values": [arn]}]
            for found in dms.describe_replications(Filters=filters)["Replications"]:
                replication = cdc.find(found["ReplicationConfigIdentifier"], dms)
                if cdc.stop(replication, dms):
                    console.step(f"stopping the replication {replication.name}")
                    cdc.follow(replication, lambda seen: seen.status == "stopped", dms)


def _erase(environment: Environment) -> None:
    tables = leftovers.forget_tables(environment, client("glue"))
    for what in [*tables, *leftovers.forget_governance(client("lakeformation"))]:
        console.done(f"{what}: deleted")
    for one in leftovers.kept(environment, client):
        if leftovers.erasable(one, environment):
            console.step(f"erasing {one.physical_id}")
            leftovers.erase(one, client)


def _tell_kept(environment: Environment) -> None:
    kept = leftovers.kept(environment, client)
    if not kept:
        console.done("nothing is kept")
        return
    console.out.print("Kept, with what removes each for good:")
    for one in kept:
        text = f"  {one.type} of {one.stack}: {escape(one.removal)}"
        console.out.print(text, soft_wrap=True)
    console.next_step("a new deployment needs the names of buckets and secrets: remove them first")
