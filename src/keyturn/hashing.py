"""Password hashes: argon2id, a bounded number at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from keyturn.core.passwords import normalized
from keyturn.errors import Overloaded
from keyturn.ports import Entropy

_SALT_BYTES = 16


class Argon2Hasher:
    """argon2id (RFC 9106) behind `keyturn.ports.PasswordHasher`.

    The defaults are OWASP's second choice (19 MiB, two passes, one lane): the work of the first one in less memory.

    Args:
        entropy: where salts come from.
        memory_kib: memory for one hash, in KiB.
        time_cost: passes over that memory.
        concurrency: how many hashes are computed at a time; times `memory_kib`, that is the memory this can ever take.
        max_wait: seconds that a caller waits for its turn before it is refused.
    """

    def __init__(
        self,
        entropy: Entropy,
        *,
        memory_kib: int = 19_456,
        time_cost: int = 2,
        concurrency: int = 2,
        max_wait: float = 10.0,
    ) -> None:
        self._entropy = entropy
        self._argon2 = argon2.PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=1, type=argon2.Type.ID
        )
        self._turns = threading.BoundedSemaphore(concurrency)
        self._max_wait = max_wait
        # What an unknown user's password is checked against: the same work, never a match.
        self._nobody = self.hash(entropy.random_bytes(_SALT_BYTES).hex())

    def hash(self, password: str) -> str:
        with self._turn():
            return self._argon2.hash(normalized(password), salt=self._entropy.random_bytes(_SALT_BYTES))

    def verify(self, password_hash: str | None, password: str) -> bool:
        with self._turn():
            try:
                self._argon2.verify(password_hash or self._nobody, normalized(password))
            except (VerifyMismatchError, VerificationError, InvalidHashError):
                return False
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._max_wait):
            raise Overloaded
        try:
            yield
        finally:
            self._turns.release()
