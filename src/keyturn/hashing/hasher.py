"""argon2id, with a pepper if there is one, a bounded number at a time."""

from __future__ import annotations

import logging
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import argon2
from argon2.exceptions import InvalidHashError
from argon2.low_level import ARGON2_VERSION

from keyturn.core.passwords import normalized
from keyturn.errors import Overloaded
from keyturn.hashing import foreign
from keyturn.hashing.pepper import Pepper, parted
from keyturn.ports import Entropy

_log = logging.getLogger("keyturn.events")

_SALT_BYTES = 16


class Argon2Hasher:
    """argon2id (RFC 9106) behind `keyturn.ports.PasswordHasher`.

    The defaults are OWASP's second choice (19 MiB, two passes, one lane): the work of the first one in less memory. Hashes
    of other systems (`keyturn.hashing.foreign`) are verified too; they are outdated.

    Args:
        entropy: where salts come from.
        memory_kib: memory for one hash, in KiB.
        time_cost: passes over that memory.
        concurrency: how many hashes are computed at a time; times `memory_kib`, that is the memory this can ever take for
            hashes of its own.
        max_wait: seconds that a caller waits for its turn before it is refused.
        pepper: what passwords are keyed with; none by default.
        previous_pepper: one that hashes may have been made with until now.
    """

    def __init__(
        self,
        entropy: Entropy,
        *,
        memory_kib: int = 19_456,
        time_cost: int = 2,
        concurrency: int = 2,
        max_wait: float = 10.0,
        pepper: Pepper | None = None,
        previous_pepper: Pepper | None = None,
    ) -> None:
        self._entropy = entropy
        self._argon2 = argon2.PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=1, type=argon2.Type.ID
        )
        self._turns = threading.BoundedSemaphore(concurrency)
        self._max_wait = max_wait
        self._pepper = pepper
        known = [one for one in (pepper, previous_pepper) if one is not None]
        self._peppers: dict[str | None, Pepper | None] = {None: None, **{one.id: one for one in known}}
        self._missing: set[str | None] = set()
        # What an unknown user's password is checked against: the same work as for a hash, and no password is known to match.
        self._nobody = self._made_up()

    def hash(self, password: str) -> str:
        with self._turn():
            phc = self._argon2.hash(_keyed(self._pepper, password), salt=self._entropy.random_bytes(_SALT_BYTES))
        return self._pepper.marked(phc) if self._pepper is not None else phc

    def verify(self, password_hash: str | None, password: str) -> bool:
        with self._turn():
            matches = self._matches(password_hash, password) if password_hash is not None else None
            if matches is None:
                self._matches(self._nobody, password)
        return matches is True

    def _made_up(self) -> str:
        """A hash that nothing was hashed for: drawn, so that a start need not wait for it."""
        work = f"m={self._argon2.memory_cost},t={self._argon2.time_cost},p={self._argon2.parallelism}"
        salt, tag = (self._entropy.random_bytes(size) for size in (_SALT_BYTES, self._argon2.hash_len))
        phc = f"$argon2id$v={ARGON2_VERSION}${work}${_unpadded(salt)}${_unpadded(tag)}"
        return self._pepper.marked(phc) if self._pepper is not None else phc

    def is_outdated(self, password_hash: str) -> bool:
        made_with, phc = parted(password_hash)
        if made_with != (self._pepper.id if self._pepper is not None else None):
            return True
        try:
            return self._argon2.check_needs_rehash(phc)
        except InvalidHashError:
            return True

    def can_verify(self, password_hash: str) -> bool:
        pepper_id, phc = parted(password_hash)
        return pepper_id in self._peppers and foreign.is_known(phc)

    def _matches(self, stored: str, password: str) -> bool | None:
        """None: the hash is of no use, and nothing slow was done."""
        if not password:  # other systems may have let somebody in without one
            return None
        pepper_id, phc = parted(stored)
        if pepper_id not in self._peppers:
            self._report(pepper_id)
            return None
        outdated = self.is_outdated(stored)
        if outdated and pepper_id is None:
            # To bcrypt, and to HMAC as a key, nothing but zeros is the same as nothing.
            return foreign.verify(stored, password) if password.strip("\0") else None
        try:
            return foreign.argon2_matches(phc, _keyed(self._peppers[pepper_id], password), bounded=outdated)
        except ValueError:
            return None

    def _report(self, pepper_id: str | None) -> None:
        if pepper_id not in self._missing:
            self._missing.add(pepper_id)
            _log.error("password_pepper_missing", extra={"facts": {"pepper": pepper_id}})

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._max_wait):
            raise Overloaded
        try:
            yield
        finally:
            self._turns.release()


def _unpadded(value: bytes) -> str:
    return b64encode(value).decode().rstrip("=")


def _keyed(pepper: Pepper | None, password: str) -> bytes:
    """What is hashed: the password, under the pepper if there is one."""
    return pepper.applied(password) if pepper is not None else normalized(password).encode()
