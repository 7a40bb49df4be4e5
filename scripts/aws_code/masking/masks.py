"""The masks: redaction, a keyed hash, the last four characters of a card number."""

from __future__ import annotations

import hmac
import json
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import boto3

REDACTED = "***"
_KEY_SECONDS = 300


@dataclass(frozen=True)
class Key:
    """The key of the hash and its version, which each hash carries."""

    version: str
    secret: bytes


def load_key(secrets: Any, secret_id: str) -> Key:
    """Read the key from Secrets Manager: a JSON object with `version` and `key`."""
    value = json.loads(secrets.get_secret_value(SecretId=secret_id)["SecretString"])
    return Key(version=value["version"], secret=value["key"].encode())


def current_key(secret_id: str) -> Key:
    """The key for a function that lives on while it rotates: read anew every five minutes."""
    return _key_of(secret_id, int(time.time() // _KEY_SECONDS))


@lru_cache(maxsize=1)
def _key_of(secret_id: str, period: int) -> Key:
    return load_key(boto3.client("secretsmanager"), secret_id)


def mask(value: str, how: str, key: Key) -> str:
    """`value` masked by `hash`, `redact` or `last4`; raises ValueError for another mask.

    The hash is HMAC-SHA-256 of the trimmed, folded value, so that one address written in two ways
    is one; hashes of two key versions are not comparable.
    """
    if how == "redact":
        return REDACTED
    if how == "hash":
        folded = value.strip().lower().encode()
        return f"{key.version}:{hmac.digest(key.secret, folded, 'sha256').hex()}"
    if how == "last4":
        digits = value if value.isdigit() else "".join(filter(str.isdigit, value))
        return "*" * 12 + digits[-4:] if len(digits) > 4 else REDACTED
    raise ValueError(f"unknown mask {how!r}: use hash, redact or last4")
