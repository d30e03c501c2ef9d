"""Databases that fail, or keep everybody waiting, when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from keyturn.errors import StoreUnavailable
from keyturn.ports import Database, Transaction
from keyturn.service.context import Context

T = TypeVar("T")


class FailingDatabase:
    """A database whose next commits fail: the work was done, and is rolled back.

    Attributes:
        failures: how many commits are still to fail.
        away: whether nothing can be read or written at all.
        gate: while it is closed, nothing that is asked gets any further.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.failures = 0
        self.away = False
        self.gate = threading.Event()
        self.gate.set()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        self._answer()
        if self.failures == 0:
            return self._database.transact(work)
        self.failures -= 1

        def lost(tx: Transaction) -> T:
            work(tx)
            raise StoreUnavailable

        return self._database.transact(lost)

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
