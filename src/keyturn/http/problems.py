"""Errors as HTTP answers: RFC 9457 problem details with our stable codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from keyturn import errors
from keyturn.errors import KeyturnError
from keyturn.http.cookies import DuplicateCookie
from keyturn.http.forwarded import HttpsRequired
from keyturn.http.origin import CrossOrigin

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1


class MalformedJson(KeyturnError):
    code = "malformed_json"
    message = "The body is not JSON, or JSON that is not acceptable: too deep, a name twice, text that is not UTF-8."


class MalformedRequest(KeyturnError):
    code = "malformed_request"
    message = "This is not an HTTP request that this server understands."


class MethodNotAllowed(KeyturnError):
    code = "method_not_allowed"
    message = "This address does not take that method; see Allow."


class TooLarge(KeyturnError):
    code = "too_large"
    message = "The body is too large."


class HeadersTooLarge(KeyturnError):
    code = "headers_too_large"
    message = "The request's headers are too large. Delete this site's cookies, then try again."


class UnsupportedMediaType(KeyturnError):
    code = "unsupported_media_type"
    message = "Send JSON: Content-Type: application/json, without Content-Encoding."


class UnknownHost(KeyturnError):
    code = "unknown_host"
    message = (
        "This server does not answer for that host. KEYTURN_ISSUER sets the public address; a proxy must pass Host on."
    )


class InvalidRequest(KeyturnError):
    """Fields of the body that are not acceptable.

    Args:
        fields: (field, message) of each.
    """

    code = "invalid_request"
    message = "Some fields are not acceptable; see errors."

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.fields = fields


STATUS: Mapping[type[KeyturnError], int] = {
    MalformedJson: 400,
    MalformedRequest: 400,
    errors.StateInvalid: 400,
    DuplicateCookie: 400,
    errors.InvalidCredentials: 401,
    errors.AccessTokenMissing: 401,
    errors.AccessTokenInvalid: 401,
    errors.RefreshTokenMissing: 401,
    errors.RefreshTokenInvalid: 403,
    errors.SessionEnded: 403,
    errors.CurrentPasswordWrong: 403,
    errors.RegistrationClosed: 403,
    errors.ReauthenticationRequired: 403,
    errors.RoleMissing: 403,
    errors.OneTimeTokenInvalid: 403,
    errors.ProviderDenied: 403,
    errors.EmailMissing: 403,
    CrossOrigin: 403,
    HttpsRequired: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    errors.EmailTaken: 409,
    errors.UsernameTaken: 409,
    errors.AccountExists: 409,
    errors.IdentityTaken: 409,
    errors.LastSignInMethod: 409,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    UnknownHost: 421,
    InvalidRequest: 422,
    errors.InvalidInput: 422,
    errors.TooManyAttempts: 429,
    HeadersTooLarge: 431,
    KeyturnError: 500,
    errors.ProviderInvalid: 502,
    errors.Overloaded: 503,
    errors.StoreUnavailable: 503,
    errors.ProviderUnavailable: 503,
}
"""The status of every error that can reach a client."""

_CHALLENGES: Mapping[type[KeyturnError], str] = {
    errors.AccessTokenMissing: "Bearer",
    errors.AccessTokenInvalid: 'Bearer error="invalid_token"',
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error's answer: status, headers, JSON members."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, object]


def problem_of(error: KeyturnError, *, request_id: str | None = None) -> Problem:
    """The answer to an error.

    Args:
        error: what was raised. One that has no status of its own is ours to mend: 500.
        request_id: told to the client with a 500, so that the log can be searched for it.
    """
    known = type(error) if type(error) in STATUS else KeyturnError
    status = STATUS[known]
    body: dict[str, object] = {
        "type": f"urn:keyturn:error:{known.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": known.code,
        "detail": str(error) if known is not KeyturnError else KeyturnError.message,
    }
    if isinstance(error, errors.SessionEnded):
        body["reason"] = error.reason
    if isinstance(error, InvalidRequest):
        body["errors"] = [{"field": field, "message": message} for field, message in error.fields]
    if isinstance(error, errors.InvalidInput):
        body["detail"] = InvalidRequest.message
        body["errors"] = [{"field": error.field, "message": str(error)}]
    if status == 500:
        body["request_id"] = request_id
    headers = {"www-authenticate": _CHALLENGES[known]} if known in _CHALLENGES else {}
    if isinstance(error, errors.TooManyAttempts):
        headers["retry-after"] = str(error.retry_after)
    if status == 503:
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return Problem(status, headers, body)
