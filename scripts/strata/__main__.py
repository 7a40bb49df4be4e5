"""`python -m strata`: the command line where the package is not installed."""

from strata.cli import main

main()
