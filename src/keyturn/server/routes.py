"""The table of all calls: the API and its description are both made from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

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
_STORE = (errors.StoreUnavailable, errors.Overloaded)
_OWNER = (errors.CurrentPasswordWrong, errors.ReauthenticationRequired, errors.TooManyAttempts, *_STORE)
_OPENING = (errors.TooManyAttempts, DuplicateCookie, *_STORE)
_ASKING = (errors.NotFound, errors.ProviderInvalid, errors.ProviderUnavailable, *_STORE)

_ACCESS = ("bearer", "accessCookie")
_IN_THE_BODY = ""
"""A token that may come in the body instead: no credential in the sense of OpenAPI."""

_own = partial(Call, security=_ACCESS, errors=_STORE)
"""A call of whoever is signed in."""


def account_calls(api: Api, base: str) -> list[Call]:
    """The account API.

    Args:
        api: the handlers.
        base: the path before every call's own.
    """
    return _below(base, [*_session_calls(api), *_own_calls(api), *_mail_calls(MailApi(api))])


def _below(base: str, calls: Iterable[Call]) -> list[Call]:
    return [replace(call, path=f"{base}{call.path}") for call in calls]


def _session_calls(api: Api) -> list[Call]:
    """How a session begins, goes on, ends, and is judged by others."""
    opened = partial(Call, "POST", answer=schemas.SignedInAnswer)
    registering = (errors.RegistrationClosed, errors.EmailTaken, errors.UsernameTaken, *_OPENING)
    refreshing = (errors.RefreshTokenMissing, errors.RefreshTokenInvalid, errors.SessionEnded, *_OPENING)
    return [
        opened(
            "/register",
            "Make an account and sign in to it",
            api.register,
            body=schemas.RegisterBody,
            status=201,
            errors=registering,
        ),
        opened("/login", "Sign in", api.login, body=schemas.LoginBody, errors=(errors.InvalidCredentials, *_OPENING)),
        opened(
            "/refresh-token",
            "Get the next access token; the refresh token is rotated",
            api.refresh_token,
            body=schemas.RefreshBody,
            errors=refreshing,
            security=("refreshCookie", _IN_THE_BODY),
        ),
        Call(
            "POST",
            "/logout",
            "Sign out: end every session that the request names",
            api.logout,
            body=schemas.RefreshBody,
            status=204,
            errors=(DuplicateCookie, *_STORE),
            security=("refreshCookie", *_ACCESS, _IN_THE_BODY),
        ),
        _own(
            "GET",
            "/verify",
            "Whether an access token is good: for a proxy's forward-auth",
            api.verify,
            status=204,
            errors=(CrossOrigin,),
        ),
    ]


def _own_calls(api: Api) -> list[Call]:
    """One's own account and sessions."""
    shown = partial(_own, answer=schemas.UserAnswer)
    return [
        _own(
            "POST",
            "/logout-all",
            "End every session of the user",
            api.logout_all,
            body=schemas.LogoutAllBody,
            status=204,
        ),
        shown("GET", "/me", "Who is signed in", api.me),
        shown(
            "PATCH",
            "/me",
            "Change one's username or full name",
            api.update_me,
            body=schemas.ProfileBody,
            errors=(errors.UsernameTaken, *_STORE),
        ),
        _own(
            "DELETE",
            "/me",
            "Close one's account",
            api.delete_me,
            body=schemas.DeleteAccountBody,
            status=204,
            errors=_OWNER,
        ),
        _own("GET", "/sessions", "One's live sessions, the newest first", api.sessions, answer=schemas.SessionsAnswer),
        _own(
            "DELETE",
            "/sessions/{id}",
            "End one of one's sessions",
            api.end_session,
            status=204,
            errors=(errors.NotFound, *_STORE),
        ),
        _own(
            "POST",
            "/password",
            "Change one's password: every session ends and a new one opens",
            api.password,
            body=schemas.PasswordBody,
            answer=schemas.SignedInAnswer,
            errors=_OWNER,
        ),
        shown(
            "POST",
            "/email",
            "Change one's e-mail address",
            api.email,
            body=schemas.EmailBody,
            errors=(errors.EmailTaken, *_OWNER),
        ),
    ]


def _mail_calls(mail: MailApi) -> list[Call]:
    """What is done with mails."""
    by_token = partial(Call, "POST", status=204, errors=(errors.OneTimeTokenInvalid, *_STORE))
    sending = (errors.TooManyAttempts, *_STORE)
    return [
        _own(
            "POST",
            "/email/verification",
            "Send a link that verifies one's e-mail address",
            mail.send_verification,
            status=202,
            errors=sending,
        ),
        by_token("/email/verification/{token}", "Verify an e-mail address", mail.verify_email),
        Call(
            "POST",
            "/password/forgot",
            "Send a link for a new password, if there is such an account",
            mail.forgot_password,
            body=schemas.ForgotBody,
            status=202,
            errors=sending,
        ),
        by_token(
            "/password/reset",
            "Set a new password by the token of a mail: every session ends",
            mail.reset_password,
            body=schemas.ResetBody,
        ),
    ]


def provider_calls(providers: ProviderApi, base: str) -> list[Call]:
    """Signing in with a provider's account.

    Args:
        providers: the handlers.
        base: the path before every call's own.
    """
    way = partial(Call, "GET", status=303)
    coming_back = (
        errors.StateInvalid,
        errors.ProviderDenied,
        errors.EmailMissing,
        errors.AccountExists,
        errors.IdentityTaken,
        errors.RegistrationClosed,
    )
    calls = [
        Call(
            "GET", "/providers", "Whose accounts one can sign in with", providers.listed, answer=schemas.ProvidersAnswer
        ),
        way(
            "/providers/{name}/start",
            "Go to a provider, to sign in",
            providers.start,
            errors=(InvalidRequest, *_OPENING, *_ASKING),
        ),
        way(
            "/providers/{name}/callback",
            "Come back from a provider",
            providers.callback,
            errors=(*coming_back, *_OPENING, *_ASKING),
        ),
        _own(
            "POST",
            "/providers/{name}/connect",
            "Go to a provider, to connect its account with one's own",
            providers.connect,
            body=schemas.ConnectBody,
            answer=schemas.WayAnswer,
            errors=(*_OWNER, *_ASKING),
        ),
        _own(
            "GET",
            "/identities",
            "The providers' accounts that are connected with one's own, the oldest first",
            providers.identities,
            answer=schemas.IdentitiesAnswer,
        ),
        _own(
            "DELETE",
            "/identities/{id}",
            "Disconnect a provider's account from one's own",
            providers.disconnect,
            status=204,
            errors=(errors.NotFound, errors.LastSignInMethod, errors.ReauthenticationRequired, *_STORE),
        ),
    ]
    return _below(base, calls)


def service_calls(api: Api) -> list[Call]:
    """What stands at the root: for verifiers and operators."""
    health = partial(Call, "GET", answer=schemas.HealthAnswer)
    return [
        Call(
            "GET", "/.well-known/jwks.json", "The public keys of access tokens", api.jwks, answer=schemas.KeySetAnswer
        ),
        health("/healthz", "Whether the process answers", api.healthz),
        health("/readyz", "Whether the database answers too", api.readyz, errors=_STORE),
    ]


def errors_of(call: Call) -> list[type[errors.KeyturnError]]:
    """Every error that a call may answer once it has been found."""
    found: list[type[errors.KeyturnError]] = list(call.errors)
    if call.method not in {"GET", "HEAD"}:
        found.append(CrossOrigin)
    if call.body is not None:
        found.append(InvalidRequest)
    if call.security and _IN_THE_BODY not in call.security:
        found += _BEARER
    return list(dict.fromkeys(found))
