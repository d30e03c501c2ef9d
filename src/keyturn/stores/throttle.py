"""Counting failures: the limits, and what an attempt is counted by.

Two kinds of limit. A *window* (fixed window of the library limits) lets so many through in so long. A *growing delay* lets so
many through at first; from then on one at a time, each after a longer wait, until one succeeds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from keyturn.errors import TooManyAttempts
from keyturn.ports import Attempt, Standing
from keyturn.stores.counters import Counters

FIRST_DELAY, LAST_DELAY = 30, 3600
"""Seconds: what the first delay is, and what the delays, doubled each time, grow to."""

ACCOUNT_FACTOR = 4
"""How many times as much as one client all strangers together may fail at an account: one of them alone delays no other."""

_HASHED = re.compile("[0-9a-f]{32}")
_LIBRARYS = "LIMITER/"  # what the keys of windows begin with
_DAY = 86_400
_MONTH = 30 * _DAY
GLOBAL_MINUTES = 10

Key = Callable[[str], bytes]
"""A keyed hash."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many failures there may be.

    Attributes:
        client: of one client at one account, before it has to wait.
        address: of one network in an hour.
        everybody: of all strangers together in ten minutes.
        registrations: new accounts of one network in an hour.
    """

    client: int = 5
    address: int = 100
    everybody: int = 1000
    registrations: int = 20


class Limit(Protocol):
    """One of the limits that an attempt is under."""

    name: str

    def wait(self, storage: Storage, now: float) -> float:
        """Seconds until an attempt may be let through; zero: now."""
        ...

    def take(self, storage: Storage, now: float) -> float:
        """Count an attempt, if it may be let through now; otherwise the seconds until then, and nothing is counted."""
        ...

    def give_back(self, storage: Storage) -> None:
        """Undo what `take` counted."""
        ...

    def succeeded(self, storage: Storage) -> None:
        """The attempt that `take` counted was no failure."""
        ...


@dataclass
class Window:
    """So many in so long.

    Attributes:
        name: for the log.
        item: how many in how long.
        key: what is counted.
    """

    name: str
    item: RateLimitItem
    key: str

    def wait(self, storage: Storage, now: float) -> float:
        limiter = FixedWindowRateLimiter(storage)
        if limiter.test(self.item, self.key):
            return 0
        return max(1.0, limiter.get_window_stats(self.item, self.key).reset_time - now)

    def take(self, storage: Storage, now: float) -> float:
        if FixedWindowRateLimiter(storage).hit(self.item, self.key):
            return 0
        self.give_back(storage)
        return self.wait(storage, now) or 1

    def give_back(self, storage: Storage) -> None:
        storage.incr(self.item.key_for(self.key), self.item.get_expiry(), -1)

    def succeeded(self, storage: Storage) -> None:
        self.give_back(storage)


@dataclass
class GrowingDelay:
    """So many a day, then one at a time after delays that double, from half a minute up to an hour.

    The delays are forgotten a month after the first of them, or when an attempt succeeds. NIST SP 800-63B-4, 3.2.2, allows no
    more than 100 failures in a row: long before that, every further one has to wait for an hour.

    Attributes:
        name: for the log.
        free: how many failures are let through without a delay.
        key: what is counted.
    """

    name: str
    free: int
    key: str
    _gated: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._count, self._level, self._gate = (f"{self.key}/{part}" for part in ("count", "level", "gate"))

    def wait(self, storage: Storage, now: float) -> float:
        return max(1.0, storage.get_expiry(self._gate) - now) if storage.get(self._gate) > 0 else 0

    def take(self, storage: Storage, now: float) -> float:
        self._gated = False
        wait = self.wait(storage, now)
        if wait or (storage.get(self._level) <= 0 and storage.incr(self._count, _DAY) < self.free):
            return wait
        level = storage.incr(self._level, _MONTH)
        delay = min(LAST_DELAY, FIRST_DELAY << min(level - 1, 16))
        if storage.incr(self._gate, delay) > 1:  # another came between, where the storage has no transactions
            storage.incr(self._level, _MONTH, -1)
            return self.wait(storage, now) or 1
        self._gated = True
        return 0

    def give_back(self, storage: Storage) -> None:
        if self._gated:
            storage.incr(self._level, _MONTH, -1)
            storage.clear(self._gate)
        storage.incr(self._count, _DAY, -1)

    def succeeded(self, storage: Storage) -> None:
        for key in (self._count, self._level, self._gate):
            storage.clear(key)


@dataclass(frozen=True, slots=True)
class Taken:
    """`keyturn.ports.Counted`: an attempt that was let through."""

    counters: Counters
    limits: Sequence[Limit]

    def succeeded(self) -> None:
        def work(storage: Storage, now: float) -> None:
            for limit in self.limits:
                limit.succeeded(storage)

        self.counters.count(work)

    def give_back(self) -> None:
        def work(storage: Storage, now: float) -> None:
            for limit in self.limits:
                limit.give_back(storage)

        self.counters.count(work)


class StoredThrottle:
    """`keyturn.ports.Throttle` over counters that all servers share.

    Args:
        counters: where it counts.
        key: makes a keyed hash of a name or an address, the same at every server.
        limits: how many failures there may be.
    """

    def __init__(self, counters: Counters, key: Key, limits: Limits) -> None:
        self._counters = counters
        self._key = key
        self._limits = limits

    def attempt(self, attempt: Attempt) -> Taken:
        return self._take(self._limits_of(attempt))

    def registration(self, network: str) -> None:
        if network:
            item = RateLimitItemPerHour(self._limits.registrations)
            self._take([Window("registration", item, f"registration/{self._hash(network)}")])

    def mail(self, name: str, network: str) -> bool:
        if network:
            item = RateLimitItemPerHour(self._limits.registrations)
            self._take([Window("mail", item, f"mail/{self._hash(network)}")])
        try:
            self._take([Window("mailbox", RateLimitItemPerHour(self._limits.client), f"{self._hash(name)}/mail")])
        except TooManyAttempts:
            return False
        return True

    def provider(self, network: str, device: str | None) -> Taken:
        return self._take(self._limits_of_provider(network, device))

    def provider_wait(self, network: str, device: str | None) -> None:
        limits = self._limits_of_provider(network, device)
        self._counters.look(lambda storage, now: _look(limits, storage, now))

    def standing(self, names: Collection[str]) -> list[Standing]:
        found = [entry for prefix in self._prefixes(names) for entry in self._counters.listed(prefix)]
        return [Standing(_what(key), count, forgotten_at) for key, count, forgotten_at in found]

    def forget(self, names: Collection[str]) -> None:
        for prefix in self._prefixes(names):
            self._counters.clear(prefix)

    def _prefixes(self, names: Collection[str]) -> list[str]:
        """What the keys of an account's counters begin with."""
        return [f"{first}{self._hash(name)}/" for name in names for first in ("", _LIBRARYS)]

    def _limits_of(self, attempt: Attempt) -> list[Limit]:
        """Those that an attempt is under. Everybody's comes first: all servers lock the rows in one order."""
        account, most = self._hash(attempt.name), self._limits
        if attempt.device is not None:
            return [GrowingDelay("device", most.client, f"{account}/device/{self._hash(attempt.device)}")]
        found: list[Limit] = [
            Window("everybody", RateLimitItemPerMinute(most.everybody, GLOBAL_MINUTES), "everybody"),
        ]
        if attempt.network:
            network = self._hash(attempt.network)
            found.append(Window("address", RateLimitItemPerHour(most.address), f"address/{network}"))
            found.append(GrowingDelay("pair", most.client, f"{account}/pair/{network}"))
        found.append(GrowingDelay("account", most.client * ACCOUNT_FACTOR, f"{account}/all"))
        return found

    def _limits_of_provider(self, network: str, device: str | None) -> list[Limit]:
        """Those that asking a provider is under. Who it is nobody knows yet: only where they come from, and with which device."""
        if device is not None:
            item = RateLimitItemPerHour(self._limits.client * ACCOUNT_FACTOR)
            return [Window("provider", item, f"provider/device/{self._hash(device)}")]
        item = RateLimitItemPerHour(self._limits.address)
        return [Window("provider", item, f"provider/address/{self._hash(network)}")] if network else []

    def _take(self, limits: Sequence[Limit]) -> Taken:
        def take(storage: Storage, now: float) -> None:
            for index, limit in enumerate(limits):
                wait = limit.take(storage, now)
                if wait:
                    for taken in limits[:index]:
                        taken.give_back(storage)
                _refuse(limit, wait)

        # Read first, which waits for no writer: whoever is refused all the time keeps nobody from writing.
        self._counters.look(lambda storage, now: _look(limits, storage, now))
        self._counters.count(take)
        return Taken(self._counters, limits)

    def _hash(self, text: str) -> str:
        return self._key(text)[:16].hex()


def _what(key: str) -> str:
    """What a key counts, without whom."""
    parts = [part for part in key.removeprefix(_LIBRARYS).split("/") if not _HASHED.fullmatch(part)]
    return parts[0] if key.startswith(_LIBRARYS) else "/".join(parts)


def _look(limits: Sequence[Limit], storage: Storage, now: float) -> None:
    for limit in limits:
        _refuse(limit, limit.wait(storage, now))


def _refuse(limit: Limit, wait: float) -> None:
    if wait:
        raise TooManyAttempts(wait, limit.name)


def keyed(key: bytes) -> Key:
    """Makes keyed hashes (HMAC-SHA256).

    Args:
        key: a secret that all servers have.
    """
    return lambda text: hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
