"""Minting for sessions: which claims, for how long, under which key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from traceback import extract_tb

from keyturn.core import access_token, refresh_token
from keyturn.core.gate import ACCESS_TYPES, TokenRefused, open_token
from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, Micros, Policy, RefreshToken, Session, User
from keyturn.errors import ClaimsHookFailed

Claims = Mapping[str, object]
"""Claims of a token, by name."""

ClaimsHook = Callable[[User, Session], Claims]
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
        # Never in the second up to which the user's tokens are refused: NumericDate has no fractions.
        begins = max(now, user.tokens_valid_from and user.tokens_valid_from + SECOND)
        ends = min(begins + self.policy.access_lifetime, session.expires_at, session.idle_expires_at)
        issued_at, expires_at = begins // SECOND, ends // SECOND

        def mint(extra: Claims) -> str:
            return access_token.mint(
                issuer=self.issuer,
                audience=self.audience,
                subject=user.id,
                session_id=session.id,
                token_id=token_id,
                issued_at=issued_at,
                expires_at=expires_at,
                authenticated_at=session.authenticated_at // SECOND,
                roles=user.roles,
                extra=extra,
                key=self.access_keys.active,
            )

        personal = {name: value for name in self.personal_claims if (value := getattr(user, name)) is not None}
        hook = self.claims_hook
        minted = mint(personal) if hook is None else self._extended(mint, personal, hook, user, session)
        return minted, expires_at - issued_at

    def _extended(
        self, mint: Callable[[Claims], str], personal: Claims, hook: ClaimsHook, user: User, session: Session
    ) -> str:
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
            minted = mint({**personal, **given})
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
