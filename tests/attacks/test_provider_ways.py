"""The way to a provider and back: it ends in the browser in which it began, once, in time, and on this site."""

from __future__ import annotations

import json
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from tests.support.client import BASE, Browser
from tests.support.provider import Provider, base64url, come_back, sign_in, start
from tests.support.server import LiveServer

WAY = "keyturn_way"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir: Path = tmp_path_factory.mktemp("ways") / "data"
    table = _provider.settings()
    with LiveServer(data_dir, clock=_provider.clock, providers={"example": table, "other": table}) as live:
        yield live


@pytest.fixture
def other(server: LiveServer) -> Iterator[Browser]:
    """Another browser."""
    with Browser(server.url) as client:
        yield client


def refused(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (400, "sign_in_state_invalid")


def test_the_browser_is_sent_with_all_that_protects_a_sign_in(browser: Browser) -> None:
    first, second = (dict(parse_qsl(urlsplit(start(browser)).query)) for _ in range(2))
    assert first["response_type"] == "code"
    assert first["code_challenge_method"] == "S256"
    assert first["scope"] == "openid email profile"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43  # 256 bits
        assert first[name] != second[name]


def test_the_cookie_of_a_way_is_for_this_browser_alone_and_for_ten_minutes(browser: Browser) -> None:
    answer = browser.call("GET", "/providers/example/start")
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"{WAY}=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600")
    assert answer.headers["cache-control"] == "no-store"
    shown = json.loads(urlsafe_b64decode(browser.cookies[WAY].partition(".")[0] + "=="))
    sent = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert not {sent["state"], sent["nonce"], sent["code_challenge"]} & set(map(str, shown.values()))


@pytest.mark.parametrize("state", [None, "", "another", "\u00e4"])
def test_a_way_back_without_the_state_of_the_way_there_is_refused(
    provider: Provider, browser: Browser, state: str | None
) -> None:
    assert refused(come_back(browser, provider.visit(start(browser), state=state)))
    assert provider.requests["/token"] == 0


def test_state_and_code_of_one_browser_are_worth_nothing_in_another(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    attackers = provider.visit(start(other))
    assert refused(come_back(browser, attackers))
    start(browser)
    assert refused(come_back(browser, attackers))
    assert browser.refresh().status_code == 401


def test_a_way_leads_to_a_session_once(provider: Provider, browser: Browser) -> None:
    url = start(browser)
    cookie = browser.cookies[WAY]
    assert come_back(browser, provider.visit(url)).status_code == 303
    assert WAY not in browser.cookies
    assert refused(come_back(browser, provider.visit(url)))
    # Not even with the cookie of then, and a provider that gives a second code for it.
    browser.cookies.set(WAY, cookie)
    assert refused(come_back(browser, provider.visit(url)))


def test_a_code_that_was_used_signs_nobody_in(provider: Provider, browser: Browser) -> None:
    url, cookie = start(browser), browser.cookies[WAY]
    back = provider.visit(url)
    assert come_back(browser, back).status_code == 303
    browser.cookies.set(WAY, cookie)
    assert come_back(browser, back).json()["code"] == "provider_invalid"


def test_a_way_that_took_too_long_leads_nowhere(provider: Provider, browser: Browser) -> None:
    url = start(browser)
    provider.clock.advance(600)
    assert refused(come_back(browser, provider.visit(url)))


def test_a_cookie_that_somebody_wrote_is_none(provider: Provider, browser: Browser) -> None:
    url = start(browser)
    body, _, tag = browser.cookies[WAY].partition(".")
    way = json.loads(urlsafe_b64decode(body + "=="))
    forged = base64url(json.dumps({**way, "return_to": "//evil.example"}).encode())
    for value in (f"{forged}.{tag}", f"{forged}.", forged, body, f".{tag}", f"{body}.{tag[:-1]}", "a" * 5000):
        browser.cookies.clear()
        browser.cookies.set(WAY, value)
        assert refused(come_back(browser, provider.visit(url))), value


def test_a_token_of_another_kind_is_no_state_and_a_state_is_no_token(provider: Provider, browser: Browser) -> None:
    url = start(browser)
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    way = browser.cookies[WAY]
    browser.register(email="kim@example.org", delivery="body")
    for token in (state, way):
        assert browser.refresh(token).status_code == 403
        assert browser.call("GET", "/me", bearer=token).status_code == 401
        assert browser.call("POST", f"/email/verification/{token}").status_code == 403
        reset = {"token": token[:128], "new_password": "another long password"}
        assert browser.call("POST", "/password/reset", reset).status_code in {403, 422}
    assert refused(come_back(browser, provider.visit(url, state=browser.access_token)))


def test_a_way_to_one_provider_does_not_come_back_from_another(provider: Provider, browser: Browser) -> None:
    back = provider.visit(start(browser))
    assert refused(come_back(browser, back.replace("/providers/example/", "/providers/other/")))


@pytest.mark.parametrize("issuer", ["https://evil.example", ""])
def test_an_answer_that_names_another_issuer_is_refused(provider: Provider, browser: Browser, issuer: str) -> None:
    answer = come_back(browser, provider.visit(start(browser), iss=issuer))
    assert answer.status_code == (502 if issuer else 303)
    assert provider.requests["/token"] == (0 if issuer else 1)


def test_an_answer_must_name_the_issuer_where_the_provider_says_that_it_does(
    provider: Provider, browser: Browser
) -> None:
    provider.description = {"authorization_response_iss_parameter_supported": True}
    assert come_back(browser, provider.visit(start(browser), iss=None)).status_code == 502
    assert sign_in(browser, provider).status_code == 303


def test_the_redirect_uri_is_that_of_the_settings_whatever_a_request_says(
    provider: Provider, server: LiveServer, browser: Browser
) -> None:
    wanted = f"{server.issuer}{BASE}/providers/example/callback"
    for headers in (
        {"x-forwarded-host": "evil.example"},
        {"forwarded": "host=evil.example"},
        {"x-forwarded-proto": "https"},
        {"host": f"localhost:{server.address[1]}"},
    ):
        answer = browser.call("GET", "/providers/example/start", headers=headers)
        assert dict(parse_qsl(urlsplit(answer.headers["location"]).query))["redirect_uri"] == wanted
    evil = browser.call("GET", "/providers/example/start", headers={"host": "evil.example"})
    assert (evil.status_code, evil.json()["code"]) == (421, "unknown_host")


ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%5cevil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    "/%2f/evil.example",
    "/%2fevil.example",
    "https:evil.example",
    "https://evil.example",
    "//evil.example@127.0.0.1",
    "javascript:alert(1)",
    "data:text/html,x",
    "/a\r\nset-cookie: a=b",
    "/%0d%0aset-cookie:%20a=b",
    "@evil.example",
    "evil.example",
    " /a",
    "/a b",
    "/\u00e4",
    "/" + "a" * 4096,
    "",
]


@pytest.mark.parametrize("number", range(len(ELSEWHERE)))
def test_a_way_ends_on_this_site(provider: Provider, browser: Browser, number: int) -> None:
    answer = sign_in(browser, provider, return_to=ELSEWHERE[number])
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/bookings", "/bookings?of=alice&page=2#last", "/@alice", "/a%20b"])
def test_a_way_ends_where_somebody_was_before(provider: Provider, browser: Browser, path: str) -> None:
    assert sign_in(browser, provider, return_to=path).headers["location"] == path


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("access_denied", 403, "provider_denied"),
        ("<script>alert(1)</script>", 403, "provider_denied"),
        ("server_error", 503, "provider_unavailable"),
        ("temporarily_unavailable", 503, "provider_unavailable"),
    ],
)
def test_what_a_provider_says_of_an_error_is_never_repeated(
    provider: Provider, browser: Browser, error: str, status: int, code: str
) -> None:
    more = {"error": error, "error_description": "<b>Call +1 555</b>", "code": None}
    back = provider.visit(start(browser), **more)
    answer = come_back(browser, back)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    page = httpx2.get(back, headers={"accept": "text/html", "cookie": f"{WAY}={browser.cookies[WAY]}"})
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    for text in (answer.text, page.text):
        assert "<b>" not in text
        assert "alert(1)" not in text
        assert "555" not in text


def test_a_way_back_without_a_code_signs_nobody_in(provider: Provider, browser: Browser) -> None:
    assert come_back(browser, provider.visit(start(browser), code=None)).json()["code"] == "provider_invalid"


def test_a_code_of_another_way_is_refused_by_its_verifier(provider: Provider, browser: Browser, other: Browser) -> None:
    stolen = dict(parse_qsl(urlsplit(provider.visit(start(browser))).query))["code"]
    answer = come_back(other, provider.visit(start(other), code=stolen))
    assert answer.json()["code"] == "provider_invalid"


def test_ways_that_nobody_comes_back_from_store_nothing(server: LiveServer, browser: Browser) -> None:
    def stored() -> list[str]:
        with closing(sqlite3.connect(server.data_dir / "keyturn.db")) as database:
            return list(database.iterdump())

    before = stored()
    for _ in range(20):
        start(browser)
        browser.cookies.clear()
    assert stored() == before


def test_an_unknown_provider_is_not_found(browser: Browser) -> None:
    for path in ("start", "callback"):
        assert browser.call("GET", f"/providers/nobody/{path}").status_code == 404


def test_a_delivery_that_no_browser_keeps_is_refused(browser: Browser) -> None:
    answer = browser.call("GET", "/providers/example/start", params={"delivery": "body"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "delivery")


def test_the_session_that_the_browser_had_is_replaced(provider: Provider, server: LiveServer, browser: Browser) -> None:
    first = browser.register(email="lee@example.org", delivery="cookie")["session"]["id"]
    before = browser.cookies["keyturn_refresh"]
    assert sign_in(browser, provider, delivery="cookie").status_code == 303
    assert browser.cookies["keyturn_refresh"] != before
    sessions = server.context.database.read(lambda tx: tx.sessions.load_many([first]))
    assert sessions[first].end_reason == "replaced"


def test_a_session_that_was_planted_in_the_browser_is_not_the_one_that_begins(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    planted = other.register(email="mallory@example.org", delivery="cookie")
    browser.cookies.update(other.cookies)
    assert sign_in(browser, provider, delivery="cookie").status_code == 303
    assert browser.call("GET", "/me").json()["email"] == "alice@example.com"
    assert planted["session"]["id"] not in browser.call("GET", "/sessions").text
    assert other.call("GET", "/me").status_code == 401
