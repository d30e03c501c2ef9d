"""Who asks, and may they? What `GET /verify` answers and what the adapters for frameworks ask, in one place."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from keyturn.core.model import SECOND, AccessClaims
from keyturn.errors import AccessTokenMissing, ReauthenticationRequired, RoleMissing
from keyturn.http.headers import Headers
from keyturn.http.origin import OriginPolicy
from keyturn.ports import Clock
from keyturn.server.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges requests from memory: no database.

    Attributes:
        credentials: reads tokens from requests.
        origins: where an unsafe request may come from.
        clock: tells how long ago a sign-in was.
    """

    credentials: Credentials
    origins: OriginPolicy
    clock: Clock

    def session(self, method: str, headers: Headers) -> AccessClaims:
        """Who asks, by the Bearer token or the access cookie.

        Args:
            method: of the request. An unsafe one that only the cookie vouches for must come from an origin of ours.
            headers: of the request.

        Raises:
            AccessTokenMissing, AccessTokenInvalid, DuplicateCookie, CrossOrigin
        """
        claims, by_cookie = self.credentials.claims_and_source(headers)
        if by_cookie:
            self.origins.check(method, headers)
        return claims

    def session_if_any(self, method: str, headers: Headers) -> AccessClaims | None:
        """The same, and none for somebody who sends no token. One that is not valid is refused all the same:
        a client that is told so refreshes, and does not take itself for a stranger.

        Raises:
            AccessTokenInvalid, DuplicateCookie, CrossOrigin
        """
        try:
            return self.session(method, headers)
        except AccessTokenMissing:
            return None

    def check(
        self,
        session: AccessClaims,
        *,
        any_of: Collection[str] = (),
        all_of: Collection[str] = (),
        max_age: timedelta | None = None,
    ) -> None:
        """Whether whoever is signed in may do what they ask for.

        Args:
            session: what the access token says.
            any_of: roles of which one is enough; empty: none is needed.
            all_of: roles of which none may be missing.
            max_age: how long ago the password may have been entered; a whole second more is too long.

        Raises:
            RoleMissing, ReauthenticationRequired
        """
        roles = set(session.roles)
        if not roles.issuperset(all_of) or (any_of and roles.isdisjoint(any_of)):
            raise RoleMissing
        if max_age is not None and self.clock.now() // SECOND - session.authenticated_at > max_age.total_seconds():
            raise ReauthenticationRequired
