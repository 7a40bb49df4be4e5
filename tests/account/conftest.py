"""The suite that works in an account: only where it is asked for (docs/testing.md)."""

import os

# It makes and destroys an environment: nobody runs it by running all tests.
collect_ignore_glob = [] if os.environ.get("STRATA_ACCOUNT_TESTS") == "1" else ["test_*.py"]
