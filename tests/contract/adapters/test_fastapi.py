"""Keyturn among what else a FastAPI application is made of: its middleware, its CORS, its lifespan, a path below another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.faults import failing
from tests.support.server import LiveServer

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.core.model import AccessClaims, User
from keyturn.server.embedded import Embedded
from keyturn.server.settings import Settings
from keyturn.service import ending
from keyturn.service.context import Context

FRONT, READER = "http://127.0.0.1:5173", "http://127.0.0.1:5174"


def with_keyturn(auth: KeyturnAuth) -> FastAPI:
    """An application with one guarded call, and Keyturn at its paths."""
    app = FastAPI(lifespan=auth.lifespan, openapi_url=None)

    @app.api_route("/guarded", methods=["GET", "POST"])
    async def guarded(session: AccessClaims = Depends(auth.current_session)) -> dict[str, str]:
        return {"subject": session.subject}

    auth.mount(app)
    return app


Build = Callable[[KeyturnAuth], ASGIApp]


def serving(folder: Path, build: Build, **settings: Any) -> AbstractContextManager[LiveServer]:
    """The application on a real socket."""

    def built(settings: Settings, context: Context) -> ASGIApp:
        return build(KeyturnAuth(Embedded(settings, context)))

    return LiveServer(folder / "data", build=built, developer_pages=False, **settings)


def use_everything(browser: Browser, below: str = "") -> None:
    """From sign-up to sign-out, by every kind of call."""
    base = f"{below}/api/v1/auth"
    account = {"email": "alice@example.com", "password": PASSWORD, "delivery": "cookie"}
    assert browser.post(f"{base}/register", json=account).status_code == 201
    assert browser.post(f"{base}/refresh-token").status_code == 200
    assert browser.get(f"{below}/guarded").status_code == 200
    assert browser.patch(f"{base}/me", json={"full_name": "Alice"}).json()["full_name"] == "Alice"
    (session,) = browser.get(f"{base}/sessions").json()["sessions"]
    assert browser.get(f"{base}/verify").status_code == 204
    assert browser.get(f"{below}/keyturn/client.js").status_code == 200
    assert browser.get(f"{below}/.well-known/jwks.json").json()["keys"]
    assert browser.get(f"{base}/nothing").json()["code"] == "not_found"
    assert browser.post(f"{base}/login", json={"login": "x", "password": "y"}).json()["code"] == "invalid_credentials"
    assert browser.post(f"{base}/login", content=b"{").status_code in {400, 415}
    assert browser.delete(f"{base}/sessions/{session['id']}").status_code == 204
    refused = browser.get(f"{below}/guarded")
    assert (refused.status_code, refused.json()["code"]) == (401, "access_token_invalid")


def test_a_route_may_answer_with_what_the_token_says_and_with_the_account(tmp_path: Path) -> None:
    def build(auth: KeyturnAuth) -> FastAPI:
        app = with_keyturn(auth)

        @app.get("/claims")
        async def claims(session: AccessClaims = Depends(auth.current_session)) -> AccessClaims:
            return session

        @app.get("/account")
        async def account(user: User = Depends(auth.current_user)) -> User:
            return user

        return app

    with serving(tmp_path, build, access_claims=["email"]) as server, Browser(server.url) as browser:
        user = browser.register(delivery="cookie")["user"]
        said = browser.get("/claims").json()
        assert (said["subject"], said["extra"]) == (user["id"], {"email": EMAIL})
        assert browser.get("/account").json()["email"] == EMAIL


def under_a_middleware(auth: KeyturnAuth, *, reads: bool = False) -> ASGIApp:
    """`@app.middleware("http")` hands on a request and an answer that are not those of the server (BaseHTTPMiddleware)."""
    app = with_keyturn(auth)

    @app.middleware("http")
    async def marked(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if reads:
            await request.body()
        answer = await call_next(request)
        answer.headers["x-marked"] = "yes"
        return answer

    return app


@pytest.mark.parametrize("reads", [False, True], ids=["that leaves the body alone", "that reads the body"])
def test_under_a_middleware_of_the_applications_own_every_call_answers(tmp_path: Path, reads: bool) -> None:
    with serving(tmp_path, partial(under_a_middleware, reads=reads)) as server, Browser(server.url) as browser:
        use_everything(browser)
        assert browser.get("/healthz").headers["x-marked"] == "yes"


def answering_with_the_user(auth: KeyturnAuth) -> FastAPI:
    app = with_keyturn(auth)

    @app.get("/user")
    async def user(user: User = Depends(auth.current_user)) -> User:
        return user

    return app


def test_a_user_becomes_an_object_with_names_in_an_answer(tmp_path: Path) -> None:
    with serving(tmp_path, answering_with_the_user) as server, Browser(server.url) as browser:
        browser.register(delivery="cookie")
        assert browser.get("/user").json()["email"] == EMAIL


def send_refresh(server: LiveServer, token: str) -> HTTPConnection:
    """Ask, and do not wait for the answer; but until the server has read the question."""
    connection = HTTPConnection(*server.address, timeout=30)
    body = json.dumps({"refresh_token": token})
    connection.request("POST", "/api/v1/auth/refresh-token", body, {"content-type": "application/json"})
    for _ in range(3):
        assert httpx2.get(f"{server.url}/healthz").status_code == 200
    return connection


@pytest.mark.parametrize("build", [with_keyturn, under_a_middleware])
def test_a_refresh_whose_client_has_hung_up_while_it_waited_is_dropped_undecided(tmp_path: Path, build: Build) -> None:
    """Deciding it late would make a token the newest that nobody has."""
    with serving(tmp_path, build, wrap=failing) as server, Browser(server.url) as browser:
        browser.register()
        one, two, three = (browser.login(delivery="body")["refresh_token"] for _ in range(3))
        database: Any = server.context.database
        database.gate.clear()
        first, second = send_refresh(server, one), send_refresh(server, two)
        its = second.sock.getsockname()
        second.close()
        while its in {connection.client for connection in list(server.connections)}:
            assert httpx2.get(f"{server.url}/healthz").status_code == 200
        database.gate.set()
        with closing(first):
            assert first.getresponse().status == 200
        assert browser.refresh(three).status_code == 200
        parsed = [server.context.tokens.parse_refresh(token) for token in (one, two, three)]
        assert [ending.session_of(server.context, token).generation for token in parsed] == [1, 0, 1]
        assert browser.refresh(two).status_code == 200


def test_below_a_path_of_another_application_every_call_answers(tmp_path: Path) -> None:
    def build(auth: KeyturnAuth) -> ASGIApp:
        outer = FastAPI(lifespan=auth.lifespan, openapi_url=None)
        outer.mount("/tours", with_keyturn(auth))
        return outer

    with serving(tmp_path, build) as server, Browser(server.url) as browser:
        use_everything(browser, "/tours")
        assert browser.post("/api/v1/auth/login", json={}).json() == {"detail": "Not Found"}


@pytest.mark.parametrize("whole", [True, False], ids=["whole path", "inner path"])
def test_behind_a_proxy_with_a_root_path_every_call_answers(tmp_path: Path, whole: bool) -> None:
    """As `--root-path` of uvicorn has it, which puts it before the path; or as others do, which leave the path alone."""

    def build(auth: KeyturnAuth) -> ASGIApp:
        app = with_keyturn(auth)

        async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                path = scope["path"] if whole else scope["path"].removeprefix("/tours")
                scope = {**scope, "path": path, "root_path": "/tours"}
            await app(scope, receive, send)

        return proxied

    with serving(tmp_path, build) as server, Browser(server.url) as browser:
        use_everything(browser, "/tours")


def preflight(server: LiveServer, origin: str, path: str) -> httpx2.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    return httpx2.options(f"{server.url}{path}", headers=headers)


def test_within_the_applications_cors_an_origin_that_both_list_passes_and_is_named_once(tmp_path: Path) -> None:
    def build(auth: KeyturnAuth) -> ASGIApp:
        app = with_keyturn(auth)
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[FRONT, READER],
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
        )
        return app

    with serving(tmp_path, build, allowed_origins=FRONT) as server, Browser(server.url) as browser:
        browser.register()
        for origin, status in ((FRONT, 200), (READER, 403)):
            assert preflight(server, origin, "/api/v1/auth/refresh-token").status_code == 200
            answer = browser.call("POST", "/refresh-token", headers={"origin": origin, "sec-fetch-site": "same-site"})
            assert answer.status_code == status
            assert answer.headers.get_list("access-control-allow-origin") == [origin]
            assert answer.headers.get_list("access-control-allow-credentials") == ["true"]
        # Who is on neither list: refused before the answer could be read.
        foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
        evil = browser.call("POST", "/refresh-token", headers=foreign)
        assert evil.status_code == 403
        assert "access-control-allow-origin" not in evil.headers


def test_within_a_lifespan_of_the_applications_own_ends_are_followed_and_the_database_is_closed(tmp_path: Path) -> None:
    told: list[str] = []

    def build(auth: KeyturnAuth) -> ASGIApp:
        app = with_keyturn(auth)

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
            async with auth.lifespan(app):
                told.append("begun")
                yield {"mine": "state"}
            told.append("ended")

        app.router.lifespan_context = lifespan
        return app

    with serving(tmp_path, build) as server, Browser(server.url) as browser:
        use_everything(browser)
        assert told == ["begun"]
    assert told == ["begun", "ended"]
