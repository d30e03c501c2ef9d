"""Minting for sessions: which claims, for how long, under which key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from traceback import extract_tb

from keyturn.core import access_token, refresh_token
from keyturn.core.gate import ACCESS_TYPES, TokenRefused, open_token
from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, AccessClaims, Micros, Policy, RefreshToken, Session, User
from keyturn.errors import ClaimsHookFailed

ClaimsHook = Callable[[User, Session], Mapping[str, object]]
"""An application's function: which claims the access tokens of a session have beyond ours. It is called in several threads."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Mints the two tokens of a session and reads the refresh tokens that come back.

    Attributes:
        issuer: the public URL of this server (`iss`).
        audience: whom access tokens are for (`aud`).
        policy: the lifetimes.
        access_keys: what access tokens are signed with.
        refresh_keys: what refresh tokens are signed with; never the same.
        personal_claims: which of `username`, `email` and `full_name` go into access tokens.
        claims_hook: says what else goes into them.
    """

    issuer: str
    audience: str
    policy: Policy
    access_keys: KeyRing
    refresh_keys: KeyRing
    personal_claims: tuple[str, ...] = ()
    claims_hook: ClaimsHook | None = None

    def mint_access(self, session: Session, user: User, now: Micros, token_id: str) -> tuple[str, int]:
        """An access token, and the seconds until it expires: no later than its session.

        Raises:
            ClaimsHookFailed: what the hook wants in the token cannot be.
        """
        issued_at = user.dates_tokens(now)
        expires_at = min(issued_at + self.policy.access_lifetime, session.expires_at, session.idle_expires_at)
        claims = AccessClaims(
            subject=user.id,
            session_id=session.id,
            id=token_id,
            issued_at=issued_at // SECOND,
            expires_at=expires_at // SECOND,
            authenticated_at=session.authenticated_at // SECOND,
            roles=user.roles,
            extra={name: value for name in self.personal_claims if (value := getattr(user, name)) is not None},
        )
        minted = (
            self._sign(claims) if self.claims_hook is None else self._extended(self.claims_hook, claims, user, session)
        )
        return minted, claims.expires_at - claims.issued_at

    def _sign(self, claims: AccessClaims) -> str:
        return access_token.mint(claims, issuer=self.issuer, audience=self.audience, key=self.access_keys.active)

    def _extended(self, hook: ClaimsHook, claims: AccessClaims, user: User, session: Session) -> str:
        """A token with the hook's claims, if our own gate would take it."""
        name = f"{hook.__module__}:{getattr(hook, '__qualname__', type(hook).__qualname__)}"
        try:
            given = dict(hook(user, session))
        except Exception as error:
            # What it says may hold anything of the user's.
            place = extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} at {place.filename}:{place.lineno}"
            raise ClaimsHookFailed(f"The claims hook {name} failed: {what}.") from None
        taken = sorted(given.keys() & {*self.personal_claims})
        if taken:
            raise ClaimsHookFailed(f"The claims hook {name} gave {', '.join(taken)}, which is there already.")
        try:
            minted = self._sign(replace(claims, extra={**claims.extra, **given}))
            open_token(minted, types=ACCESS_TYPES, keys=self.access_keys.verifying)
        except (TypeError, ValueError, RecursionError, TokenRefused) as error:
            raise ClaimsHookFailed(f"What the claims hook {name} gave cannot be in a token: {error}.") from None
        return minted

    def mint_refresh(self, token: RefreshToken, session: Session) -> str:
        """A refresh token: the same bytes for the same ids, whenever it is minted."""
        return refresh_token.mint(
            token,
            issuer=self.issuer,
            issued_at_seconds=session.created_at // SECOND,
            expires_at_seconds=session.expires_at // SECOND,
            key=self.refresh_keys.active,
        )

    def parse_refresh(self, raw: str) -> RefreshToken:
        """What an authentic refresh token says; whether its seed is the session's is for whoever loads the session.

        Raises:
            RefreshTokenInvalid
        """
        return refresh_token.parse(raw, issuer=self.issuer, keys=self.refresh_keys.verifying)
