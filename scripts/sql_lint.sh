#!/usr/bin/env bash
# sqlfluff with the dbt templater needs an Athena that answers: a throw-away local AWS.
set -euo pipefail
cd "$(dirname "$0")/.."

export STRATA_STATE
STRATA_STATE=$(mktemp -d)
STRATA_PORT=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export STRATA_PORT
trap '.venv/bin/strata local down >/dev/null; rm -rf "$STRATA_STATE"' EXIT
.venv/bin/strata local up >/dev/null
.venv/bin/strata deploy >/dev/null
eval "$(.venv/bin/strata env)"
if [[ "${FIX:-}" ]]; then
    .venv/bin/sqlfluff fix --quiet models macros snapshots tests/dbt
else
    .venv/bin/sqlfluff lint --quiet --processes 2 models snapshots tests/dbt
fi
