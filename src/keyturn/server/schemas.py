"""The JSON that goes in and out. Unknown members are refused; types are not coerced; inputs are never echoed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from keyturn.core.model import SECOND, EndReason, Identity, Micros, Policy, Session, User
from keyturn.core.passwords import MAX_LENGTH

JSON = dict[str, Any]
DeliveryName = Literal["split", "cookie", "body"]
Password = Annotated[SecretStr, Field(max_length=MAX_LENGTH)]
ShortText = Annotated[str, Field(max_length=320)]

_HOUR = 3600 * SECOND


class Body(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, frozen=True)


class RegisterBody(Body):
    email: ShortText
    password: Password
    username: ShortText | None = None
    full_name: ShortText | None = None
    delivery: DeliveryName = "split"


class LoginBody(Body):
    """`email` and `username` are other names for `login`."""

    login: ShortText | None = None
    email: ShortText | None = None
    username: ShortText | None = None
    password: Password
    delivery: DeliveryName = "split"
    remember: bool = True

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if sum(name is not None for name in (self.login, self.email, self.username)) != 1:
            raise ValueError("Send the e-mail address or the username as login, once.")
        return self

    @property
    def name(self) -> str:
        return self.login or self.email or self.username or ""


class RefreshBody(Body):
    refresh_token: Annotated[SecretStr, Field(max_length=4096)] | None = None


class LogoutAllBody(Body):
    keep_this: bool = False


class ProfileBody(Body):
    """A member that is left out stays as it is; null removes it."""

    username: ShortText | None = None
    full_name: ShortText | None = None


class DeleteAccountBody(Body):
    """`current_password` may be left out where the account has none; so in the next two."""

    current_password: Password | None = None


class EmailBody(Body):
    current_password: Password | None = None
    email: ShortText


class PasswordBody(Body):
    current_password: Password | None = None
    new_password: SecretStr


class ForgotBody(Body):
    email: ShortText


class ResetBody(Body):
    token: Annotated[SecretStr, Field(max_length=128)]
    new_password: SecretStr


class ConnectBody(Body):
    """Without `current_password`, the sign-in must be fresh."""

    current_password: Password | None = None
    return_to: Annotated[str, Field(max_length=2048)] = ""


class Answer(BaseModel):
    """What the body of an answer looks like, for the description. The answers themselves are plain values of ours: nothing is
    gained by validating them again at every call."""

    # Answers are written, never read: only the description of the API needs what pydantic makes of them.
    model_config = ConfigDict(frozen=True, defer_build=True)


class UserAnswer(Answer):
    id: str
    email: str
    email_verified: bool
    username: str | None
    full_name: str | None
    roles: list[str]
    created_at: datetime


class SessionAnswer(Answer):
    """`last_used_at` is to the hour. `refresh_timeout`: seconds after which a client gives up on a refresh."""

    id: str
    delivery: DeliveryName
    device: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    refresh_timeout: float
    current: bool


class SignedInAnswer(Answer):
    """The access token is in the cookie instead with delivery `cookie`; the refresh token is here with `body`."""

    access_token: str | None = Field(default=None, repr=False)
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str | None = Field(default=None, repr=False)
    refresh_expires_in: int | None = None
    user: UserAnswer
    session: SessionAnswer


class SessionsAnswer(Answer):
    sessions: list[SessionAnswer]


class ProviderAnswer(Answer):
    """`start` is where a browser goes to sign in."""

    name: str
    label: str
    start: str


class ProvidersAnswer(Answer):
    providers: list[ProviderAnswer]


class WayAnswer(Answer):
    """Where to send the browser."""

    authorization_url: str


class IdentityAnswer(Answer):
    """`provider` is none for one that is no longer among the settings."""

    id: str
    provider: str | None
    label: str
    email: str | None
    created_at: datetime


class IdentitiesAnswer(Answer):
    identities: list[IdentityAnswer]


class HealthAnswer(Answer):
    status: Literal["ok"]


class KeySetAnswer(Answer):
    """A JWK Set (RFC 7517)."""

    keys: list[dict[str, str]]


class FieldProblem(Answer):
    field: str
    message: str


class ProblemAnswer(Answer):
    """RFC 9457 problem details. `reason` comes with `session_ended`, `errors` with `invalid_request`."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    code: str
    detail: str
    reason: Literal[tuple(reason.value for reason in EndReason)] | None = None  # type: ignore[valid-type]
    errors: list[FieldProblem] | None = None
    request_id: str | None = None


def _time(value: Micros) -> datetime:
    return datetime.fromtimestamp(value // SECOND, UTC)


def user_answer(user: User) -> JSON:
    """A `UserAnswer`."""
    return {
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "full_name": user.full_name,
        "roles": user.roles,
        "created_at": _time(user.created_at),
    }


def identity_answer(identity: Identity, provider: str | None, label: str) -> JSON:
    """An `IdentityAnswer`."""
    return {
        "id": identity.id,
        "provider": provider,
        "label": label,
        "email": identity.email,
        "created_at": _time(identity.created_at),
    }


def session_answer(session: Session, policy: Policy, *, current: bool) -> JSON:
    """A `SessionAnswer`."""
    return {
        "id": session.id,
        "delivery": session.delivery,
        "device": session.device.label,
        "address": session.device.address,
        "created_at": _time(session.created_at),
        # To the hour: an answer shows no time of the row that would tell a thief what the owner does.
        "last_used_at": _time(session.child_at // _HOUR * _HOUR),
        "expires_at": _time(session.expires_at),
        "refresh_timeout": policy.refresh_timeout / SECOND,
        "current": current,
    }
