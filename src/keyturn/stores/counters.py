"""Where attempts are counted: storages for the library limits, over our own database or over Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from limits.errors import ConfigurationError, StorageError
from limits.storage import RedisStorage, Storage

from keyturn.core.model import SECOND, Micros
from keyturn.errors import SettingsError, StoreUnavailable
from keyturn.ports import Clock, Database, Transaction

T = TypeVar("T")
Work = Callable[[Storage, float], T]
"""What to do with a storage, and with its time in seconds since the epoch."""

_PATIENCE = 2.0
"""Seconds to wait for Redis: whoever signs in waits as long."""


class Counters(Protocol):
    """Counters that all servers share."""

    def look(self, work: Work[T]) -> T:
        """Run what only reads.

        Raises:
            StoreUnavailable
        """
        ...

    def count(self, work: Work[T]) -> T:
        """Run what writes; it may be run more than once.

        Raises:
            StoreUnavailable
        """
        ...

    def listed(self, prefix: str) -> list[tuple[str, int, Micros]]:
        """The counters whose key begins like this: key, count, when they will be gone, in microseconds.

        Raises:
            StoreUnavailable
        """
        ...

    def clear(self, prefix: str) -> None:
        """Forget every counter whose key begins like this.

        Raises:
            StoreUnavailable
        """
        ...


class TransactionStorage(Storage):
    """A storage of limits within one transaction of ours: what it counts is counted when the transaction is committed.

    Args:
        tx: the transaction.
    """

    STORAGE_SCHEME = None

    def __init__(self, tx: Transaction) -> None:
        super().__init__()
        self._counters = tx.counters

    @property
    def base_exceptions(self) -> type[Exception]:
        return StoreUnavailable

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self._counters.add(key, amount, expiry)

    def get(self, key: str) -> int:
        return self._counters.get(key)[0]

    def get_expiry(self, key: str) -> float:
        return self._counters.get(key)[1] / SECOND

    def clear(self, key: str) -> None:
        self._counters.clear(key)

    def check(self) -> bool:
        return True

    def reset(self) -> None:
        self._counters.clear_all("")


class DatabaseCounters:
    """Counters in the database that has the sessions too; one attempt is one transaction.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, work: Work[T]) -> T:
        return self._database.read(lambda tx: work(TransactionStorage(tx), tx.now / SECOND))

    def count(self, work: Work[T]) -> T:
        return self._database.transact(lambda tx: work(TransactionStorage(tx), tx.now / SECOND))

    def listed(self, prefix: str) -> list[tuple[str, int, Micros]]:
        return self._database.read(lambda tx: tx.counters.listed(prefix))

    def clear(self, prefix: str) -> None:
        self._database.transact(lambda tx: tx.counters.clear_all(prefix))


class RedisCounters:
    """Counters in Redis, each of which expires there by itself. Nothing is asked of Redis before the first attempt.

    Args:
        url: `redis://…` or `rediss://…`.
        clock: the machine's, as limits reads it too.

    Raises:
        SettingsError: the library for Redis is not installed, or the URL is none.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        try:
            self._storage = RedisStorage(
                url,
                key_prefix="keyturn",
                wrap_exceptions=True,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
            )
        except ConfigurationError:
            raise SettingsError(
                "Counting in Redis needs the library redis, which is not installed: pip install 'keyturn[server,redis]'."
            ) from None
        except ValueError:
            raise SettingsError("The URL of Redis cannot be read; write redis://host:6379/0.") from None

    def look(self, work: Work[T]) -> T:
        try:
            return work(self._storage, self._clock.now() / SECOND)
        except StorageError as error:
            raise StoreUnavailable from error

    def count(self, work: Work[T]) -> T:
        return self.look(work)

    def listed(self, prefix: str) -> list[tuple[str, int, Micros]]:
        def work(storage: Storage, now: float) -> list[tuple[str, int, Micros]]:
            return [(k, storage.get(k), int(storage.get_expiry(k) * SECOND)) for k in self._keys(prefix)]

        return self.look(work)

    def clear(self, prefix: str) -> None:
        def work(storage: Storage, now: float) -> None:
            for key in self._keys(prefix):
                storage.clear(key)

        self.look(work)

    def _keys(self, prefix: str) -> list[str]:
        redis: Any = self._storage.storage
        ours = self._storage.prefixed_key("")
        try:
            found = list(redis.scan_iter(match=f"{ours}{prefix}*", count=1000))
        except self._storage.base_exceptions as error:
            raise StorageError(error) from error
        return sorted(key.decode().removeprefix(ours) for key in found)
