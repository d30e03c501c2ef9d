"""The forms of the account page: names, e-mail address, the end of the account."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx2
import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.pages import Person, is_home, kind_of, words_of
from tests.support.server import LiveServer

from keyturn.web import words

HOUR = 3600


@pytest.fixture
def person(server: LiveServer) -> Iterator[Person]:
    """Somebody who is signed in."""
    with Person(server.url) as client:
        client.sign_up(full_name="Alice")
        yield client


@pytest.fixture
def other(server: LiveServer) -> Iterator[Person]:
    with Person(server.url) as client:
        yield client


def test_names_are_changed_and_taken_away(person: Person) -> None:
    assert is_home(person.submit("/profile", full_name="Alice Ångström", username="alice"), saved="profile")
    assert "Username alice" in words_of(person.open())
    assert is_home(person.submit("/profile", full_name="", username=""), saved="profile")
    user = person.call("GET", "/me").json()
    assert (user["full_name"], user["username"]) == (None, None)


def test_an_address_is_changed_with_the_password(person: Person, other: Person) -> None:
    assert is_home(person.submit("/email", email="new@example.com", current_password=PASSWORD), saved="email")
    assert "new@example.com" in words_of(person.open())
    other.sign_in("new@example.com")


def test_whoever_closes_their_account_reads_that_it_is_closed(person: Person, other: Person) -> None:
    other.sign_in()
    answer = person.submit("/close", current_password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?reason=account_deleted")
    assert not person.cookies
    assert "this account was closed" in words_of(person.open(answer.headers["location"]))
    assert kind_of(other.open()) == "signed-out"
    assert other.submit("/sign-in", login=EMAIL, password=PASSWORD).status_code == 401


SAVED = {
    "profile": {"full_name": "Alice", "username": "alice"},
    "email": {"email": "new@example.com", "current_password": PASSWORD},
    "password": {"current_password": PASSWORD, "new_password": "another horse, another battery"},
}


@pytest.mark.parametrize(("name", "fields"), SAVED.items(), ids=list(SAVED))
def test_what_was_saved_is_said_on_the_page_that_follows(person: Person, name: str, fields: dict[str, str]) -> None:
    answer = person.submit(f"/{name}", **fields)
    assert is_home(answer, saved=name)
    (said,) = notices(person.open(answer.headers["location"]))
    assert said == words.SAVED[name]
    assert notices(person.open()) == []


@pytest.mark.parametrize("code", ["nonsense", "<b>you", "Profile", "", "profile&saved=email", "__class__"])
def test_nothing_of_an_address_is_said_to_have_been_saved(person: Person, code: str) -> None:
    page = person.open(f"/?saved={code}")
    assert (page.status_code, notices(page)) == (200, [])
    assert "nonsense" not in page.text
    assert "&lt;b" not in page.text


def notices(page: httpx2.Response) -> list[str]:
    """What a screen reader is told of the state of things."""
    return [html.unescape(said) for said in re.findall(r'role="status"[^>]*>([^<]*)<', page.text)]


WRONG = {
    "a username that is taken": ("/profile", {"username": "bob"}, 409, "username"),
    "a username of two words": ("/profile", {"username": "a b"}, 422, "username"),
    "an address that is taken": ("/email", {"email": "bob@example.com", "current_password": PASSWORD}, 409, "email"),
    "no address": ("/email", {"email": "bob", "current_password": PASSWORD}, 422, "email"),
    "a wrong password": ("/email", {"email": "x@example.com", "current_password": "no"}, 403, "current_password"),
    "no password": ("/close", {"current_password": ""}, 422, "current_password"),
    "not the password": ("/close", {"current_password": "no"}, 403, "current_password"),
}


@pytest.mark.parametrize(("path", "fields", "status", "field"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_stands_at_its_field_in_the_form_that_is_open(
    person: Person, other: Person, path: str, fields: dict[str, str], status: int, field: str
) -> None:
    other.sign_up("bob@example.com")
    assert is_home(other.submit("/profile", username="bob", full_name=""), saved="profile")
    before = person.call("GET", "/me").json()
    page = person.submit(path, **fields)
    assert (page.status_code, kind_of(page)) == (status, "signed-in")
    assert len(re.findall("<details[^>]* open", page.text)) == 1
    assert f'id="{path[1:]}-{field}-error"' in page.text
    assert person.call("GET", "/me").json() == before


@pytest.mark.parametrize("path", ["/profile", "/email", "/close"])
def test_whoever_is_not_signed_in_changes_nothing(person: Person, other: Person, path: str) -> None:
    assert is_home(other.submit(path, email="x@example.com", current_password=PASSWORD))
    assert person.call("GET", "/me").json()["email"] == EMAIL


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0, "within the last hour"), (5, "5 hours ago"), (25, "yesterday"), (24 * 9 + 1, "9 days ago")],
)
def test_the_last_use_of_a_device_is_told_in_words(
    server: LiveServer, person: Person, other: Person, hours: int, said: str
) -> None:
    server.clock.advance(hours * HOUR)
    other.sign_in()
    assert f"Last used {said}" in words_of(other.open())
