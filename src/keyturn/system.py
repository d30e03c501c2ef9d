"""The machine: its clock and its source of randomness. No other file reads either."""

from __future__ import annotations

import secrets
import time

from keyturn.core.model import Micros


class SystemClock:
    """The host's clock."""

    def now(self) -> Micros:
        return time.time_ns() // 1000

    def monotonic(self) -> Micros:
        return time.monotonic_ns() // 1000


class SystemEntropy:
    """The operating system's source of randomness."""

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)
