"""Run the local AWS in the foreground: `python -m local_aws`."""

import sys

from local_aws.server import run
from local_aws.settings import Settings

if __name__ == "__main__":
    try:
        settings = Settings.from_env()
    except ValueError as error:
        sys.exit(str(error))
    run(settings)
