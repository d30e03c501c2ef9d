"""Passwords that are tried first are refused wherever a password is chosen; peppers and imported users, through the API."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.settings import OTHER_PEPPER, PEPPER
from tests.support.wire import Answer, Wire

from keyturn.errors import InvalidCredentials, InvalidInput
from keyturn.server.opening import open_context
from keyturn.server.settings import load_settings
from keyturn.service.administration import set_password
from keyturn.service.context import Context, SignInOptions
from keyturn.service.register import NewUser, create_user
from keyturn.service.sign_in import sign_in
from keyturn.testing.fakes import FakeClock

DJANGO = "pbkdf2_sha256$1000$7OrpWwVZtjnqWJQ8fz7dly$uKMTdjmHdgP4FIVaS3SMsTraqgwhymZusMEasolAPqc="
DJANGO_PASSWORD = "pass wörd 🔑"


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with Wire(server.address) as connection:
        yield connection


def register(wire: Wire, password: str) -> Answer:
    names = {"email": "marlene.dietrich@example.com", "username": "marlene-d", "full_name": "Marlene Dietrich"}
    return wire.call("POST", "/register", {**names, "password": password})


@pytest.mark.parametrize(
    ("password", "what"),
    [
        ("iloveyou", "one of the most common"),
        ("ILoveYou", "one of the most common"),
        ("marlene.dietrich@example.com", "your e-mail address"),
        ("Marlene.Dietrich", "the first part of your e-mail address"),
        ("MARLENE-D", "your username"),
        ("marlene dietrich", "your name"),
        ("127.0.0.1", "the address of this service"),
    ],
)
def test_a_password_that_is_tried_first_is_refused_and_the_reason_is_given(
    wire: Wire, password: str, what: str
) -> None:
    answer = register(wire, password)
    assert answer.status == 422
    (problem,) = answer.json["errors"]
    assert problem["field"] == "password"
    assert problem["message"].startswith(f"This password is {what}")
    assert register(wire, f"{password} and more").status == 201


def test_nobody_is_given_a_password_that_is_tried_first_either(server: LiveServer) -> None:
    with pytest.raises(InvalidInput, match="most common"):
        create_user(server.context, NewUser(EMAIL, "iloveyou"))
    user = create_user(server.context, NewUser(EMAIL, PASSWORD))
    with pytest.raises(InvalidInput, match="your e-mail address"):
        set_password(server.context, user.id, EMAIL)


def test_the_operators_own_words_are_refused(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("Acme Rockets\n", "utf-8")
    with LiveServer(tmp_path / "data", password_blocklist=words) as server, Wire(server.address) as wire:
        assert "most common" in register(wire, "acme rockets").json["errors"][0]["message"]
        assert register(wire, "acme rockets!").status == 201


def opened(data_dir: Path, **settings: Any) -> Context:
    """What a server with these settings works with."""
    cheap = {"data_dir": data_dir, "hash_memory_kib": 8, "hash_time_cost": 1}
    loaded = load_settings({**cheap, **settings}, {})
    return open_context(loaded, "http://localhost", clock=FakeClock())


def stored_hash(data_dir: Path) -> str:
    with sqlite3.connect(data_dir / "keyturn.db") as database:
        (stored,) = database.execute("SELECT password_hash FROM users").fetchone()
    return str(stored)


def signs_in(context: Context, password: str = PASSWORD) -> bool:
    try:
        sign_in(context, EMAIL, password, SignInOptions())
    except InvalidCredentials:
        return False
    finally:
        context.database.close()
    return True


def test_a_pepper_comes_changes_and_goes_without_anybody_noticing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    context = opened(data)
    create_user(context, NewUser(EMAIL, PASSWORD))
    context.database.close()
    marks = []
    for settings in (
        {"password_pepper": PEPPER},
        {"password_pepper": OTHER_PEPPER, "password_pepper_previous": PEPPER},
        {"password_pepper_previous": OTHER_PEPPER},
        {},
    ):
        assert signs_in(opened(data, **settings))
        marks.append(stored_hash(data).partition("$")[0])
    first, second, *none = marks
    assert first.startswith("pepper:")
    assert second.startswith("pepper:")
    assert first != second
    assert none == ["", ""]


def test_the_database_without_its_pepper_opens_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    context = opened(data, password_pepper=PEPPER)
    create_user(context, NewUser(EMAIL, PASSWORD))
    context.database.close()
    assert not signs_in(opened(data))
    assert not signs_in(opened(data, password_pepper=OTHER_PEPPER))
    # Nothing was spoilt meanwhile.
    assert signs_in(opened(data, password_pepper=PEPPER))
    assert PEPPER.encode() not in b"".join(file.read_bytes() for file in data.iterdir())


def imported(server: LiveServer, wire: Wire, stored: str) -> None:
    """A user whose hash came from another system."""
    assert wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD}).status == 201
    with sqlite3.connect(server.data_dir / "keyturn.db") as database:
        database.execute("UPDATE users SET password_hash = ?", (stored,))


def login(wire: Wire, password: str) -> Answer:
    return wire.call("POST", "/login", {"login": EMAIL, "password": password})


def test_an_imported_user_signs_in_with_their_password_and_has_a_hash_of_ours_then(
    server: LiveServer, wire: Wire
) -> None:
    imported(server, wire, DJANGO)
    assert login(wire, "wrong").code == "invalid_credentials"
    assert stored_hash(server.data_dir) == DJANGO
    assert login(wire, DJANGO_PASSWORD).status == 200
    renewed = stored_hash(server.data_dir)
    assert renewed.startswith("$argon2id$")
    assert login(wire, DJANGO_PASSWORD).status == 200
    assert login(wire, "wrong").code == "invalid_credentials"
    assert stored_hash(server.data_dir) == renewed


def test_an_imported_password_need_not_be_what_a_new_one_has_to_be(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", password_min_length=64) as server, Wire(server.address) as wire:
        create_user(server.context, NewUser(EMAIL, "x y" * 30))
        with sqlite3.connect(server.data_dir / "keyturn.db") as database:
            database.execute("UPDATE users SET password_hash = ?", (DJANGO,))
        assert login(wire, DJANGO_PASSWORD).status == 200


@pytest.mark.parametrize("stored", ["!", "", "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", DJANGO_PASSWORD, "pepper:x"])
def test_a_hash_of_no_known_form_opens_nothing(server: LiveServer, wire: Wire, stored: str) -> None:
    imported(server, wire, stored)
    for password in (DJANGO_PASSWORD, PASSWORD, stored, "password"):
        assert login(wire, password).code == "invalid_credentials"
