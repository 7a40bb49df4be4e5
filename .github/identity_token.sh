#!/usr/bin/env bash
# Fetch the job's identity token from GitHub; boto3 takes the role by itself, for an hour.
# https://docs.github.com/en/actions/reference/security/oidc
set -euo pipefail
umask 077
curl --silent --show-error --fail \
  --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["value"], end="")' \
    >"$AWS_WEB_IDENTITY_TOKEN_FILE"
