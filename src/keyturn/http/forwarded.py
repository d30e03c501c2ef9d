"""Who is really asking, and whether over TLS, when proxies stand between."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from keyturn.errors import KeyturnError
from keyturn.http.headers import Headers

Network = IPv4Network | IPv6Network


_OF_PROXIES = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)


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


def was_forwarded(headers: Headers) -> bool:
    """Whether a proxy says that it passed a request on. A client may say so too, but cannot keep a proxy from it."""
    return any(name in headers for name in _OF_PROXIES)


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is, if it is one; an IPv4 address in IPv6 clothes is the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _listed(text: str, networks: Collection[Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=1024)
def _direct(peer: str, proxies: tuple[Network, ...]) -> Client | None:
    """The client at the other end of the socket, if that is no listed proxy."""
    if _listed(peer, proxies):
        return None
    address = _address(peer)
    # A Unix socket has no address, and is nobody's but this machine's.
    return Client(peer, trusted=not peer or (address is not None and address.is_loopback))


def client_of(peer: str, headers: Headers, proxies: Collection[Network]) -> Client:
    """The client of a request.

    `X-Forwarded-For` is believed only from a listed proxy, and then its right-most entry that is no listed proxy itself:
    whatever stands to the left of it, the client may have written.

    Args:
        peer: the address at the other end of the socket; empty for a Unix socket.
        headers: of the request.
        proxies: the listed ones.
    """
    direct = _direct(peer, tuple(proxies))
    if direct is not None:
        return direct
    hops = [hop.strip(" \t") for value in headers.all(b"x-forwarded-for") for hop in value.split(",")]
    while hops:
        hop = hops.pop()
        if not _listed(hop, proxies):
            # A zone (RFC 4007) means something on one machine only, and may be any text.
            return Client(hop if _address(hop) and "%" not in hop else peer, trusted=True)
    return Client(peer, trusted=True)
