"""All stacks of an environment, each after those whose exports it imports."""

from collections.abc import Iterable

from strata.declarations import Source
from strata.deploy import cdc, consumption, stacks
from strata.deploy.code import Artifacts
from strata.deploy.stacks import Stack
from strata.environment import Environment, client
from strata.governance.declared import readers
from strata.governance.stacks import governance_stack, reader_stacks


def shared(environment: Environment, artifacts: Artifacts, sources: list[Source]) -> list[Stack]:
    """What all sources share, the storage first."""
    found = [stacks.storage_stack(environment)]
    if stacks.has_network(environment):
        found.append(stacks.network_stack(environment, client("ec2")))
    found += stacks.shared_stacks(environment, artifacts, sources)
    if stacks.has_audit(environment):
        found.append(stacks.audit_stack(environment))
    found.append(governance_stack(environment))
    found.append(stacks.orchestration_stack(environment, artifacts))
    found += reader_stacks(readers(), environment)
    return found + consumption.consumption_stacks(environment)


def of_sources(
    environment: Environment, sources: list[Source], artifacts: Artifacts
) -> list[Stack]:
    """The stacks of the declared sources, which need their tables in the catalog.

    A system whose database nobody has given yet has none: `uncaptured` names it.
    """
    found = []
    for source in sources:
        if source.ingest == "stream":
            found.append(stacks.source_stack(source, environment))
        found.append(stacks.alarm_stack(source, environment))
    found += stacks.consumer_stacks(sources, environment, artifacts)
    for system, tables in cdc.captured_systems(sources).items():
        secret = _secret(system, environment)
        if secret or environment.is_local:
            found.append(cdc.cdc_stack(system, tables, environment, secret))
    return found


def uncaptured(environment: Environment, sources: Iterable[Source]) -> dict[str, str]:
    """The systems that are not captured yet, and the secrets that would give their databases."""
    if environment.is_local:
        return {}
    return {
        system: cdc.secret_name(system, environment)
        for system in cdc.captured_systems(sources)
        if _secret(system, environment) is None
    }


def _secret(system: str, environment: Environment) -> str | None:
    """The laptop's databases are files, and have no secrets."""
    if environment.is_local:
        return None
    return cdc.find_secret(system, environment, client("secretsmanager"))
