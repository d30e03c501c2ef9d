"""`keyturn sessions`, `keyturn keys` and `keyturn token`, beside a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import CHEAP, Command
from tests.support.client import EMAIL, Browser
from tests.support.commands import assert_one_line
from tests.support.processes import eventually
from tests.support.server import ServerProcess

from keyturn.core.keyring import encoded, from_secret


@pytest.fixture
def server(data: Path) -> Iterator[ServerProcess]:
    """A process with the machine's clock, which the commands have too."""
    with ServerProcess(data, CHEAP) as process:
        yield process


@pytest.fixture
def browser(server: ServerProcess) -> Iterator[Browser]:
    with Browser(server.url) as client:
        yield client


def is_refused(browser: Browser) -> bool:
    return browser.call("GET", "/verify", bearer=browser.access_token).status_code == 401


def test_sessions_are_listed_with_their_devices_and_no_credential(
    server: ServerProcess, browser: Browser, command: Command
) -> None:
    signed_in = browser.register()
    with Browser(server.url) as other:
        other.register("bob@example.com")
    found = command("sessions", "list", "--json").json["sessions"]
    assert [one["email"] for one in found] == ["bob@example.com", EMAIL]
    assert found[1]["id"] == signed_in["session"]["id"]
    assert found[1]["device"] == "Firefox on Linux"
    assert [one["email"] for one in command("sessions", "list", EMAIL, "--json").json["sessions"]] == [EMAIL]
    shown = command("users", "show", EMAIL, "--json").json
    assert [one["id"] for one in shown["sessions"]] == [signed_in["session"]["id"]]
    assert "Firefox on Linux" in command("users", "show", EMAIL).stdout
    assert len(command("sessions", "list", "--limit", "1", "--json").json["sessions"]) == 1
    table = command("sessions", "list").stdout
    assert "Firefox on Linux" in table
    assert browser.cookies["keyturn_refresh"].split(".")[2] not in table + json.dumps(found)


def test_a_session_that_is_ended_is_over_for_the_running_server_within_a_second(
    browser: Browser, command: Command
) -> None:
    session = browser.register()["session"]["id"]
    assert command("sessions", "end", session).stdout == "ended 1 session\n"
    eventually(lambda: is_refused(browser), "the access token is still good")
    assert browser.refresh().json()["reason"] == "revoked"
    assert command("sessions", "end", session, "--json").json == {"ended": 0}


def test_roles_that_were_taken_away_are_refused_within_a_second_and_the_session_goes_on(
    browser: Browser, command: Command
) -> None:
    browser.register()
    command("users", "set-roles", EMAIL, "admin")
    eventually(lambda: is_refused(browser), "the access token is still good")
    assert browser.refresh().status_code == 200
    assert browser.call("GET", "/verify", bearer=browser.access_token).headers["x-auth-roles"] == "admin"
    command("users", "set-roles", EMAIL, "--none")
    eventually(lambda: is_refused(browser), "the access token is still good")
    assert browser.refresh().status_code == 200
    assert browser.me().json()["roles"] == []


def test_all_sessions_of_a_user_or_of_everybody_are_ended(
    server: ServerProcess, browser: Browser, command: Command
) -> None:
    browser.register()
    with Browser(server.url) as other:
        other.register("bob@example.com")
        assert command("sessions", "end", "--user", EMAIL).stdout == "ended 1 session\n"
        assert other.refresh().status_code == 200
        assert command("sessions", "end", "--everybody", given="n\n").returncode == 1
        assert other.refresh().status_code == 200
        assert command("sessions", "end", "--everybody", "--yes").stdout == "ended 1 session\n"
        assert other.refresh().json()["reason"] == "revoked"


def test_what_to_end_is_said_once_and_is_there(browser: Browser, command: Command) -> None:
    session = browser.register()["session"]["id"]
    for arguments in ((), ("--everybody", "--user", EMAIL), (session, "--everybody")):
        assert command("sessions", "end", *arguments).returncode == 2
    assert_one_line(command("sessions", "end", session, "f" * 24), "f" * 24, "nothing was ended")
    assert_one_line(command("sessions", "end", "--user", "nobody"), "no user")
    assert browser.refresh().status_code == 200


def test_keys_are_listed_without_a_key(browser: Browser, command: Command, data: Path) -> None:
    published = browser.get("/.well-known/jwks.json").json()["keys"]
    found = {key["purpose"]: key for key in command("keys", "list", "--json").json["keys"]}
    assert found["access"]["kid"] == published[0]["kid"]
    assert [found[purpose]["algorithm"] for purpose in ("access", "refresh")] == ["ES256", "HS256"]
    assert all(key["state"] == "active" and key["created_at"] for key in found.values())
    printed = command("keys", "list").stdout + json.dumps(found)
    stored = json.loads((data / "keys.json").read_text())
    assert stored["access"][0]["jwk"]["d"] not in printed
    assert stored["refresh"][0]["jwk"]["k"] not in printed


def test_an_access_token_is_inspected_from_standard_input(
    server: ServerProcess, browser: Browser, command: Command
) -> None:
    session = browser.register()["session"]["id"]
    given = f"Bearer {browser.access_token}\n"
    issuer = {"KEYTURN_ISSUER": server.issuer}
    done = command("token", "inspect", "--json", given=given, **issuer)
    assert (done.json["kind"], done.json["valid"], done.json["claims"]["sid"]) == ("access token", True, session)
    text = command("token", "inspect", given=given, **issuer).stdout
    assert "access token: valid" in text
    assert "Its session is alive" in text
    command("sessions", "end", session)
    ended = command("token", "inspect", given=given, **issuer)
    assert ended.returncode == 1
    assert "reason revoked" in ended.stdout


def test_a_refresh_token_is_inspected_without_being_used_and_without_its_seed(
    server: ServerProcess, browser: Browser, command: Command
) -> None:
    browser.register()
    first = browser.cookies["keyturn_refresh"]
    issuer = {"KEYTURN_ISSUER": server.issuer, "KEYTURN_REFRESH_WINDOW": "0s"}
    found = command("token", "inspect", "--json", given=first, **issuer).json
    assert (found["kind"], found["valid"]) == ("refresh token", True)
    assert "seed" not in found["claims"]
    assert "would" in found["findings"][-1]
    for _ in range(2):
        command("token", "inspect", given=first, **issuer)
    assert browser.refresh().status_code == 200


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nonsense", "not a JWT"),
        ("a.b.c", "not a JWT"),
        ("W10.W10.W10", "not a JWT"),
        ("eyJ0eXAiOiJKV1QifQ.e30.AAAA", "'JWT'"),
        ("\x1b[31m.\x1b.x", "not a JWT"),
    ],
    ids=["word", "letters", "arrays", "foreign", "escapes"],
)
def test_what_is_no_token_of_ours_is_said(server: ServerProcess, command: Command, given: str, words: str) -> None:
    done = command("token", "inspect", given=given)
    assert done.returncode == 1
    assert words in done.stdout
    assert "\x1b" not in done.stdout


def test_a_forged_token_and_one_for_another_server_say_why_they_are_refused(
    server: ServerProcess, browser: Browser, command: Command
) -> None:
    browser.register()
    token = browser.access_token or ""
    elsewhere = command("token", "inspect", given=token, KEYTURN_ISSUER="http://localhost:1")
    assert elsewhere.returncode == 1
    assert "KEYTURN_ISSUER" in elsewhere.stdout
    head, body, _ = token.split(".")
    forged = command("token", "inspect", given=f"{head}.{body}.{'A' * 86}", KEYTURN_ISSUER=server.issuer)
    assert "the signature is wrong" in forged.stdout
    unknown = from_secret("2s7Yd0wqkVbXjzPfR5tGhN8mLcA1uEoI", purpose="access").sign(
        encoded({"sub": "\x1b[31mred"}), "at+jwt"
    )
    shown = command("token", "inspect", given=unknown)
    assert "the key is unknown" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_nothing_on_standard_input_is_said(server: ServerProcess, command: Command) -> None:
    assert_one_line(command("token", "inspect"), "no token")
