"""The deployment of everything that an environment has."""

from strata import console, declarations
from strata.cli.catalog import apply_catalog
from strata.deploy import cdc, code, stacks
from strata.environment import Environment, client


def deploy_all(environment: Environment, sources: list[declarations.Source]) -> None:
    """Deploy all stacks in their order, the catalog among them."""
    cloudformation = client("cloudformation")

    def deploy(stack: stacks.Stack) -> None:
        console.done(f"{stack.name}: {stacks.deploy(stack, cloudformation)}")

    deploy(stacks.storage_stack(environment))
    if stacks.has_network(environment):
        deploy(stacks.network_stack(environment, client("ec2")))
    artifacts = code.upload(sources, environment.bucket("artifacts"), client("s3"))
    for stack in stacks.shared_stacks(environment, artifacts, sources):
        deploy(stack)
    if stacks.has_audit(environment):
        deploy(stacks.audit_stack(environment))
    # Firehose reads the Glue tables of the sources that it converts: they come before the streams.
    apply_catalog(sources, environment, allow_breaking=False)
    for source in sources:
        if source.ingest == "stream":
            deploy(stacks.source_stack(source, environment))
        deploy(stacks.alarm_stack(source, environment))
    for stack in stacks.consumer_stacks(sources, environment, artifacts):
        deploy(stack)
    for system, tables in cdc.captured_systems(sources).items():
        secret = None
        if not environment.is_local:
            secret = cdc.find_secret(system, environment, client("secretsmanager"))
            if secret is None:
                name = cdc.secret_name(system, environment)
                console.next_step(f"{system} is not captured yet: create the secret {name}")
                continue
        deploy(cdc.cdc_stack(system, tables, environment, secret))
