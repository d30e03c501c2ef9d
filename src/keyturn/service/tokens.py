"""Minting for sessions: which claims, for how long, under which key."""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.core import access_token, refresh_token
from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, AccessClaims, Micros, Policy, RefreshToken, Session, User


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
    """

    issuer: str
    audience: str
    policy: Policy
    access_keys: KeyRing
    refresh_keys: KeyRing
    personal_claims: tuple[str, ...] = ()

    def mint_access(self, session: Session, user: User, now: Micros, token_id: str) -> tuple[str, int]:
        """An access token, and the seconds until it expires: no later than its session."""
        # Never in the second up to which the user's tokens are refused: NumericDate has no fractions.
        issued_at = max(now, user.tokens_valid_from and user.tokens_valid_from + SECOND)
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
        minted = access_token.mint(claims, issuer=self.issuer, audience=self.audience, key=self.access_keys.active)
        return minted, claims.expires_at - claims.issued_at

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
