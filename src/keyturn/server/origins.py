"""Origins: the scheme, host and port that a browser compares, written the way a browser writes them."""

from __future__ import annotations

import re

from pydantic_core import Url

from keyturn.http.origin import is_loopback_host

_HOST = re.compile(r"\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


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
    default_port = _DEFAULT_PORTS.get(parsed.scheme)
    extra = (parsed.username, parsed.password, parsed.query, parsed.fragment)
    if default_port is None or parsed.path != "/" or any(part is not None for part in extra):
        raise ValueError("is more or less than scheme, host and port")
    host = parsed.host or ""
    if not _HOST.fullmatch(host) or not parsed.port:
        raise ValueError("has no proper host or port")
    port = "" if parsed.port == default_port else f":{parsed.port}"
    return f"{parsed.scheme}://{host}{port}"


def may_be_same_site(one: str, other: str) -> bool:
    """Whether two well-formed origins can belong to one site, so that a browser sends the cookies of one to the other.

    A site is the scheme and the registrable domain. Telling the registrable domain takes the public suffix list; without
    it this much is certain: the schemes are equal, and so are the hosts or, for domain names, at least their last two labels.
    All loopback hosts count as one site.
    """
    this, that = Url(one), Url(other)
    host, other_host = this.host or "", that.host or ""
    if this.scheme != that.scheme:
        return False
    if is_loopback_host(host):
        return is_loopback_host(other_host)
    labels = host.split(".")
    is_name = not labels[-1].isdigit()
    return host == other_host or (is_name and labels[-2:] == other_host.split(".")[-2:])
