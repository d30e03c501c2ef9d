"""What PostgreSQL says at once to whoever listens: that there are ends to be read, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.support.postgres import Cluster
from tests.support.programs import needs

from keyturn.core.model import Account, EndReason
from keyturn.core.rotation import ended
from keyturn.errors import StoreUnavailable
from keyturn.ports import Announcing, Transaction
from keyturn.stores.sql.database import PostgresDatabase, open_database
from keyturn.system import SystemClock
from keyturn.testing.store_contract import sample_session, sample_user

pytestmark = needs("postgres")

PATIENCE = 30


@pytest.fixture
def url(postgres: Cluster) -> str:
    return postgres.database()


@pytest.fixture
def database(url: str, aside: ThreadPoolExecutor) -> Iterator[PostgresDatabase]:
    """With a user and two sessions, and somebody who listens; closed before a thread is waited for that waits for it."""
    database = open_database(url, clock=SystemClock())
    assert isinstance(database, PostgresDatabase)
    database.transact(lambda tx: tx.users.insert(Account(sample_user(), "hash")))
    for name in ("s1", "s2"):
        database.transact(lambda tx, name=name: tx.sessions.insert(sample_session(tx.now, name)))
    database.wait_for_news()  # the connection is new, and this the first thing to know
    yield database
    database.close()


@pytest.fixture
def other(url: str) -> Iterator[PostgresDatabase]:
    """Another process's."""
    database = open_database(url, clock=SystemClock())
    assert isinstance(database, PostgresDatabase)
    yield database
    database.close()


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


def end_by_swap(tx: Transaction) -> object:
    row = tx.sessions.load_many(["s1"])["s1"]
    return tx.sessions.swap_many([ended(row, EndReason.SIGNED_OUT, tx.now)])


def change_roles(tx: Transaction) -> None:
    tx.users.update(sample_user(tokens_valid_from=tx.now))


def rotate(tx: Transaction) -> object:
    row = tx.sessions.load_many(["s1"])["s1"]
    return tx.sessions.swap_many([row._replace(generation=row.generation + 1, version=row.version + 1)])


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(end_by_swap, id="one session"),
        pytest.param(lambda tx: tx.sessions.end_of_user("u1", EndReason.REVOKED), id="all of a user"),
        pytest.param(lambda tx: tx.sessions.end_some(EndReason.REVOKED, 1), id="some"),
        pytest.param(change_roles, id="roles"),
    ],
)
def test_what_verifiers_must_know_is_heard_when_it_is_committed(
    database: PostgresDatabase,
    other: PostgresDatabase,
    aside: ThreadPoolExecutor,
    act: Callable[[Transaction], object],
) -> None:
    heard: Future[None] = aside.submit(database.wait_for_news)

    def work(tx: Transaction) -> None:
        act(tx)
        assert not heard.done()

    other.transact(work)
    heard.result(PATIENCE)


def test_what_verifiers_need_not_know_is_not_said(
    database: PostgresDatabase, other: PostgresDatabase, aside: ThreadPoolExecutor
) -> None:
    """A rotation, an act that fails, an end of nothing: the one thing that is heard is the end after them."""
    heard: Future[None] = aside.submit(database.wait_for_news)
    other.transact(rotate)
    other.transact(lambda tx: tx.users.update(sample_user(full_name="Kim")))
    other.transact(lambda tx: tx.sessions.end_of_user("nobody", EndReason.REVOKED))

    def fails(tx: Transaction) -> None:
        end_by_swap(tx)
        raise LookupError

    with contextlib.suppress(LookupError):
        other.transact(fails)
    # Two notifications come in the order of their commits, so whatever was said before would have been heard by now.
    with pytest.raises(TimeoutError):
        heard.result(0.3)
    other.transact(end_by_swap)
    heard.result(PATIENCE)


def test_a_listener_whose_connection_is_cut_says_so_and_listens_again(
    database: PostgresDatabase, other: PostgresDatabase, aside: ThreadPoolExecutor, postgres: Cluster, url: str
) -> None:
    heard: Future[None] = aside.submit(database.wait_for_news)
    name = url.rpartition("/")[2]
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = '{name}'"
    )
    with pytest.raises(StoreUnavailable):
        heard.result(PATIENCE)
    other.transact(end_by_swap)
    database.wait_for_news()  # what was said meanwhile may have been missed
    heard = aside.submit(database.wait_for_news)
    other.transact(lambda tx: tx.sessions.end_of_user("u1", EndReason.REVOKED))
    heard.result(PATIENCE)


def test_a_database_that_is_closed_lets_go_of_whoever_listens(
    database: PostgresDatabase, aside: ThreadPoolExecutor
) -> None:
    heard: Future[None] = aside.submit(database.wait_for_news)
    with pytest.raises(TimeoutError):
        heard.result(0.05)
    database.close()
    with pytest.raises(StoreUnavailable):
        heard.result(PATIENCE)
    with pytest.raises(StoreUnavailable):
        database.wait_for_news()


def test_only_a_database_that_has_news_offers_them(database: PostgresDatabase, tmp_path: object) -> None:
    assert isinstance(database, Announcing)
    sqlite = open_database(f"sqlite:///{tmp_path}/keyturn.db", clock=SystemClock())
    assert not isinstance(sqlite, Announcing)
    sqlite.close()
