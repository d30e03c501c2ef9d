"""What every flow works with, and what most of them give."""

from __future__ import annotations

import hmac
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from keyturn.core.model import (
    AccessClaims,
    Delivery,
    Device,
    Micros,
    Policy,
    Purpose,
    RefreshToken,
    Session,
    User,
    shown,
)
from keyturn.core.passwords import check_new_password
from keyturn.core.rotation import child_of, end_of, opened
from keyturn.errors import AccessTokenInvalid
from keyturn.ports import (
    Clock,
    Database,
    Entropy,
    Metrics,
    PasswordHasher,
    Throttle,
    Transaction,
    fresh_id,
)
from keyturn.service.defaults import LIFETIMES, Uncounted, Unthrottled
from keyturn.service.devices import KnownDevices
from keyturn.service.refresh_limit import RefreshLimit
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running Keyturn that the flows share.

    Attributes:
        registration_open: whether people may make accounts for themselves.
        password_min_length: characters.
        password_blocklist: passwords that nobody may choose, as `keyturn.core.passwords.comparable` makes them.
        throttle: counts failed attempts.
        refresh_limit: counts refreshes, session by session.
        token_lifetimes: how long one-time tokens are good for, in microseconds.
    """

    database: Database
    hasher: PasswordHasher
    clock: Clock
    entropy: Entropy
    policy: Policy
    tokens: Tokens
    revocations: Revocations
    registration_open: bool = True
    password_min_length: int = 8
    password_blocklist: Container[str] = frozenset()
    throttle: Throttle = field(default_factory=Unthrottled)
    refresh_limit: RefreshLimit = field(default_factory=RefreshLimit)
    metrics: Metrics = field(default_factory=Uncounted)
    token_lifetimes: Mapping[Purpose, Micros] = field(default_factory=lambda: LIFETIMES)

    @property
    def throttled(self) -> bool:
        """Whether failed attempts are counted."""
        return not isinstance(self.throttle, Unthrottled)

    @property
    def known_devices(self) -> KnownDevices:
        """Makes and reads the cookies of devices that have signed in before."""
        return KnownDevices(self.tokens.refresh_keys)


class Grant(NamedTuple):
    """A session with the tokens that its client is to have now.

    Attributes:
        expires_in: seconds until the access token expires.
        now: the store's time of the grant, in microseconds.
    """

    session: Session
    user: User
    access_token: str
    refresh_token: str
    expires_in: int
    now: int

    def __repr__(self) -> str:
        return shown(self, hidden={"access_token", "refresh_token"})


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """What the client chooses and is at sign-in.

    Attributes:
        replaces: an authentic refresh token that came with the sign-in; its session ends.
        known_device: the cookie of a device that has signed in before, as it came.
    """

    delivery: Delivery = Delivery.SPLIT
    remember: bool = True
    device: Device = field(default_factory=Device)
    replaces: RefreshToken | None = None
    known_device: str | None = field(default=None, repr=False)


def check_password(context: Context, password: str, user: User, *, field: str = "password") -> None:
    """Refuse a new password that breaks the rules, is common, or is a word about its user or this service.

    Args:
        field: the name to report it under.

    Raises:
        InvalidInput
    """
    words = (
        ("the address of this service", urlsplit(context.tokens.issuer).hostname),
        ("your e-mail address", user.email),
        ("the first part of your e-mail address", user.email.rpartition("@")[0]),
        ("your username", user.username),
        ("your name", user.full_name),
    )
    check_new_password(
        password,
        min_length=context.password_min_length,
        blocklist=context.password_blocklist,
        context=words,
        field=field,
    )


def open_session(context: Context, tx: Transaction, user: User, options: SignInOptions) -> Session:
    """Insert a new session of the user; the caller has locked the user."""
    entropy = context.entropy
    session = opened(
        user=user,
        ids=(fresh_id(entropy), fresh_id(entropy), fresh_id(entropy), fresh_id(entropy)),
        now=tx.now,
        policy=context.policy,
        delivery=options.delivery,
        remember=options.remember,
        device=options.device,
    )
    tx.sessions.insert(session)
    return session


def grant(
    context: Context,
    session: Session,
    user: User,
    now: int,
    *,
    access_id: str | None = None,
    presented: str | None = None,
    token: RefreshToken | None = None,
) -> Grant:
    """The tokens for a session.

    Args:
        access_id: the id of the access token; a fresh one by default.
        presented: the very refresh token that the client keeps, if it keeps the one it presented.
        token: the refresh token to mint otherwise; the session's child by default.
    """
    access, expires_in = context.tokens.mint_access(session, user, now, access_id or fresh_id(context.entropy))
    refresh = presented or context.tokens.mint_refresh(token or child_of(session), session)
    return Grant(session, user, access, refresh, expires_in, now)


def same_seed(token: RefreshToken, session: Session) -> bool:
    """Whether the token was minted for this row; in constant time."""
    return hmac.compare_digest(token.seed, session.seed)


def current_session(tx: Transaction, claims: AccessClaims) -> tuple[Session, User]:
    """The live session that an access token belongs to, and its user.

    Raises:
        AccessTokenInvalid: the session is over, or its user is gone or disabled.
    """
    session = tx.sessions.load_many([claims.session_id]).get(claims.session_id)
    if session is None or session.user is None or end_of(session, tx.now) is not None:
        raise AccessTokenInvalid
    return session, session.user
