"""A client that waits for at most so many answers at a time; each request is one of its own.

The cookie jar is one; requests are sent from it at any time while fewer than `at_once` are waited for. A request is decided
at any time up to `late` ticks after its sending, any number of times (once at most, unless `repeated`) or never. At most one
of its answers arrives, up to L after the sending. Then the client waits no longer, nor does it when L has passed; the
request may go on being decided all the same. A lost request is one that is never decided; of the answers to a request
decided twice, either may be the lost one.

Of requests that nobody waits for any more and that present the same token, the youngest can do all that the others can; the
others are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.model.server import Server
from tests.model.world import DEAD, FIRST, NOBODY, OPENED, Event, Row, Token, What, role

NONE = Token(0, NOBODY, NOBODY)


class Request(NamedTuple):
    """
    Attributes:
        token: what it presents.
        age: how long ago it was sent.
        awaited: whether the client still waits.
        answer: what is on its way to the client, or NONE.
    """

    token: Token
    age: int
    awaited: bool = True
    answer: Token = NONE


class Slots(NamedTuple):
    """
    Attributes:
        rows: the row, and after it the one that the store may fall back to.
        jar: the token in the jar.
        requests: those that may yet be decided or answered.
        hand: the tokens that a thief holds.
        fallback: whether the store may still keep a state to fall back to.
    """

    rows: tuple[Row, ...]
    jar: Token
    requests: tuple[Request, ...] = ()
    hand: tuple[Token, ...] = ()
    fallback: bool = False


ENDED = Slots((), FIRST)
Move = tuple[Event, Slots]


class SlotsWorld:
    def __init__(self, server: Server, *, at_once: int, repeated: bool = True, quiet: bool = False) -> None:
        self.server = server
        self._repeated = repeated
        self._at_once = at_once
        self._quiet = quiet

    def start(self, *, fallback: bool = False) -> Slots:
        return Slots((OPENED,), FIRST, fallback=fallback)

    def moves(self, state: Slots) -> Iterator[Move]:
        if state is ENDED:
            return
        yield Event(What.TICK), self._tick(state)
        yield from self._sent(state)
        for request in dict.fromkeys(state.requests):
            others = list(state.requests)
            others.remove(request)
            if request.token != NONE:
                yield from self._decided(state, request, others)
            if request.answer != NONE:
                event = Event(What.ARRIVED, role(state.rows[0], request.answer), request.age)
                done = request._replace(awaited=False, answer=NONE)
                yield event, self._state(state, [*others, done], jar=request.answer)
        yield from self._lost_writes(state)

    def _sent(self, state: Slots) -> Iterator[Move]:
        event = Event(What.SENT, role(state.rows[0], state.jar))
        request = Request(state.jar, 0)
        awaited = [request for request in state.requests if request.awaited]
        if len(awaited) < self._at_once:
            yield event, self._state(state, [*state.requests, request])

    def _decided(self, state: Slots, request: Request, others: list[Request]) -> Iterator[Move]:
        row = state.rows[0]
        for clock, outcome in self.server.outcomes(row, request.token):
            event = Event(What.DECIDED, role(row, request.token), request.age, clock, outcome)
            if outcome.after is None or outcome.token is None:
                yield event, ENDED
                continue
            rows = (outcome.after, *state.rows[1:])
            token = request.token if self._repeated else NONE
            answers = {request.answer, outcome.token} if request.awaited else {NONE}
            for answer in answers:
                decided = request._replace(token=token, answer=answer)
                yield event, self._state(state, [*others, decided], rows=rows)

    def _tick(self, state: Slots) -> Slots:
        times = self.server.times
        older = [request._replace(age=request.age + 1) for request in state.requests if request.age < times.late]
        given_up = [r if r.age <= times.life else r._replace(awaited=False, answer=NONE) for r in older]
        return self._state(state, given_up, rows=tuple(map(self.server.aged, state.rows)))

    def _lost_writes(self, state: Slots) -> Iterator[Move]:
        if state.fallback:
            yield Event(What.KEPT), state._replace(rows=state.rows * 2, fallback=False)
        if len(state.rows) == 2:
            requests = () if self._quiet else state.requests
            yield Event(What.FELL_BACK), self._state(state, requests, rows=state.rows[1:])

    def _state(
        self,
        state: Slots,
        requests: Iterable[Request],
        *,
        rows: tuple[Row, ...] | None = None,
        jar: Token | None = None,
    ) -> Slots:
        changed = state._replace(rows=rows or state.rows, jar=jar or state.jar, requests=tuple(requests))
        return self.canonical(changed)

    def canonical(self, state: Slots) -> Slots:
        """The state in its canonical form: see `tests.model.server`."""
        kept = _without_dominated(state.requests)
        owners = [state.jar, *(token for r in kept for token in (r.token, r.answer) if token != NONE)]
        hand = _without_doubles(state.rows[0], owners, state.hand)
        rows, tokens = self.server.canonical(state.rows, owners + hand)
        tokens[NONE] = NONE
        requests = sorted(r._replace(token=tokens[r.token], answer=tokens[r.answer]) for r in kept)
        held = sorted({tokens[token] for token in hand} - {DEAD})
        return Slots(rows, tokens[state.jar], tuple(requests), tuple(held), state.fallback)


def _without_dominated(requests: Iterable[Request]) -> list[Request]:
    kept: list[Request] = []
    done = {NONE}
    for request in sorted(requests, key=lambda r: (r.age, not r.awaited, r.answer, r.token)):
        if request.awaited or request.token not in done:
            kept.append(request)
        if not request.awaited:
            done.add(request.token)
    return kept


def _without_doubles(row: Row, owners: list[Token], hand: tuple[Token, ...]) -> list[Token]:
    """The hand with one of those children of the root that nobody but the thief can ever present.

    They are alike; and as soon as one of them has become the root, the others are dead.
    """
    alike = [
        token
        for token in hand
        if token.parent == row.root
        and token.generation == row.generation + 1
        and token.id != row.child
        and token not in owners
    ]
    return [token for token in hand if token not in alike[1:]]
