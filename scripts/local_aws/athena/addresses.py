"""IP addresses: Trino's `ipaddress`, kept as 16 bytes; one of version 4 is mapped into version 6.

https://trino.io/docs/current/language/types.html#ipaddress
"""

from __future__ import annotations

import ipaddress

_MAPPED = bytes(10) + b"\xff\xff"


def parse(text: str) -> bytes | None:
    """The bytes of an address, or None for what is none."""
    try:
        return widened(ipaddress.ip_address(text).packed)
    except ValueError:
        return None


def widened(data: bytes) -> bytes | None:
    """An address of 4 or 16 bytes as 16, or None for another length."""
    if len(data) == 4:
        return _MAPPED + data
    return data if len(data) == 16 else None


def text(data: bytes) -> str:
    """An address as it is printed."""
    address = ipaddress.IPv6Address(data)
    return str(address.ipv4_mapped or address)


def contains(network: str, data: bytes) -> bool:
    """Whether a network, as `10.0.0.0/8`, has an address. Raises ValueError for what is none."""
    if "/" not in network:
        raise ValueError(f"Invalid CIDR: {network}")
    address = ipaddress.IPv6Address(data)
    return (address.ipv4_mapped or address) in ipaddress.ip_network(network)
