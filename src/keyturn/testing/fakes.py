"""A clock that moves when told, and randomness that repeats."""

from __future__ import annotations

import hashlib

from keyturn.core.model import SECOND, Micros


class FakeClock:
    """A clock that stands still until it is told to move.

    Args:
        start: the time it begins at, in microseconds since the epoch; 2026-01-01 by default.
    """

    def __init__(self, start: Micros = 1_767_225_600 * SECOND) -> None:
        self.time = start
        self.uptime: Micros = 0

    def now(self) -> Micros:
        return self.time

    def monotonic(self) -> Micros:
        return self.uptime

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += round(seconds * SECOND)
        self.uptime += round(seconds * SECOND)

    def set(self, time: Micros) -> None:
        """Set the clock, as an operator or NTP would; no time passes."""
        self.time = time


class SeededEntropy:
    """The same bytes for the same seed, never twice within one instance."""

    def __init__(self, seed: str = "keyturn") -> None:
        self._seed = seed.encode()
        self._drawn = 0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(self._seed + self._drawn.to_bytes(8, "big")).digest(count)
