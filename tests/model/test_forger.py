"""Somebody who has the key but not the database: he signs what he likes for a session id that every access token shows."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.proofs import prove, refute
from tests.model.server import FRESH, Server, session_of, token_of
from tests.model.tabs import Move, Tabs, TabsWorld
from tests.model.world import NOBODY, Event, Times, Token, What

from keyturn.service.context import same_seed

TIMES = Times.exact(life=2, slack=1, drift=1)


class ForgerWorld(TabsWorld):
    """Any number of clients, and a forger who presents a token of any generation at any moment.

    Args:
        seed: the seed that he puts into it; the session's is "seed".
        checked: whether the seed is compared with the row's before anything is decided.
    """

    def __init__(self, server: Server, *, seed: str = "a guess", checked: bool = True) -> None:
        super().__init__(server)
        self._seed = seed
        self._checked = checked

    def moves(self, state: Tabs) -> Iterator[Move]:
        yield from super().moves(state)
        for row in state.rows:
            for ahead in (-1, 0, 1, 2, 1_000):
                forged = Token(row.generation + ahead, 2 * FRESH, NOBODY)
                what = f"a token {ahead:+} generations from the row"
                if self._checked and not same_seed(token_of(forged, self._seed), session_of(row)):
                    yield Event(What.FORGED, what), state
                    continue
                for clock, outcome in self.server.outcomes(row, forged):
                    yield Event(What.FORGED, what, 0, clock, outcome), self._answered(state, outcome, self._life + 1)


def does_something(event: Event) -> bool:
    """A forgery is accepted, or ends the session."""
    return event.reused or (event.what is What.FORGED and event.accepted)


def test_a_forger_without_the_seed_gets_nothing_and_ends_nothing() -> None:
    world = ForgerWorld(Server(TIMES))
    found = prove("a forger without the seed", world.start(), world.moves, does_something)
    assert found.states == 1_344


def test_unless_the_seed_is_checked_a_forger_is_taken_for_a_client_that_the_store_forgot() -> None:
    world = ForgerWorld(Server(TIMES), checked=False)
    trace = refute(
        "the seed is not checked", world.start(), world.moves, lambda e: e.what is What.FORGED and e.accepted
    )
    assert trace[-1].outcome is not None
    assert trace[-1].outcome.rule == 7


def test_with_the_seed_a_forger_is_a_client() -> None:
    world = ForgerWorld(Server(TIMES), seed="seed")
    refute("a forger who has the seed", world.start(), world.moves, does_something)
