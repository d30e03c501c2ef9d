"""The database: its transactions, its errors, its opening and closing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

from keyturn.core.model import Micros
from keyturn.errors import StoreUnavailable
from keyturn.ports import Clock
from keyturn.stores import migrations
from keyturn.stores.sql import sqlite
from keyturn.stores.sql.sessions import SqlSessions
from keyturn.stores.sql.tables import meta
from keyturn.stores.sql.users import SqlUsers

T = TypeVar("T")

_PING = select(meta.c.value)


class SqlTransaction:
    """`keyturn.ports.Transaction` in SQL."""

    def __init__(self, connection: Connection, now: Micros) -> None:
        self.now = now
        self.sessions = SqlSessions(connection, now)
        self.users = SqlUsers(connection)


class SqlDatabase:
    """`keyturn.ports.Database` in SQL; made by `open_database`.

    One thread writes at a time, over one connection that stays open. The others queue in the process, where waiting costs
    nothing, and only the first of them waits for the database's own lock.

    Args:
        writer: begins transactions that hold the write lock.
        readers: begins transactions that only read.
        clock: where time comes from.
        patience: how long to wait for one's turn to write, in seconds.
    """

    def __init__(self, *, writer: Engine, readers: Engine, clock: Clock, patience: float) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._patience = patience
        self._turn = threading.Lock()
        self._connection: Connection | None = None

    def transact(self, work: Callable[[SqlTransaction], T]) -> T:
        with self._my_turn(), _answering():
            connection = self._connection = self._connection or self._writer.connect()
            try:
                with connection.begin():
                    return work(SqlTransaction(connection, self._clock.now()))
            except DBAPIError:
                self._disconnect()
                raise

    def read(self, work: Callable[[SqlTransaction], T]) -> T:
        with _answering(), self._readers.begin() as connection:
            return work(SqlTransaction(connection, self._clock.now()))

    def ping(self) -> None:
        with _answering(), self._readers.begin() as connection:
            connection.execute(_PING).all()

    def close(self) -> None:
        with self._turn:
            self._disconnect()
        self._readers.dispose()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._patience):
            raise StoreUnavailable
        try:
            yield
        finally:
            self._turn.release()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreUnavailable from error


def open_database(url: str, *, clock: Clock, busy_timeout: float = 5.0) -> SqlDatabase:
    """Open a database, make it if there is none, and bring its tables up to date.

    Several processes may do so at once: one of them does the work, the others wait for it.

    Args:
        url: `sqlite:////absolute/path.db`.
        clock: where the transactions' time comes from.
        busy_timeout: how long a transaction waits for its turn, in seconds: once for the other threads, once for other processes.

    Raises:
        SettingsError: the URL or the file cannot be used, or a newer version of Keyturn has been here.
        StoreUnavailable: the database is locked, or does not answer.
    """
    path = sqlite.path_of(url)
    sqlite.prepare(path, busy_timeout=busy_timeout)
    writer = sqlite.writer(path, busy_timeout=busy_timeout)
    with _answering(), writer.begin() as connection:
        migrations.upgrade(connection)
    readers = sqlite.readers(path, busy_timeout=busy_timeout)
    return SqlDatabase(writer=writer, readers=readers, clock=clock, patience=busy_timeout)
