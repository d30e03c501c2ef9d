"""Every error that Keyturn raises on purpose, in one tree.

    KeyturnError
    ├── SettingsError                 the configuration is wrong; the start stops
    ├── StoreUnavailable              the database did not answer or refused to write; nothing was changed
    ├── Overloaded                    too much is waiting already; nothing was begun
    ├── InvalidInput                  a field is not acceptable
    ├── Taken
    │   ├── EmailTaken
    │   └── UsernameTaken
    ├── NotFound                      no such thing, or not theirs
    ├── RegistrationClosed
    ├── TooManyAttempts               says after how many seconds to try again
    ├── InvalidCredentials            wrong password, no such user, disabled user: one answer for all
    ├── CurrentPasswordWrong
    ├── ReauthenticationRequired      the sign-in is too long ago for this
    ├── RoleMissing                   signed in, but not as somebody who may do this
    ├── ProviderError                 signing in with somebody else's account
    │   ├── StateInvalid              the way back does not belong to a way there that began in this browser
    │   ├── ProviderDenied            the provider says that the user may not, or does not want to
    │   ├── ProviderInvalid           what the provider answered cannot be believed
    │   ├── ProviderUnavailable       the provider does not answer
    │   ├── EmailMissing              the provider names no address, and an account needs one
    │   ├── AccountExists             with this address, and it may be somebody else's
    │   ├── IdentityTaken             it is connected to another account
    │   └── LastSignInMethod          without it nobody could sign in any more
    ├── ClaimsHookFailed              an application's function for access tokens failed; ours to the client: internal_error
    ├── OneTimeTokenInvalid          of a mail: unknown, used, expired, or for another purpose: one answer for all
    └── TokenError
        ├── AccessTokenMissing
        ├── AccessTokenInvalid        malformed, forged, expired or revoked: one answer for all
        ├── RefreshTokenMissing
        ├── RefreshTokenInvalid       not a refresh token of ours; never counts as reuse
        └── SessionEnded              carries the reason

Each has a stable `code`, which clients rely on, and a sentence that tells its reader what to do. No message holds a secret.
How a code becomes an HTTP status is the business of `keyturn.http.problems`.
"""

from __future__ import annotations

from math import ceil
from typing import ClassVar


class KeyturnError(Exception):
    """The root of the tree.

    Args:
        message: a sentence for the reader of the error; the class's own by default.
    """

    code: ClassVar[str] = "internal_error"
    message: ClassVar[str] = "Something went wrong on our side. Try again; if it stays, report the request id."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class SettingsError(KeyturnError):
    code = "invalid_settings"
    message = "The settings are wrong."


class StoreUnavailable(KeyturnError):
    code = "store_unavailable"
    message = "The database is not available just now. Nothing was changed; try again in a moment."


class Overloaded(KeyturnError):
    code = "overloaded"
    message = "Too many requests are waiting. Nothing was changed; try again in a moment."


class InvalidInput(KeyturnError):
    """Input that is understood but not acceptable.

    Args:
        field: the name of the field, as the caller sent it.
        message: what is wrong with it, and what would be right.
    """

    code = "invalid_request"
    message = "Some fields are not acceptable; see errors."

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Taken(KeyturnError):
    pass


class EmailTaken(Taken):
    code = "email_taken"
    message = "An account with this e-mail address exists. Sign in, or use another address."


class UsernameTaken(Taken):
    code = "username_taken"
    message = "This username is taken. Choose another."


class NotFound(KeyturnError):
    code = "not_found"
    message = "There is nothing here under this name."


class RegistrationClosed(KeyturnError):
    code = "registration_closed"
    message = "Registration is closed. Ask an administrator for an account."


class InvalidCredentials(KeyturnError):
    code = "invalid_credentials"
    message = "The login or the password is wrong."


class CurrentPasswordWrong(KeyturnError):
    code = "current_password_wrong"
    message = "The current password is wrong."


class ReauthenticationRequired(KeyturnError):
    code = "reauthentication_required"
    message = "The sign-in is too long ago for this. Sign in again, then repeat the request."


class RoleMissing(KeyturnError):
    code = "role_missing"
    message = "This account lacks a role that this needs. Ask an administrator for it."


class TooManyAttempts(KeyturnError):
    """A limit is reached. Nothing was evaluated, and no session ends by it.

    Args:
        retry_after: seconds until it is worth trying again; rounded up, at least one.
        limit: which limit it is, for the log: `device`, `pair`, `account`, `address`, `everybody`, `registration`,
            `mail`, `mailbox`, `provider` or `refresh`.
    """

    code = "too_many_attempts"
    message = "There were too many attempts."

    def __init__(self, retry_after: float, limit: str) -> None:
        self.retry_after = max(1, ceil(retry_after))
        self.limit = limit
        super().__init__(f"{self.message} Wait {_in_words(self.retry_after)}, then try again.")


def _in_words(seconds: int) -> str:
    count, unit = (seconds, "second") if seconds < 120 else (ceil(seconds / 60), "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


class ProviderError(KeyturnError):
    pass


class StateInvalid(ProviderError):
    code = "sign_in_state_invalid"
    message = "This sign-in did not begin in this browser, took more than ten minutes, or was used before. Begin again."


class ProviderDenied(ProviderError):
    code = "provider_denied"
    message = "The provider did not let you in, or you went back. Begin again, or sign in another way."


class ProviderInvalid(ProviderError):
    """The provider's answer is not acceptable. The message is the client's; why it is not is the cause's, for the log.

    Args:
        why: in words of ours; nothing that came from the provider.
    """

    code = "provider_invalid"
    message = "What the provider answered cannot be believed, so nobody was signed in. Begin again."

    def __init__(self, why: str = "") -> None:
        super().__init__()
        self.why = why


class ProviderUnavailable(ProviderError):
    """The provider does not answer in time.

    Args:
        why: in words of ours, for the log.
    """

    code = "provider_unavailable"
    message = "The provider does not answer just now. Try again in a moment, or sign in another way."

    def __init__(self, why: str = "") -> None:
        super().__init__()
        self.why = why


class EmailMissing(ProviderError):
    code = "provider_email_missing"
    message = "The provider did not tell an e-mail address, which an account needs. Sign up with an address instead."


class AccountExists(ProviderError):
    code = "account_exists"
    message = (
        "There is an account with this e-mail address already. Sign in to it as before, then connect the other one on the "
        "account page."
    )


class IdentityTaken(ProviderError):
    code = "identity_taken"
    message = "This is connected to another account already. Disconnect it there first."


class LastSignInMethod(ProviderError):
    code = "last_sign_in_method"
    message = "Without it you could not sign in any more. Set a password or connect another account first."


class ClaimsHookFailed(KeyturnError):
    pass


class OneTimeTokenInvalid(KeyturnError):
    code = "one_time_token_invalid"
    message = (
        "This link is not good any more: it was used, or is too old, or something has changed since. Ask for a new one."
    )


class TokenError(KeyturnError):
    pass


class AccessTokenMissing(TokenError):
    code = "access_token_missing"
    message = "Send an access token: Authorization: Bearer …"


class AccessTokenInvalid(TokenError):
    code = "access_token_invalid"
    message = "The access token is not valid. Refresh, then repeat the request."


class RefreshTokenMissing(TokenError):
    code = "refresh_token_missing"
    message = "No refresh token was sent: nobody is signed in here. Sign in."


class RefreshTokenInvalid(TokenError):
    code = "refresh_token_invalid"
    message = "This is not a refresh token of ours. Sign in."


class SessionEnded(TokenError):
    """The session is over.

    Args:
        reason: why, one of `keyturn.core.model.EndReason`.
    """

    code = "session_ended"
    message = "The session has ended. Sign in again."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason
