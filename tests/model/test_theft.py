"""Theft is caught: thief and owner do not both go on for ever.

A run of a finite graph stays in one strongly connected component in the end. So if no component holds an accepted request of the
owner and one of the thief, every run has a last one of the one or of the other: the session has ended, or one has stopped.
Ages are relative in a state, so every cycle is a run that goes on for ever.

By one clock, requests of one that fall more than W before or after those of the other are enough. Where clocks differ by
up to S, it takes more than W + S by the true time. Both are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from tests.model import mutants
from tests.model.proofs import prove, refute
from tests.model.search import cycle, explore
from tests.model.server import Server
from tests.model.slots import SlotsWorld
from tests.model.thief import Theft, ThiefWorld, by_owner, by_thief
from tests.model.world import Event, Times, told

ONE_CLOCK = Times.exact(life=1, slack=1, drift=0)
SMALL = Times.exact(life=1, slack=1, drift=1)
TIMES = Times.exact(life=2, slack=1, drift=1)
LONG = [pytest.mark.soak, pytest.mark.timeout(1_800)]

Moves = Callable[[Theft], Iterable[tuple[Event, Theft]]]


def apart(times: Times) -> int:
    return times.window + times.drift


def remembered(moves: Moves) -> Moves:
    """The same moves, each computed once: they are looked at twice."""
    known: dict[Theft, list[tuple[Event, Theft]]] = {}

    def of(state: Theft) -> list[tuple[Event, Theft]]:
        if state not in known:
            known[state] = list(moves(state))
        return known[state]

    return of


def never(event: Event) -> bool:
    return False


def go_on_for_ever(what: str, world: ThiefWorld) -> None:
    """Find a run in which both go on for ever."""
    moves = remembered(world.moves)
    both = cycle(explore(world.start(), moves), moves, by_owner, by_thief)
    assert both is not None, what
    print(f"{what}:\n{told(both[0])}\n and from there for ever:\n{told(both[1])}")


@pytest.mark.parametrize(
    ("times", "at_once", "states"),
    [
        (ONE_CLOCK, 1, 5_079),
        (SMALL, 1, 13_158),
        (ONE_CLOCK, 2, 46_261),
        pytest.param(TIMES, 1, 38_696, marks=LONG),
        pytest.param(SMALL, 2, 117_618, marks=LONG),
    ],
    ids=str,
)
def test_thief_and_owner_do_not_both_go_on_for_ever(times: Times, at_once: int, states: int) -> None:
    world = ThiefWorld(SlotsWorld(Server(times), at_once=at_once), apart=apart(times))
    moves = remembered(world.moves)
    found = prove(f"theft is caught, {at_once} at once, {times}", world.start(), moves, never)
    assert cycle(found, moves, by_owner, by_thief) is None
    assert any(state.copied and state.answers == 2 for state in found.came_from)
    assert found.states == states


@pytest.mark.parametrize(("times", "states"), [(ONE_CLOCK, 1_780), (TIMES, 11_621)], ids=str)
def test_the_thief_is_out_by_the_owners_second_answer(times: Times, states: int) -> None:
    """The second to a request that was sent after the theft, and the owner's requests are as far apart from each other."""
    world = ThiefWorld(SlotsWorld(Server(times), at_once=1), apart=apart(times), slow=True)
    found = explore(world.start(), world.moves, lambda event, state: by_thief(event) and state.answers == 2)
    assert found.trace is None, told(found.trace or [])
    print(f"out by the second answer, {times}: {found.states} states, none wrong")
    assert found.states == states


def test_the_owners_first_answer_does_not_put_the_thief_out() -> None:
    world = ThiefWorld(SlotsWorld(Server(ONE_CLOCK), at_once=1), apart=apart(ONE_CLOCK), slow=True)
    found = explore(world.start(), world.moves, lambda event, state: by_thief(event) and state.answers == 1)
    assert found.trace is not None
    print(f"accepted after the owner's first answer:\n{told(found.trace)}")


@pytest.mark.parametrize("times", [ONE_CLOCK, SMALL], ids=str)
def test_a_thief_one_tick_nearer_to_the_owner_goes_on_for_ever(times: Times) -> None:
    world = ThiefWorld(SlotsWorld(Server(times), at_once=1, repeated=False), apart=apart(times) - 1)
    go_on_for_ever(f"one tick nearer, {times}", world)


def test_the_thief_of_an_owner_whose_answers_never_arrive_goes_on_for_ever() -> None:
    owner = SlotsWorld(Server(ONE_CLOCK), at_once=1, repeated=False)
    go_on_for_ever("no answers", ThiefWorld(owner, apart=apart(ONE_CLOCK), answered=False))


@pytest.mark.parametrize(
    "table",
    [mutants.without(2), mutants.with_one_child_for_ever(), mutants.that_forgives()],
    ids=["no rotation", "no siblings", "reuse forgiven"],
)
def test_a_table_that_does_not_tell_two_holders_apart_lets_the_thief_go_on(table: mutants.Table) -> None:
    owner = SlotsWorld(Server(ONE_CLOCK, table), at_once=1, repeated=False)
    go_on_for_ever("a wrong table", ThiefWorld(owner, apart=apart(ONE_CLOCK)))


def test_without_the_thief_the_same_owner_is_never_taken_for_one() -> None:
    owner = SlotsWorld(Server(ONE_CLOCK), at_once=2)
    prove("the owner alone", owner.start(), owner.moves)


def test_with_the_thief_reuse_is_seen() -> None:
    world = ThiefWorld(SlotsWorld(Server(ONE_CLOCK), at_once=1), apart=apart(ONE_CLOCK))
    refute("a theft", world.start(), world.moves)
