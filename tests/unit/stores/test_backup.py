"""Copies of the database, and what becomes of sessions when one is put back."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from keyturn.core.model import Account, EndReason, Session
from keyturn.errors import SettingsError
from keyturn.ports import Transaction
from keyturn.stores.sql import SqlDatabase, open_database
from keyturn.stores.sql.backup import Copied, backup, restore, upgrade
from keyturn.testing.fakes import FakeClock
from keyturn.testing.store_contract import sample_session, sample_user

NOW = FakeClock().now()
LATER = NOW + 3_600_000_000


def fill(database: SqlDatabase, *names: str) -> None:
    def work(tx: Transaction) -> None:
        for name in names:
            tx.sessions.insert(sample_session(NOW, name))

    database.transact(work)


def end(database: SqlDatabase, reason: EndReason = EndReason.PASSWORD_CHANGED) -> None:
    database.transact(lambda tx: tx.sessions.end_of_user("u1", reason))


def rows(url: str, *names: str) -> dict[str, Session]:
    database = open_database(url, clock=FakeClock())
    found = database.read(lambda tx: tx.sessions.load_many(names))
    database.close()
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


def test_a_copy_is_made_while_others_write_and_is_one_private_file(database: SqlDatabase, url: str, copy: Path) -> None:
    database.transact(lambda tx: tx.users.insert(Account(sample_user(), "hash")))
    fill(database, "s1", "s2")
    stop = threading.Event()

    def go_on_writing() -> None:
        count = 0
        while not stop.is_set():
            fill(database, f"w{(count := count + 1)}")

    writer = threading.Thread(target=go_on_writing)
    writer.start()
    try:
        copied = backup(url, copy)
    finally:
        stop.set()
        writer.join()
    assert copied.users == 1
    assert copied.live_sessions >= 2
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(file.name for file in copy.parent.iterdir() if "keyturn.db" not in file.name) == ["copy.db"]
    assert set(rows(f"sqlite:///{copy}", "s1", "s2")) == {"s1", "s2"}


def test_what_is_put_back_has_no_live_session(database: SqlDatabase, url: str, copy: Path) -> None:
    fill(database, "s1", "s2")
    backup(url, copy)
    fill(database, "s3")
    database.close()
    assert restore(url, copy, now=LATER) == Copied(users=0, live_sessions=0)
    found = rows(url, "s1", "s2", "s3")
    assert {(s.end_reason, s.ended_at) for s in found.values()} == {(EndReason.REVOKED, LATER)}
    assert len(found) == 3
    assert {s.version for s in found.values()} >= {sample_session(NOW).version + 1}


def test_sessions_that_are_kept_are_those_that_have_not_ended_since(
    database: SqlDatabase, url: str, copy: Path
) -> None:
    database.transact(lambda tx: tx.sessions.insert(sample_session(NOW, "other", "u2")))
    fill(database, "s1")
    backup(url, copy)
    end(database)
    database.transact(lambda tx: tx.sessions.insert(sample_session(NOW, "new", "u2")))
    database.close()
    assert restore(url, copy, now=LATER, keep_sessions=True).live_sessions == 1
    found = rows(url, "s1", "other", "new")
    assert found["s1"].end_reason is EndReason.PASSWORD_CHANGED
    assert found["other"] == sample_session(NOW, "other", "u2")
    # A session that the copy does not know is over, and its access tokens are known to be.
    assert (found["new"].end_reason, found["new"].ended_at) == (EndReason.REVOKED, LATER)
    assert found["new"].device.label == ""


def test_a_copy_is_put_back_where_there_is_no_database(database: SqlDatabase, url: str, copy: Path, path: Path) -> None:
    database.transact(lambda tx: tx.users.insert(Account(sample_user(), "hash")))
    fill(database, "s1")
    backup(url, copy)
    database.close()
    for file in path.parent.glob("keyturn.db*"):
        file.unlink()
    assert restore(url, copy, now=LATER) == Copied(users=1, live_sessions=0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rows(url, "s1")["s1"].end_reason is EndReason.REVOKED


def test_the_copy_stays_as_it_was(database: SqlDatabase, url: str, copy: Path) -> None:
    fill(database, "s1")
    backup(url, copy)
    before = copy.read_bytes()
    database.close()
    restore(url, copy, now=LATER)
    assert copy.read_bytes() == before
    assert list(copy.parent.glob(".*")) == []


def test_nothing_is_put_back_under_a_running_server(database: SqlDatabase, url: str, copy: Path, path: Path) -> None:
    fill(database, "s1")
    backup(url, copy)
    fill(database, "s2")
    with pytest.raises(SettingsError, match="stop the server"):
        restore(url, copy, now=LATER)
    assert database.read(lambda tx: set(tx.sessions.load_many(["s1", "s2"]))) == {"s1", "s2"}
    assert database.read(lambda tx: len(tx.sessions.live_of_user("u1"))) == 2
    assert list(path.parent.glob(".*")) == []


def test_a_copy_never_overwrites_a_file(database: SqlDatabase, url: str, copy: Path) -> None:
    copy.write_text("precious")
    with pytest.raises(SettingsError, match="exists already"):
        backup(url, copy)
    assert copy.read_text() == "precious"


def _garbage(file: Path) -> None:
    file.write_text("Dear diary, " * 500)


def _another_program(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("CREATE TABLE users (id); CREATE TABLE meta (name, value)")


def _torn(file: Path) -> None:
    url = f"sqlite:///{file}"
    database = open_database(url, clock=FakeClock())
    fill(database, *(f"s{n}" for n in range(200)))
    database.close()
    data = bytearray(file.read_bytes())
    data[4096 * 6 : 4096 * 9] = b"\xff" * 4096 * 3
    file.write_bytes(data)


def _newer(file: Path) -> None:
    open_database(f"sqlite:///{file}", clock=FakeClock()).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: None, "no database"),
        (_garbage, "not a database"),
        (_another_program, "not a database of Keyturn"),
        (_torn, "damaged|malformed"),
        (_newer, "revision 9999"),
        (Path.mkdir, "no database"),
    ],
    ids=["missing", "garbage", "another program", "torn", "newer", "directory"],
)
def test_what_cannot_be_put_back_is_named_and_changes_nothing(
    database: SqlDatabase, url: str, tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    fill(database, "mine")
    database.close()
    file = tmp_path / "given.db"
    make(file)
    with pytest.raises(SettingsError, match=words):
        restore(url, file, now=LATER)
    assert rows(url, "mine") == {"mine": sample_session(NOW, "mine")}
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("make", [_garbage, _another_program], ids=["garbage", "another program"])
def test_a_copy_never_takes_the_place_of_another_programs_file(
    database: SqlDatabase, url: str, copy: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    backup(url, copy)
    theirs = tmp_path / "theirs.db"
    make(theirs)
    before = theirs.read_bytes()
    with pytest.raises(SettingsError):
        restore(f"sqlite:///{theirs}", copy, now=LATER)
    assert theirs.read_bytes() == before


def test_a_copy_of_an_older_version_is_upgraded(database: SqlDatabase, url: str, copy: Path) -> None:
    fill(database, "s1")
    backup(url, copy)
    database.close()
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript(
            "DROP TABLE counters; DROP TABLE one_time_tokens; DROP TABLE mails; DROP TABLE identities;"
            "DROP INDEX users_created_at; DROP INDEX users_tokens_valid_from;"
            "ALTER TABLE users DROP COLUMN tokens_valid_from; UPDATE alembic_version SET version_num = '0001'"
        )
    restore(url, copy, now=LATER)
    assert rows(url, "s1")["s1"].end_reason is EndReason.REVOKED


def test_an_upgrade_says_from_where_to_where(url: str, path: Path) -> None:
    before, after = upgrade(url)
    assert before is None
    assert upgrade(url) == (after, after)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (after,)
