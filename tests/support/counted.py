"""A hasher whose work is counted: what a sign-in costs is told without a stopwatch."""

from __future__ import annotations

import threading
from dataclasses import replace

from keyturn.ports import PasswordHasher
from keyturn.service.context import Context


class CountedHasher:
    """Counts what it does, and can be held up.

    Attributes:
        hashed: how many hashes were made.
        verified: how many passwords were verified, those still being verified included.
        gate: while it is closed, no verification gets any further.
    """

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._lock = threading.Lock()
        self.hashed = self.verified = 0
        self.gate = threading.Event()
        self.gate.set()

    @property
    def work(self) -> tuple[int, int]:
        """(hashes made, passwords verified)"""
        return self.hashed, self.verified

    def hash(self, password: str) -> str:
        with self._lock:
            self.hashed += 1
        return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        with self._lock:
            self.verified += 1
        assert self.gate.wait(60), "nobody opened the gate"
        return self._hasher.verify(password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        return self._hasher.is_outdated(password_hash)


def counted(context: Context) -> Context:
    """The context of a server with such a hasher."""
    return replace(context, hasher=CountedHasher(context.hasher))
