"""Users of other systems, as those systems write them down, with their passwords."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.cli.test_import import listed, refused
from tests.support.client import PASSWORD, Browser
from tests.support.commands import assert_one_line
from tests.support.server import LiveServer

SAMPLES = Path(__file__).parent / "samples"

# Django 5.2.19 with its own tables: make_password(PASSWORD, hasher=…), with iterations = 1000, memory_cost = 64, rounds = 4 and
# work_factor = 1024; set_unusable_password() for the others. SELECT * FROM auth_user, written by csv.writer.
DJANGO = (SAMPLES / "django.csv").read_text()

# firebase-scrypt 2.2.0 of npm, with memCost 10 and rounds 8, of PASSWORD; the users as `firebase auth:export` writes them.
FIREBASE_PARAMETERS = """\
hash_config {
  algorithm: SCRYPT,
  base64_signer_key: AAMGCQwPEhUYGx4hJCcqLTAzNjk8P0JFSEtOUVRXWl1gY2ZpbG9ydXh7foGEh4qNkJOWmZyfoqWoq66xtLe6vQ==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 10,
}
"""
FIREBASE: dict[str, Any] = {
    "users": [
        {
            "localId": "kGvZ1",
            "email": "one@example.com",
            "emailVerified": True,
            "passwordHash": "EiGXNi5jVLLpXM8rJy4UIYiUh46akguYjdQWq+5RvTneQHIw6ay2OxHhktfpKYOHmIF3tgAVFqiuukphaAitTA==",
            "salt": "MDEyMzQ1Njc4OQ==",
            "displayName": "One",
            "lastSignedInAt": "1700000000000",
            "createdAt": "1600000000123",
            "providerUserInfo": [],
        },
        {
            "localId": "google1",
            "email": "two@example.com",
            "emailVerified": True,
            "displayName": "Two",
            "photoUrl": "https://example.com/p.png",
            "createdAt": "1600000000000",
            "disabled": True,
            "providerUserInfo": [{"providerId": "google.com", "rawId": "1", "email": "two@example.com"}],
        },
        {"localId": "phone1", "phoneNumber": "+15550100", "createdAt": "1600000000000", "providerUserInfo": []},
    ]
}

# bcrypt.hashpw(PASSWORD, gensalt(4)): a row of auth.users, with some of its columns.
SUPABASE = (SAMPLES / "supabase.csv").read_text()


def test_users_of_django_sign_in_with_their_old_passwords(command: Command, data: Path) -> None:
    done = command("users", "import", "-", "--from", "django", "--format", "csv", given=DJANGO)
    assert done.stdout.startswith("6 created")
    assert refused(done) == ["line 8: email: There is no e-mail address."]
    users = {user["id"]: user for user in listed(command)}
    assert users["2"] | {"created_at": ""} == {
        "id": "2",
        "email": "user1@example.com",
        "email_verified": False,
        "username": "user1",
        "full_name": "\u00darsula K. Le Guin",
        "roles": ["admin", "staff"],
        "disabled": False,
        "created_at": "",
    }
    assert users["4"]["disabled"]
    assert [(users[n]["email"], users[n]["username"]) for n in "56"] == [
        ("mail@example.com", None),
        ("only@example.com", None),
    ]
    with LiveServer(data) as server, Browser(server.url) as browser:
        for number in range(3):
            assert browser.login(f"user{number}", PASSWORD)["user"]["id"] == str(number + 1)
        for login in ("user3", "mail@example.com"):
            assert browser.call("POST", "/login", {"login": login, "password": PASSWORD}).status_code == 401
        command("users", "enable", "user3")
        browser.login("user3", PASSWORD)


def test_a_table_of_users_with_more_columns_is_read_when_they_are_left_out(command: Command) -> None:
    more = "\n".join(f"{line},{'phone' if number == 0 else '1'}" for number, line in enumerate(DJANGO.splitlines()))
    options = ("users", "import", "-", "--from", "django", "--format", "csv")
    assert_one_line(command(*options, given=more), '"phone"', "--ignore")
    assert command(*options, "--ignore", "phone", given=more).stdout.startswith("6 created")


def test_users_of_firebase_sign_in_with_their_old_passwords(command: Command, data: Path, tmp_path: Path) -> None:
    users, parameters = tmp_path / "users.json", tmp_path / "parameters.txt"
    users.write_text(json.dumps(FIREBASE))
    parameters.write_text(FIREBASE_PARAMETERS)
    options = ("users", "import", str(users), "--from", "firebase")
    without = refused(command(*options, "--dry-run"))
    assert "line 1: passwordHash: To verify it, --firebase-parameters" in without[0]
    done = command(*options, "--firebase-parameters", str(parameters))
    assert done.stdout.startswith("2 created")
    assert refused(done) == ["line 3: email: There is no e-mail address."]
    assert [(user["id"], user["email_verified"], user["disabled"], user["created_at"]) for user in listed(command)] == [
        ("google1", True, True, "2020-09-13T12:26:40Z"),
        ("kGvZ1", True, False, "2020-09-13T12:26:40Z"),
    ]
    (known,) = command("users", "export", "two@example.com").json["identities"]
    assert (known["issuer"], known["subject"]) == ("https://accounts.google.com", "1")
    with LiveServer(data) as server, Browser(server.url) as browser:
        assert browser.login("one@example.com", PASSWORD)["user"]["full_name"] == "One"
        browser.login("one@example.com", PASSWORD)


@pytest.mark.parametrize("line", ["base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"])
def test_parameters_of_firebase_that_are_missing_are_named_and_none_is_shown(
    command: Command, data: Path, tmp_path: Path, line: str
) -> None:
    users, parameters = tmp_path / "users.json", tmp_path / "parameters.txt"
    users.write_text(json.dumps(FIREBASE))
    parameters.write_text("\n".join(one for one in FIREBASE_PARAMETERS.splitlines() if line not in one))
    done = command("users", "import", str(users), "--from", "firebase", "--firebase-parameters", str(parameters))
    assert_one_line(done, line)
    assert "AAMGCQwPEhUYGx4hJCcqLTAzNjk8P0JFSEtOUVRXWl1gY2ZpbG9ydXh7foGEh4qNkJOWmZyfoqWoq66xtLe6vQ==" not in done.stderr
    assert not data.exists()


def test_a_document_that_is_none_of_firebase_is_said(command: Command, data: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    for content in ("", "[]", '{"users": 5}', "[" * 100_000, '{"users": [{"localId": '):
        users.write_text(content)
        assert_one_line(command("users", "import", str(users), "--from", "firebase"), "users")
    users.write_text('{"users": [5, {"email": "x@example.com", "localId": {"a": 1}, "createdAt": "soon"}]}')
    assert len(refused(command("users", "import", str(users), "--from", "firebase"))) == 2


def test_users_of_supabase_sign_in_with_their_old_passwords(command: Command, data: Path) -> None:
    done = command("users", "import", "-", "--from", "supabase", "--format", "csv", given=SUPABASE)
    assert (done.returncode, done.stdout[:9]) == (0, "2 created")
    assert [(user["email_verified"], user["full_name"], user["disabled"]) for user in listed(command)] == [
        (True, "One, Esq.", False),
        (False, None, True),
    ]
    with LiveServer(data) as server, Browser(server.url) as browser:
        browser.login("one@example.com", PASSWORD)
