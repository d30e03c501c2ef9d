"""Many users at a time: in batches, beside others who write, stopped in the middle, at a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.cli.conftest import CHEAP, Command
from tests.support.client import EMAIL
from tests.support.commands import environment, keyturn
from tests.support.postgres import Cluster
from tests.support.programs import needs

from keyturn.cli.files import Source, read_csv, read_jsonl
from keyturn.core.model import Account, User
from keyturn.errors import InvalidInput
from keyturn.service.importing import BATCH
from keyturn.service.records import record_from
from keyturn.stores.sql import open_database
from keyturn.stores.sql.users import SqlUsers
from keyturn.system import SystemClock

HASH = "pbkdf2_sha256$600000$salt$fN2nLp6JFJVLWJHEHZx83y9Eck7BRgqjQV6x9FvVEWA="


def table(path: Path, numbers: Iterable[int]) -> Path:
    """A file of users."""
    rows = (f"{n},user{n}@example.com,user{n},K\u00e4the {n},staff,{HASH}\n" for n in numbers)
    path.write_text("id,email,username,full_name,roles,password_hash\n" + "".join(rows))
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs("postgres"))])
def url(request: pytest.FixtureRequest, data: Path) -> str:
    if request.param == "sqlite":
        data.mkdir(mode=0o700)
        return f"sqlite:///{data}/keyturn.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database()


def test_some_batches_come_and_the_same_again_changes_nothing(command: Command, url: str, tmp_path: Path) -> None:
    file = table(tmp_path / "users.csv", range(BATCH + 7))
    for expected in ("507 created, 0 unchanged", "0 created, 507 unchanged"):
        done = command("users", "import", str(file), KEYTURN_DATABASE_URL=url)
        assert (done.returncode, done.stdout.startswith(expected), done.stderr) == (0, True, "")
    lines = command("users", "export", KEYTURN_DATABASE_URL=url).stdout.splitlines()
    assert len({re.sub(r'.*"email": "([^"]*)".*', r"\1", line) for line in lines}) == 507


@needs("postgres")
def test_whoever_registers_meanwhile_keeps_the_account(
    command: Command, postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody takes an address of the file between the look for it and the writing."""
    url = postgres.database()
    other = open_database(url, clock=SystemClock())
    find_many, raced = SqlUsers.find_many, []

    def found_too_early(self: SqlUsers, *names: Any) -> list[User]:
        found = find_many(self, *names)
        if not raced:
            raced.append(True)
            other.transact(lambda tx: tx.users.insert(Account(User("theirs", "USER1@example.com", 1), None)))
        return found

    monkeypatch.setattr(SqlUsers, "find_many", found_too_early)
    file = table(tmp_path / "users.csv", range(3))
    done = command("users", "import", str(file), KEYTURN_DATABASE_URL=url)
    other.close()
    assert raced == [True]
    assert done.stdout.startswith("2 created, 0 unchanged, 0 updated, 0 differs, 1 refused")
    assert done.stderr.startswith("line 3: email: The account theirs has this address")


def written_in(path: Path) -> int:
    """How many users there are."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM users").fetchone()[0])
    except sqlite3.OperationalError:  # there is no table yet
        return 0


def test_an_import_that_was_killed_is_begun_again(data: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "users.csv", range(8 * BATCH))
    arguments = [sys.executable, "-m", "keyturn", "users", "import", str(file), "--data-dir", str(data)]
    process = subprocess.Popen(arguments, env=environment(**CHEAP), stdout=subprocess.DEVNULL)
    while not written_in(data / "keyturn.db"):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait(10)
    written = written_in(data / "keyturn.db")
    assert 0 < written < 8 * BATCH
    assert written % BATCH == 0
    done = keyturn("users", "import", str(file), "--data-dir", str(data))
    assert done.stdout.startswith(f"{8 * BATCH - written} created, {written} unchanged")


def test_a_bar_is_drawn_at_a_terminal_and_only_there(data: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "users.csv", range(20))
    file.write_text(f"{file.read_text()}9999,not an address,,,,\n")
    arguments = [sys.executable, "-m", "keyturn", "users", "import", str(file), "--data-dir", str(data)]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        arguments, env=environment(**CHEAP, TERM="xterm"), stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out == "20 created, 0 unchanged, 0 updated, 0 differs, 1 refused\n"
    assert b"importing" in shown
    assert b"line 22: email: " in shown
    quiet = keyturn("users", "import", str(file), "--data-dir", str(data))
    assert "\x1b" not in quiet.stderr
    assert "importing" not in quiet.stderr


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@example(f"id,email\n1,{EMAIL}\n".encode())
@example(b'email\r"a\n\xff\n"\x00')
@example(b'{"email": "\\u0000@x.example", "roles": [[]], "identities": [{"issuer": {}}]}')
@example(b"email,created_at\na@b.example,0001-01-01T00:00:00+23:59\nb@b.example,9999-12-31T23:59:59-23:59\n")
def test_whatever_is_in_a_file_it_is_read_or_refused_with_a_sentence(content: bytes) -> None:
    for read in (read_csv, read_jsonl):
        try:
            source: Source = read(io.BytesIO(content))
        except InvalidInput:
            continue
        for line in source.lines:
            with suppress(InvalidInput):
                assert record_from(line.fields, now=2**60).email


@pytest.mark.soak
def test_a_hundred_thousand_users_are_imported_within_a_minute(command: Command, url: str, tmp_path: Path) -> None:
    """Of this process's own time: what else the machine does at the moment is not counted."""
    file = table(tmp_path / "users.csv", range(100_000))
    began = time.process_time()
    assert command("users", "import", str(file), KEYTURN_DATABASE_URL=url).stdout.startswith("100000 created")
    assert time.process_time() - began < 60
