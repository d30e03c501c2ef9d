"""The machine: its clock and its randomness."""

from __future__ import annotations

from typing import Protocol

from keyturn.core.model import (
    Micros,
)

ID_BYTES = 12
"""Ids are 96 random bits."""


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> Micros:
        """Microseconds since the epoch, UTC. May be set back or forth."""
        ...

    def monotonic(self) -> Micros:
        """Microseconds since some moment; never goes back. For durations."""
        ...


class Entropy(Protocol):
    """Where randomness comes from."""

    def random_bytes(self, count: int) -> bytes:
        """Bytes that nobody can predict."""
        ...


def fresh_id(entropy: Entropy) -> str:
    """A new id: 96 random bits in hexadecimal, 24 characters."""
    return entropy.random_bytes(ID_BYTES).hex()


def fresh_ids(entropy: Entropy, count: int) -> list[str]:
    """So many new ids, of one draw: asking the system for each is slow."""
    drawn, width = entropy.random_bytes(count * ID_BYTES).hex(), 2 * ID_BYTES
    return [drawn[start : start + width] for start in range(0, count * width, width)]
