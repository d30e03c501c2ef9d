"""An owner and a thief, who copied the owner's jar once.

The owner is the client of `tests.model.slots`. Until the theft everything happens to him that may happen there; from then
on his answers arrive: no tick passes that would make him give up a request, and none that he had given up before is decided.
The thief copies the jar at any moment, keeps every token that he is given, and presents any of them at any moment.

A request falls at the moment when it is decided. None of the owner's falls within `apart` ticks before or after one of the
thief's. A token that is dead stays out of the thief's hand: it could do nothing but end the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.slots import ENDED, Slots, SlotsWorld
from tests.model.world import Event, What, role


class Theft(NamedTuple):
    """
    Attributes:
        owner: the row, the owner, and the thief's hand.
        copied: whether the thief has copied the jar.
        owner_at: how long ago the owner's last request was decided.
        thief_at: how long ago the thief's was.
        answers: how many requests that the owner sent after the theft have been answered; two stands for more. Negative: as
            many were under way at the theft.
    """

    owner: Slots
    copied: bool
    owner_at: int
    thief_at: int
    answers: int = 0


OVER = Theft(ENDED, True, 0, 0)
Move = tuple[Event, Theft]


class ThiefWorld:
    """The moves of the owner, and the thief's.

    Args:
        owner: what may happen to the owner.
        apart: how many ticks lie at least between a request of the owner and one of the thief, and one more.
        slow: whether as many lie between any two requests of the owner after the theft.
        answered: whether the owner's answers arrive after the theft.
    """

    def __init__(self, owner: SlotsWorld, *, apart: int, slow: bool = False, answered: bool = True) -> None:
        self.server = owner.server
        self._owner = owner
        self._apart = apart
        self._slow = slow
        self._answered = answered

    def start(self) -> Theft:
        return Theft(self._owner.start(), copied=False, owner_at=self._apart + 1, thief_at=self._apart + 1)

    def moves(self, state: Theft) -> Iterator[Move]:
        if state is OVER:
            return
        for event, owner in self._owner.moves(state.owner):
            if self._is_allowed(state, event):
                yield event, self._followed(state, event, owner)
        if not state.copied:
            yield self._copied(state)
        elif state.owner_at > self._apart:
            yield from self._stolen(state)

    def _is_allowed(self, state: Theft, event: Event) -> bool:
        if event.what is What.TICK:
            life = self.server.times.life
            late = any(request.awaited and request.age >= life for request in state.owner.requests)
            return not (late and state.copied and self._answered)
        if event.what is What.DECIDED and state.copied:
            return state.thief_at > self._apart and (not self._slow or state.owner_at > self._apart)
        return True

    def _followed(self, state: Theft, event: Event, owner: Slots) -> Theft:
        if owner is ENDED:
            return OVER
        state = state._replace(owner=owner)
        if event.what is What.TICK:
            return state._replace(owner_at=self._older(state.owner_at), thief_at=self._older(state.thief_at))
        if event.what is What.DECIDED:
            return state._replace(owner_at=0)
        if event.what is What.ARRIVED and state.copied:
            return state._replace(answers=min(state.answers + 1, 2))
        return state

    def _older(self, age: int) -> int:
        return min(age + 1, self._apart + 1)

    def _copied(self, state: Theft) -> Move:
        owner = state.owner
        awaited = tuple(request for request in owner.requests if request.awaited)
        owner = self._owner.canonical(owner._replace(hand=(owner.jar,), requests=awaited))
        return Event(What.COPIED, role(state.owner.rows[0], state.owner.jar)), state._replace(
            owner=owner, copied=True, answers=-len(awaited)
        )

    def _stolen(self, state: Theft) -> Iterator[Move]:
        owner = state.owner
        row = owner.rows[0]
        for token in owner.hand:
            for clock, outcome in self.server.outcomes(row, token):
                event = Event(What.STOLEN, role(row, token), 0, clock, outcome)
                if outcome.after is None or outcome.token is None:
                    yield event, OVER
                    continue
                robbed = owner._replace(rows=(outcome.after,), hand=(*owner.hand, outcome.token))
                yield event, state._replace(owner=self._owner.canonical(robbed), thief_at=0)


def by_owner(event: Event) -> bool:
    """An accepted request of the owner."""
    return event.what is What.DECIDED and event.accepted


def by_thief(event: Event) -> bool:
    """An accepted request of the thief."""
    return event.what is What.STOLEN and event.accepted
