"""Devices that have signed in to an account before: told by a cookie, so that what strangers do never makes them wait.

The idea is that of OWASP's device cookies. The cookie names a device by random bits, and has one tag for each of the last
accounts that it signed in to: an HMAC over device and account; and one over the device alone, for where nobody knows yet who
comes. It opens nothing: a password is asked for all the same.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from joserfc.util import urlsafe_b64encode

from keyturn.core.keyring import KeyRing
from keyturn.ports import Entropy, fresh_id

COOKIE_SECONDS = 180 * 86_400
MAX_ACCOUNTS = 4
"""Of one device: the last ones that somebody signed in to."""

_COOKIE = re.compile(rf"([0-9a-f]{{24}})((?:\.[A-Za-z0-9_-]{{22}}){{1,{MAX_ACCOUNTS + 1}}})")
_PURPOSE = b"keyturn known devices"


@dataclass(frozen=True, slots=True)
class KnownDevices:
    """Makes and reads the cookie.

    Attributes:
        keys: those of the refresh tokens; the keys of the tags are derived from them.
    """

    keys: KeyRing

    def find(self, cookie: str | None, user_id: str) -> str | None:
        """What tells the device among those of the account; none: it never signed in to this account.

        Args:
            cookie: as it came.
            user_id: whose account it is.
        """
        return self._bound(cookie, user_id)

    def find_any(self, cookie: str | None) -> str | None:
        """What tells the device; none: nobody ever signed in on it.

        Args:
            cookie: as it came.
        """
        return self._bound(cookie, None)

    def _bound(self, cookie: str | None, user_id: str | None) -> str | None:
        device, tags = _parsed(cookie)
        keys = self.keys.derived(_PURPOSE)
        good = [tag for tag in tags for key in keys if hmac.compare_digest(tag, _tag(key, device, user_id))]
        return device if good else None

    def after_sign_in(self, cookie: str | None, user_id: str, entropy: Entropy) -> str:
        """The cookie of a device that has just signed in.

        Args:
            cookie: the one it had.
            user_id: whose account it is.
            entropy: where a new device's name comes from.
        """
        device, tags = _parsed(cookie)
        device, keys = device or fresh_id(entropy), self.keys.derived(_PURPOSE)
        mine, anybodys = ([_tag(key, device, whose) for key in keys] for whose in (user_id, None))
        others = [tag for tag in tags if tag not in {*mine, *anybodys}]
        return ".".join([device, mine[0], anybodys[0], *others[: MAX_ACCOUNTS - 1]])


def _parsed(cookie: str | None) -> tuple[str, list[str]]:
    found = _COOKIE.fullmatch(cookie or "")
    return (found[1], found[2].split(".")[1:]) if found else ("", [])


def _tag(key: bytes, device: str, user_id: str | None) -> str:
    """Binds a device to an account; without one, to us."""
    bound = device if user_id is None else f"{device} {user_id}"
    tag = hmac.digest(key, bound.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return urlsafe_b64encode(tag[:16]).decode("ascii")
