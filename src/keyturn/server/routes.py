"""The table of all calls: the API and its description are both made from it."""

from __future__ import annotations

from keyturn import errors
from keyturn.http.cookies import DuplicateCookie
from keyturn.http.origin import CrossOrigin
from keyturn.http.problems import InvalidRequest
from keyturn.server import schemas
from keyturn.server.api import Api
from keyturn.server.calls import Call
from keyturn.server.mail_api import MailApi
from keyturn.server.provider_calls import ProviderApi

_BEARER = (errors.AccessTokenMissing, errors.AccessTokenInvalid, DuplicateCookie)
_OWNER = (errors.CurrentPasswordWrong, errors.ReauthenticationRequired, errors.TooManyAttempts)
_STORE = (errors.StoreUnavailable, errors.Overloaded)

_ACCESS = ("bearer", "accessCookie")
_IN_THE_BODY = ""
"""A token that may come in the body instead: no credential in the sense of OpenAPI."""


def account_calls(api: Api, base: str) -> list[Call]:
    """The account API.

    Args:
        api: the handlers.
        base: the path before every call's own.
    """
    return [
        Call(
            "POST",
            f"{base}/register",
            "Make an account and sign in to it",
            api.register,
            body=schemas.RegisterBody,
            answer=schemas.SignedInAnswer,
            status=201,
            errors=(
                errors.RegistrationClosed,
                errors.TooManyAttempts,
                errors.EmailTaken,
                errors.UsernameTaken,
                DuplicateCookie,
                *_STORE,
            ),
        ),
        Call(
            "POST",
            f"{base}/login",
            "Sign in",
            api.login,
            body=schemas.LoginBody,
            answer=schemas.SignedInAnswer,
            errors=(errors.InvalidCredentials, errors.TooManyAttempts, DuplicateCookie, *_STORE),
        ),
        Call(
            "POST",
            f"{base}/refresh-token",
            "Get the next access token; the refresh token is rotated",
            api.refresh_token,
            body=schemas.RefreshBody,
            answer=schemas.SignedInAnswer,
            errors=(
                errors.RefreshTokenMissing,
                errors.RefreshTokenInvalid,
                errors.SessionEnded,
                errors.TooManyAttempts,
                DuplicateCookie,
                *_STORE,
            ),
            security=("refreshCookie", _IN_THE_BODY),
        ),
        Call(
            "POST",
            f"{base}/logout",
            "Sign out: end every session that the request names",
            api.logout,
            body=schemas.RefreshBody,
            status=204,
            errors=(DuplicateCookie, *_STORE),
            security=("refreshCookie", *_ACCESS, _IN_THE_BODY),
        ),
        Call(
            "POST",
            f"{base}/logout-all",
            "End every session of the user",
            api.logout_all,
            body=schemas.LogoutAllBody,
            status=204,
            errors=(*_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "GET",
            f"{base}/me",
            "Who is signed in",
            api.me,
            answer=schemas.UserAnswer,
            errors=(*_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "PATCH",
            f"{base}/me",
            "Change one's username or full name",
            api.update_me,
            body=schemas.ProfileBody,
            answer=schemas.UserAnswer,
            errors=(errors.UsernameTaken, *_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "DELETE",
            f"{base}/me",
            "Close one's account",
            api.delete_me,
            body=schemas.DeleteAccountBody,
            status=204,
            errors=(*_OWNER, *_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "GET",
            f"{base}/sessions",
            "One's live sessions, the newest first",
            api.sessions,
            answer=schemas.SessionsAnswer,
            errors=(*_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "DELETE",
            f"{base}/sessions/{{id}}",
            "End one of one's sessions",
            api.end_session,
            status=204,
            errors=(errors.NotFound, *_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "POST",
            f"{base}/password",
            "Change one's password: every session ends and a new one opens",
            api.password,
            body=schemas.PasswordBody,
            answer=schemas.SignedInAnswer,
            errors=(*_OWNER, *_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "POST",
            f"{base}/email",
            "Change one's e-mail address",
            api.email,
            body=schemas.EmailBody,
            answer=schemas.UserAnswer,
            errors=(*_OWNER, errors.EmailTaken, *_BEARER, *_STORE),
            security=_ACCESS,
        ),
        *_mail_calls(MailApi(api), base),
        Call(
            "GET",
            f"{base}/verify",
            "Whether an access token is good: for a proxy's forward-auth",
            api.verify,
            status=204,
            errors=(CrossOrigin, *_BEARER),
            security=_ACCESS,
        ),
    ]


def _mail_calls(mail: MailApi, base: str) -> list[Call]:
    """What is done with mails."""
    return [
        Call(
            "POST",
            f"{base}/email/verification",
            "Send a link that verifies one's e-mail address",
            mail.send_verification,
            status=202,
            errors=(errors.TooManyAttempts, *_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "POST",
            f"{base}/email/verification/{{token}}",
            "Verify an e-mail address",
            mail.verify_email,
            status=204,
            errors=(errors.OneTimeTokenInvalid, *_STORE),
        ),
        Call(
            "POST",
            f"{base}/password/forgot",
            "Send a link for a new password, if there is such an account",
            mail.forgot_password,
            body=schemas.ForgotBody,
            status=202,
            errors=(errors.TooManyAttempts, *_STORE),
        ),
        Call(
            "POST",
            f"{base}/password/reset",
            "Set a new password by the token of a mail: every session ends",
            mail.reset_password,
            body=schemas.ResetBody,
            status=204,
            errors=(errors.OneTimeTokenInvalid, *_STORE),
        ),
    ]


def provider_calls(providers: ProviderApi, base: str) -> list[Call]:
    """Signing in with a provider's account.

    Args:
        providers: the handlers.
        base: the path before every call's own.
    """
    asking = (errors.ProviderInvalid, errors.ProviderUnavailable, errors.Overloaded)
    return [
        Call(
            "GET",
            f"{base}/providers",
            "Whose accounts one can sign in with",
            providers.listed,
            answer=schemas.ProvidersAnswer,
        ),
        Call(
            "GET",
            f"{base}/providers/{{name}}/start",
            "Go to a provider, to sign in",
            providers.start,
            status=303,
            errors=(errors.NotFound, InvalidRequest, errors.TooManyAttempts, DuplicateCookie, *asking, *_STORE),
        ),
        Call(
            "GET",
            f"{base}/providers/{{name}}/callback",
            "Come back from a provider",
            providers.callback,
            status=303,
            errors=(
                errors.NotFound,
                errors.StateInvalid,
                errors.ProviderDenied,
                errors.EmailMissing,
                errors.AccountExists,
                errors.IdentityTaken,
                errors.RegistrationClosed,
                errors.TooManyAttempts,
                DuplicateCookie,
                *asking,
                *_STORE,
            ),
        ),
        Call(
            "POST",
            f"{base}/providers/{{name}}/connect",
            "Go to a provider, to connect its account with one's own",
            providers.connect,
            body=schemas.ConnectBody,
            answer=schemas.WayAnswer,
            errors=(errors.NotFound, *_OWNER, *_BEARER, *asking, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "GET",
            f"{base}/identities",
            "The providers' accounts that are connected with one's own, the oldest first",
            providers.identities,
            answer=schemas.IdentitiesAnswer,
            errors=(*_BEARER, *_STORE),
            security=_ACCESS,
        ),
        Call(
            "DELETE",
            f"{base}/identities/{{id}}",
            "Disconnect a provider's account from one's own",
            providers.disconnect,
            status=204,
            errors=(
                errors.NotFound,
                errors.LastSignInMethod,
                errors.ReauthenticationRequired,
                *_BEARER,
                *_STORE,
            ),
            security=_ACCESS,
        ),
    ]


def service_calls(api: Api) -> list[Call]:
    """What stands at the root: for verifiers and operators."""
    return [
        Call(
            "GET", "/.well-known/jwks.json", "The public keys of access tokens", api.jwks, answer=schemas.KeySetAnswer
        ),
        Call("GET", "/healthz", "Whether the process answers", api.healthz, answer=schemas.HealthAnswer),
        Call(
            "GET",
            "/readyz",
            "Whether the database answers too",
            api.readyz,
            answer=schemas.HealthAnswer,
            errors=_STORE,
        ),
    ]


def errors_of(call: Call) -> list[type[errors.KeyturnError]]:
    """Every error that a call may answer once it has been found."""
    found: list[type[errors.KeyturnError]] = list(call.errors)
    if call.method not in {"GET", "HEAD"}:
        found.append(CrossOrigin)
    if call.body is not None:
        found.append(InvalidRequest)
    return list(dict.fromkeys(found))
