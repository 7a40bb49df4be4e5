"""`strata deploy`: everything that an environment has, shown before it is changed."""

import json
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from strata import console, declarations, regions
from strata.catalog.plan import make_plan
from strata.cli.catalog import apply_catalog, as_json_data, print_plan
from strata.cli.common import AsJson, Env, declared_sources, ready
from strata.cli.govern import apply_governance, planned
from strata.deploy import (
    change_sets,
    code,
    consumption,
    drift,
    inventory,
    operations,
    order,
    stacks,
)
from strata.deploy.change_sets import Plan
from strata.environment import Environment, client
from strata.errors import StrataError

CHANGED = 2
_STYLES = {"Add": "green", "Remove": "yellow", "Modify": "yellow"}


def deploy(
    env: Env = None,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Only show what would change. Exit code 2: it would.")
    ] = False,
    show_drift: Annotated[
        bool, typer.Option("--drift", help="Only show what changed by hand. Exit code 2: it did.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for CI.")] = False,
    as_json: AsJson = False,
) -> None:
    """Deploy the CloudFormation stacks and the catalog: what is up to date is left alone.

    Each stack gets a change set. They are shown (what removes or replaces data in red), you are
    asked once, and they are executed in order; the laptop does not ask. A deployment that failed
    or was killed goes on where it was when it is run again.

    In an account STRATA_NETWORK=on runs the jobs in a VPC without a way to the internet, and
    STRATA_AUDIT=off leaves out the audit trail; STRATA_REDSHIFT=on and STRATA_QUICKSIGHT=<arn> let
    them read what is published (docs/deploy.md).

    Exit codes: 0 done or nothing to do, 1 failed or declined, 2 there are changes (--plan) or
    drift (--drift).
    """
    if as_json and not (plan_only or show_drift):
        raise StrataError("--json shows, and deploys nothing", "add --plan, or --drift")
    environment = ready(env)
    if show_drift:
        _drift(environment, as_json)
    elif plan_only:
        _plan(environment, declared_sources(), as_json)
    else:
        _refuse_without_terminal(environment, yes)
        sources = declared_sources()
        changed = deploy_all(environment, sources, asks=not (yes or environment.is_local))
        _print_outputs(changed)
        for system, secret in order.uncaptured(environment, sources).items():
            console.next_step(f"{system} is not captured yet: create the secret {secret}")
        console.next_step("strata ingest --help, then strata build")


def deploy_all(
    environment: Environment, sources: list[declarations.Source], asks: bool = False
) -> list[str]:
    """Deploy all stacks in their order, the catalog among them; `asks` before anything changes.

    Returns the names of the stacks that changed.
    Raises typer.Abort when the answer is no: nothing has changed then.
    """
    artifacts = code.packaged(sources)
    storage, *shared = order.shared(environment, artifacts, sources)
    of_sources = order.of_sources(environment, sources, artifacts)
    wanted = [storage, *shared, *of_sources]
    regions.require(environment.region, [stack.body() for stack in wanted])
    with _planned(wanted, environment) as plans:
        changing = list(plans)
        _show(plans.values(), len(wanted))
        if asks and plans:
            typer.confirm("Deploy this?", abort=True)
        _bring([storage], plans, environment)
        code.upload(artifacts, environment.bucket("artifacts"), client("s3"))
        _bring(shared, plans, environment)
        if consumption.has_redshift(environment):
            hours = consumption.keep_limit(environment, client("redshift-serverless"))
            console.done(f"Redshift: at most {hours} RPU hours a day")
        # Firehose reads the Glue tables of the sources that it converts.
        apply_catalog(sources, environment, allow_breaking=False)
        apply_governance(environment, quiet=True)
        _bring(of_sources, plans, environment)
    return changing


@contextmanager
def _planned(wanted: list[stacks.Stack], environment: Environment) -> Iterator[dict[str, Plan]]:
    """The plans of the stacks that are not up to date; those that are left in the end are undone."""
    cloudformation = client("cloudformation")
    deployer = _deployer()
    plans: dict[str, Plan] = {}
    try:
        with console.progress() as bar:
            for stack in bar.track(wanted, description=f"comparing with {environment.name}"):
                plan = change_sets.make(stack, deployer, cloudformation, console.step)
                if plan:
                    plans[stack.name] = plan
        yield plans
    finally:
        for plan in plans.values():
            with suppress(ClientError, BotoCoreError):  # what went wrong before is what is told
                change_sets.discard(plan, cloudformation)


def _deployer() -> str:
    caller = client("sts").get_caller_identity()["Arn"]
    return f"{caller} at {socket.gethostname()}"


def _bring(wanted: list[stacks.Stack], plans: dict[str, Plan], environment: Environment) -> None:
    """Bring stacks up to date; their plans are taken out of `plans`."""
    cloudformation = client("cloudformation")
    for stack in wanted:
        if stack.name in plans:
            plan = plans[stack.name] = _executable(plans[stack.name], cloudformation)
            word = followed(stack.name, len(plan.changes), operations.execute, plan)
            del plans[stack.name]
            console.done(f"{stack.name}: {word}")
        if environment.is_production:
            operations.protect(stack.name, cloudformation)


def _executable(plan: Plan, cloudformation: Any) -> Plan:
    """A plan with its change set, which could not be made before its time had come."""
    if plan.change_set:
        return plan
    if plan.replaces_failed_creation:
        followed(f"deleting {plan.stack.name}", 1, operations.delete, plan.stack.name)
    made = change_sets.make(plan.stack, _deployer(), cloudformation, console.step)
    if made is None or made.change_set is None:
        reason = made.pending if made else "somebody else deployed it"
        raise StrataError(f"stack {plan.stack.name} cannot be deployed: {reason}", "deploy again")
    return made


def followed(title: str, count: int, operation: Callable[..., Any], *given: Any) -> Any:
    """Run an operation on a stack under a bar of `count` resources; a log tells its begin."""
    if not console.err.is_terminal:
        console.step(f"{title} ({count} resources)")
    with console.progress() as bar:
        task = bar.add_task(title, total=count)

        def watch(event: operations.Event) -> None:
            own = event["PhysicalResourceId"] != event["StackId"]
            if own and event["ResourceStatus"].endswith(("_COMPLETE", "_SKIPPED")):
                bar.advance(task)

        return operation(*given, client("cloudformation"), watch)


def _plan(environment: Environment, sources: list[declarations.Source], as_json: bool) -> None:
    artifacts = code.packaged(sources)
    wanted = [
        *order.shared(environment, artifacts, sources),
        *order.of_sources(environment, sources, artifacts),
    ]
    with _planned(wanted, environment) as plans:
        tables = make_plan(sources, environment, client("glue"))
        governed = planned(environment)
        if as_json:
            told = [_as_json(plan) for plan in plans.values()]
            parts = {"stacks": told, "catalog": as_json_data(tables), "governance": governed}
            print(json.dumps(parts, default=list))
        else:
            _show(plans.values(), len(wanted))
            print_plan(tables)
            console.done(f"governance: {len(governed)} to change (strata govern plan shows them)")
        is_same = not plans and tables.is_empty and not governed
    if not is_same:
        raise typer.Exit(CHANGED)


def _as_json(plan: Plan) -> dict[str, Any]:
    changes = [
        {**asdict(change), "endangers_data": change.endangers_data} for change in plan.changes
    ]
    return {"stack": plan.stack.name, "pending": plan.pending, "changes": changes}


def _show(plans: Iterable[Plan], count: int) -> None:
    plans = list(plans)
    rows = [row for plan in plans for row in _rows(plan)]
    if rows:
        columns = ("stack", "action", "resource", "type", "replacement")
        console.out.print(console.table("Changes", columns, rows))
    if any(change.endangers_data for plan in plans for change in plan.changes):
        console.out.print("[red]What is red holds data: look at it before you go on.[/]")
    console.done(f"{len(plans)} of {count} stacks to change")


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """A row each resource; a new stack only adds, which one row says."""
    name = plan.stack.name
    if plan.is_creation:
        types = Counter(change.type.removeprefix("AWS::") for change in plan.changes)
        made = ", ".join(f"{count} {type_}" for type_, count in sorted(types.items()))
        what = f"{len(plan.changes)} resources" if plan.changes else "all"
        yield name, "[green]Add[/]", what, made or escape(plan.pending), ""
        return
    for change in plan.changes:
        if not change.is_tag_only:
            style = "red" if change.endangers_data else _STYLES.get(change.action, "yellow")
            fate = " ".join(filter(None, (change.replacement, change.policy)))
            cells = (change.action, change.logical_id, change.type, fate)
            yield name, *(f"[{style}]{cell}[/]" if cell else "" for cell in cells)
    tagged = sum(change.is_tag_only for change in plan.changes)
    if tagged:
        yield name, "Modify", f"{tagged} resources", "the stack's tag only", "False"


def _print_outputs(names: list[str]) -> None:
    """The outputs of the stacks that changed."""
    cloudformation = client("cloudformation")
    for name in names:
        for output in change_sets.describe(name, cloudformation).get("Outputs", []):
            text = f"  {name} {output['OutputKey']} = {output['OutputValue']}"
            console.out.print(text, markup=False, soft_wrap=True)


def _refuse_without_terminal(environment: Environment, yes: bool) -> None:
    if not (yes or environment.is_local or sys.stdin.isatty()):
        command = f"strata deploy --env {environment.name}"
        raise StrataError(
            "there is no terminal to ask on", f"look with {command} --plan, then {command} --yes"
        )


def _drift(environment: Environment, as_json: bool) -> None:
    cloudformation = client("cloudformation")
    found = inventory.deployed(environment, cloudformation)
    if not found:
        raise StrataError(f"{environment.name} has no stacks", "strata deploy")
    drifts = []
    with console.progress() as bar:
        for stack in bar.track(found, description="looking for drift"):
            drifts.append(drift.detect(stack["StackName"], cloudformation))
    if as_json:
        print(json.dumps([asdict(found) for found in drifts]))
    else:
        _print_drift(drifts)
    if any(found.resources for found in drifts):
        raise typer.Exit(CHANGED)


def _print_drift(drifts: list[drift.StackDrift]) -> None:
    columns = ("stack", "resource", "type", "property", "expected", "actual")
    rows = [
        (found.stack, resource.logical_id, resource.type, *map(escape, difference))
        for found in drifts
        for resource in found.resources
        for difference in resource.differences
    ]
    if rows:
        console.out.print(console.table("Drift", columns, rows))
        console.next_step("undo it by hand, or change the template to it: a deployment does not")
    checked, skipped = sum(d.checked for d in drifts), sum(d.not_checked for d in drifts)
    console.done(
        f"{len(rows)} differences in {len(drifts)} stacks: {checked} resources looked at, "
        f"{skipped} of types that CloudFormation cannot check"
    )
