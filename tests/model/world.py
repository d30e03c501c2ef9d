"""What there is in the model: times, rows, tokens, and what may happen to them.

All of it stands for something real; `tests.model.server` says what is left out, and why nothing is lost by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from keyturn.core.model import Policy
from keyturn.core.rotation import Verdict

NOBODY = -1
FOREVER = 10**12


@dataclass(frozen=True)
class Times(Policy):
    """The times of the model, in ticks, each free of the others.

    Attributes:
        life: L, after which a client gives a refresh up.
        slack: T, how stale `child_at` may be.
        drift: S, how far two clocks may differ.
        late: how long after its sending a request may still be decided.
    """

    window: int = 6
    idle_lifetime: int = FOREVER
    session_lifetime: int = FOREVER
    life: int = 2
    slack: int = 1
    drift: int = 1
    late: int = 3

    def __str__(self) -> str:
        return f"W={self.window} L={self.life} T={self.slack} S={self.drift} late={self.late}"

    @property
    def message_life(self) -> int:
        return self.life

    @property
    def throttle(self) -> int:
        return self.slack

    @property
    def skew(self) -> int:
        return self.drift

    @staticmethod
    def exact(*, life: int, slack: int, drift: int) -> Times:
        """The smallest window for these, and the latest decisions that it allows."""
        window = 2 * life + slack + drift
        return Times(window=window, life=life, slack=slack, drift=drift, late=window - life - drift)


class Token(NamedTuple):
    generation: int
    id: int
    parent: int


class Row(NamedTuple):
    """A session that has not ended.

    Attributes:
        root_age: how long ago the root was first presented; none before the first rotation.
        child_age: how long ago the child was last handed out.
    """

    generation: int
    root: int
    root_age: int | None
    previous: int
    child: int
    child_age: int


DEAD = Token(-1_000, NOBODY, NOBODY)
FIRST = Token(1, 1, 0)
OPENED = Row(0, 0, None, NOBODY, 1, 0)
"""A session as it begins; FIRST is its first token."""


class Outcome(NamedTuple):
    """What a presentation came to.

    Attributes:
        before: the row that was decided upon.
        after: the row afterwards; none: the session has ended.
        token: what is given; none: nothing.
        written: whether the row is written.
    """

    verdict: Verdict
    rule: int
    before: Row
    after: Row | None
    token: Token | None
    written: bool


class What(StrEnum):
    """What may happen between two states."""

    TICK = "a tick passes"
    SENT = "a request is sent with"
    DECIDED = "a request is decided, with"
    ARRIVED = "an answer arrives, with"
    KEPT = "the store keeps a copy of the row"
    FELL_BACK = "the store falls back to its copy"
    COPIED = "the thief copies the jar, with"
    STOLEN = "the thief presents"
    FORGED = "a forger presents"


class Event(NamedTuple):
    """Something that happens.

    Attributes:
        token: what the token that it is about is to the row.
        age: how long ago the request was sent.
        clock: by how much the clock of the deciding server is ahead.
        outcome: what was decided.
    """

    what: What
    token: str = ""
    age: int = 0
    clock: int = 0
    outcome: Outcome | None = None

    @property
    def accepted(self) -> bool:
        return self.outcome is not None and self.outcome.token is not None

    @property
    def reused(self) -> bool:
        return self.outcome is not None and self.outcome.verdict is Verdict.REUSED

    def __str__(self) -> str:
        words = f"{self.what} {self.token}".strip()
        if self.what in (What.DECIDED, What.ARRIVED):
            words += f", {self.age} after it was sent"
        if self.outcome is not None:
            ahead = f" by a clock {self.clock} ahead" if self.clock else ""
            words += f"{ahead}: {self.outcome.verdict.upper()} (row {self.outcome.rule})"
        return words


def told(trace: Iterable[Event]) -> str:
    """A trace in words, one line for each event, with the tick at which it happens."""
    lines, tick = [], 0
    for event in trace:
        if event.what is What.TICK:
            tick += 1
        else:
            lines.append(f"  {tick:3}  {event}")
    return "\n".join(lines)


def role(row: Row, token: Token) -> str:
    """What a token is to a row, in words."""
    known = {row.previous: "the previous root", row.root: "the root", row.child: "the child"}
    if token.id in known and token.id != NOBODY:
        return known[token.id]
    if token.generation <= row.generation:
        return "a dead token"
    return "a sibling of the child" if token.parent == row.root else "a token newer than the row"
