"""Where a client is, as far as it can be counted: who has an IPv6 address has 2**64 of them."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

IPV6_PREFIX = 64
"""Bits. What a customer is given at the least (RFC 6177): within it, addresses are changed at will."""


def network_of(address: str) -> str:
    """What an address is counted by: an IPv4 address by itself, an IPv6 address by its /64.

    Args:
        address: of a client.

    Returns:
        The network; empty for what tells nobody apart: this machine, a proxy on it that is not listed, a Unix socket.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if parsed.is_loopback:
        return ""
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), IPV6_PREFIX), strict=False))
    return str(parsed)
