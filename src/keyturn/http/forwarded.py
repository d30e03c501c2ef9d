"""Who is really asking, and whether over TLS, when proxies stand between."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from keyturn.errors import KeyturnError
from keyturn.http.headers import RawHeaders, all_values

Network = IPv4Network | IPv6Network


class HttpsRequired(KeyturnError):
    code = "https_required"
    message = "Use https. If a proxy ends TLS in front of this server, list its address in KEYTURN_TRUSTED_PROXIES."


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Attributes:
        address: the client's, as far as it can be trusted.
        trusted: whether plain http is acceptable from the peer: loopback, or a proxy that ends TLS.
    """

    address: str
    trusted: bool


def _address_in(text: str, networks: Collection[Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def client_of(peer: str, headers: RawHeaders, proxies: Collection[Network]) -> Client:
    """The client of a request.

    `X-Forwarded-For` is believed only from a listed proxy, and then its right-most entry that is no listed proxy itself:
    whatever stands to the left of it, the client may have written.

    Args:
        peer: the address at the other end of the socket; empty for a Unix socket.
        headers: of the request.
        proxies: the listed ones.
    """
    if not _address_in(peer, proxies):
        return Client(peer, trusted=_is_loopback(peer))
    hops = [hop.strip() for value in all_values(headers, b"x-forwarded-for") for hop in value.split(",")]
    while hops:
        hop = hops.pop()
        if not _address_in(hop, proxies):
            return Client(hop if _is_address(hop) else peer, trusted=True)
    return Client(peer, trusted=True)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(peer: str) -> bool:
    return peer == "" or (_is_address(peer) and ip_address(peer).is_loopback)
