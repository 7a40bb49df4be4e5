"""Which stacks an environment has in its account, in which order, and what they hold."""

from collections.abc import Iterable, Iterator
from typing import Any

from strata.environment import Environment

Json = dict[str, Any]


def deployed(environment: Environment, cloudformation: Any) -> list[Json]:
    """The environment's stacks, as DescribeStacks tells them."""
    prefix = environment.resource("")
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    return [
        stack
        for page in pages
        for stack in page["Stacks"]
        if stack["StackName"].startswith(prefix) and _of(stack, environment)
    ]


def _of(stack: Json, environment: Environment) -> bool:
    """Names could begin alike: every template of Strata takes its environment as a parameter.

    A stack that never came to exist has none yet.
    """
    given = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}
    return given.get("Environment", environment.name) == environment.name


def importers_first(stacks: Iterable[Json], cloudformation: Any) -> list[Json]:
    """Stacks, each before those whose exports it imports: the order to delete them in."""
    stacks = list(stacks)
    importers = {stack["StackName"]: _importers(stack, cloudformation) for stack in stacks}
    ordered: list[Json] = []
    while stacks:
        names = {stack["StackName"] for stack in stacks}
        free = [s for s in stacks if not importers[s["StackName"]] & names - {s["StackName"]}]
        ordered += free or stacks  # CloudFormation allows no circle; it would say so
        stacks = [stack for stack in stacks if stack not in ordered]
    return ordered


def _importers(stack: Json, cloudformation: Any) -> set[str]:
    found: set[str] = set()
    for output in stack.get("Outputs", []):
        if "ExportName" in output:
            found |= set(_imports(output["ExportName"], cloudformation))
    return found


def _imports(export: str, cloudformation: Any) -> Iterator[str]:
    """The stacks that import a value; CloudFormation calls it an error that there are none."""
    pages = cloudformation.get_paginator("list_imports").paginate(ExportName=export)
    try:
        for page in pages:
            yield from page["Imports"]
    except cloudformation.exceptions.ClientError as error:
        if "is not imported by any stack" not in str(error):
            raise


def resources(stack: str, cloudformation: Any) -> list[Json]:
    """The resources of a stack, as ListStackResources tells them."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return [resource for page in pages for resource in page["StackResourceSummaries"]]
