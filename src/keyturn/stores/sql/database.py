"""The database: its transactions, its errors, its opening and closing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from keyturn.core.model import Micros
from keyturn.errors import StoreUnavailable
from keyturn.ports import Clock, UserStore
from keyturn.stores import migrations
from keyturn.stores.sql import postgresql, sqlite
from keyturn.stores.sql.counters import SqlCounters
from keyturn.stores.sql.facts import SqlFacts
from keyturn.stores.sql.identities import SqlIdentities
from keyturn.stores.sql.mails import SqlMails, SqlOneTimeTokens
from keyturn.stores.sql.news import TELL, News
from keyturn.stores.sql.sessions import SqlSessions
from keyturn.stores.sql.tables import meta
from keyturn.stores.sql.users import SqlUsers

T = TypeVar("T")

_PING = select(meta.c.value)


class OwnUsers(Protocol):
    """An application's own table of users, as a class: made once a transaction, on the transaction's connection.

    What it reads and writes over that connection belongs to the transaction: what Keyturn promises of passwords, disabled users
    and their sessions then holds as with Keyturn's own table. It may also keep its users somewhere else altogether and ignore the
    connection; then what it writes stands even if the transaction fails after it.

    With SQLite, a class attribute `databases` may name files of the application, `{"app": "/srv/app/app.db"}`: they are attached
    under these names, so that its table is `app.users`. Each transaction that writes holds the write lock of all of them.
    """

    def __call__(self, connection: Connection) -> UserStore: ...


class SqlTransaction:
    """`keyturn.ports.Transaction` in SQL.

    Args:
        connection: in a transaction.
        clock: the time, as this connection's database has it; asked once, when the time is first wanted.
        own_users: the application's own table of users, if there is one.
        tell: lets other processes know what verifiers must, once the transaction has committed.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Callable[[], Micros],
        own_users: OwnUsers | None = None,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock
        self.users: UserStore = SqlUsers(connection, tell) if own_users is None else own_users(connection)
        self.sessions = SqlSessions(connection, lambda: self.now, None if own_users is None else self.users, tell)
        self.identities = SqlIdentities(connection)
        self.counters = SqlCounters(connection, lambda: self.now)
        self.facts = SqlFacts(connection)
        self._connection = connection

    @cached_property
    def now(self) -> Micros:
        return self._clock()

    # Wanted too seldom to be made for every refresh.
    @property
    def one_time_tokens(self) -> SqlOneTimeTokens:
        return SqlOneTimeTokens(self._connection, lambda: self.now)

    @property
    def mails(self) -> SqlMails:
        return SqlMails(self._connection, lambda: self.now)


class SqlDatabase(ABC):
    """`keyturn.ports.Database` in SQL; made by `open_database`.

    Args:
        readers: begins transactions that only read.
        own_users: the application's own table of users, if there is one.
    """

    def __init__(self, *, readers: Engine, own_users: OwnUsers | None = None) -> None:
        self._readers = readers
        self._own_users = own_users

    @abstractmethod
    def transact(self, work: Callable[[SqlTransaction], T]) -> T: ...

    def read(self, work: Callable[[SqlTransaction], T]) -> T:
        with _answering(), self._readers.begin() as connection:
            return work(self._transaction(connection))

    def ping(self) -> None:
        with _answering(), self._readers.begin() as connection:
            connection.execute(_PING).all()

    def close(self) -> None:
        self._readers.dispose()

    @abstractmethod
    def _transaction(self, connection: Connection) -> SqlTransaction: ...


class _Job:
    """What a thread wants done in a transaction, and what came of it."""

    def __init__(self, work: Callable[[SqlTransaction], Any]) -> None:
        self.work = work
        self.done = threading.Event()
        self.result: Any = None
        self.failure: Exception | None = StoreUnavailable()


class SqliteDatabase(SqlDatabase):
    """One thread writes at a time, over one connection that stays open. The others queue in the process, where waiting costs
    nothing, and only the first of them waits for the database's own lock.

    Whoever's turn it is does the work of everybody who waits, each between savepoints, and commits once for all: the disk is
    what takes time.

    Args:
        writer: begins transactions that hold the write lock.
        readers: begins transactions that only read.
        clock: where time comes from.
        patience: how long to wait for one's turn to write, in seconds.
        own_users: the application's own table of users, if there is one.
    """

    def __init__(
        self, *, writer: Engine, readers: Engine, clock: Clock, patience: float, own_users: OwnUsers | None = None
    ) -> None:
        super().__init__(readers=readers, own_users=own_users)
        self._writer = writer
        self._clock = clock
        self._patience = patience
        self._turn = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._connection: Connection | None = None

    def transact(self, work: Callable[[SqlTransaction], T]) -> T:
        job = _Job(work)
        self._waiting.append(job)
        with _answering():
            self._await_turn(job)
            if job.failure is not None:
                raise job.failure
        result: T = job.result
        return result

    def close(self) -> None:
        with self._turn:
            self._disconnect()
        super().close()

    def _transaction(self, connection: Connection) -> SqlTransaction:
        # The transaction waited for its lock when it began, and for nothing after that.
        now = self._clock.now()
        return SqlTransaction(connection, lambda: now, self._own_users)

    def _await_turn(self, job: _Job) -> None:
        if self._turn.acquire(timeout=self._patience):
            try:
                if not job.done.is_set():
                    self._run([self._waiting.popleft() for _ in range(len(self._waiting))])
            finally:
                self._turn.release()
            return
        try:
            self._waiting.remove(job)
        except ValueError:
            job.done.wait()  # it is somebody's work already
        else:
            raise StoreUnavailable

    def _run(self, jobs: Sequence[_Job]) -> None:
        try:
            self._connection = self._connection or self._writer.connect()
            with self._connection.begin():
                failures = [self._failure(job, self._connection, alone=len(jobs) == 1) for job in jobs]
            for job, failure in zip(jobs, failures, strict=True):
                job.failure = failure
        except Exception as error:
            for job in jobs:
                job.failure = error
            if isinstance(error, DBAPIError):
                self._disconnect()
        finally:
            for job in jobs:
                job.done.set()

    def _failure(self, job: _Job, connection: Connection, *, alone: bool) -> Exception | None:
        """Do somebody's work. Its own failure is its own; that of the database is everybody's."""
        if alone:
            job.result = job.work(self._transaction(connection))
            return None
        try:
            with connection.begin_nested():
                job.result = job.work(self._transaction(connection))
        except DBAPIError:
            raise
        except Exception as error:
            return error
        return None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class PostgresDatabase(SqlDatabase):
    """Several threads write at a time, and the database's own clock is the time: several servers share it.

    Args:
        writers: begins transactions that may write.
        readers: begins transactions that only read.
        own_users: the application's own table of users, if there is one.
    """

    def __init__(self, *, writers: Engine, readers: Engine, own_users: OwnUsers | None = None) -> None:
        super().__init__(readers=readers, own_users=own_users)
        self._writers = writers
        self._news = News(writers)

    def transact(self, work: Callable[[SqlTransaction], T]) -> T:
        with _answering():
            for _ in range(postgresql.ATTEMPTS - 1):
                try:
                    return self._attempt(work)
                except DBAPIError as error:
                    if not postgresql.may_be_repeated(error):
                        raise
            return self._attempt(work)

    def wait_for_news(self) -> None:
        with _answering():
            self._news.wait()

    def close(self) -> None:
        self._news.close()
        # A thread that is still at work gives its connection back later, when nobody empties the pool any more.
        event.listen(self._writers, "checkin", lambda _, record: record.invalidate())
        self._writers.dispose()
        super().close()

    def _attempt(self, work: Callable[[SqlTransaction], T]) -> T:
        with self._writers.begin() as connection:
            return work(self._transaction(connection))

    def _transaction(self, connection: Connection) -> SqlTransaction:
        return SqlTransaction(
            connection, partial(postgresql.now, connection), self._own_users, partial(connection.execute, TELL)
        )


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, NoConnectionFree) as error:
        raise StoreUnavailable from error


def open_database(
    url: str, *, clock: Clock, busy_timeout: float = 5.0, own_users: OwnUsers | None = None
) -> SqlDatabase:
    """Open a database, make it if there is none, and bring its tables up to date.

    Several processes may do so at once: one of them does the work, the others wait for it.

    Args:
        url: `sqlite:////absolute/path.db` or `postgresql://user:password@host/name`.
        clock: where the transactions' time comes from with SQLite; PostgreSQL has its own.
        busy_timeout: how long a transaction waits for its turn, in seconds: once for the other threads (with PostgreSQL: for a
            connection), once for other processes.
        own_users: the application's own table of users, instead of ours.

    Raises:
        SettingsError: the URL or the database cannot be used, or a newer version of Keyturn has been here.
        StoreUnavailable: the database is locked, or does not answer.
    """
    if postgresql.is_meant(url):
        return _open_postgresql(url, busy_timeout, own_users)
    path = sqlite.path_of(url)
    sqlite.prepare(path, busy_timeout=busy_timeout)
    attached = dict(getattr(own_users, "databases", {}))
    writer = sqlite.writer(path, busy_timeout=busy_timeout, attached=attached)
    readers = sqlite.readers(path, busy_timeout=busy_timeout, attached=attached)
    with _answering():
        with readers.begin() as connection:
            newest = migrations.is_newest(connection)
        readers.dispose()
        if not newest:  # whoever only reads waits for nobody
            with writer.begin() as connection:
                migrations.upgrade(connection)
    return SqliteDatabase(writer=writer, readers=readers, clock=clock, patience=busy_timeout, own_users=own_users)


def _open_postgresql(url: str, patience: float, own_users: OwnUsers | None) -> SqlDatabase:
    writers = postgresql.engine(url, patience=patience)
    try:
        postgresql.prepare(writers)
    except BaseException:
        writers.dispose()
        raise
    return PostgresDatabase(writers=writers, readers=postgresql.reading(writers), own_users=own_users)
