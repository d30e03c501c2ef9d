"""The credentials of a request: where they may stand, and what they must be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from keyturn.core.gate import ACCESS_TYPES, TokenRefused, check_access_claims, check_time, open_token
from keyturn.core.model import SECOND, AccessClaims, RefreshToken
from keyturn.errors import AccessTokenInvalid, AccessTokenMissing, RefreshTokenInvalid, TokenError
from keyturn.http.cookies import CookieNames, DuplicateCookie, read_cookie
from keyturn.http.headers import Headers
from keyturn.service.context import Context
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import Tokens
from keyturn.verifier import Verifier

_SIGN_OUT_GRACE_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Credentials:
    """Reads tokens from requests.

    Attributes:
        cookies: the names of our cookies.
        tokens: reads refresh tokens.
        verify: verifies an access token.
        verify_lately: the same for one that may have expired a day ago; enough to sign out.
    """

    cookies: CookieNames
    tokens: Tokens
    verify: Callable[[str], AccessClaims]
    verify_lately: Callable[[str], AccessClaims]

    def claims(self, headers: Headers) -> AccessClaims:
        """Who asks.

        Raises:
            AccessTokenMissing, AccessTokenInvalid, DuplicateCookie
        """
        return self.verify(self._access_token(headers)[0])

    def claims_and_source(self, headers: Headers) -> tuple[AccessClaims, bool]:
        """Who asks, and whether only a cookie says so (which a browser sends by itself)."""
        token, by_cookie = self._access_token(headers)
        return self.verify(token), by_cookie

    def claims_to_sign_out(self, headers: Headers) -> list[AccessClaims]:
        """Whom the access tokens name, in the header and in the cookie; they may have expired lately."""
        found = []
        for token in (*_bearers(headers), read_cookie(headers, self.cookies.access)):
            with suppress(TokenError):
                found += [self.verify_lately(token)] if token else []
        return found

    def refresh_cookie(self, headers: Headers) -> str | None:
        """The value of the refresh cookie.

        Raises:
            DuplicateCookie
        """
        return read_cookie(headers, self.cookies.refresh)

    def device_cookie(self, headers: Headers) -> str | None:
        """The value of the device's cookie; none as well if it came twice: it opens nothing, so nobody need be told."""
        with suppress(DuplicateCookie):
            return read_cookie(headers, self.cookies.device)
        return None

    def presented_session(self, headers: Headers) -> RefreshToken | None:
        """What the refresh cookie says, if it is an authentic token."""
        return self.parse(self.refresh_cookie(headers))

    def parse(self, raw: str | None) -> RefreshToken | None:
        """What a refresh token says, if it is authentic."""
        try:
            return self.tokens.parse_refresh(raw) if raw else None
        except RefreshTokenInvalid:
            return None

    def _access_token(self, headers: Headers) -> tuple[str, bool]:
        """The access token and whether only the cookie carries it. Two tokens that differ are none."""
        bearer = _bearer(headers)
        cookie = read_cookie(headers, self.cookies.access)
        token = bearer if bearer is not None else cookie
        if token is None:
            raise AccessTokenMissing
        if cookie is not None and cookie != token:
            raise AccessTokenInvalid
        return token, bearer is None


def _bearers(headers: Headers) -> list[str]:
    parts = [value.partition(" ") for value in headers.all(b"authorization")]
    return [token for scheme, _, token in parts if scheme.lower() == "bearer"]


def _bearer(headers: Headers) -> str | None:
    if len(headers.all(b"authorization")) > 1:
        raise AccessTokenInvalid
    return next(iter(_bearers(headers)), None)


def credentials_of(context: Context, cookies: CookieNames) -> Credentials:
    """What reads the tokens of a server's own requests.

    Args:
        context: whose tokens they are, and which sessions have ended.
        cookies: the names of its cookies.
    """
    tokens = context.tokens
    # The server that issued a token allows no leeway on its expiry.
    verifier = Verifier(
        issuer=tokens.issuer,
        audience=tokens.audience,
        keys=tokens.access_keys.verifying.values(),
        leeway=0,
        max_lifetime=_longest_life(context),
        clock=context.clock,
        revoked=context.revocations,
    )
    verify = partial(_verify, verifier, context.revocations)
    return Credentials(cookies, tokens, verify, partial(_verify_lately, context))


def _verify(verifier: Verifier, revocations: Revocations, token: str) -> AccessClaims:
    claims = verifier.verify(token)
    if revocations.is_stale(claims):
        raise AccessTokenInvalid
    return claims


def _verify_lately(context: Context, token: str) -> AccessClaims:
    """Verify an access token that may have expired a day ago, or be of a session that has ended: to sign out with."""
    tokens, longest = context.tokens, _longest_life(context)
    try:
        payload = open_token(token, types=ACCESS_TYPES, keys=tokens.access_keys.verifying)
        claims = check_access_claims(payload, issuer=tokens.issuer, audience=tokens.audience, max_lifetime=longest)
        check_time(claims, context.clock.now() // SECOND, _SIGN_OUT_GRACE_SECONDS)
    except TokenRefused as refused:
        raise AccessTokenInvalid from refused
    return claims


def _longest_life(context: Context) -> int:
    """Of an access token, in seconds."""
    return max(1, context.policy.access_lifetime // SECOND)
