"""Signing in with a provider's account, as a browser does it; GitHub, which is a provider of another kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from tests.support.client import BASE, Browser
from tests.support.provider import EMAIL, Answer, Provider, come_back, sign_in, start
from tests.support.server import LiveServer

TOKEN, USER, EMAILS = "/login/oauth/access_token", "/api/v3/user", "/api/v3/user/emails"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir: Path = tmp_path_factory.mktemp("providers") / "data"
    plain = _provider.settings()
    tables = {"example": plain, "code": {**plain, "preset": "github", "label": "Code"}}
    with LiveServer(data_dir, clock=_provider.clock, providers=tables) as live:
        yield live


@pytest.fixture
def github(provider: Provider) -> Provider:
    """The same provider, as GitHub answers."""
    say(provider, TOKEN, {"access_token": "gho_1", "token_type": "bearer", "scope": "read:user,user:email"})
    say(provider, USER, {"id": 583231, "login": "octo", "name": "Octavia Cat", "email": "public@example.com"})
    say(provider, EMAILS, [address("spare@example.com", primary=False), address("octo@example.com")])
    return provider


def say(provider: Provider, path: str, content: object) -> None:
    provider.answers[path] = Answer(body=json.dumps(content).encode())


def address(email: str, *, primary: bool = True, verified: bool = True) -> dict[str, object]:
    return {"email": email, "primary": primary, "verified": verified, "visibility": None}


def with_github(browser: Browser, provider: Provider) -> httpx2.Response:
    return come_back(browser, provider.visit(start(browser, "code"), iss=None))


def test_the_buttons_to_show_are_listed(browser: Browser) -> None:
    assert browser.call("GET", "/providers").json() == {
        "providers": [
            {"name": "example", "label": "Example", "start": f"{BASE}/providers/example/start"},
            {"name": "code", "label": "Code", "start": f"{BASE}/providers/code/start"},
        ]
    }


def test_somebody_new_gets_an_account_and_is_signed_in(browser: Browser, provider: Provider) -> None:
    answer = sign_in(browser, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.refresh().status_code == 200
    user = browser.me().json()
    assert (user["email"], user["email_verified"], user["full_name"]) == (EMAIL, False, "Alice Ax")


def test_with_delivery_cookie_the_browser_is_signed_in_at_once(browser: Browser, provider: Provider) -> None:
    answer = sign_in(browser, provider, delivery="cookie")
    names = [cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")]
    assert sorted(names) == ["keyturn_access", "keyturn_refresh", "keyturn_way"]
    assert answer.headers["cache-control"] == "no-store"
    assert browser.call("GET", "/me").json()["email"] == EMAIL


def test_a_name_that_nobody_may_have_is_left_out(browser: Browser, provider: Provider) -> None:
    for number, name in enumerate(("", "a\nb", "\u202eevil", "x" * 5000, 7, ["Alice"])):
        provider.claims = {"sub": f"nameless-{number}", "email": f"nameless-{number}@example.com", "name": name}
        assert sign_in(browser, provider).status_code == 303, name
        browser.refresh()
        assert browser.me().json()["full_name"] is None, name


def test_github_is_asked_for_the_number_and_the_address_that_it_has_verified(
    browser: Browser, github: Provider
) -> None:
    sent = dict(parse_qsl(urlsplit(start(browser, "code")).query))
    assert (sent["scope"], sent["code_challenge_method"]) == ("read:user user:email", "S256")
    assert with_github(browser, github).status_code == 303
    browser.refresh()
    user = browser.me().json()
    assert (user["email"], user["email_verified"], user["full_name"]) == ("octo@example.com", False, "Octavia Cat")
    say(github, USER, {"id": 583231, "login": "another-login"})
    say(github, EMAILS, [])
    assert with_github(browser, github).status_code == 303
    browser.refresh()
    assert browser.me().json()["id"] == user["id"]


@pytest.mark.parametrize("emails", [[], [address("a@example.com", verified=False)], [7], [{"primary": True}]], ids=str)
def test_an_address_that_github_has_not_verified_makes_no_account(
    browser: Browser, github: Provider, emails: list[object]
) -> None:
    say(github, USER, {"id": 7})
    say(github, EMAILS, emails)
    assert with_github(browser, github).json()["code"] == "provider_email_missing"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (TOKEN, {"error": "bad_verification_code"}),
        (TOKEN, {"access_token": "gho_1"}),
        (USER, {}),
        (USER, {"id": "583231"}),
        (USER, {"id": True}),
        (USER, {"id": -1}),
        (USER, []),
        (EMAILS, {}),
    ],
    ids=str,
)
def test_what_github_would_not_answer_signs_nobody_in(
    browser: Browser, github: Provider, path: str, content: object
) -> None:
    say(github, path, content)
    assert with_github(browser, github).json()["code"] == "provider_invalid"
    assert browser.refresh().status_code == 401
