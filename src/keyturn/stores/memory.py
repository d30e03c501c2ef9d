"""A database in memory: the reference for every other one, and what the tests of an application need.

A transaction works on a copy, and the copy takes the place of the original when the work is done: so a transaction that
raises leaves nothing behind, and a reader, who has the copy that was there when it began, waits for nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from keyturn.core.model import (
    SECOND,
    Account,
    Device,
    EndReason,
    Identity,
    Mail,
    Micros,
    OneTimeToken,
    Purpose,
    Session,
)
from keyturn.errors import IdentityTaken, StoreUnavailable
from keyturn.ports import SWAPPED_FIELDS, Clock
from keyturn.stores.memory_mails import MemoryMails, MemoryOneTimeTokens
from keyturn.stores.memory_users import MemoryUsers

T = TypeVar("T")


@dataclass(slots=True)
class _Tables:
    sessions: dict[str, Session] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    counters: dict[str, tuple[int, Micros]] = field(default_factory=dict)
    one_time_tokens: dict[tuple[Purpose, str], OneTimeToken] = field(default_factory=dict)
    mails: dict[str, Mail] = field(default_factory=dict)

    def copy(self) -> _Tables:
        return _Tables(*(dict(getattr(self, name)) for name in self.__slots__))


class MemorySessions:
    """`keyturn.ports.SessionStore` in memory."""

    def __init__(self, tables: _Tables, now: Micros) -> None:
        self._rows = tables.sessions
        self._accounts = tables.accounts
        self._now = now

    def load_many(self, ids: Collection[str]) -> dict[str, Session]:
        return {session.id: session for session in self._with_users(self._rows[i] for i in ids if i in self._rows)}

    def swap_many(self, sessions: Sequence[Session]) -> set[str]:
        won = {s.id: s for s in sessions if s.id in self._rows and self._rows[s.id].version == s.version - 1}
        for session in won.values():
            self._write(session.id, **{name: getattr(session, name) for name in SWAPPED_FIELDS})
        return set(won)

    def insert(self, session: Session) -> None:
        if session.id in self._rows:
            raise StoreUnavailable
        self._rows[session.id] = session._replace(user=None)

    def live_of_user(self, user_id: str) -> list[Session]:
        return self._live(self._of_user(user_id))

    def devices_of_user(self, user_id: str) -> set[Device]:
        return {session.device for session in self.live_of_user(user_id)}

    def all_of_user(self, user_id: str) -> list[Session]:
        return sorted(self._with_users(self._of_user(user_id)), key=lambda s: (-s.created_at, s.id))

    def end_of_user(self, user_id: str, reason: EndReason, *, keep: str | None = None) -> list[str]:
        return self._end([s for s in self._of_user(user_id) if s.ended_at is None and s.id != keep], reason)

    def live(self, limit: int) -> list[Session]:
        return self._live(self._rows.values())[:limit]

    def end_some(self, reason: EndReason, limit: int) -> list[str]:
        return self._end([s for s in self._rows.values() if s.ended_at is None][:limit], reason)

    def ended_since(self, since: Micros) -> list[tuple[str, Micros]]:
        ended = [(s.id, s.ended_at) for s in self._rows.values() if s.ended_at is not None and s.ended_at >= since]
        return sorted(ended, key=lambda entry: (entry[1], entry[0]))

    def forget_devices(self, user_id: str) -> None:
        for session in self._of_user(user_id):
            if session.device != Device():
                self._write(session.id, device=Device(), version=session.version + 1)

    def disown(self, user_id: str) -> None:
        for session in self._of_user(user_id):
            self._write(session.id, user_id="", version=session.version + 1)

    def purge(self, limit: int) -> int:
        gone = [session.id for session in self._rows.values() if session.expires_at <= self._now][:limit]
        for session_id in gone:
            del self._rows[session_id]
        return len(gone)

    def _of_user(self, user_id: str) -> list[Session]:
        return [session for session in self._rows.values() if session.user_id == user_id]

    def _live(self, sessions: Iterable[Session]) -> list[Session]:
        live = [s for s in sessions if s.ended_at is None and self._now < min(s.expires_at, s.idle_expires_at)]
        return sorted(self._with_users(live), key=lambda s: (-s.created_at, s.id))

    def _end(self, sessions: Collection[Session], reason: EndReason) -> list[str]:
        for session in sessions:
            self._write(session.id, ended_at=self._now, end_reason=reason, version=session.version + 1)
        return [session.id for session in sessions]

    def _with_users(self, sessions: Iterable[Session]) -> list[Session]:
        accounts = self._accounts
        return [s._replace(user=accounts[s.user_id].user if s.user_id in accounts else None) for s in sessions]

    def _write(self, session_id: str, **changes: Any) -> None:
        self._rows[session_id] = self._rows[session_id]._replace(**changes)


class MemoryIdentities:
    """`keyturn.ports.IdentityStore` in memory."""

    def __init__(self, tables: _Tables) -> None:
        self._rows = tables.identities

    def insert(self, identity: Identity) -> None:
        if self.find(identity.issuer, identity.subject) is not None:
            raise IdentityTaken
        self._rows[identity.id] = identity

    def find(self, issuer: str, subject: str) -> Identity | None:
        return next((one for one in self._rows.values() if (one.issuer, one.subject) == (issuer, subject)), None)

    def of_user(self, user_id: str) -> list[Identity]:
        return self.of_users([user_id])

    def of_users(self, user_ids: Collection[str]) -> list[Identity]:
        found = [one for one in self._rows.values() if one.user_id in user_ids]
        return sorted(found, key=lambda one: (one.created_at, one.id))

    def delete(self, identity_id: str) -> None:
        self._rows.pop(identity_id, None)

    def delete_of_user(self, user_id: str) -> None:
        for identity in self.of_user(user_id):
            self.delete(identity.id)


class MemoryFacts:
    """`keyturn.ports.FactStore` in memory."""

    def __init__(self, tables: _Tables) -> None:
        self._facts = tables.facts

    def lock(self, name: str) -> str | None:
        return self._facts.get(name)

    def put(self, name: str, value: str) -> None:
        self._facts[name] = value


class MemoryCounters:
    """`keyturn.ports.CounterStore` in memory."""

    def __init__(self, tables: _Tables, now: Micros) -> None:
        self._counters = tables.counters
        self._now = now

    def add(self, key: str, amount: int, lifetime: int) -> int:
        count, expires_at = self.get(key)
        if expires_at <= self._now:
            expires_at = self._now + lifetime * SECOND
        self._counters[key] = (count + amount, expires_at)
        return count + amount

    def get(self, key: str) -> tuple[int, Micros]:
        count, expires_at = self._counters.get(key, (0, self._now))
        return (count, expires_at) if expires_at > self._now else (0, self._now)

    def listed(self, prefix: str) -> list[tuple[str, int, Micros]]:
        return [(key, *self.get(key)) for key in sorted(self._counters) if key.startswith(prefix) and self.get(key)[0]]

    def clear(self, key: str) -> None:
        self._counters.pop(key, None)

    def clear_all(self, prefix: str) -> None:
        for key in [key for key in self._counters if key.startswith(prefix)]:
            del self._counters[key]

    def purge(self, limit: int, *, keep: int) -> int:
        order = sorted(self._counters, key=lambda key: self._counters[key][1])
        gone = [key for key in order if self._counters[key][1] <= self._now] or order[: max(0, len(order) - keep)]
        for key in gone[:limit]:
            del self._counters[key]
        return len(gone[:limit])


class MemoryTransaction:
    """`keyturn.ports.Transaction` in memory."""

    def __init__(self, tables: _Tables, now: Micros) -> None:
        self.now = now
        self.sessions = MemorySessions(tables, now)
        self.users = MemoryUsers(tables.accounts)
        self.identities = MemoryIdentities(tables)
        self.facts = MemoryFacts(tables)
        self.counters = MemoryCounters(tables, now)
        self.one_time_tokens = MemoryOneTimeTokens(tables.one_time_tokens, now)
        self.mails = MemoryMails(tables.mails, now)


class MemoryDatabase:
    """`keyturn.ports.Database` in memory. It is gone with its process.

    Args:
        clock: where its time comes from.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._tables = _Tables()
        self._writing = threading.Lock()

    def transact(self, work: Callable[[MemoryTransaction], T]) -> T:
        with self._writing:
            tables = self._tables.copy()
            result = work(MemoryTransaction(tables, self._clock.now()))
            self._tables = tables
            return result

    def read(self, work: Callable[[MemoryTransaction], T]) -> T:
        return work(MemoryTransaction(self._tables.copy(), self._clock.now()))

    def ping(self) -> None:
        pass

    def close(self) -> None:
        pass
