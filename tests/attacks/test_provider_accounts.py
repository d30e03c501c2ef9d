"""Whose account somebody's account elsewhere opens: never that of another, whatever address either of them has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, product
from pathlib import Path

import httpx2
import pytest
from tests.support.client import PASSWORD, Browser
from tests.support.mail import Post
from tests.support.provider import Json, Provider, come_back, sign_in
from tests.support.server import LiveServer

from keyturn.core.model import Device, Purpose, User
from keyturn.providers import google
from keyturn.service import administration
from keyturn.service.one_time import mint
from keyturn.service.recovery import reset_password
from keyturn.service.register import NewUser, create_user

_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    """With Google, which is somebody else here, and the same provider by another name with the rules of an unknown one."""
    data_dir: Path = tmp_path_factory.mktemp("accounts") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(google, "ISSUER", _provider.issuer)
        plain = _provider.settings()
        tables = {"google": {**plain, "preset": "google", "issuer": None}, "plain": plain}
        with LiveServer(data_dir, clock=_provider.clock, providers=tables) as live:
            yield live


@pytest.fixture
def provider(_provider: Provider) -> Provider:
    """One at which somebody new signs in: with RS256, as Google does."""
    _provider.reset()
    _provider.use_rsa()
    _provider.clock.advance(3601)
    _provider.claims = {"sub": f"subject-{next(_numbers)}", "email": an_address()}
    return _provider


@pytest.fixture
def other(server: LiveServer) -> Iterator[Browser]:
    with Browser(server.url) as client:
        yield client


def an_address(domain: str = "gmail.com") -> str:
    return f"person-{next(_numbers)}@{domain}"


def with_google(browser: Browser, provider: Provider, **claims: object) -> httpx2.Response:
    provider.claims |= claims
    return sign_in(browser, provider, "google")


def me(browser: Browser) -> Json:
    browser.refresh()
    user: Json = browser.me().json()
    return user


def verify(server: LiveServer, email: str) -> User:
    """As a link in a mail does."""
    user = replace(administration.find_account(server.context, email).user, email_verified=True)
    server.context.database.transact(lambda tx: tx.users.update(user))
    return user


def test_a_new_address_does_not_make_somebody_another_user(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    with_google(browser, provider)
    first = me(browser)
    with_google(other, provider, email=an_address())
    assert me(other) == first


def test_the_address_of_another_does_not_make_somebody_that_user(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    with_google(browser, provider, email_verified=None)
    answer = with_google(other, provider, sub="another", email_verified=None)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
    assert other.refresh().status_code == 401


def test_an_address_that_was_given_to_somebody_else_does_not_make_them_that_user(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    with_google(browser, provider)
    email = me(browser)["email"]
    assert me(browser)["email_verified"] is True
    answer = with_google(other, provider, sub=f"{provider.claims['sub']}-later", email=email, email_verified=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
    assert other.refresh().status_code == 401


MATRIX = [
    (local, domain, hosted, verified)
    for local, domain, hosted, verified in product(
        (True, False), ("gmail.com", "example.com"), (True, False), (True, "true", False, None)
    )
]


@pytest.mark.parametrize(("local", "domain", "hosted", "verified"), MATRIX)
def test_an_account_is_found_by_its_address_only_if_both_sides_are_sure_of_it(
    provider: Provider,
    server: LiveServer,
    browser: Browser,
    other: Browser,
    local: bool,
    domain: str,
    hosted: bool,
    verified: object,
) -> None:
    email = an_address(domain)
    owner = other.register(email=email)["user"]
    if local:
        verify(server, email)
    answer = with_google(browser, provider, email=email, email_verified=verified, hd="example.com" if hosted else None)
    if local and verified is True and (hosted or domain == "gmail.com"):
        assert answer.status_code == 303
        assert me(browser)["id"] == owner["id"]
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
        assert browser.refresh().status_code == 401
    assert other.refresh().status_code == 200


def test_somebody_who_signed_up_with_the_address_of_another_gains_nothing(
    provider: Provider, server: LiveServer, browser: Browser, other: Browser
) -> None:
    email = an_address()
    other.register(email=email)
    answer = with_google(browser, provider, email=email, email_verified=True)
    assert answer.json()["code"] == "account_exists"
    # The owner asks for a new password: whatever a stranger has left there opens the account no longer.
    provider.claims |= {"sub": "the stranger", "email": "stranger@example.com"}
    url = other.call("POST", "/providers/google/connect", {}, bearer=other.access_token).json()["authorization_url"]
    assert come_back(other, provider.visit(url)).status_code == 303
    reset(server, email)
    assert other.refresh().status_code == 403
    assert other.call("POST", "/login", {"login": email, "password": PASSWORD}).status_code == 401
    assert with_google(other, provider).status_code == 303
    assert me(other)["email"] == "stranger@example.com"


def reset(server: LiveServer, email: str) -> None:
    """Set a new password by a link, as its receiver does."""
    user = administration.find_account(server.context, email).user
    token = server.context.database.transact(lambda tx: mint(server.context, tx, Purpose.RESET_PASSWORD, user))
    reset_password(server.context, token, "a new password of the owner", Device())


def test_a_reset_of_a_verified_account_leaves_what_is_connected(
    provider: Provider, server: LiveServer, browser: Browser
) -> None:
    with_google(browser, provider, email_verified=True)
    user = me(browser)
    assert user["email_verified"] is True
    reset(server, user["email"])
    assert with_google(browser, provider).status_code == 303
    assert me(browser)["id"] == user["id"]


@pytest.mark.parametrize("verified", [True, "true", False, None])
def test_an_unknown_provider_has_the_last_word_on_no_address(
    provider: Provider, browser: Browser, verified: object
) -> None:
    provider.claims |= {"email_verified": verified, "hd": "example.com"}
    assert sign_in(browser, provider, "plain").status_code == 303
    assert me(browser)["email_verified"] is False


def test_a_disabled_account_is_opened_by_nobody(provider: Provider, server: LiveServer, browser: Browser) -> None:
    with_google(browser, provider)
    user = me(browser)
    administration.set_disabled(server.context, user["id"], disabled=True)
    answer = with_google(browser, provider)
    assert (answer.status_code, answer.json()["code"]) == (403, "provider_denied")
    assert browser.refresh().status_code in {401, 403}


def test_a_closed_account_is_opened_no_longer_and_made_anew(
    provider: Provider, server: LiveServer, browser: Browser
) -> None:
    with_google(browser, provider)
    user = me(browser)
    assert browser.call("DELETE", "/me", {}, bearer=browser.access_token).status_code == 204
    assert with_google(browser, provider).status_code == 303
    assert me(browser)["id"] != user["id"]


def test_nobody_new_gets_an_account_where_registration_is_closed(tmp_path: Path, provider: Provider) -> None:
    tables = {"example": provider.settings()}
    with (
        LiveServer(tmp_path / "data", clock=provider.clock, providers=tables, registration="closed") as server,
        Browser(server.url) as browser,
    ):
        strange = sign_in(browser, provider)
        assert (strange.status_code, strange.json()["code"]) == (403, "registration_closed")
        # Whether there is an account with the address is told to nobody who has not shown that it is theirs.
        create_user(server.context, NewUser(str(provider.claims["email"]), PASSWORD))
        assert sign_in(browser, provider).json() == strange.json()


# Connecting and disconnecting


def connect(browser: Browser, provider: Provider, name: str = "google", **body: str) -> httpx2.Response:
    answer = browser.call("POST", f"/providers/{name}/connect", body, bearer=browser.access_token)
    if answer.status_code != 200:
        return answer
    return come_back(browser, provider.visit(answer.json()["authorization_url"]))


def identities(browser: Browser) -> list[Json]:
    found: list[Json] = browser.call("GET", "/identities", bearer=browser.access_token).json()["identities"]
    return found


def test_what_was_connected_signs_in_until_it_is_disconnected(
    provider: Provider, server: LiveServer, browser: Browser, other: Browser
) -> None:
    email = an_address("example.com")
    owner = browser.register(email=email)["user"]
    answer = connect(browser, provider, return_to="/settings")
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings")
    (identity,) = identities(browser)
    assert (identity["provider"], identity["label"], identity["email"]) == (
        "google",
        "Example",
        provider.claims["email"],
    )
    assert with_google(other, provider).status_code == 303
    assert me(other)["id"] == owner["id"]
    gone = browser.call("DELETE", f"/identities/{identity['id']}", bearer=browser.access_token)
    assert gone.status_code == 204
    assert identities(browser) == []
    subjects = [letter.subject for letter in Post(server).to(email, "/was-it-you")]
    assert "Another account opens yours" in subjects
    assert "An account was disconnected from yours" in subjects
    other.cookies.clear()
    assert with_google(other, provider).status_code == 303
    assert me(other)["id"] != owner["id"]


def test_connecting_an_address_that_is_certain_verifies_it(provider: Provider, browser: Browser) -> None:
    browser.register(email=str(provider.claims["email"]))
    assert connect(browser, provider).status_code == 303
    assert me(browser)["email_verified"] is True


def test_connecting_takes_the_password_or_a_fresh_sign_in(provider: Provider, browser: Browser) -> None:
    browser.register(email=an_address())
    provider.clock.advance(601)
    browser.refresh()
    stale = connect(browser, provider)
    assert (stale.status_code, stale.json()["code"]) == (403, "reauthentication_required")
    wrong = connect(browser, provider, current_password="wrong password")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "current_password_wrong")
    assert connect(browser, provider, current_password=PASSWORD).status_code == 303
    (identity,) = identities(browser)
    gone = browser.call("DELETE", f"/identities/{identity['id']}", bearer=browser.access_token)
    assert gone.json()["code"] == "reauthentication_required"


def test_what_opens_one_account_cannot_be_connected_to_another(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    browser.register(email=an_address())
    other.register(email=an_address())
    assert connect(browser, provider).status_code == 303
    assert connect(browser, provider).status_code == 303  # once more changes nothing
    refused = connect(other, provider)
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_taken")
    assert (len(identities(browser)), len(identities(other))) == (1, 0)


def test_a_way_to_connect_ends_with_the_session_in_which_it_began(provider: Provider, browser: Browser) -> None:
    browser.register(email=an_address())
    answer = browser.call("POST", "/providers/google/connect", {}, bearer=browser.access_token)
    back = provider.visit(answer.json()["authorization_url"])
    browser.call("POST", "/logout")
    browser.register(email=an_address())
    assert come_back(browser, back).json()["code"] == "sign_in_state_invalid"
    assert identities(browser) == []


def test_a_way_to_connect_that_began_as_one_user_does_not_end_as_another(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    browser.register(email=an_address(), delivery="cookie")
    other.register(email=an_address(), delivery="cookie")
    url = browser.call("POST", "/providers/google/connect", {}).json()["authorization_url"]
    access = other.cookies["keyturn_access"]
    browser.cookies.delete("keyturn_access")
    browser.cookies.set("keyturn_access", access)
    assert come_back(browser, provider.visit(url)).json()["code"] == "sign_in_state_invalid"


def test_the_cookie_of_a_way_to_connect_is_worth_nothing_in_another_browser(
    provider: Provider, browser: Browser, other: Browser
) -> None:
    browser.register(email=an_address())
    answer = browser.call("POST", "/providers/google/connect", {}, bearer=browser.access_token)
    assert come_back(other, provider.visit(answer.json()["authorization_url"])).status_code == 400


def test_nobody_disconnects_what_is_another_s(provider: Provider, browser: Browser, other: Browser) -> None:
    browser.register(email=an_address())
    connect(browser, provider)
    other.register(email=an_address())
    for identity_id in (identities(browser)[0]["id"], "nothing"):
        answer = other.call("DELETE", f"/identities/{identity_id}", bearer=other.access_token)
        assert answer.status_code == 404
    assert len(identities(browser)) == 1


def test_the_last_way_to_sign_in_cannot_be_taken_away(provider: Provider, browser: Browser) -> None:
    with_google(browser, provider)
    browser.refresh()
    (identity,) = identities(browser)
    path = f"/identities/{identity['id']}"
    refused = browser.call("DELETE", path, bearer=browser.access_token)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_sign_in_method")
    new = browser.call("POST", "/password", {"new_password": "a long new password"}, bearer=browser.access_token)
    assert new.status_code == 200
    assert browser.call("DELETE", path, bearer=new.json()["access_token"]).status_code == 204


# Accounts without a password


def test_an_account_without_a_password_is_opened_by_none(provider: Provider, browser: Browser, other: Browser) -> None:
    with_google(browser, provider)
    for password in ("", "None", PASSWORD):
        body = {"login": provider.claims["email"], "password": password}
        assert other.call("POST", "/login", body).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/password", {"new_password": "a long new password"}),
        ("POST", "/email", {"email": "new@example.org"}),
        ("DELETE", "/me", {}),
    ],
)
def test_an_account_without_a_password_is_protected_by_how_fresh_the_sign_in_is(
    provider: Provider, browser: Browser, method: str, path: str, body: dict[str, str]
) -> None:
    with_google(browser, provider)
    provider.clock.advance(601)
    browser.refresh()
    stale = browser.call(method, path, body, bearer=browser.access_token)
    assert (stale.status_code, stale.json()["code"]) == (403, "reauthentication_required")
    with_google(browser, provider)
    browser.refresh()
    assert browser.call(method, path, body, bearer=browser.access_token).status_code in {200, 204}
