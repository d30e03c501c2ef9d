"""Every answer that `/openapi.json` lists for the calls about providers can happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import httpx2
import pytest
from tests.http.test_listed_answers import WITH_PROVIDERS, Operation, listed
from tests.support.client import BASE, Browser
from tests.support.counted import CountedHasher
from tests.support.faults import FailingDatabase
from tests.support.provider import Answer, Provider, come_back, sign_in, start
from tests.support.server import LiveServer

from keyturn.service.context import Context

START, CALLBACK = f"{BASE}/providers/{{name}}/start", f"{BASE}/providers/{{name}}/callback"
CONNECT = f"{BASE}/providers/{{name}}/connect"
IDENTITY = f"{BASE}/identities/{{id}}"

EVERYWHERE = {"malformed_request", "unknown_host", "headers_too_large", "https_required", "internal_error"}
"""What the edge answers for any call."""

BODIES = {"malformed_json", "too_large", "unsupported_media_type", "invalid_request"}
"""What reading a body answers for any call that has one."""

_numbers = count()


class Stage:
    """A browser and a provider at which somebody new signs in."""

    def __init__(self, server: LiveServer, provider: Provider, browser: Browser) -> None:
        self.server, self.provider, self.browser = server, provider, browser
        provider.reset()
        provider.clock.advance(3601)
        self.email = f"person-{next(_numbers)}@example.com"
        provider.claims = {"sub": self.email, "email": self.email}

    def back(self, **more: str | None) -> httpx2.Response:
        return come_back(self.browser, self.provider.visit(start(self.browser), **more))

    def connect(self, **body: str) -> httpx2.Response:
        return self.browser.call("POST", "/providers/example/connect", body, bearer=self.browser.access_token)

    def connected(self) -> httpx2.Response:
        self.browser.register(email=f"other-{self.email}")
        return come_back(self.browser, self.provider.visit(self.connect().json()["authorization_url"]))

    def identity(self) -> str:
        answer = self.browser.call("GET", "/identities", bearer=self.browser.access_token)
        return f"/identities/{answer.json()['identities'][0]['id']}"

    def delete(self, path: str) -> httpx2.Response:
        return self.browser.call("DELETE", path, bearer=self.browser.access_token)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir: Path = tmp_path_factory.mktemp("listed") / "data"

    def breakable(context: Context) -> Context:
        return replace(context, database=FailingDatabase(context.database), hasher=CountedHasher(context.hasher))

    tables = {"example": _provider.settings()}
    with LiveServer(data_dir, clock=_provider.clock, wrap=breakable, providers=tables) as live:
        yield live


@pytest.fixture
def stage(server: LiveServer, _provider: Provider, browser: Browser) -> Stage:
    return Stage(server, _provider, browser)


def account_exists(stage: Stage) -> httpx2.Response:
    stage.browser.register(email=stage.email)
    return stage.back()


def identity_taken(stage: Stage) -> httpx2.Response:
    assert stage.back().status_code == 303
    return stage.connected()


def with_claims(**claims: object) -> Callable[[Stage], httpx2.Response]:
    def happen(stage: Stage) -> httpx2.Response:
        stage.provider.claims |= claims
        return stage.back()

    return happen


def stale(stage: Stage) -> None:
    stage.browser.register(email=stage.email)
    stage.provider.clock.advance(601)
    stage.browser.refresh()


def stale_connect(stage: Stage) -> httpx2.Response:
    stale(stage)
    return stage.connect()


def stale_delete(stage: Stage) -> httpx2.Response:
    stale(stage)
    return stage.delete("/identities/any")


def wrong_password(stage: Stage) -> httpx2.Response:
    stage.browser.register(email=stage.email)
    return stage.connect(current_password="wrong")


def last_method(stage: Stage) -> httpx2.Response:
    assert sign_in(stage.browser, stage.provider).status_code == 303
    stage.browser.refresh()
    return stage.delete(stage.identity())


def nothing_to_delete(stage: Stage) -> httpx2.Response:
    stage.browser.register(email=stage.email)
    return stage.delete("/identities/nothing")


def nobody_to_connect(stage: Stage) -> httpx2.Response:
    stage.browser.register(email=stage.email)
    return stage.browser.call("POST", "/providers/nobody/connect", {}, bearer=stage.browser.access_token)


def described_badly(connecting: bool = False) -> Callable[[Stage], httpx2.Response]:
    def happen(stage: Stage) -> httpx2.Response:
        stage.browser.register(email=stage.email)
        stage.provider.answers["/.well-known/openid-configuration"] = Answer(body=b"[]")
        return stage.connect() if connecting else stage.browser.call("GET", "/providers/example/start")

    return happen


def away(connecting: bool = False) -> Callable[[Stage], httpx2.Response]:
    def happen(stage: Stage) -> httpx2.Response:
        stage.browser.register(email=stage.email)
        stage.provider.answers["/.well-known/openid-configuration"] = Answer(500)
        return stage.connect() if connecting else stage.browser.call("GET", "/providers/example/start")

    return happen


def unknown_delivery(stage: Stage) -> httpx2.Response:
    return stage.browser.call("GET", "/providers/example/start", params={"delivery": "body"})


def twice(path: str, name: str) -> Callable[[Stage], httpx2.Response]:
    def happen(stage: Stage) -> httpx2.Response:
        return stage.browser.call("GET", path, headers={"cookie": f"{name}=a; {name}=b"})

    return happen


HAPPENS: dict[tuple[Operation, str], Callable[[Stage], httpx2.Response]] = {
    (("GET", START), "not_found"): lambda stage: stage.browser.call("GET", "/providers/nobody/start"),
    (("GET", START), "invalid_request"): unknown_delivery,
    (("GET", START), "duplicate_cookie"): twice("/providers/example/start", "keyturn_refresh"),
    (("GET", START), "provider_invalid"): described_badly(),
    (("GET", START), "provider_unavailable"): away(),
    (("GET", CALLBACK), "not_found"): lambda stage: stage.browser.call("GET", "/providers/nobody/callback"),
    (("GET", CALLBACK), "sign_in_state_invalid"): lambda stage: stage.back(state="another"),
    (("GET", CALLBACK), "provider_denied"): lambda stage: stage.back(error="access_denied"),
    (("GET", CALLBACK), "provider_email_missing"): with_claims(email=""),
    (("GET", CALLBACK), "account_exists"): account_exists,
    (("GET", CALLBACK), "identity_taken"): identity_taken,
    (("GET", CALLBACK), "duplicate_cookie"): twice("/providers/example/callback", "keyturn_way"),
    (("GET", CALLBACK), "provider_invalid"): with_claims(nonce="another"),
    (("GET", CALLBACK), "provider_unavailable"): lambda stage: stage.back(error="server_error"),
    (("POST", CONNECT), "not_found"): nobody_to_connect,
    (("POST", CONNECT), "reauthentication_required"): stale_connect,
    (("POST", CONNECT), "current_password_wrong"): wrong_password,
    (("POST", CONNECT), "provider_invalid"): described_badly(connecting=True),
    (("POST", CONNECT), "provider_unavailable"): away(connecting=True),
    (("DELETE", IDENTITY), "not_found"): nothing_to_delete,
    (("DELETE", IDENTITY), "reauthentication_required"): stale_delete,
    (("DELETE", IDENTITY), "last_sign_in_method"): last_method,
}
"""What each operation answers that no other test of every call makes happen."""

ELSEWHERE = {
    "registration_closed",  # test_nobody_new_gets_an_account_where_registration_is_closed
    "too_many_attempts",  # test_accounts_by_providers_count_as_those_by_passwords, tests/attacks/test_provider_limits.py
    "overloaded",  # test_a_slow_provider_holds_up_nobody_else
}


@pytest.mark.parametrize("number", range(len(HAPPENS)))
def test_an_answer_that_is_listed_happens(stage: Stage, number: int) -> None:
    (_, code), happen = list(HAPPENS.items())[number]
    assert happen(stage).json()["code"] == code


def operations(server: LiveServer) -> dict[Operation, set[str]]:
    document = httpx2.get(f"{server.url}/openapi.json").json()
    return {
        operation: {code for _, code in answers if code is not None}
        for operation, answers in listed(document, with_providers=True).items()
        if operation[1].startswith(WITH_PROVIDERS)
    }


def test_a_token_is_asked_for_and_the_origin_looked_at_wherever_it_is_listed(stage: Stage) -> None:
    for (method, path), codes in operations(stage.server).items():
        name = path.removeprefix(BASE).replace("{name}", "example").replace("{id}", "any")
        ask = {"json": {}} if method == "POST" else {}
        if "access_token_missing" in codes:
            assert stage.browser.call(method, name, **ask).json()["code"] == "access_token_missing"
            assert stage.browser.call(method, name, bearer="x", **ask).json()["code"] == "access_token_invalid"
            cookies = {"cookie": "keyturn_access=a; keyturn_access=b"}
            assert stage.browser.call(method, name, headers=cookies, **ask).json()["code"] == "duplicate_cookie"
        if "cross_origin" in codes:
            headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
            assert stage.browser.call(method, name, headers=headers, **ask).json()["code"] == "cross_origin"


def test_the_database_is_away_wherever_it_is_listed(stage: Stage) -> None:
    stage.browser.register(email=stage.email)
    back = stage.provider.visit(start(stage.browser))
    stage.server.context.database.away = True
    try:
        bearer = stage.browser.access_token
        answers = [
            stage.browser.call("GET", "/providers/example/start"),
            come_back(stage.browser, back),
            stage.connect(),
            stage.browser.call("GET", "/identities", bearer=bearer),
            stage.delete("/identities/any"),
        ]
    finally:
        stage.server.context.database.away = False
    assert {answer.json()["code"] for answer in answers} == {"store_unavailable"}


def test_accounts_by_providers_count_as_those_by_passwords(tmp_path: Path, stage: Stage) -> None:
    limits = {"rate_limits": True, "rate_limit_registration": 1, "trusted_proxies": ["127.0.0.1"]}
    provider = stage.provider
    with (
        LiveServer(tmp_path / "d", clock=provider.clock, providers={"example": provider.settings()}, **limits) as live,
        Browser(live.url) as browser,
    ):
        browser.headers["x-forwarded-for"] = "203.0.113.7"
        assert sign_in(browser, provider).status_code == 303
        assert sign_in(browser, provider).status_code == 303
        provider.claims |= {"sub": "somebody else", "email": f"else-{stage.email}"}
        assert sign_in(browser, provider).json()["code"] == "too_many_attempts"


def test_every_code_that_is_listed_has_its_test(server: LiveServer) -> None:
    shared = EVERYWHERE | {"access_token_missing", "access_token_invalid", "cross_origin", "store_unavailable"}
    every = operations(server)
    assert {operation for operation, _ in HAPPENS} <= set(every)
    for operation, codes in every.items():
        tested = {code for (of, code) in HAPPENS if of == operation}
        more = BODIES if operation[0] == "POST" else set()
        more = more | {"duplicate_cookie"} if "access_token_missing" in codes else more
        assert codes - shared - more - ELSEWHERE == tested, operation
