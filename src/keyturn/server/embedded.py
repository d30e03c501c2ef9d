"""Keyturn within another application, whatever its framework: what `keyturn.adapters` stand on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from keyturn.core.model import AccessClaims, User
from keyturn.http.forwarded import client_of
from keyturn.http.headers import Headers
from keyturn.server.api import Api
from keyturn.server.calls import Incoming, Reply, heard, validated
from keyturn.server.guard import Guard
from keyturn.server.opening import open_context
from keyturn.server.schemas import Body, LoginBody, RefreshBody, RegisterBody
from keyturn.server.settings import Settings, load_settings
from keyturn.server.wiring import compose
from keyturn.service import account
from keyturn.service.context import Context
from keyturn.service.keys import claim_keys


class Embedded:
    """A server without a socket of its own.

    Args:
        settings: all of them.
        context: what `open_context` opened; closed when the lifespan ends.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        composed = compose(settings, context)
        self._app: ASGIApp = composed.app
        self.lifespan: Callable[[Any], AbstractAsyncContextManager[None]] = composed.lifespan
        """Must run as long as requests are answered: it learns which sessions others ended."""
        self.context = composed.api.context
        self.guard: Guard = composed.api.guard
        self.cookies = composed.api.credentials.cookies
        self._api: Api = composed.api
        self._below = f"{settings.base_path}/"
        self._paths = composed.paths
        self._patterns = [compile_path(path)[0] for path in composed.paths if "{" in path]
        self._proxies = settings.trusted_proxies

    def takes(self, scope: Scope) -> bool:
        """Whether a request is for one of our paths."""
        path = _path_within(scope)
        return (
            path in self._paths
            or path.startswith(self._below)
            or any(pattern.match(path) is not None for pattern in self._patterns)
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what `takes` takes; problems included, nothing is raised."""
        await heard(self._app, {**scope, "path": _path_within(scope), "root_path": ""}, receive, send)

    async def user(self, session: AccessClaims) -> User:
        """The account of whoever is signed in, from the database.

        Raises:
            AccessTokenInvalid: the session has ended.
            StoreUnavailable, Overloaded
        """
        _, user = await self._api.storing.run(lambda: account.who_am_i(self.context, session))
        return user

    async def sign_in(self, scope: Scope, login: str, password: str, *, remember: bool = True) -> tuple[str, ...]:
        """Sign in with delivery `cookie`, for a form of the application's own.

        Args:
            scope: of the request that brought the form (ASGI).
            login: e-mail address or username.
            password: as typed.
            remember: false: the cookies last as long as the browser.

        Returns:
            The values of the Set-Cookie headers of the answer.

        Raises:
            CrossOrigin, InvalidRequest, InvalidCredentials, TooManyAttempts, Overloaded, StoreUnavailable, DuplicateCookie
        """
        form = {"login": login, "password": password, "delivery": "cookie", "remember": remember}
        return await self._form(scope, self._api.login, validated(LoginBody, form))

    async def sign_up(self, scope: Scope, email: str, password: str, full_name: str | None = None) -> tuple[str, ...]:
        """Make an account and sign in to it, as `sign_in`.

        Raises:
            InvalidInput, EmailTaken, RegistrationClosed, and what `sign_in` raises
        """
        form = {"email": email, "password": password, "full_name": full_name, "delivery": "cookie"}
        return await self._form(scope, self._api.register, validated(RegisterBody, form))

    async def sign_out(self, scope: Scope) -> tuple[str, ...]:
        """End the session that the cookies name; the Set-Cookie values that clear them.

        Raises:
            CrossOrigin, StoreUnavailable, Overloaded, DuplicateCookie
        """
        return await self._form(scope, self._api.logout, RefreshBody())

    async def _form(self, scope: Scope, handler: Callable[[Incoming], Awaitable[Reply]], body: Body) -> tuple[str, ...]:
        headers = Headers(scope["headers"])
        self.guard.origins.check(scope["method"], headers)
        peer = scope["client"][0] if scope.get("client") else ""
        incoming = Incoming(
            method=scope["method"],
            headers=headers,
            client=client_of(peer, headers, self._proxies),
            received_at=self.context.clock.monotonic(),
            is_gone=lambda: False,
            body=body,
        )
        return tuple((await handler(incoming)).cookies)


def _path_within(scope: Scope) -> str:
    """The path of a request without `root_path`: that of an application, or of a proxy, which this one is mounted below.

    ASGI says that the path begins with it; not all servers and frameworks do so.
    """
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def open_embedded(**settings: object) -> Embedded:
    """Keyturn with these settings, over those of the environment and of the file that `KEYTURN_CONFIG` names.

    The pages and the description of the API are off unless a setting turns them on: the application has its own. Without an
    issuer, it is loopback with the port of the settings.

    Args:
        settings: by field, as `data_dir`, `issuer`, `access_ttl`.

    Raises:
        SettingsError: one line for every problem.
    """
    loaded = load_settings({"pages": False, "developer_pages": False, **settings})
    context = open_context(loaded, loaded.issuer_for(loaded.port))
    claim_keys(context)
    return Embedded(loaded, context)
