"""A database that does not answer, or refuses to write, changes nothing, gives no secret away, and recovers."""

import sqlite3
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from keyturn.core.model import Account
from keyturn.errors import EmailTaken, StoreUnavailable
from keyturn.ports import Transaction
from keyturn.stores.sql import SqlDatabase
from keyturn.testing.fakes import FakeClock
from keyturn.testing.store_contract import sample_session, sample_user

NOW = FakeClock().now()


def insert_many(transaction: Transaction) -> None:
    for number in range(1000):
        transaction.sessions.insert(sample_session(NOW, f"s{number}"))


def assert_it_works(database: SqlDatabase) -> None:
    database.transact(insert_many)
    assert database.read(lambda t: len(t.sessions.live_of_user("u1"))) == 1000


@pytest.fixture
def other(database: SqlDatabase, path: Path) -> Iterator[sqlite3.Connection]:
    """Another program at the same file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_a_locked_database_is_unavailable_until_it_is_let_go(database: SqlDatabase, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as caught:
        database.transact(insert_many)
    assert "database is locked" in str(caught.value.__cause__)
    database.ping()
    other.execute("ROLLBACK")
    assert_it_works(database)


def test_a_thread_that_never_gets_its_turn_is_told_so(database: SqlDatabase) -> None:
    begun, over = Event(), Event()

    def linger(_: Transaction) -> None:
        begun.set()
        over.wait(30)

    with ThreadPoolExecutor(1) as thread:
        lingering = thread.submit(database.transact, linger)
        assert begun.wait(30)
        with pytest.raises(StoreUnavailable):
            database.transact(insert_many)
        over.set()
        lingering.result(30)
    assert_it_works(database)


def test_a_full_disk_leaves_nothing_half_written(database: SqlDatabase) -> None:
    def fill(transaction: Transaction) -> None:
        connection = transaction.sessions._connection  # type: ignore[attr-defined]
        connection.exec_driver_sql("PRAGMA max_page_count = 30")
        insert_many(transaction)

    with pytest.raises(StoreUnavailable) as caught:
        database.transact(fill)
    assert "full" in str(caught.value.__cause__)
    assert database.read(lambda t: t.sessions.live_of_user("u1")) == []
    assert_it_works(database)


def test_tables_that_are_missing_are_an_outage(database: SqlDatabase, other: sqlite3.Connection) -> None:
    other.execute("ALTER TABLE sessions RENAME TO elsewhere")
    with pytest.raises(StoreUnavailable):
        database.read(lambda t: t.sessions.live_of_user("u1"))
    other.execute("ALTER TABLE elsewhere RENAME TO sessions")
    assert_it_works(database)


def test_a_ping_fails_when_the_database_does(database: SqlDatabase, other: sqlite3.Connection) -> None:
    other.execute("DROP TABLE meta")
    with pytest.raises(StoreUnavailable):
        database.ping()


def test_an_error_names_no_value_that_was_to_be_written(database: SqlDatabase) -> None:
    canary = "".join(("can", "ary"))  # a traceback shows the lines of this file too
    session = sample_session(NOW, seed=canary, user_id=canary)
    mine, theirs = (Account(sample_user(name, email=f"{canary}@example.org"), canary) for name in ("u1", "u2"))
    database.transact(lambda t: t.sessions.insert(session))
    database.transact(lambda t: t.users.insert(mine))
    with pytest.raises(StoreUnavailable) as unavailable:
        database.transact(lambda t: t.sessions.insert(session))
    with pytest.raises(EmailTaken) as taken:
        database.transact(lambda t: t.users.insert(theirs))
    for caught in (unavailable, taken):
        assert canary not in "".join(traceback.format_exception(caught.value))


def test_an_error_of_the_caller_stays_what_it_is(database: SqlDatabase) -> None:
    for run in (database.transact, database.read):
        with pytest.raises(ZeroDivisionError):
            run(lambda t: 1 / 0)
    assert_it_works(database)


def test_an_interrupt_in_the_middle_of_a_transaction_writes_nothing(database: SqlDatabase) -> None:
    def interrupted(transaction: Transaction) -> None:
        transaction.sessions.insert(sample_session(NOW))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.transact(interrupted)
    assert_it_works(database)
