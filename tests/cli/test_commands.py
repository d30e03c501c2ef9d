"""The command line, as an operator types it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import assert_one_line, create, environment, keyturn
from tests.support.server import ServerProcess

QUICK = {"KEYTURN_HASH_MEMORY_KIB": "8", "KEYTURN_HASH_TIME_COST": "1"}


@pytest.mark.parametrize(
    "arguments", [("--help",), ("serve", "--help"), ("users", "--help"), ("users", "create", "--help")]
)
def test_help_says_what_there_is(arguments: tuple[str, ...]) -> None:
    done = keyturn(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = {"--help": ("serve", "users"), "serve": ("--port", "--data-dir"), "users": ("create",)}[arguments[0]]
    assert all(word in done.stdout for word in wanted)


def test_the_version_is_that_of_the_package() -> None:
    done = keyturn("--version")
    assert (done.returncode, done.stdout) == (0, f"keyturn {version('keyturn')}\n")


def test_the_installed_command_and_the_module_are_one() -> None:
    for command in ([Path(sys.executable).with_name("keyturn")], [sys.executable, "-m", "keyturn"]):
        done = subprocess.run(
            [*command, "users", "--help"], capture_output=True, text=True, env=environment(), timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "create" in done.stdout


@pytest.mark.parametrize("arguments", [("nonsense",), ("serve", "--nonsense"), ("users", "create")])
def test_a_command_that_is_not_understood_fails_without_a_traceback(arguments: tuple[str, ...]) -> None:
    done = keyturn(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_user_that_was_made_on_the_command_line_signs_in(tmp_path: Path) -> None:
    data = tmp_path / "data"
    options = ("--username", "alice", "--full-name", "Alice Ångström", "--role", "admin", "--role", "staff")
    done = create(data, EMAIL, *options)
    assert (done.returncode, done.stderr) == (0, "")
    made = re.fullmatch(rf"created {re.escape(EMAIL)} \(([0-9a-f]{{24}})\)\n", done.stdout)
    assert made
    with ServerProcess(data) as server, Browser(server.url) as browser:
        user = browser.login("alice")["user"]
        assert user["id"] == made[1]
        assert (user["email"], user["full_name"], user["roles"]) == (EMAIL, "Alice Ångström", ["admin", "staff"])
        answer = browser.call("GET", "/verify", bearer=browser.access_token)
        assert answer.headers["x-auth-roles"] == "admin,staff"


def test_a_user_that_cannot_be_made_is_not_made_and_the_reason_is_one_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert create(data, EMAIL, "--username", "alice").returncode == 0
    assert_one_line(create(data, EMAIL.upper()), "e-mail address")
    assert_one_line(create(data, "bob@example.com", "--username", "ALICE"), "username")
    assert_one_line(create(data, "no address"), "e-mail address")
    assert_one_line(create(data, "bob@example.com", password="short"), "too short")
    assert_one_line(create(data, "bob@example.com", password=""), "no password")
    assert_one_line(create(data, "bob@example.com", "--role", "two words"), "role")
    assert create(data, "bob@example.com").returncode == 0


def test_a_password_is_never_taken_from_the_command_line_or_quoted(tmp_path: Path) -> None:
    done = create(tmp_path / "data", EMAIL, password="hunter2")
    assert "hunter2" not in done.stderr + done.stdout
    assert "--password " not in keyturn("users", "create", "--help").stdout


def _typed(data: Path, *lines: str) -> tuple[int, str]:
    """Make a user at a terminal; gives the exit code and what the terminal showed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "keyturn", "users", "create", EMAIL, "--data-dir", str(data)]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), start_new_session=True, close_fds=True
    )
    os.close(theirs)
    shown, waiting = b"", list(lines)
    with contextlib.suppress(OSError):  # Linux says so when the other end is closed
        while select.select([ours], [], [], 60)[0] and (piece := os.read(ours, 1024)):
            shown += piece
            # The space comes last: whatever is typed before it is thrown away.
            if waiting and shown.endswith(b": "):
                os.write(ours, waiting.pop(0).encode() + b"\n")
    code = process.wait(30)
    os.close(ours)
    return code, shown.decode()


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    code, shown = _typed(tmp_path / "data", PASSWORD, PASSWORD)
    assert code == 0, shown
    assert "Password: " in shown
    assert "Repeat for confirmation: " in shown
    assert f"created {EMAIL}" in shown
    assert PASSWORD not in shown


def test_the_server_greets_with_all_one_needs_to_begin(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data) as server:
        assert re.fullmatch(r"http://(localhost|127\.0\.0\.1):\d+", server.url)
        *lines, last = server.greeting.splitlines()
        assert lines == [
            f"Keyturn answers at {server.url}",
            f"Data: {data}",
            f"Registration is open: POST {server.url}/api/v1/auth/register",
        ]
        create = last.removeprefix("To make a user: ")
        done = subprocess.run(create, shell=True, input=PASSWORD, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout[:23]) == (0, "created you@example.com"), done.stderr
        with Browser(server.url) as browser:
            assert browser.login("you@example.com")["user"]["roles"] == []
        assert httpx2.get(f"{server.url}/healthz").json() == {"status": "ok"}
        assert data.stat().st_mode & 0o777 == 0o700
        # It finishes, then ends by the signal it was sent, as a service manager expects.
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def test_a_closed_registration_is_not_offered(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", {"KEYTURN_REGISTRATION": "closed"}) as server:
        assert "Registration" not in server.greeting


def test_a_server_keeps_its_keys_and_its_users_over_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, QUICK) as server, Browser(server.url) as browser:
        signed_in = browser.register(delivery="body")
        assert server.stop() == 0
    with ServerProcess(data, QUICK, port=httpx2.URL(server.url).port or 0) as again, Browser(again.url) as browser:
        assert browser.call("GET", "/me", bearer=signed_in["access_token"]).status_code == 200
        assert browser.refresh(signed_in["refresh_token"]).status_code == 200


def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = keyturn("serve", "--port", port, "--data-dir", str(tmp_path / "data"))
    assert_one_line(done, port, "--port")


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"KEYTURN_REFRESH_WINDOW": "soon"}, "KEYTURN_REFRESH_WINDOW"),
        ({"KEYTURN_REFRSH_WINDOW": "30s"}, "KEYTURN_REFRSH_WINDOW"),
        ({"KEYTURN_ISSUER": "http://example.com"}, "KEYTURN_ISSUER"),
        ({"KEYTURN_REGISTRATION": "maybe"}, "KEYTURN_REGISTRATION"),
        ({"KEYTURN_REFRESH_SECRET": "short-secret"}, "KEYTURN_REFRESH_SECRET"),
    ],
)
def test_a_setting_that_is_wrong_stops_the_start_by_name(tmp_path: Path, environ: dict[str, str], word: str) -> None:
    done = keyturn("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), **environ)
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert "short-secret" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_directory_that_others_can_read_stops_every_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    assert_one_line(keyturn("serve", "--port", "0", "--data-dir", str(data)), str(data))
    assert_one_line(create(data, EMAIL), str(data))
    assert list(data.iterdir()) == []
