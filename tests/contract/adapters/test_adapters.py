"""Every adapter answers the contract's cases, and refuses in the very words of the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx2
import pytest
from starlette.types import ASGIApp
from tests.contract.adapters.cases import CASES, Case, World
from tests.contract.adapters.fastapi_app import fastapi_app
from tests.support.client import Browser, trusted
from tests.support.server import LiveServer

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.errors import SettingsError
from keyturn.server.opening import open_context
from keyturn.server.settings import Settings
from keyturn.service import administration
from keyturn.service.context import Context

ADAPTERS: dict[str, Callable[[Settings, Context], ASGIApp]] = {"fastapi": fastapi_app}


@pytest.fixture(scope="module", params=ADAPTERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Shared by all: every case has an Alice of its own."""
    data = tmp_path_factory.mktemp("adapter") / "data"
    with LiveServer(data, build=ADAPTERS[request.param], developer_pages=False) as server:
        yield server


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    """Keeps connections and no cookies."""
    with httpx2.Client(timeout=30, verify=trusted()) as client:
        yield client


@pytest.fixture
def world(server: LiveServer) -> World:
    return World(server)


Send = Callable[..., httpx2.Response]


@pytest.fixture
def send(server: LiveServer, client: httpx2.Client) -> Send:
    def sent(method: str, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> httpx2.Response:
        return client.request(method, f"{server.url}{path}", headers=dict(headers))

    return sent


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_a_request_is_answered_as_the_contract_says(world: World, send: Send, case: Case) -> None:
    case.before(world)
    credentials = case.credentials(world)
    answer = send(case.method, case.path, {**case.headers, **credentials})
    assert answer.status_code == case.status, answer.text
    assert {name: answer.headers.get(name) for name in case.answer} == case.answer
    if case.code is not None:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
    if case.method == "HEAD":
        assert answer.content == b""
    elif case.code is not None:
        assert answer.json()["code"] == case.code
    else:
        assert answer.json()["subject"] == (world.user_id if credentials else None)


@pytest.mark.parametrize("case", [case for case in CASES if case.path == "/guarded"], ids=lambda case: case.sentence)
def test_a_refusal_is_that_of_the_forward_auth_call(world: World, send: Send, case: Case) -> None:
    case.before(world)
    headers = {**case.headers, **case.credentials(world)}
    ours = send(case.method, "/guarded", headers)
    method = "HEAD" if case.method == "HEAD" else "GET"
    servers = send(method, "/api/v1/auth/verify", {**headers, "x-forwarded-method": case.method})
    assert ours.is_success == servers.is_success
    assert ours.headers.get("www-authenticate") == servers.headers.get("www-authenticate")
    if not ours.is_success and case.method != "HEAD":
        assert ours.json() == servers.json()


def test_an_end_that_another_process_decided_counts_within_a_second(world: World, send: Send) -> None:
    elsewhere = open_context(world.server.settings, world.server.issuer, clock=world.server.clock)
    administration.end_each(elsewhere, [world.session_id])
    ended, seconds = time.monotonic(), 0.0
    while send("GET", "/guarded", {"authorization": f"Bearer {world.token}"}).status_code == 200:
        seconds = time.monotonic() - ended
        assert seconds < 5, "one look a second, on a machine that may be busy"
    elsewhere.database.close()


def test_roles_that_were_given_count_after_a_refresh(world: World) -> None:
    with Browser(world.server.url) as browser:
        browser.login(world.email)
        path = f"{world.server.url}/both"
        assert (
            browser.get(path, headers={"authorization": f"Bearer {browser.access_token}"}).json()["code"]
            == "role_missing"
        )
        administration.set_roles(world.context, world.user_id, ("guide", "admin"))
        refused = browser.get(path, headers={"authorization": f"Bearer {browser.access_token}"})
        assert (refused.status_code, refused.json()["code"]) == (401, "access_token_invalid")
        world.server.clock.advance(1)
        assert browser.refresh().status_code == 200
        assert browser.get(path, headers={"authorization": f"Bearer {browser.access_token}"}).status_code == 200


def test_a_refresh_does_not_make_a_sign_in_younger(world: World) -> None:
    with Browser(world.server.url) as browser:
        browser.login(world.email)
        world.server.clock.advance(601)
        assert browser.refresh().status_code == 200
        answer = browser.get("/recent", headers={"authorization": f"Bearer {browser.access_token}"})
        assert answer.json()["code"] == "reauthentication_required"
        browser.login(world.email)
        assert browser.get("/recent", headers={"authorization": f"Bearer {browser.access_token}"}).status_code == 200


def test_the_servers_own_calls_answer_beside_the_applications(send: Send) -> None:
    assert send("GET", "/.well-known/jwks.json").json()["keys"]
    assert send("GET", "/keyturn/client.js").headers["content-type"].startswith("text/javascript")
    assert send("GET", "/api/v1/auth/nothing").json()["code"] == "not_found"
    assert send("GET", "/nothing").json() == {"detail": "Not Found"}


def test_openapi_names_the_bearer_token_and_the_cookie_as_alternatives(send: Send) -> None:
    description = send("GET", "/app/openapi.json").json()
    assert description["paths"]["/guide"]["get"]["security"] == [{"bearer": []}, {"accessCookie": []}]
    schemes = description["components"]["securitySchemes"]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert schemes["accessCookie"] == {"type": "apiKey", "in": "cookie", "name": "keyturn_access"}


def test_a_text_in_place_of_a_set_of_roles_is_refused_when_the_application_starts(tmp_path: Path) -> None:
    auth = KeyturnAuth.open(data_dir=tmp_path / "data")
    with pytest.raises(SettingsError, match="Roles are a set"):
        auth.require(roles="guide")
    auth.keyturn.context.database.close()
