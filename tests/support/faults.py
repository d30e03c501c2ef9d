"""Databases that fail, or keep everybody waiting, when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

from keyturn.core.model import Session
from keyturn.errors import StoreUnavailable
from keyturn.ports import Database, Transaction
from keyturn.service.context import Context

T = TypeVar("T")


class FailingDatabase:
    """A database whose commits can be made to fail: the work was done, and is rolled back.

    Attributes:
        away: whether nothing can be read or written at all.
        gate: while it is closed, nothing that is asked gets any further.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._failing = False
        self.away = False
        self.gate = threading.Event()
        self.gate.set()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        self._answer()
        if not self._failing:
            return self._database.transact(work)

        def lost(tx: Transaction) -> T:
            work(tx)
            raise StoreUnavailable

        return self._database.transact(lost)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Let every commit fail meanwhile, whoever asks for it: a server also writes of its own accord."""
        self._failing = True
        try:
            yield
        finally:
            self._failing = False

    def read(self, work: Callable[[Transaction], T]) -> T:
        self._answer()
        return self._database.read(work)

    def ping(self) -> None:
        self._answer()
        self._database.ping()

    def close(self) -> None:
        self._database.close()

    def _answer(self) -> None:
        assert self.gate.wait(60), "nobody opened the gate"
        if self.away:
            raise StoreUnavailable


def failing(context: Context) -> Context:
    """The context of a server on such a database."""
    return replace(context, database=FailingDatabase(context.database))


class BrokenDatabase:
    """A database that does not keep a promise.

    Args:
        database: one that does.
        breach: what is done to the transactions that write, which are counted from 1.
    """

    def __init__(self, database: Database, breach: Callable[[int, Transaction], Transaction]) -> None:
        self._database = database
        self._breach = breach
        self._numbers = count(1)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        return self._database.transact(lambda tx: work(self._breach(next(self._numbers), tx)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class BrokenSessions:
    """The sessions of a transaction, of which a swap does not write what it was given.

    Args:
        tx: the transaction.
        change: what is written instead of the rows; none of them: nothing, though all are said to be.
    """

    def __init__(self, tx: Transaction, change: Callable[[Sequence[Session]], Sequence[Session]]) -> None:
        self._tx = tx
        self._change = change
        self.sessions: Any = self

    def swap_many(self, sessions: Sequence[Session]) -> set[str]:
        written = self._change(sessions)
        return self._tx.sessions.swap_many(written) if written else {row.id for row in sessions}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx if hasattr(self._tx, name) else self._tx.sessions, name)
