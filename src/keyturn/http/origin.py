"""Whether an unsafe request may come from where a browser says it comes from, and which origins are ours."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

from keyturn.errors import KeyturnError
from keyturn.http.headers import Headers

MAX_PORT = 65_535
_HTTP_ORIGIN = re.compile(r"http://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE | re.ASCII)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class CrossOrigin(KeyturnError):
    code = "cross_origin"
    message = "This request came from another site. If that site is yours, list it in KEYTURN_ALLOWED_ORIGINS."


def is_loopback_host(host: str) -> bool:
    """Whether a host name or address (IPv6 with or without brackets) is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_loopback_origin(origin: str) -> bool:
    """Whether a text is a loopback origin over http, whatever its port, and nothing more."""
    parts = _HTTP_ORIGIN.fullmatch(origin)
    return parts is not None and is_loopback_host(parts[1]) and 0 < int(parts[2] or 80) <= MAX_PORT


class OriginPolicy:
    """Which origins are ours.

    Args:
        issuer: our own origin. With a loopback one over http, any loopback name and port counts as ours.
        allowed: other origins that may send unsafe requests and read the answers, compared to the letter.
    """

    def __init__(self, issuer: str, allowed: Collection[str] = ()) -> None:
        self._issuer = issuer
        self._allowed = frozenset(allowed)
        self._loopback = is_loopback_origin(issuer)

    def is_allowed(self, origin: str) -> bool:
        """Whether an origin was listed; only such a one gets CORS headers."""
        return origin in self._allowed

    def is_ours(self, origin: str) -> bool:
        return origin == self._issuer or (self._loopback and is_loopback_origin(origin))

    def check(self, method: str, headers: Headers) -> None:
        """Refuse an unsafe request that a browser says came from elsewhere.

        A request with neither `Sec-Fetch-Site` nor `Origin` comes from no browser of this decade, and passes.

        Raises:
            CrossOrigin
        """
        if method in SAFE_METHODS:
            return
        origin = headers.single(b"origin")
        if origin is not None and self.is_allowed(origin):
            return
        site = headers.single(b"sec-fetch-site")
        passes = site == "same-origin" if site is not None else origin is None or self.is_ours(origin)
        if not passes:
            raise CrossOrigin
