"""Hearing of ends as they happen: LISTEN and NOTIFY of PostgreSQL.

Whoever ends a session says so in the same transaction: it is heard when that has committed, and not at all if it fails. What is
said is no more than that there is something to read.
"""

from __future__ import annotations

import os
import selectors
import threading
from contextlib import ExitStack
from typing import Any

from sqlalchemy import Engine, func, select

from keyturn.errors import StoreUnavailable

CHANNEL = "keyturn_ends"

TELL = select(func.pg_notify(CHANNEL, ""))
"""Says, when the transaction commits, that it ended a session or made a user's tokens stale."""


class News:
    """A connection that only listens; opened when somebody first waits.

    Args:
        engine: connects to the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None
        self._listening = threading.Lock()
        self._stopping, self._stop = os.pipe()
        self._is_closed = False

    def wait(self) -> None:
        """Return when there may be news: something was said, or the connection is new and what was said before is unknown.

        Raises:
            StoreUnavailable: the connection broke, or it was closed here.
            sqlalchemy.exc.DBAPIError: there is no connection to be had.
        """
        with self._listening:
            if self._is_closed:
                raise StoreUnavailable
            if self._connection is None:
                self._connection = self._connect()
                return
            try:
                self._hear()
            except self._engine.dialect.loaded_dbapi.Error as error:
                self._disconnect()
                raise StoreUnavailable from error

    def close(self) -> None:
        """Hang up; whoever waits stops waiting."""
        if self._is_closed:
            return
        os.write(self._stop, b".")
        with self._listening:
            self._is_closed = True
            self._disconnect()
            os.close(self._stop)
            os.close(self._stopping)

    def _connect(self) -> Any:
        with ExitStack() as unless_it_listens:
            pooled = self._engine.raw_connection()
            unless_it_listens.callback(pooled.close)
            connection: Any = pooled.driver_connection
            # It is no longer the pool's: all connections of that go on being there for transactions.
            pooled.detach()
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANNEL}")
            unless_it_listens.pop_all()
        return connection

    def _hear(self) -> None:
        with selectors.DefaultSelector() as selector:
            for source in (self._connection, self._stopping):
                selector.register(source, selectors.EVENT_READ)
            # What can be read may be something else: an error, say, before the connection is closed.
            while not list(self._connection.notifies(timeout=0)):
                if any(key.fileobj == self._stopping for key, _ in selector.select()):
                    raise StoreUnavailable

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
