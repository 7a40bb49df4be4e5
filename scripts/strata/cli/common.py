"""What the commands share: their options, the environment and the declarations."""

from typing import Annotated

import typer

from local_aws.settings import Settings
from strata import console, dbt, declarations, local
from strata.environment import Environment, choose, client, has_given_role
from strata.ingest import jobs

Env = Annotated[
    str | None, typer.Option("--env", help="Environment: local (default), dev, prod, …")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def ready(env: str | None) -> Environment:
    """The environment of a command; the local one must be up."""
    environment = choose(env)
    if environment.is_local and not has_given_role():
        local.require_up(Settings.from_env())
    return environment


def run_job(
    job: str, source: declarations.Source, environment: Environment, options: dict[str, str]
) -> None:
    """Run a Glue job for one source to its end; raises StrataError when it does not succeed."""
    glue = client("glue")
    run = jobs.follow(jobs.start(job, source, environment, glue, options), glue)
    console.done(f"{source.name}: {job} run {run.run_id} succeeded in {run.seconds} s")


def declared_sources() -> list[declarations.Source]:
    """The sources that the project declares."""
    return declarations.sources(dbt.manifest())
