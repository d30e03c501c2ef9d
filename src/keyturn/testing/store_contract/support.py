"""What the checks are made of: samples, expectations, one-line transactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TypeVar

from keyturn.core.model import SECOND, Account, Delivery, Device, Micros, Session, User
from keyturn.errors import KeyturnError
from keyturn.ports import Database, Transaction

T = TypeVar("T")

HOUR: Micros = 3600 * SECOND
WRITERS = 8
PATIENCE = 30.0
"""How long a check waits for another thread, in seconds, before it fails."""


def sample_user(user_id: str = "u1", **changes: object) -> User:
    """A user with a name of their own.

    Args:
        user_id: the id, which the e-mail address is made from.
        changes: fields that differ.
    """
    user = User(id=user_id, email=f"{user_id}@example.org", created_at=1_767_225_600 * SECOND)
    return replace(user, **changes)  # type: ignore[arg-type]


def sample_session(now: Micros, session_id: str = "s1", user_id: str = "u1", **changes: object) -> Session:
    """A session that began at `now`, with another value in every field that can have one.

    Args:
        now: microseconds since the epoch.
        session_id: the id.
        user_id: whose it is.
        changes: fields that differ.
    """
    session = Session(
        id=session_id,
        user_id=user_id,
        seed=f"seed of {session_id}",
        generation=3,
        root_id="root",
        root_at=now - 5,
        previous_id="previous",
        child_id="child",
        child_at=now - 4,
        version=7,
        created_at=now,
        authenticated_at=now - 3,
        expires_at=now + 48 * HOUR,
        idle_expires_at=now + 24 * HOUR,
        delivery=Delivery.BODY,
        remember=False,
        device=Device("Firefox on Linux", "192.0.2.1"),
    )
    return session._replace(**changes)  # type: ignore[arg-type]


def expect(holds: bool, what: str) -> None:
    """Fail with a sentence unless something holds."""
    if not holds:
        raise AssertionError(what)


def expect_equal(actual: object, expected: object) -> None:
    """Fail unless two values are equal, and show both."""
    expect(actual == expected, f"expected {expected!r}, got {actual!r}")


def expect_raises(error: type[Exception], call: Callable[[], object]) -> None:
    """Fail unless the call raises the error."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"expected {error.__name__}, nothing was raised")


def at_once(works: Sequence[Callable[[], T]]) -> list[T | KeyturnError]:
    """Run each in a thread of its own, all let go at the same moment, and gather what they return or raise."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], T]) -> T | KeyturnError:
        barrier.wait(PATIENCE)
        try:
            return work()
        except KeyturnError as error:
            return error

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


def register(database: Database, *accounts: Account) -> None:
    """Store the accounts in one transaction."""

    def work(transaction: Transaction) -> None:
        for account in accounts:
            transaction.users.insert(account)

    database.transact(work)


def store(database: Database, *sessions: Session) -> None:
    """Store the sessions in one transaction."""

    def work(transaction: Transaction) -> None:
        for session in sessions:
            transaction.sessions.insert(session)

    database.transact(work)


def load(database: Database, session_id: str = "s1") -> Session:
    """The session as it is stored now."""
    return database.read(lambda t: t.sessions.load_many([session_id]))[session_id]


def swap(database: Database, *sessions: Session) -> set[str]:
    """Swap the sessions in one transaction; the ids of those that were written."""
    return database.transact(lambda t: t.sessions.swap_many(sessions))


def find(database: Database, login: str) -> Account | None:
    """The account that the login finds."""
    return database.read(lambda t: t.users.find(login))


def user_of(database: Database, user_id: str = "u1") -> User | None:
    """The user as stored now."""
    return database.read(lambda t: t.users.load_many([user_id])).get(user_id)


def account_of(database: Database, user_id: str = "u1") -> Account | None:
    """The account as stored now."""
    return database.transact(lambda t: t.users.lock(user_id))


def update(database: Database, user: User) -> None:
    """Write the user's fields in a transaction."""
    database.transact(lambda t: t.users.update(user))


def now_of(database: Database) -> Micros:
    """The database's time."""
    return database.read(lambda t: t.now)


def following(session: Session, **changes: object) -> Session:
    """The session's next version."""
    return session._replace(version=session.version + 1, **changes)  # type: ignore[arg-type]
