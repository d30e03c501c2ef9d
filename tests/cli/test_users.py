"""`keyturn users`: what an administrator does to accounts, and what a running server makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import assert_one_line
from tests.support.server import LiveServer

NEW_PASSWORD = "another horse, another battery"


def made(command: Command, email: str = EMAIL, *options: str) -> dict[str, object]:
    user: dict[str, object] = command(
        "users", "create", email, *options, "--password-stdin", "--json", given=f"{PASSWORD}\n"
    ).json["user"]
    return user


def test_the_first_administrator_is_made_before_the_server_has_ever_run(command: Command, data: Path) -> None:
    user = made(command, EMAIL, "--admin", "--role", "staff", "--role", "admin")
    assert user["roles"] == ["admin", "staff"]
    with LiveServer(data) as server, Browser(server.url) as browser:
        assert browser.login()["user"]["roles"] == ["admin", "staff"]


def test_a_password_is_read_from_a_pipe_without_being_asked_for(command: Command, data: Path) -> None:
    assert command("users", "create", EMAIL, given=f"{PASSWORD}\n").stdout.startswith("created")
    assert_one_line(command("users", "create", "bob@example.com"), "no password")
    with LiveServer(data) as server, Browser(server.url) as browser:
        browser.login()


def test_users_are_listed_in_the_order_in_which_they_were_made(command: Command) -> None:
    emails = [f"{name}@example.com" for name in ("zoe", "adam", "mia")]
    for email in emails:
        made(command, email)
    assert [user["email"] for user in command("users", "list", "--json").json["users"]] == emails
    table = command("users", "list").stdout.splitlines()
    assert table[0].split() == ["id", "e-mail", "username", "name", "roles", "made"]
    assert [line.split()[1] for line in table[1:]] == emails


def test_a_list_is_cut_at_the_limit_and_says_so(command: Command) -> None:
    for number in range(3):
        made(command, f"user{number}@example.com")
    done = command("users", "list", "--limit", "2")
    assert (len(done.stdout.splitlines()), done.stderr) == (3, "There are more than 2; --limit 0 lists all.\n")
    cut = command("users", "list", "--limit", "2", "--json").json
    assert (len(cut["users"]), cut["more"]) == (2, True)
    whole = command("users", "list", "--limit", "0", "--json").json
    assert (len(whole["users"]), whole["more"]) == (3, False)


def test_a_list_is_narrowed_by_role_and_by_state(command: Command) -> None:
    made(command, "admin@example.com", "--admin")
    made(command, "plain@example.com")
    command("users", "disable", "plain@example.com")
    assert [user["email"] for user in command("users", "list", "--role", "admin", "--json").json["users"]] == [
        "admin@example.com"
    ]
    assert [user["email"] for user in command("users", "list", "--disabled", "--json").json["users"]] == [
        "plain@example.com"
    ]


def test_a_user_is_shown_by_address_by_name_and_by_id(command: Command) -> None:
    user = made(command, EMAIL, "--username", "alice", "--full-name", "Alice [bold]Å[/bold]")
    shown = [command("users", "show", name, "--json").json for name in (EMAIL, "ALICE", str(user["id"]))]
    assert all(found == {"user": user | {"has_password": True}, "sessions": []} for found in shown)
    text = command("users", "show", "alice").stdout
    assert "Alice [bold]Å[/bold]" in text
    assert "argon2" not in text
    assert "[bold]" in command("users", "list").stdout


def test_a_disabled_user_is_out_and_stays_out_until_enabled(command: Command, data: Path) -> None:
    made(command)
    with LiveServer(data) as server, Browser(server.url) as browser:
        browser.login()
        assert command("users", "disable", EMAIL).stdout.startswith(f"disabled {EMAIL}")
        assert browser.refresh().json()["reason"] == "account_disabled"
        assert browser.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}).status_code == 401
        assert command("users", "enable", EMAIL).stdout.startswith(f"enabled {EMAIL}")
        assert browser.refresh().json()["reason"] == "account_disabled"
        browser.login()


def test_another_password_ends_every_session(command: Command, data: Path) -> None:
    made(command)
    with LiveServer(data) as server, Browser(server.url) as browser:
        browser.login()
        done = command("users", "set-password", EMAIL, "--password-stdin", given=f"{NEW_PASSWORD}\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert browser.refresh().json()["reason"] == "password_changed"
        browser.login(password=NEW_PASSWORD)


def test_a_password_that_breaks_the_rules_changes_nothing(command: Command, data: Path) -> None:
    made(command)
    assert_one_line(command("users", "set-password", EMAIL, "--password-stdin", given="short\n"), "too short")
    with LiveServer(data) as server, Browser(server.url) as browser:
        browser.login()


def test_roles_are_replaced_and_taken_away(command: Command) -> None:
    made(command, EMAIL, "--admin")
    assert command("users", "set-roles", EMAIL, "guide", "staff").stdout == f"{EMAIL}: admin -> guide, staff\n"
    assert command("users", "set-roles", EMAIL, "--none", "--json").json["user"]["roles"] == []
    for arguments in ((), ("guide", "--none")):
        assert command("users", "set-roles", EMAIL, *arguments).returncode == 2
    assert_one_line(command("users", "set-roles", EMAIL, "two words"), "role")


def test_a_deletion_asks_first_and_a_no_deletes_nothing(command: Command) -> None:
    made(command)
    for answer in ("n\n", ""):
        done = command("users", "delete", EMAIL, given=answer)
        assert (done.returncode, done.stdout) == (1, "")
    assert command("users", "show", EMAIL).returncode == 0
    assert command("users", "delete", EMAIL, given="y\n").stdout.startswith(f"deleted {EMAIL}")
    assert_one_line(command("users", "show", EMAIL), "no user")
    made(command)
    assert command("users", "delete", EMAIL, "--yes").returncode == 0


@pytest.mark.parametrize("act", ["show", "disable", "enable", "delete", "set-password", "set-roles"])
def test_a_user_who_is_not_there_is_one_sentence(command: Command, act: str) -> None:
    made(command)
    more = {"set-roles": ("admin",), "set-password": ("--password-stdin",), "delete": ("--yes",)}.get(act, ())
    assert_one_line(command("users", act, "nobody@example.com", *more, given=f"{NEW_PASSWORD}\n"), "no user")


def test_a_directory_that_was_misspelt_is_said_and_not_made(command: Command, data: Path) -> None:
    for arguments in (("users", "list"), ("sessions", "list"), ("keys", "list"), ("db", "backup", "copy.db")):
        assert_one_line(command(*arguments), str(data), "--data-dir")
    assert not data.exists()


def test_an_unblocked_user_signs_in_at_once(command: Command, data: Path) -> None:
    """Strangers have failed at the account until everybody has to wait; the server goes on while it is unblocked."""
    made(command)
    with LiveServer(data, rate_limits=True) as server, Browser(server.url) as browser:
        wrong = {"login": EMAIL, "password": NEW_PASSWORD}
        statuses = [browser.call("POST", "/login", wrong).status_code for _ in range(21)]
        assert statuses == [401] * 20 + [429]
        done = command("users", "unblock", EMAIL)
        assert done.stdout.startswith(f"nobody has to wait at {EMAIL}")
        browser.login()
    assert_one_line(command("users", "unblock", "stranger@example.com"), "no user")
