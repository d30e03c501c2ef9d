"""Keyturn within a FastAPI application: its calls at their paths, and dependencies that guard the application's own.

auth = KeyturnAuth.open(data_dir="data", issuer="https://tours.example.com")
app = FastAPI(lifespan=auth.lifespan)
auth.mount(app)

@app.get("/api/v1/bookings")
async def bookings(session: Annotated[AccessClaims, Depends(auth.current_session)]) -> list[Booking]: ...

@app.post("/api/v1/tours", dependencies=[Depends(auth.require(roles={"admin"}))])
async def add_tour(tour: Tour) -> Tour: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Self

from fastapi import Depends, FastAPI, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from keyturn.core.model import AccessClaims, User
from keyturn.errors import KeyturnError, SettingsError
from keyturn.http.headers import Headers
from keyturn.http.problems import MEDIA_TYPE, problem_of
from keyturn.server.embedded import Embedded, open_embedded

SessionDependency = Callable[..., Awaitable[AccessClaims]]


class KeyturnAuth:
    """Keyturn for one FastAPI application.

    `current_session`, `optional_session` and `current_user` are dependencies, `require` makes them. All of them judge as
    `GET /verify` does: by `Authorization: Bearer` or the access cookie, and an unsafe request by the cookie must come from
    an origin of ours.

    Args:
        keyturn: what runs within; `KeyturnAuth.open` makes one from settings.
    """

    def __init__(self, keyturn: Embedded) -> None:
        self.keyturn = keyturn
        self.current_session = self._dependency()
        """A dependency: what the access token says (AccessClaims); 401 for a request without a valid one."""
        self.optional_session = self._optional()
        """A dependency: the same, or none for a request without a token. An invalid one is 401 here as well."""
        self.current_user = self._user()
        """A dependency: the account (User), read from the database."""

    @classmethod
    def open(cls, **settings: object) -> Self:
        """Open Keyturn with these settings, over `KEYTURN_*` in the environment.

        Args:
            settings: by field, as `data_dir`, `issuer`, `access_ttl`; docs/settings.md has all of them.
                `pages` is off by default.

        Raises:
            SettingsError: one line for every problem.
        """
        return cls(open_embedded(**settings))

    @property
    def lifespan(self) -> Callable[[Any], AbstractAsyncContextManager[None]]:
        """What must run as long as the application does: `FastAPI(lifespan=auth.lifespan)`, or `async with auth.lifespan(app)`
        within the application's own. The database is closed at its end."""
        return self.keyturn.lifespan

    def mount(self, app: FastAPI) -> None:
        """Answer Keyturn's calls at their paths, and what the dependencies refuse with a problem (RFC 9457).

        Routes that were added before take precedence, as always with FastAPI.
        """
        app.router.routes.append(_KeyturnRoute(self.keyturn))
        app.add_exception_handler(KeyturnError, _answer_problem)

    def require(
        self, *, roles: Collection[str] = (), all_of: Collection[str] = (), max_age: timedelta | None = None
    ) -> SessionDependency:
        """A dependency that gives the session of somebody who may do this.

        Args:
            roles: one of these is enough (any of); empty: no role is needed.
            all_of: none of these may be missing.
            max_age: how long ago the password may have been entered; otherwise 403 `reauthentication_required`.

        Raises:
            SettingsError: a text was given where a set of roles is meant.
        """
        if isinstance(roles, str) or isinstance(all_of, str):
            raise SettingsError('Roles are a set: require(roles={"guide"}).')

        async def permitted(session: AccessClaims = Depends(self.current_session)) -> AccessClaims:
            self.keyturn.guard.check(session, any_of=roles, all_of=all_of, max_age=max_age)
            return session

        return permitted

    async def sign_in(
        self, request: Request, response: Response, login: str, password: str, *, remember: bool = True
    ) -> None:
        """Sign in by a form of the application's own (delivery `cookie`): the answer gets the cookies.

        Raises:
            KeyturnError: refused; `str(error)` says why to people.
        """
        cookies = await self.keyturn.sign_in(request.scope, login, password, remember=remember)
        _set_cookies(response, cookies)

    async def sign_up(
        self, request: Request, response: Response, email: str, password: str, full_name: str | None = None
    ) -> None:
        """Make an account by a form of the application's own, and sign in to it, as `sign_in` does."""
        _set_cookies(response, await self.keyturn.sign_up(request.scope, email, password, full_name))

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session of this browser; the answer clears the cookies."""
        _set_cookies(response, await self.keyturn.sign_out(request.scope))

    def _dependency(self) -> SessionDependency:
        bearer, cookie = self._schemes()

        async def current_session(request: Request, _bearer: Any = bearer, _cookie: Any = cookie) -> AccessClaims:
            return self.keyturn.guard.session(request.method, Headers(request.scope["headers"]))

        return current_session

    def _optional(self) -> Callable[..., Awaitable[AccessClaims | None]]:
        bearer, cookie = self._schemes()

        async def optional_session(
            request: Request, _bearer: Any = bearer, _cookie: Any = cookie
        ) -> AccessClaims | None:
            return self.keyturn.guard.session_if_any(request.method, Headers(request.scope["headers"]))

        return optional_session

    def _user(self) -> Callable[..., Awaitable[User]]:
        async def current_user(session: AccessClaims = Depends(self.current_session)) -> User:
            return await self.keyturn.user(session)

        return current_user

    def _schemes(self) -> tuple[Any, Any]:
        """What OpenAPI says of the credentials. They refuse nothing: the guard reads them itself, from the bytes that came."""
        bearer = HTTPBearer(bearerFormat="JWT", scheme_name="bearer", auto_error=False)
        cookie = APIKeyCookie(name=self.keyturn.cookies.access, scheme_name="accessCookie", auto_error=False)
        return Security(bearer), Security(cookie)


class _KeyturnRoute(BaseRoute):
    """Keyturn's paths among the routes of an application."""

    def __init__(self, keyturn: Embedded) -> None:
        self._keyturn = keyturn

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        ours = scope["type"] == "http" and self._keyturn.takes(scope)
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._keyturn.app(scope, receive, send)


async def _answer_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, KeyturnError):
        raise error
    problem = problem_of(error)
    if problem.status == 500:  # the application's own way with what nobody expected
        raise error
    headers = {"cache-control": "no-store", **problem.headers}
    return JSONResponse(problem.body, problem.status, headers, MEDIA_TYPE)


def _set_cookies(response: Response, cookies: Collection[str]) -> None:
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    response.headers["cache-control"] = "no-store"
