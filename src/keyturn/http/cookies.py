"""Our cookies: reading them from bytes, and writing them.

Frameworks trim a cookie's name as Unicode text, so that a sibling subdomain's `\\xa0__Host-name` comes out as `__Host-name`.
Here a header is split at semicolons, spaces and tabs are trimmed, and nothing is decoded, unquoted or forgiven.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.errors import KeyturnError
from keyturn.http.headers import Headers


class DuplicateCookie(KeyturnError):
    """Two cookies of one of our names: one of them is not ours, and nobody can tell which."""

    code = "duplicate_cookie"
    message = "A Keyturn cookie was sent twice. Delete this site's cookies, then sign in."


@dataclass(frozen=True, slots=True)
class CookieNames:
    """The names of the cookies of one server.

    The scheme of the issuer alone decides whether they are `__Host-` and `Secure`, never a socket or a header.
    """

    secure: bool

    @property
    def refresh(self) -> str:
        return "__Host-keyturn_refresh" if self.secure else "keyturn_refresh"

    @property
    def access(self) -> str:
        return "__Host-keyturn_access" if self.secure else "keyturn_access"

    @property
    def device(self) -> str:
        return "__Host-keyturn_device" if self.secure else "keyturn_device"

    @property
    def way(self) -> str:
        return "__Host-keyturn_way" if self.secure else "keyturn_way"

    def set_refresh(self, value: str, max_age: int | None) -> str:
        """The Set-Cookie value of the refresh cookie.

        Args:
            value: the token.
            max_age: seconds; none: as long as the browser runs.
        """
        return self._set(self.refresh, value, max_age, "Strict")

    def set_access(self, value: str, max_age: int | None) -> str:
        """The Set-Cookie value of the access cookie; Lax, so that a link from elsewhere opens a page signed in."""
        return self._set(self.access, value, max_age, "Lax")

    def set_device(self, value: str, max_age: int) -> str:
        """The Set-Cookie value of the cookie by which a device is known at the next sign-in.

        Args:
            value: its name and its accounts; no token.
            max_age: seconds.
        """
        return self._set(self.device, value, max_age, "Strict")

    def set_way(self, value: str, max_age: int) -> str:
        """The Set-Cookie value of the cookie of a browser that goes to a provider; Lax, since it comes back from another site.

        Args:
            value: which way it is; no token.
            max_age: seconds.
        """
        return self._set(self.way, value, max_age, "Lax")

    def clear_way(self) -> str:
        return self._set(self.way, "", 0, "Lax")

    def clear_refresh(self) -> str:
        return self._set(self.refresh, "", 0, "Strict")

    def clear_access(self) -> str:
        return self._set(self.access, "", 0, "Lax")

    def _set(self, name: str, value: str, max_age: int | None, same_site: str) -> str:
        secure = "; Secure" if self.secure else ""
        lifetime = f"; Max-Age={max_age}" if max_age is not None else ""
        return f"{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{lifetime}"


def read_cookie(headers: Headers, name: str) -> str | None:
    """The value of one cookie, byte for byte.

    Args:
        headers: of the request.
        name: the cookie's.

    Raises:
        DuplicateCookie: it came more than once, with whatever values.
    """
    wanted = f"{name}=".encode("ascii")
    found: bytes | None = None
    for header in headers.lines(b"cookie"):
        for part in header.split(b";"):
            cookie = part.strip(b" \t")
            if cookie.startswith(wanted):
                if found is not None:
                    raise DuplicateCookie
                found = cookie[len(wanted) :]
    return found.decode("latin-1") if found is not None else None
