"""Any number of clients that share one cookie jar, with any number of requests in flight.

At every moment requests with the jar's token are sent, as many as one likes. A request is decided at any time up to `late`
ticks after its sending, any number of times or never. Its answer arrives at any time up to L after the sending of the
request, or never, and the jar takes what arrives, in whatever order.

So nothing in flight is ever used up, and the state need not count requests. It knows, of every token, how long ago the
*youngest* request with it was sent, and how long ago the youngest request was sent that is answered with it. Older ones can
do nothing that the youngest cannot: what is decided does not depend on the age of a request, and the youngest lives longest.
Nor does this invent anything. Every decision and every arrival may be taken for one of a request of its own: of two
requests with the same token that are sent and decided together, the second changes nothing and is given the same answer.
`test_single_requests` compares this with a search that does count requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.server import Server
from tests.model.world import FIRST, OPENED, Event, Outcome, Row, Token, What, role

GONE = -1


class Held(NamedTuple):
    """A token that is somewhere.

    Attributes:
        asked: the age of the youngest request that presents it.
        answered: the age of the youngest request that is answered with it.
    """

    token: Token
    asked: int
    answered: int


class Tabs(NamedTuple):
    """
    Attributes:
        rows: the row, and after it the one that the store may fall back to.
        jar: the token in the jar, which is in `held` too.
        held: every token that may yet be presented.
        fallback: whether the store may still keep a state to fall back to.
    """

    rows: tuple[Row, ...]
    jar: Token
    held: tuple[Held, ...]
    fallback: bool = False


ENDED = Tabs((), FIRST, ())
Move = tuple[Event, Tabs]


class TabsWorld:
    """The moves of the clients, the network, the servers and the store.

    Args:
        server: what decides.
        quiet: whether the store falls back only while no request is in flight.
    """

    def __init__(self, server: Server, *, quiet: bool = True) -> None:
        self.server = server
        self._quiet = quiet
        self._life, self._late = server.times.life, server.times.late

    def start(self, *, fallback: bool = False) -> Tabs:
        return Tabs((OPENED,), FIRST, (Held(FIRST, 0, GONE),), fallback)

    def moves(self, state: Tabs) -> Iterator[Move]:
        if state is ENDED:
            return
        yield Event(What.TICK), self._tick(state)
        for held in state.held:
            if held.answered != GONE and held.token != state.jar:
                event = Event(What.ARRIVED, role(state.rows[0], held.token), held.answered)
                yield event, self._state(state, jar=held.token)
            if held.asked != GONE:
                yield from self._decided(state, held)
        yield from self._lost_writes(state)

    def _decided(self, state: Tabs, held: Held) -> Iterator[Move]:
        row = state.rows[0]
        for clock, outcome in self.server.outcomes(row, held.token):
            event = Event(What.DECIDED, role(row, held.token), held.asked, clock, outcome)
            yield event, self._answered(state, outcome, held.asked)

    def _answered(self, state: Tabs, outcome: Outcome, age: int) -> Tabs:
        if outcome.after is None or outcome.token is None:
            return ENDED
        answers = [*state.held]
        if age <= self._life:
            answers.append(Held(outcome.token, GONE, age))
        return self._state(state, rows=(outcome.after, *state.rows[1:]), held=answers)

    def _tick(self, state: Tabs) -> Tabs:
        older = [
            Held(held.token, _older(held.asked, self._late), _older(held.answered, self._life)) for held in state.held
        ]
        return self._state(state, rows=tuple(map(self.server.aged, state.rows)), held=older)

    def _lost_writes(self, state: Tabs) -> Iterator[Move]:
        if state.fallback:
            yield Event(What.KEPT), state._replace(rows=state.rows * 2, fallback=False)
        if len(state.rows) == 2:
            held = [] if self._quiet else [*state.held]
            yield Event(What.FELL_BACK), self._state(state, rows=state.rows[1:], held=held)

    def _state(
        self,
        state: Tabs,
        *,
        rows: tuple[Row, ...] | None = None,
        jar: Token | None = None,
        held: list[Held] | None = None,
    ) -> Tabs:
        """The state after a move, in its canonical form; the jar's token has just been sent, as it is at any time."""
        jar = jar or state.jar
        youngest: dict[Token, tuple[int, int]] = {jar: (0, GONE)}
        for token, asked, answered in state.held if held is None else held:
            if asked == answered == GONE:
                continue
            other_asked, other_answered = youngest.get(token, (GONE, GONE))
            youngest[token] = _younger(asked, other_asked), _younger(answered, other_answered)
        order = sorted(youngest, key=lambda token: (token == jar, youngest[token], token))
        rows, tokens = self.server.canonical(rows or state.rows, order)
        merged = sorted({Held(tokens[token], *youngest[token]) for token in order})
        return Tabs(rows, tokens[jar], tuple(merged), state.fallback)


def _older(age: int, limit: int) -> int:
    return GONE if age in (GONE, limit) else age + 1


def _younger(one: int, other: int) -> int:
    return max(one, other) if GONE in (one, other) else min(one, other)
