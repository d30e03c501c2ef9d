"""How an SQLite file is made, recognised, opened, and refused."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from keyturn.core.model import Account
from keyturn.errors import SettingsError, StoreUnavailable
from keyturn.stores.sql import SqlDatabase, open_database, sqlite
from keyturn.testing.fakes import FakeClock
from keyturn.testing.store_contract import sample_session, sample_user

NOW = FakeClock().now()


def open_and_close(url: str) -> None:
    open_database(url, clock=FakeClock(), busy_timeout=0.1).close()


def test_what_is_committed_is_on_the_disk_and_readers_do_not_wait(database: SqlDatabase) -> None:
    def pragmas(transaction: object) -> dict[str, object]:
        connection = transaction.sessions._connection  # type: ignore[attr-defined]
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 100}
    assert database.transact(pragmas) == expected | {"query_only": 0}
    assert database.read(pragmas) == expected | {"query_only": 1}


def test_nobody_but_its_user_can_read_the_database(path: Path, url: str) -> None:
    umask = os.umask(0)
    try:
        database = open_database(url, clock=FakeClock())
        database.transact(lambda t: t.sessions.insert(sample_session(NOW)))
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        database.close()
    finally:
        os.umask(umask)
    assert files == {"keyturn.db": 0o600, "keyturn.db-wal": 0o600, "keyturn.db-shm": 0o600}


def test_the_file_says_whose_it_is(database: SqlDatabase, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (sqlite.APPLICATION_ID,)
        assert connection.execute("SELECT * FROM meta").fetchall() == [("application", "keyturn")]


@pytest.mark.parametrize(
    "script", ["CREATE TABLE t (a)", "PRAGMA application_id = 42", "CREATE TABLE meta (name, value)"]
)
def test_the_database_of_another_program_is_refused_and_left_alone(path: Path, url: str, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="another program"):
        open_and_close(url)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, url: str) -> None:
    path.write_text("Dear diary, " * 100)
    with pytest.raises(SettingsError, match="cannot be used as a database"):
        open_and_close(url)
    assert path.read_text() == "Dear diary, " * 100


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no/where"):
        open_and_close(f"sqlite:///{tmp_path}/no/where/keyturn.db")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql+pymysql://kim:hunter2@db/keyturn", "SQLite or PostgreSQL"),
        ("mysql://kim:hunter2@db/keyturn", "mysql is not supported"),
        ("sqlite+aiosqlite:////tmp/hunter2.db", "not supported"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:////tmp/hunter2.db?mode=ro", "without parameters"),
        ("hunter2", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_url_that_is_no_sqlite_file_is_refused_and_not_repeated(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        open_and_close(url)
    assert "hunter2" not in str(caught.value)
    assert "sqlite:////absolute/path.db" in str(caught.value)


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "50% of #1?" / "kéy turn.db"
    path.parent.mkdir()
    open_and_close(f"sqlite:///{path}".replace("%", "%25").replace("?", "%3F"))
    assert path.exists()


def test_a_backup_made_by_sqlite_can_be_opened(database: SqlDatabase, path: Path) -> None:
    database.transact(lambda t: t.sessions.insert(sample_session(NOW)))
    backup = path.with_name("backup.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    restored = open_database(f"sqlite:///{backup}", clock=FakeClock())
    assert restored.read(lambda t: t.sessions.load_many(["s1"])) == {"s1": sample_session(NOW)}
    restored.close()
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_dump_in_sql_can_be_opened(database: SqlDatabase, path: Path) -> None:
    database.transact(lambda t: t.sessions.insert(sample_session(NOW)))
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        target.executescript("".join(source.iterdump()))
    restored = open_database(f"sqlite:///{copy}", clock=FakeClock())
    assert restored.read(lambda t: t.sessions.load_many(["s1"])) == {"s1": sample_session(NOW)}
    restored.close()


def test_a_database_that_is_locked_at_the_start_is_unavailable_and_no_wrong_setting(path: Path, url: str) -> None:
    open_and_close(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable):
            open_and_close(url)


def test_a_file_that_vanished_is_not_made_again(database: SqlDatabase, path: Path) -> None:
    path.unlink()
    with pytest.raises(StoreUnavailable):
        database.transact(lambda t: t.sessions.insert(sample_session(NOW)))
    with pytest.raises(StoreUnavailable):
        database.ping()
    assert not path.exists()


_START = """
import sys
from keyturn.stores.sql import open_database
from keyturn.system import SystemClock
database = open_database(sys.argv[1], clock=SystemClock())
sys.stdin.readline()
database.ping()
database.close()
"""


def test_processes_that_start_at_once_on_a_new_file_all_come_up(url: str) -> None:
    command = [sys.executable, "-c", _START, url]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    complaints = [process.communicate("\n", timeout=120)[1] for process in processes]
    assert complaints == [""] * 4


_COUNT = """
import sys
from keyturn.stores.sql import open_database
from keyturn.system import SystemClock

def count(transaction, session):
    counted = session._replace(generation=session.generation + 1, version=session.version + 1)
    return len(transaction.sessions.swap_many([counted]))

def load(transaction):
    return transaction.sessions.load_many(["s1"])["s1"]

database = open_database(sys.argv[1], clock=SystemClock())
for _ in range(50):  # within one transaction nobody comes in between
    assert database.transact(lambda t: count(t, load(t))) == 1
won = 0
while won < 50:
    seen = database.read(load)
    won += database.transact(lambda t: count(t, seen))
database.close()
"""


def test_no_swap_is_lost_between_processes(database: SqlDatabase, url: str) -> None:
    session = sample_session(NOW, generation=0)
    database.transact(lambda t: t.sessions.insert(session))
    processes = [subprocess.Popen([sys.executable, "-c", _COUNT, url]) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert database.read(lambda t: t.sessions.load_many(["s1"]))["s1"].generation == 300


def test_a_log_that_somebody_reads_is_not_emptied_and_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "keyturn.db"
    database = open_database(f"sqlite:///{file}", clock=FakeClock())
    database.transact(lambda tx: tx.users.insert(Account(sample_user(), "hash")))
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM users").fetchall()
        assert not sqlite.empty_log(file, busy_timeout=0.05)
    assert sqlite.empty_log(file)
    assert (tmp_path / "keyturn.db-wal").stat().st_size == 0
    database.close()
