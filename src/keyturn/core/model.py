"""The values that everything else speaks in.

Times are whole microseconds since the epoch, UTC, unless a name or a docstring says seconds (inside tokens, where RFC 7519
wants NumericDate). Ids are 96 random bits in hexadecimal. Whatever would let somebody sign in is hidden in repr.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

Micros = int

SECOND: Micros = 1_000_000


def shown(value: Any, *, hidden: Collection[str]) -> str:
    """The repr of a named tuple, without the fields that nobody is to read."""
    fields = (f"{name}={field!r}" for name, field in value._asdict().items() if name not in hidden)
    return f"{type(value).__name__}({', '.join(fields)})"


class Delivery(StrEnum):
    """How a session's tokens travel; chosen at sign-in, fixed for the session."""

    SPLIT = "split"
    COOKIE = "cookie"
    BODY = "body"


class EndReason(StrEnum):
    """Why a session ended. `expired` and `idle` follow from the times and are never written."""

    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    REPLACED = "replaced"
    PASSWORD_CHANGED = "password_changed"
    REUSE_DETECTED = "reuse_detected"
    REVOKED = "revoked"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_DELETED = "account_deleted"
    EXPIRED = "expired"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class User:
    """A person or a service that signs in. The canonical forms of e-mail address and username are unique.

    Attributes:
        tokens_valid_from: access tokens that were issued until then are refused; it moves when what they say is no longer so.
    """

    id: str
    email: str
    created_at: Micros
    email_verified: bool = False
    username: str | None = None
    full_name: str | None = None
    roles: tuple[str, ...] = ()
    disabled: bool = False
    tokens_valid_from: Micros = 0

    def dates_tokens(self, now: Micros) -> Micros:
        """When the user's tokens that are minted now say that they were issued.

        Never in the second up to which they are refused: their NumericDates (RFC 7519) have no fractions.
        """
        return max(now, self.tokens_valid_from and self.tokens_valid_from + SECOND)


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the hash that their password is checked against; none: no password opens this account."""

    user: User
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a provider vouches for them.

    Attributes:
        issuer: the provider, as it names itself (`iss`).
        subject: who it is among the provider's users (`sub`); never changes, and is never given to another.
        email: what the provider says of their address; may change, and identifies nobody.
        owns_email: whether the provider has the last word on who has this address, and says that they have.
    """

    issuer: str
    subject: str
    email: str | None = None
    owns_email: bool = False
    full_name: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A provider's account that opens an account here. Issuer and subject together are unique.

    Attributes:
        email: as the provider said when the two were connected, for their owner to recognise it by.
    """

    id: str
    user_id: str
    issuer: str
    subject: str
    email: str | None
    created_at: Micros


# What every refresh makes and replaces is a named tuple: a frozen dataclass sets each field through `object.__setattr__`, and
# takes many times as long. Everything else is a dataclass: it has no order and no length, equals nothing of another type, and
# becomes an object in JSON where an application answers with it.
class Device(NamedTuple):
    """What a user recognises a session by.

    Attributes:
        label: in words, such as "Firefox on Linux".
        address: the network address at sign-in.
    """

    label: str = ""
    address: str = ""


class Session(NamedTuple):
    """One signed-in device of one user: one row. It ends once and never comes back.

    `root_*`, `previous_id` and `child_*` are the rotation's; `keyturn.core.rotation` says what they mean.

    Attributes:
        seed: drawn at sign-in, never changes; in every refresh token of the session and in no access token.
        version: raised by every write; compare-and-swap is on it.
        authenticated_at: when a password was last checked for this session.
        expires_at: the absolute end; never moves.
        idle_expires_at: the end if nothing happens; moves when a refresh token is minted.
        remember: whether the cookies outlive the browser.
        user: whose it is, loaded with the row and not written with it; none when the account is gone.
    """

    id: str
    user_id: str
    seed: str
    generation: int
    root_id: str
    root_at: Micros | None
    previous_id: str | None
    child_id: str
    child_at: Micros
    version: int
    created_at: Micros
    authenticated_at: Micros
    expires_at: Micros
    idle_expires_at: Micros
    ended_at: Micros | None = None
    end_reason: EndReason | None = None
    delivery: Delivery = Delivery.SPLIT
    remember: bool = True
    device: Device = Device()
    user: User | None = None

    def __repr__(self) -> str:
        return shown(self, hidden={"seed"})


class RefreshToken(NamedTuple):
    """What a refresh token says, apart from what follows from its session.

    Attributes:
        generation: how many rotations lie behind it; the first token has 1.
        id: its own id (`jti`).
        parent_id: the id of the token that it was minted for (`par`).
    """

    session_id: str
    seed: str
    generation: int
    id: str
    parent_id: str

    def __repr__(self) -> str:
        return shown(self, hidden={"seed"})


class Purpose(StrEnum):
    """What a one-time token is good for, and for nothing else."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"
    END_SESSIONS = "end_sessions"


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """What is kept of a one-time token; the token itself is only in the mail.

    Attributes:
        digest: a hash of the token and its purpose.
        email: the user's address when it was made; under another one it is worth nothing.
    """

    digest: str = field(repr=False)
    purpose: Purpose
    user_id: str
    email: str
    expires_at: Micros


class MailKind(StrEnum):
    """What a mail says."""

    VERIFICATION = "verification"
    RESET = "reset"
    NEW_DEVICE = "new_device"
    TOKEN_REUSED = "token_reused"
    PASSWORD_CHANGED = "password_changed"
    EMAIL_CHANGED = "email_changed"
    IDENTITY_CONNECTED = "identity_connected"
    IDENTITY_DISCONNECTED = "identity_disconnected"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that waits to be sent. It holds no token: that is made when it is sent.

    Attributes:
        user_id: whom it is about; none: whoever has the recipient's address, if anybody has it.
        facts: what the mail tells, by name.
        attempts: how often it was tried; a claim is a compare-and-swap on it.
        next_at: when to try next; while it is being sent, the end of the lease.
        last_error: why it was not sent yet, in a word.
    """

    id: str
    kind: MailKind
    user_id: str | None
    recipient: str
    created_at: Micros
    next_at: Micros
    facts: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says. Times are seconds since the epoch (NumericDate, RFC 7519).

    Attributes:
        extra: claims beyond those of RFC 9068, where a setting asks for them.
    """

    subject: str
    session_id: str
    id: str
    issued_at: int
    expires_at: int
    authenticated_at: int
    roles: tuple[str, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of the rotation and the lifetimes, in microseconds.

    Attributes:
        window: W, how long two presentations of a session count as one act.
        idle_lifetime: how long a session lasts without a refresh.
        session_lifetime: how long a session lasts at all.
        access_lifetime: how long an access token is valid.
    """

    window: Micros = 30 * SECOND
    idle_lifetime: Micros = 30 * 86_400 * SECOND
    session_lifetime: Micros = 180 * 86_400 * SECOND
    access_lifetime: Micros = 600 * SECOND

    @property
    def message_life(self) -> Micros:
        """L: a client gives up on a refresh this long after sending it, and uses nothing that arrives later."""
        return self.window // 3

    @property
    def refresh_timeout(self) -> Micros:
        """How long a client waits for a refresh, and a server holds one: L. W = 0 sets no bound, so 10 seconds then."""
        return self.message_life or 10 * SECOND

    @property
    def throttle(self) -> Micros:
        """T: how stale `child_at` may be before a converged answer writes it again."""
        return self.window // 6

    @property
    def skew(self) -> Micros:
        """S: how far the clocks of two servers may differ."""
        return self.window // 6
