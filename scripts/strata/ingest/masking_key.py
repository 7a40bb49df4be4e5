"""The key of the hash that masks personal data: a secret with a version, which hashes carry."""

import json
import secrets
from typing import Any

from strata.environment import Environment
from strata.errors import StrataError

_BYTES = 32


def rotate(environment: Environment, secrets_manager: Any) -> str:
    """Put a new key into the environment's secret; returns its version.

    The key before stays in Secrets Manager as AWSPREVIOUS. Raises StrataError when the secret has no
    version to count from.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
    """
    name = environment.resource("masking-key")
    present = json.loads(secrets_manager.get_secret_value(SecretId=name)["SecretString"])
    number = str(present.get("version", "")).removeprefix("v")
    if not number.isdigit():
        raise StrataError(
            f"secret {name}: version {present.get('version')!r} is not v<number>",
            'write it as {"version": "v1", "key": "…"}',
        )
    version = f"v{int(number) + 1}"
    value = json.dumps({"version": version, "key": secrets.token_hex(_BYTES)})
    secrets_manager.put_secret_value(SecretId=name, SecretString=value)
    return version
