"""The pages for people: signing up, in and out, devices, and why a session has ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.pages import ACCESS, REFRESH, Person, is_home, kind_of, words_of
from tests.support.server import LiveServer

from keyturn.core.model import EndReason
from keyturn.service.ending import end_sessions

DAY = 86_400


@pytest.fixture
def person(server: LiveServer) -> Iterator[Person]:
    with Person(server.url) as client:
        yield client


@pytest.fixture
def other(server: LiveServer) -> Iterator[Person]:
    """Somebody else, or the same person on another device."""
    with Person(server.url) as client:
        client.headers["user-agent"] = "Mozilla/5.0 (iPhone) Version/18.0 Safari/605"
        yield client


def sessions_of(person: Browser) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = person.call("GET", "/sessions").json()["sessions"]
    return sessions


@pytest.mark.parametrize(
    ("path", "title", "action", "purposes", "other"),
    [
        ("/", "Sign in", "/sign-in", ["username", "current-password"], "/sign-up"),
        ("/sign-in", "Sign in", "/sign-in", ["username", "current-password"], "/sign-up"),
        ("/sign-up", "Sign up", "/sign-up", ["username", "name", "new-password"], "/sign-in"),
    ],
)
def test_a_stranger_sees_a_form_with_what_password_managers_look_for(
    stranger: Person, path: str, title: str, action: str, purposes: list[str], other: str
) -> None:
    page = stranger.open(path)
    assert (page.status_code, kind_of(page)) == (200, "signed-out")
    assert f"<title>{title} · Keyturn</title>" in page.text
    assert re.findall('method="post" action="([^"]+)"', page.text) == [action]
    assert re.findall('autocomplete="([^"]+)"', page.text) == purposes
    assert f'href="{other}"' in page.text
    assert ('passwordrules="minlength: 8;"' in page.text) == (action == "/sign-up")
    assert ("8 characters or more, of any kind" in page.text) == (action == "/sign-up")


def test_somebody_signs_up_and_sees_the_account_and_this_device(person: Person) -> None:
    person.sign_up(full_name="Alice Ångström")
    page = person.open()
    assert kind_of(page) == "signed-in"
    text = words_of(page)
    for shown in ("Alice Ångström", EMAIL, "Roles none", "Member since 1 January 2026", "Firefox on Linux this device"):
        assert shown in text
    (session,) = sessions_of(person)
    assert (session["delivery"], session["current"]) == ("cookie", True)


def test_a_name_may_be_left_out(person: Person) -> None:
    person.sign_up(full_name="")
    assert person.call("GET", "/me").json()["full_name"] is None


def test_somebody_signs_in_by_address_or_username(person: Person, other: Person) -> None:
    other.register(username="alice")
    for login in (EMAIL, "Alice"):
        person.sign_in(login)
        assert "Username alice" in words_of(person.open())


@pytest.mark.parametrize(("ticked", "kept"), [({"remember": "yes"}, True), ({}, False)], ids=["ticked", "not ticked"])
def test_cookies_outlive_the_browser_only_if_the_box_is_ticked(
    person: Person, ticked: dict[str, str], kept: bool
) -> None:
    person.sign_up()
    answer = person.submit("/sign-in", login=EMAIL, password=PASSWORD, **ticked)
    lines = [line for line in answer.headers.get_list("set-cookie") if line.startswith((ACCESS, REFRESH))]
    assert ["Max-Age" in line for line in lines] == [kept, kept]


WRONG = {
    "a wrong password": ("/sign-in", {"login": EMAIL, "password": "not this one"}, 401, "The login or the password is"),
    "nobody of that name": ("/sign-in", {"login": "nobody", "password": PASSWORD}, 401, "The login or the password is"),
    "no login": ("/sign-in", {"login": " ", "password": PASSWORD}, 422, "Enter your e-mail address or username."),
    "no password": ("/sign-in", {"login": EMAIL, "password": ""}, 422, "Enter your password."),
    "an endless password": ("/sign-in", {"login": EMAIL, "password": "x" * 513}, 422, "512 characters at most"),
    "no address": ("/sign-up", {"email": "alice", "password": PASSWORD}, 422, "Enter an e-mail address such as"),
    "an address that is taken": ("/sign-up", {"email": EMAIL, "password": PASSWORD}, 409, "with this e-mail address"),
    "a short password": ("/sign-up", {"email": "new@example.com", "password": "seven77"}, 422, "8 characters or more,"),
    "a common password": (
        "/sign-up",
        {"email": "new@example.com", "password": "password1"},
        422,
        "one of the most common",
    ),
    "an address as password": (
        "/sign-up",
        {"email": "new@example.com", "password": "new@example.com"},
        422,
        "your e-mail address",
    ),
    "a name of two lines": (
        "/sign-up",
        {"email": "new@example.com", "full_name": "A\nB", "password": PASSWORD},
        422,
        "A name is one line of plain text",
    ),
    "a field that nobody knows": (
        "/sign-in",
        {"login": EMAIL, "password": PASSWORD, "admin": "yes"},
        422,
        "admin: Extra inputs are not permitted",
    ),
    "a field that is missing": ("/sign-in", {"login": EMAIL}, 422, "Field required"),
    "a box ticked with something else": (
        "/sign-in",
        {"login": EMAIL, "password": PASSWORD, "remember": "on"},
        422,
        "remember: ",
    ),
}


@pytest.fixture(scope="module")
def house(shared_server: LiveServer) -> LiveServer:
    """A server with one account, whose password is known; the tests that use it change nothing there."""
    with Browser(shared_server.url) as owner:
        owner.register()
    return shared_server


@pytest.fixture
def stranger(house: LiveServer) -> Iterator[Person]:
    with Person(house.url) as client:
        yield client


@pytest.mark.parametrize("mistake", WRONG)
def test_after_a_mistake_the_form_comes_again_with_a_sentence_and_what_was_typed(
    stranger: Person, mistake: str
) -> None:
    path, fields, status, sentence = WRONG[mistake]
    page = stranger.submit(path, **fields)
    assert (page.status_code, kind_of(page)) == (status, "signed-out")
    assert sentence in words_of(page)
    assert "<title>Error: Sign " in page.text
    for name, value in fields.items():
        if name == "password":
            assert value in {"", fields.get("email")} or value not in page.text
            assert not re.search('type="password"[^>]* value', page.text)
        elif name in {"login", "email"}:
            assert f'value="{value}"' in page.text
    assert page.headers.get_list("set-cookie") == []
    assert kind_of(stranger.open()) == "signed-out"


def test_a_sentence_stands_beside_its_field_and_belongs_to_it(stranger: Person) -> None:
    page = stranger.submit("/sign-up", email="alice", password=PASSWORD)
    assert '<p class="error" id="sign-up-email-error">Enter an e-mail' in page.text
    assert 'aria-describedby="sign-up-email-error" aria-invalid="true"' in page.text
    page = stranger.submit("/sign-in", login=EMAIL, password="not this one")
    assert '<p class="notice bad" role="alert" id="sign-in-alert" tabindex="-1" autofocus>The login' in page.text
    assert page.text.count('aria-describedby="sign-in-alert"') == 2


def test_where_registration_is_closed_there_is_no_form_and_none_is_taken(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", registration="closed") as live, Person(live.url) as person:
        assert "/sign-up" not in person.open().text
        page = person.submit("/sign-up", email=EMAIL, password=PASSWORD)
        assert page.status_code == 403
        assert "Registration is closed" in words_of(page)
        assert "/sign-up" not in page.text


def test_signing_out_ends_the_session_and_takes_the_cookies_away(person: Person) -> None:
    person.sign_up()
    token = person.cookies[REFRESH]
    assert is_home(person.submit("/sign-out"))
    assert not person.cookies
    assert kind_of(person.open()) == "signed-out"
    person.cookies.set(REFRESH, token)
    assert person.refresh().json()["reason"] == "signed_out"


def test_signing_out_needs_no_access_token_that_is_still_good(server: LiveServer, person: Person) -> None:
    person.sign_up()
    token = person.cookies[REFRESH]
    server.clock.advance(3600)
    assert is_home(person.submit("/sign-out"))
    person.cookies.set(REFRESH, token)
    assert person.refresh().json()["reason"] == "signed_out"


def test_a_changed_password_signs_out_every_other_device_and_this_one_goes_on(person: Person, other: Person) -> None:
    person.sign_up()
    other.sign_in()
    before = person.cookies[REFRESH]
    fields = {"current_password": PASSWORD, "new_password": "another horse, another battery"}
    assert is_home(person.submit("/password", **fields), saved="password")
    assert kind_of(person.open()) == "signed-in"
    assert person.cookies[REFRESH] != before
    assert "your password was changed" in words_of(other.open())
    other.sign_in(password="another horse, another battery")


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"current_password": "wrong", "new_password": "another horse, another battery"}, 403, "password is wrong"),
        ({"current_password": PASSWORD, "new_password": "short"}, 422, "too short"),
        ({"current_password": PASSWORD, "new_password": EMAIL}, 422, "e-mail address"),
        ({"current_password": "", "new_password": "another horse, another battery"}, 422, "Enter your password"),
        ({"current_password": PASSWORD}, 422, "new_password"),
    ],
    ids=["wrong", "short", "address", "empty", "missing"],
)
def test_a_password_that_is_not_changed_is_said_beside_its_field_and_nobody_is_signed_out(
    person: Person, other: Person, fields: dict[str, str], status: int, words: str
) -> None:
    person.sign_up()
    other.sign_in()
    page = person.submit("/password", **fields)
    assert (page.status_code, kind_of(page)) == (status, "signed-in")
    assert words in page.text
    assert "<details open>" in page.text
    assert "another horse" not in page.text
    assert kind_of(other.open()) == "signed-in"


def test_whoever_is_not_signed_in_changes_no_password(person: Person, stranger: Person) -> None:
    person.sign_up()
    assert is_home(stranger.submit("/password", current_password=PASSWORD, new_password="another horse, another"))
    person.sign_in()


def test_another_device_is_signed_out_and_reads_why(person: Person, other: Person) -> None:
    person.sign_up()
    other.sign_in()
    (there,) = [one["id"] for one in sessions_of(person) if not one["current"]]
    assert f'action="/devices/{there}/end"' in person.open().text
    assert is_home(person.submit(f"/devices/{there}/end"))
    assert len(sessions_of(person)) == 1
    page = other.open()
    assert kind_of(page) == "signed-out"
    assert "this device was signed out from another one" in words_of(page)


def test_everything_is_signed_out_at_once(person: Person, other: Person) -> None:
    person.sign_up()
    other.sign_in()
    assert is_home(person.submit("/sign-out-everywhere"))
    assert not person.cookies
    assert "all your devices were signed out" in words_of(other.open())


def test_nobody_signs_out_the_device_of_another(person: Person, other: Person) -> None:
    person.sign_up()
    other.sign_up("bob@example.com")
    (theirs,) = sessions_of(other)
    page = person.submit(f"/devices/{theirs['id']}/end")
    assert (page.status_code, kind_of(page)) == (404, "plain")
    assert kind_of(other.open()) == "signed-in"


def test_a_form_that_meets_an_expired_access_cookie_does_nothing_and_leads_home(
    server: LiveServer, person: Person, other: Person
) -> None:
    person.sign_up()
    other.sign_in()
    there = sessions_of(other)[0]["id"]
    server.clock.advance(3600)
    for form in (f"/devices/{there}/end", "/sign-out-everywhere"):
        answer = person.submit(form)
        assert is_home(answer)
        assert answer.headers.get_list("set-cookie") == []
    assert person.refresh().status_code == other.refresh().status_code == 200


def test_signing_in_again_in_the_same_browser_ends_the_session_before(person: Person, other: Person) -> None:
    person.sign_up()
    other.cookies.set(REFRESH, person.cookies[REFRESH])
    person.sign_in()
    assert len(sessions_of(person)) == 1
    assert "somebody has signed in anew with this browser" in words_of(other.open())


@pytest.mark.parametrize("reason", EndReason)
def test_whoever_was_signed_out_is_told_why(server: LiveServer, person: Person, reason: EndReason) -> None:
    person.sign_up()
    session_id = sessions_of(person)[0]["id"]
    if reason is EndReason.IDLE:
        server.clock.advance(31 * DAY)
    elif reason is EndReason.EXPIRED:
        server.clock.advance(181 * DAY)
    else:
        server.context.database.transact(lambda tx: end_sessions(tx, [session_id], reason))
    page = person.open()
    assert kind_of(page) == "signed-out"
    assert "You were signed out because " in words_of(page)
    assert REFRESH in person.cookies, "a page takes no cookie away: a sign-in may have set it meanwhile"
    person.cookies.clear()
    assert "You were signed out" not in person.open().text


def test_after_a_theft_the_page_says_what_happened_and_what_to_do(
    server: LiveServer, person: Person, other: Person
) -> None:
    person.sign_up()
    other.cookies.update(person.cookies)
    for client in (person, other, person, other):
        server.clock.advance(100)
        client.refresh()
    text = words_of(person.open())
    assert "used twice: somebody may have copied it" in text
    assert "change your password" in text


def test_with_pages_switched_off_there_is_only_the_api(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", pages=False) as live, Person(live.url) as person:
        for path in (
            "/",
            "/sign-in",
            "/sign-up",
            "/sign-out",
            "/sign-out-everywhere",
            "/password",
            "/devices/x/end",
            "/static/x/y",
        ):
            for answer in (person.open(path), person.submit(path)):
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        person.register()
        assert person.me().status_code == 200


def test_in_production_the_pages_are_there_and_the_cookies_have_their_prefix(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", issuer="https://auth.example.com") as live:
        host = {"host": "auth.example.com"}
        with Person(live.url, headers={**host, "origin": "https://auth.example.com"}) as person:
            answer = person.submit("/sign-up", email=EMAIL, password=PASSWORD)
            assert is_home(answer)
            cookies = {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}
            assert set(cookies) == {"__Host-keyturn_refresh", "__Host-keyturn_access"}
            assert all("; Secure" in line for line in cookies.values())
            sent = "; ".join(line.partition(";")[0] for line in cookies.values())
            assert kind_of(person.get("/", headers={"cookie": sent})) == "signed-in"


def test_an_access_cookie_of_a_session_that_is_over_shows_nothing_of_the_account(person: Person, other: Person) -> None:
    person.sign_up()
    other.cookies.set(ACCESS, person.cookies[ACCESS])
    person.submit("/sign-out")
    page = other.open()
    assert kind_of(page) == "signed-out"
    assert EMAIL not in page.text
