"""`POST /register` and `POST /login`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.server import LiveServer

from keyturn.service.administration import set_disabled


def test_registering_makes_an_account_and_signs_in_to_it(browser: Browser) -> None:
    answer = browser.call(
        "POST",
        "/register",
        {"email": EMAIL, "password": PASSWORD, "username": "alice", "full_name": "Alice Ångström"},
    )
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "user", "session"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert body["user"] == {
        "id": body["user"]["id"],
        "email": EMAIL,
        "email_verified": False,
        "username": "alice",
        "full_name": "Alice Ångström",
        "roles": [],
        "created_at": "2026-01-01T00:00:00Z",
    }
    assert browser.call("GET", "/me", bearer=body["access_token"]).json() == body["user"]


def test_a_session_says_what_a_client_and_its_user_want_to_know(browser: Browser) -> None:
    session = browser.register()["session"]
    assert session == {
        "id": session["id"],
        "delivery": "split",
        "device": "Firefox on Linux",
        "address": "127.0.0.1",
        "created_at": "2026-01-01T00:00:00Z",
        "last_used_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-06-30T00:00:00Z",
        "refresh_timeout": 10.0,
        "current": True,
    }


def test_a_user_signs_in_by_address_or_username_in_any_case(browser: Browser) -> None:
    user = browser.register(username="alice")["user"]
    for login in (
        {"login": EMAIL},
        {"email": EMAIL},
        {"login": "alice"},
        {"username": "alice"},
        {"login": "ALICE@EXAMPLE.COM"},
        {"username": "Alice"},
    ):
        answer = browser.call("POST", "/login", {**login, "password": PASSWORD})
        assert answer.status_code == 200
        assert answer.json()["user"] == user
        assert set(answer.json()) == {"access_token", "token_type", "expires_in", "user", "session"}


@pytest.mark.parametrize(
    "login",
    [{}, {"login": EMAIL, "email": EMAIL}, {"email": EMAIL, "username": "alice"}, {"login": None}],
)
def test_a_sign_in_names_exactly_one_login(guest: Browser, login: dict[str, str]) -> None:
    answer = guest.call("POST", "/login", {**login, "password": PASSWORD})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "body", "message": "Send the e-mail address or the username as login, once."}
    ]


def test_wrong_password_unknown_user_and_disabled_user_get_one_answer(server: LiveServer, browser: Browser) -> None:
    user = browser.register()["user"]
    browser.cookies.clear()
    wrong = browser.call("POST", "/login", {"login": EMAIL, "password": "something else"})
    unknown = browser.call("POST", "/login", {"login": "nobody@example.com", "password": PASSWORD})
    set_disabled(server.context, user["id"], disabled=True)
    disabled = browser.call("POST", "/login", {"login": EMAIL, "password": PASSWORD})
    assert [answer.status_code for answer in (wrong, unknown, disabled)] == [401] * 3
    assert wrong.json()["code"] == "invalid_credentials"
    assert wrong.content == unknown.content == disabled.content


def test_an_address_has_one_account_however_it_is_written(browser: Browser) -> None:
    browser.register("alice@example.com")
    for same in ("alice@example.com", "ALICE@example.com", "alice@EXAMPLE.com", " alice@example.com "):
        answer = browser.call("POST", "/register", {"email": same, "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


def test_a_username_has_one_account_however_it_is_written(browser: Browser) -> None:
    browser.register("alice@example.com", username="alice")
    for same in ("alice", "ALICE", "ａｌｉｃｅ"):
        answer = browser.call(
            "POST", "/register", {"email": "other@example.com", "password": PASSWORD, "username": same}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")


def test_where_registration_is_closed_nobody_registers_and_no_name_is_given_away(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", registration="closed") as live, Browser(live.url) as browser:
        answer = browser.call("POST", "/register", {"email": EMAIL, "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("email", ""),
        ("email", "a" * 321),
        ("password", "1234567"),
        ("password", "x" * 513),
        ("username", ""),
        ("username", "two words"),
        ("username", "with@sign"),
        ("username", "x" * 65),
        ("full_name", "two\nlines"),
        ("full_name", "x" * 201),
        ("delivery", "pigeon"),
        ("delivery", None),
        ("email", 1),
        ("password", ["a", "b"]),
        ("username", {}),
    ],
)
def test_a_field_that_is_not_acceptable_is_named(guest: Browser, field: str, value: object) -> None:
    answer = guest.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, field: value})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]
    assert all(problem["message"] for problem in answer.json()["errors"])


@pytest.mark.parametrize("path", ["/register", "/login"])
def test_every_problem_of_a_body_is_reported_at_once(guest: Browser, path: str) -> None:
    answer = guest.call("POST", path, {"password": 1, "delivery": "pigeon", "roles": ["admin"]})
    assert answer.status_code == 422
    assert {"password", "delivery", "roles"} <= {problem["field"] for problem in answer.json()["errors"]}


def test_a_refused_password_is_not_quoted(guest: Browser) -> None:
    for password in ("short-1", "x" * 1000, ["correct horse"], {"secret": "correct horse"}):
        answer = guest.call("POST", "/register", {"email": EMAIL, "password": password})
        assert answer.status_code == 422
        assert not any(text in answer.text for text in ("short-1", "xxx", "correct horse"))


def test_a_password_of_eight_or_of_512_characters_of_any_kind_is_taken(browser: Browser) -> None:
    for number, password in enumerate(("57301948", "é" * 512, "        ")):
        email = f"alice{number}@example.com"
        browser.register(email, password)
        browser.login(email, password)


def test_an_accent_may_be_typed_as_one_character_or_two(browser: Browser) -> None:
    browser.register(password="caf\u00e9 caf\u00e9")
    browser.login(password="cafe\u0301 cafe\u0301")


def test_signing_in_replaces_the_session_whose_cookie_came_along(browser: Browser) -> None:
    first = browser.register()
    old = browser.cookies["keyturn_refresh"]
    second = browser.login()
    assert second["session"]["id"] != first["session"]["id"]
    assert browser.call("GET", "/me", bearer=first["access_token"]).json()["code"] == "access_token_invalid"
    listed = browser.call("GET", "/sessions", bearer=browser.access_token).json()["sessions"]
    assert [session["id"] for session in listed] == [second["session"]["id"]]
    browser.cookies.clear()
    ended = browser.call("POST", "/refresh-token", headers={"cookie": f"keyturn_refresh={old}"})
    assert (ended.status_code, ended.json()["code"], ended.json()["reason"]) == (403, "session_ended", "replaced")


def test_registering_replaces_the_session_of_another_user_on_the_same_device(browser: Browser) -> None:
    first = browser.register()
    browser.register("bob@example.com")
    assert browser.call("GET", "/me", bearer=first["access_token"]).status_code == 401


def test_a_failed_sign_in_replaces_nothing(browser: Browser) -> None:
    browser.register()
    assert browser.call("POST", "/login", {"login": EMAIL, "password": "wrong"}).status_code == 401
    assert browser.me().status_code == 200
    assert browser.refresh().status_code == 200


def test_an_old_cookie_of_a_session_replaces_it_too(server: LiveServer, browser: Browser) -> None:
    first = browser.register()
    old = browser.cookies["keyturn_refresh"]
    for _ in range(2):
        server.clock.advance(60)
        browser.refresh()
    browser.cookies.clear()
    with Browser(server.url) as elsewhere:
        elsewhere.cookies.set("keyturn_refresh", old)
        elsewhere.login()
    assert browser.call("GET", "/me", bearer=first["access_token"]).status_code == 401


def test_a_refresh_cookie_that_is_not_ours_does_not_stand_in_the_way_of_a_sign_in(browser: Browser) -> None:
    browser.register()
    browser.cookies.clear()
    for cookie in ("garbage", "a.b.c", ""):
        sent = {"cookie": f"keyturn_refresh={cookie}"}
        answer = browser.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}, headers=sent)
        assert answer.status_code == 200
        browser.cookies.clear()


def test_a_sign_in_elsewhere_ends_nothing_here(server: LiveServer, browser: Browser) -> None:
    browser.register()
    with Browser(server.url) as elsewhere:
        elsewhere.login()
        assert elsewhere.me().status_code == 200
    assert browser.me().status_code == 200
