"""The command line over PostgreSQL, beside a running server: what it is told by KEYTURN_DATABASE_URL alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.cli.conftest import CHEAP, Command
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import Done, assert_one_line
from tests.support.postgres import Cluster
from tests.support.programs import found, needs
from tests.support.server import ServerProcess

pytestmark = needs("postgres")


@pytest.fixture
def url(postgres: Cluster) -> str:
    return postgres.database()


@pytest.fixture
def run(command: Command, url: str) -> Callable[..., Done]:
    """Runs a command on that database."""
    return partial(command, KEYTURN_DATABASE_URL=url)


def serving(data: Path, url: str) -> ServerProcess:
    return ServerProcess(data, {**CHEAP, "KEYTURN_DATABASE_URL": url})


def test_the_tables_are_made_before_a_server_starts(run: Command) -> None:
    assert run("db", "upgrade", "--json").json["before"] is None
    assert "up to date" in run("db", "upgrade").stdout
    assert run("users", "list", "--json").json["users"] == []


def test_an_empty_database_is_no_database_of_ours_yet(run: Command) -> None:
    for arguments in (("users", "list"), ("sessions", "list"), ("sessions", "end", "--all", "--yes")):
        assert_one_line(run(*arguments), "no Keyturn database where KEYTURN_DATABASE_URL points", "db upgrade")


def test_users_are_made_and_signed_out_beside_a_running_server(run: Command, data: Path, url: str) -> None:
    with serving(data, url) as server, Browser(server.url) as browser:
        assert run("users", "create", EMAIL, "--password-stdin", given=f"{PASSWORD}\n").returncode == 0
        signed_in = browser.login(delivery="body")
        assert [one["email"] for one in run("sessions", "list", "--json").json["sessions"]] == [EMAIL]
        assert run("users", "set-roles", EMAIL, "admin").returncode == 0
        refreshed = browser.refresh(signed_in["refresh_token"])
        assert refreshed.json()["user"]["roles"] == ["admin"]
        assert run("sessions", "end", "--all", "--yes").stdout == "ended 1 session\n"
        assert browser.refresh(refreshed.json()["refresh_token"]).json()["reason"] == "revoked"


def test_copies_are_made_with_the_tools_of_postgresql(run: Command, tmp_path: Path) -> None:
    assert run("db", "upgrade").returncode == 0
    copy = tmp_path / "copy.db"
    assert_one_line(run("db", "backup", str(copy)), "pg_dump", "docs/postgresql.md")
    assert_one_line(run("db", "restore", str(copy), "--yes"), "pg_restore", "keyturn sessions end --all")
    assert not copy.exists()


def test_a_copy_that_was_put_back_revives_nobody_when_all_sessions_are_ended(
    run: Command, data: Path, url: str, postgres: Cluster
) -> None:
    """As docs/postgresql.md has it."""
    with serving(data, url) as server, Browser(server.url) as browser, Browser(server.url) as other:
        signed_in = browser.register(delivery="body")
        name = url.rpartition("/")[2]
        dump = subprocess.run([str(found("pg_dump")), "--dbname", url], capture_output=True, check=True, timeout=60)
        assert browser.call("POST", "/logout", {"refresh_token": signed_in["refresh_token"]}).status_code == 204
        other.register("bob@example.com")
        port = int(server.url.rpartition(":")[2])
        server.stop()
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    postgres.execute(f"CREATE DATABASE {name}")
    subprocess.run(
        [str(found("psql")), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", url],
        input=dump.stdout,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert run("sessions", "end", "--all", "--yes").stdout == "ended 1 session\n"
    with ServerProcess(data, {**CHEAP, "KEYTURN_DATABASE_URL": url}, port=port) as server, Browser(server.url) as again:
        assert again.refresh(signed_in["refresh_token"]).json()["reason"] == "revoked"
        assert again.call("GET", "/verify", bearer=signed_in["access_token"]).status_code == 401
        assert again.login()["user"]["email"] == EMAIL


def test_a_database_that_does_not_answer_is_told_in_one_line(command: Command) -> None:
    url = "postgresql://keyturn:hunter2-and-more@127.0.0.1:1/app"
    for arguments in (("users", "list"), ("db", "upgrade"), ("serve", "--port", "0")):
        done = command(*arguments, KEYTURN_DATABASE_URL=url)
        assert_one_line(done, "127.0.0.1:1/app")
        assert "hunter2" not in done.stderr
