"""`strata consumption`: Redshift over what is published."""

import boto3
import typer

from strata import console
from strata.cli.common import Env
from strata.deploy import consumption
from strata.environment import choose
from strata.errors import StrataError

app = typer.Typer(no_args_is_help=True, help="Redshift and QuickSight over what is published.")


@app.command("sql")
def consumption_sql(env: Env = None) -> None:
    """Print the SQL that shows `serving` to Redshift; run it there once, as the admin.

    Needs STRATA_CONSUMPTION_READER, and STRATA_REDSHIFT=on as the deployment had it.
    """
    environment = choose(env)
    reader = consumption.reader(environment)
    if reader is None or not consumption.has_redshift(environment):
        raise StrataError(
            f"{environment.name} has no Redshift",
            "export STRATA_REDSHIFT=on and strata deploy: docs/deploy.md; a laptop has none",
        )
    partition = boto3.Session().get_partition_for_region(environment.region)
    print(consumption.external_schema(environment, reader.role, partition))
    console.err.print("next: paste it into Redshift's query editor, as strata_admin")
