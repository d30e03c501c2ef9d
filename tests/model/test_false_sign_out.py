"""Without a thief, no client that shares one cookie jar is ever signed out by mistake.

The searches are over any number of clients with any number of requests in flight (`tests.model.tabs`), and every one of them
ends because nothing is new. The bounds are exact: one tick beyond any of them, there is a trace to a false sign-out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from tests.model import mutants
from tests.model.proofs import prove, refute
from tests.model.server import Server
from tests.model.tabs import TabsWorld
from tests.model.world import Times

TIMES = Times.exact(life=2, slack=1, drift=1)
SMALL = Times.exact(life=1, slack=1, drift=1)

BEYOND = {
    "a window one tick shorter": lambda t: replace(t, window=t.window - 1, late=t.late - 1),
    "a decision one tick later": lambda t: replace(t, late=t.late + 1),
    "messages that live one tick longer": lambda t: replace(t, life=t.life + 1, late=t.late - 1),
    "a child_at one tick staler": lambda t: replace(t, slack=t.slack + 1),
    "clocks one tick further apart": lambda t: replace(t, drift=t.drift + 1, late=t.late - 1),
}


@pytest.mark.parametrize(
    ("times", "states"),
    [
        (TIMES, 1_344),
        (SMALL, 432),
        (Times.exact(life=1, slack=1, drift=0), 175),
        (Times.exact(life=3, slack=1, drift=2), 5_645),
        (Times.exact(life=2, slack=3, drift=1), 2_123),
        (Times.exact(life=4, slack=2, drift=2), 13_676),
        pytest.param(
            Times.exact(life=10, slack=5, drift=5), 680_264, marks=[pytest.mark.soak, pytest.mark.timeout(1_800)]
        ),
    ],
    ids=str,
)
def test_no_client_is_signed_out_by_mistake_whatever_is_lost_repeated_late_or_out_of_order(
    times: Times, states: int
) -> None:
    world = TabsWorld(Server(times))
    assert prove(f"no false sign-out, {times}", world.start(), world.moves).states == states


@cache
def nothing_is_wrong_within(times: Times) -> None:
    """Searched once for the times, and not for each way to go beyond them."""
    world = TabsWorld(Server(times))
    prove(f"within the bounds, {times}", world.start(), world.moves)


@pytest.mark.parametrize("drift", [0, 1, 2])
@pytest.mark.parametrize("slack", [1, 2])
@pytest.mark.parametrize("life", [1, 2])
@pytest.mark.parametrize("beyond", BEYOND)
def test_each_bound_is_exact(beyond: str, life: int, slack: int, drift: int) -> None:
    times = Times.exact(life=life, slack=slack, drift=drift)
    nothing_is_wrong_within(times)
    outside = TabsWorld(Server(BEYOND[beyond](times)))
    refute(f"{beyond}, {outside.server.times}", outside.start(), outside.moves)


@pytest.mark.parametrize("number", [3, 4, 5, 6])
def test_without_this_rule_there_is_a_false_sign_out(number: int) -> None:
    world = TabsWorld(Server(SMALL, mutants.without(number)))
    refute(f"without rule {number}", world.start(), world.moves)


def test_with_a_child_at_that_does_not_move_there_is_a_false_sign_out() -> None:
    world = TabsWorld(Server(SMALL, mutants.with_a_still_child_at()))
    refute("a child_at that does not move", world.start(), world.moves)
