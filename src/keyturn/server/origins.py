"""Origins: the scheme, host and port that a browser compares, written the way a browser writes them."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, ip_address

from pydantic_core import Url

_HOST = re.compile(r"\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_V4 = IPv4Network("127.0.0.0/8")
_LOOPBACK_V6 = IPv6Address("::1")


def origin_of(url: str) -> str:
    """The origin that a URL consists of, as a browser serialises it (RFC 6454, section 6.2).

    Args:
        url: scheme, host and perhaps a port; one trailing slash is tolerated.

    Returns:
        The origin: host in lower case, international names in their ASCII form, no default port.

    Raises:
        ValueError: the URL holds more or less than an origin.
    """
    try:
        parsed = Url(url)
    except ValueError:
        # The parser's own error quotes its input, which may hold a password.
        raise ValueError("is not a URL") from None
    extra = (parsed.username, parsed.password, parsed.query, parsed.fragment)
    host, default_port = parsed.host or "", _DEFAULT_PORTS.get(parsed.scheme)
    if default_port is None or parsed.path != "/" or extra != (None,) * 4:
        raise ValueError("is more or less than scheme, host and port")
    if not _HOST.fullmatch(host) or not parsed.port:
        raise ValueError("has no proper host or port")
    port = "" if parsed.port == default_port else f":{parsed.port}"
    return f"{parsed.scheme}://{host}{port}"


def is_loopback_host(host: str) -> bool:
    """Whether a host is this machine by definition: `localhost`, 127.0.0.0/8 or ::1 (with or without brackets)."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return address == _LOOPBACK_V6 or address in _LOOPBACK_V4


def is_loopback_origin(origin: str) -> bool:
    """Whether an origin, exactly as a browser writes it, is on this machine; any scheme of the web, any port."""
    try:
        return origin == origin_of(origin) and is_loopback_host(host_of(origin))
    except ValueError:
        return False


def host_of(origin: str) -> str:
    """The host of a well-formed origin; an IPv6 address in brackets."""
    return Url(origin).host or ""


def may_be_same_site(one: str, other: str) -> bool:
    """Whether two well-formed origins can belong to one site.

    A site is the scheme and the registrable domain. Telling the registrable domain takes the public suffix list; without
    it this much is certain: the schemes are equal, and so are the hosts or, for domain names, at least their last two labels.
    """
    if one.partition(":")[0] != other.partition(":")[0]:
        return False
    host, other_host = host_of(one), host_of(other)
    labels = host.split(".")
    is_name = len(labels) > 1 and not labels[-1].isdigit()
    return host == other_host or (is_name and labels[-2:] == other_host.split(".")[-2:])
