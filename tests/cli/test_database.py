"""`keyturn db`, and databases and disks that are not as they should be."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import CHEAP, Command
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import assert_one_line, environment, keyturn
from tests.support.server import ServerProcess

NEW_PASSWORD = "another horse, another battery"

ALL = [
    ("users", "list"),
    ("users", "create", EMAIL, "--password-stdin"),
    ("sessions", "list"),
    ("db", "upgrade"),
    ("check",),
    ("token", "inspect"),
    ("serve", "--port", "0"),
]


def made(command: Command) -> None:
    assert command("users", "create", EMAIL, "--password-stdin", given=f"{PASSWORD}\n").returncode == 0


def test_a_restored_backup_has_the_users_of_then_and_no_session(command: Command, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with ServerProcess(data, CHEAP) as server, Browser(server.url) as browser:
        signed_in = browser.register(delivery="body")
        assert command("db", "backup", str(copy), "--json").json == {
            "file": str(copy),
            "users": 1,
            "live_sessions": 1,
        }
        later = browser.call("POST", "/refresh-token", {"refresh_token": signed_in["refresh_token"]}).json()
        with Browser(server.url) as bob:
            since = bob.register("bob@example.com", delivery="body")
        refused = command("db", "restore", str(copy), "--yes")
        assert_one_line(refused, "stop the server")
        port = server.url.rpartition(":")[2]
        assert server.stop() == 0
    assert command("db", "restore", str(copy), given="n\n").returncode == 1
    assert (
        command("db", "restore", str(copy), "--yes").stdout == "restored: users: 1, sessions that have not ended: 0\n"
    )
    with ServerProcess(data, CHEAP, port=int(port)) as server, Browser(server.url) as browser:
        for token in (signed_in["refresh_token"], later["refresh_token"], since["refresh_token"]):
            answer = browser.refresh(token)
            assert (answer.status_code, answer.json()["code"]) == (403, "session_ended")
        for token in (signed_in["access_token"], later["access_token"], since["access_token"]):
            assert browser.call("GET", "/verify", bearer=token).status_code == 401
        browser.login()
        assert browser.call("POST", "/login", {"login": "bob@example.com", "password": PASSWORD}).status_code == 401


def test_sessions_that_are_kept_go_on_unless_they_ended_since(command: Command, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with ServerProcess(data, CHEAP) as server, Browser(server.url) as browser, Browser(server.url) as other:
        kept = browser.register(delivery="body")
        gone = other.register("bob@example.com", delivery="body")
        command("db", "backup", str(copy))
        other.call("POST", "/logout", {"refresh_token": gone["refresh_token"]})
        port = server.url.rpartition(":")[2]
        server.stop()
    done = command("db", "restore", str(copy), "--keep-sessions", "--yes")
    assert done.stdout == "restored: users: 2, sessions that have not ended: 1\n"
    with ServerProcess(data, CHEAP, port=int(port)) as server, Browser(server.url) as browser:
        assert browser.refresh(kept["refresh_token"]).status_code == 200
        assert browser.refresh(gone["refresh_token"]).json()["reason"] == "signed_out"


def test_an_upgrade_makes_a_database_and_then_has_nothing_to_do(command: Command, data: Path) -> None:
    assert "it is new" in command("db", "upgrade").stdout
    assert "up to date" in command("db", "upgrade").stdout
    upgraded = command("db", "upgrade", "--json").json
    assert upgraded["before"] == upgraded["after"]
    assert data.stat().st_mode & 0o777 == 0o700


def _newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("UPDATE alembic_version SET version_num = '9999'")


def _of_another_program(file: Path) -> None:
    for beside in file.parent.glob(f"{file.name}*"):
        beside.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("CREATE TABLE photos (id)")


def _no_database(file: Path) -> None:
    for beside in file.parent.glob(f"{file.name}*"):
        beside.unlink()
    file.write_text("Dear diary, " * 500)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_newer, "newer version"), (_of_another_program, "another program"), (_no_database, "not a database")],
    ids=["newer", "another program", "no database"],
)
@pytest.mark.parametrize("arguments", ALL, ids=" ".join)
def test_a_database_that_is_not_ours_to_use_is_one_sentence_and_stays_as_it_is(
    command: Command, data: Path, arguments: tuple[str, ...], spoil: Callable[[Path], None], words: str
) -> None:
    made(command)
    file = data / "keyturn.db"
    spoil(file)
    before = file.read_bytes()
    assert_one_line(command(*arguments, given=f"{PASSWORD}\n"), words)
    assert file.read_bytes() == before


@pytest.mark.parametrize("arguments", ALL, ids=" ".join)
def test_a_data_directory_that_others_can_enter_is_one_sentence(
    command: Command, data: Path, arguments: tuple[str, ...]
) -> None:
    made(command)
    data.chmod(0o755)
    assert_one_line(command(*arguments, given=f"{PASSWORD}\n"), "chmod 700")


@pytest.mark.parametrize("arguments", ALL, ids=" ".join)
def test_a_data_directory_that_is_a_file_is_one_sentence(
    command: Command, data: Path, arguments: tuple[str, ...]
) -> None:
    data.write_text("precious")
    assert_one_line(command(*arguments, given=f"{PASSWORD}\n"), str(data))
    assert data.read_text() == "precious"


def test_a_database_that_somebody_holds_locked_is_one_sentence(command: Command, data: Path) -> None:
    made(command)
    with closing(sqlite3.connect(data / "keyturn.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert_one_line(command("users", "disable", EMAIL), "database is not available")
        assert command("users", "list", "--json").json["users"][0]["disabled"] is False
        holder.execute("ROLLBACK")
    assert command("users", "disable", EMAIL).returncode == 0


@contextmanager
def mounted(directory: Path, options: str) -> Iterator[None]:
    """A small disk of its own."""
    directory.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs the right to mount; run as root outside a container")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def test_a_full_disk_is_one_sentence_and_nothing_is_half_done(command: Command, data: Path, tmp_path: Path) -> None:
    made(command)
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k,mode=700"):
        (disk / "ballast").write_bytes(b"\0" * 40_000)
        assert_one_line(command("db", "backup", str(disk / "copy.db")), "full")
        assert [file.name for file in disk.iterdir()] == ["ballast"]
        done = _elsewhere(disk / "data", "users", "create", EMAIL, "--password-stdin")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        (disk / "ballast").unlink()
        assert (
            not (disk / "data" / "keyturn.db").exists() or b"alice" not in (disk / "data" / "keyturn.db").read_bytes()
        )


def test_a_read_only_disk_is_one_sentence_and_can_still_be_copied(command: Command, data: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=8m,mode=700"):
        inside = disk / "data"
        assert _elsewhere(inside, "users", "create", EMAIL, "--password-stdin").returncode == 0
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for arguments in ALL:
            done = keyturn(*arguments, "--data-dir", str(inside), given=f"{PASSWORD}\n", **CHEAP)
            assert done.returncode == 1, arguments
            assert len(done.stderr.splitlines()) == 1, done.stderr
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert EMAIL in _elsewhere(inside, "users", "list").stdout


def _elsewhere(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process, on another data directory."""
    return subprocess.run(
        [sys.executable, "-m", "keyturn", *arguments, "--data-dir", str(data)],
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        env=environment(**CHEAP),
        timeout=60,
        check=False,
        cwd=os.path.sep,
    )
