"""The same search with each request for itself (`tests.model.slots`).

It is larger and covers only so many requests at once, but it needs no argument about which of two requests can do more.
That it meets the very same cases of the table as the search over any number of requests shows that that one neither loses nor
invents anything.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.model.proofs import prove, refute
from tests.model.search import explore
from tests.model.server import Server
from tests.model.slots import SlotsWorld
from tests.model.tabs import TabsWorld
from tests.model.world import Times, role

SMALL = Times.exact(life=1, slack=1, drift=1)
TIMES = Times.exact(life=2, slack=1, drift=1)
LONG = [pytest.mark.soak, pytest.mark.timeout(1_800)]


def cases(server: Server) -> set[tuple[int | None, int, str, int]]:
    """What the server had to decide: the ages in the row, what the token was to it, and the clock."""
    return {(row.root_age, row.child_age, role(row, token), clock) for row, token, clock in server.cases}


@pytest.mark.parametrize(
    ("times", "at_once", "states"),
    [
        (TIMES, 1, 3_835),
        (TIMES, 2, 48_404),
        pytest.param(SMALL, 3, 47_978, marks=LONG),
        pytest.param(TIMES, 3, 329_492, marks=LONG),
        pytest.param(SMALL, 4, 177_023, marks=LONG),
    ],
    ids=str,
)
def test_no_client_with_so_many_requests_at_once_is_signed_out_by_mistake(
    times: Times, at_once: int, states: int
) -> None:
    world = SlotsWorld(Server(times), at_once=at_once)
    found = prove(f"no false sign-out, {at_once} at once, {times}", world.start(), world.moves)
    assert found.states == states


def test_two_requests_at_once_meet_every_case_that_any_number_of_them_meets() -> None:
    two, many = SlotsWorld(Server(SMALL), at_once=2), TabsWorld(Server(SMALL))
    explore(two.start(), two.moves)
    explore(many.start(), many.moves)
    assert cases(two.server) == cases(many.server)


@pytest.mark.parametrize(
    "times",
    [replace(TIMES, window=TIMES.window - 1, late=TIMES.late - 1), replace(TIMES, late=TIMES.late + 1)],
    ids=["a shorter window", "a later decision"],
)
def test_two_requests_at_once_are_enough_for_a_false_sign_out_beyond_the_bounds(times: Times) -> None:
    world = SlotsWorld(Server(times), at_once=2, repeated=False)
    refute(f"two at once, {times}", world.start(), world.moves)
