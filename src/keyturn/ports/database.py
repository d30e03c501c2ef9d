"""The database: transactions over all stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

from keyturn.core.model import (
    Micros,
)
from keyturn.ports.mails import MailStore, OneTimeTokenStore
from keyturn.ports.stores import (
    CounterStore,
    FactStore,
    IdentityStore,
    SessionStore,
    UserStore,
)

T = TypeVar("T")


class Transaction(Protocol):
    """One transaction: what it read is what it writes upon."""

    @property
    def now(self) -> Micros:
        """The store's time, read after whatever the transaction had to wait for: its turn, or the locks that it took before.

        It is the same however often it is asked.
        """
        ...

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def identities(self) -> IdentityStore: ...

    @property
    def facts(self) -> FactStore: ...

    @property
    def counters(self) -> CounterStore: ...

    @property
    def one_time_tokens(self) -> OneTimeTokenStore: ...

    @property
    def mails(self) -> MailStore: ...


class Database(Protocol):
    """Where sessions and users are kept. Safe to use from several threads."""

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that may write, and return what it returned once that is durable.

        If `work` raises, nothing was written. A database may run it more than once, when its transaction was
        chosen to be repeated: it must have no effect but through its argument.

        Raises:
            StoreUnavailable: nothing was written.
        """
        ...

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that only reads, which waits for no writer. What it tries to write is not written.

        Raises:
            StoreUnavailable
        """
        ...

    def ping(self) -> None:
        """Do nothing, if the database answers: for readiness checks.

        Raises:
            StoreUnavailable
        """
        ...

    def close(self) -> None:
        """Let go of the database. Nothing else may be called afterwards."""
        ...


@runtime_checkable
class Announcing(Protocol):
    """What a database may offer besides: to say at once that another process has ended sessions. Without it one has to look."""

    def wait_for_news(self) -> None:
        """Return when a session may have ended or a user's older tokens become stale, in whatever process.

        Raises:
            StoreUnavailable: nothing is heard at the moment, or the database was closed.
        """
        ...
