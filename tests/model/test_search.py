"""The search itself, on graphs that one can draw."""

from __future__ import annotations

from collections.abc import Iterable

from tests.model.search import components, cycle, explore

GRAPH = {1: (2, 3), 2: (4,), 3: (4,), 4: (5, 2), 5: (6,), 6: (5,), 7: (1,)}


def moves(state: int) -> Iterable[tuple[str, int]]:
    return [(f"{state}-{after}", after) for after in GRAPH[state]]


def test_every_state_that_can_be_reached_is_reached_and_no_other() -> None:
    assert set(explore(1, moves).came_from) == {1, 2, 3, 4, 5, 6}


def test_a_trace_is_a_shortest_one_and_ends_with_the_wrong_move() -> None:
    assert explore(1, moves, lambda event, state: state == 5).trace == ["1-2", "2-4", "4-5"]


def test_a_wrong_move_to_a_state_that_is_known_is_found_as_well() -> None:
    assert explore(1, moves, lambda event, state: event == "6-5").trace == ["1-2", "2-4", "4-5", "5-6", "6-5"]


def test_nothing_wrong_is_no_trace() -> None:
    assert explore(1, moves, lambda event, state: state == 7).trace is None


def test_two_states_share_a_component_if_each_can_be_reached_from_the_other() -> None:
    component = components(GRAPH)
    assert component[2] == component[4]
    assert component[5] == component[6]
    assert len({component[state] for state in (1, 2, 3, 5, 7)}) == 5


def test_a_cycle_holds_a_move_of_each_kind() -> None:
    found = explore(1, moves)
    assert cycle(found, moves, lambda e: e == "4-2", lambda e: e == "2-4") == (["1-2"], ["2-4", "4-2"])


def test_moves_of_two_components_make_no_cycle() -> None:
    found = explore(1, moves)
    assert cycle(found, moves, lambda e: e == "4-2", lambda e: e == "5-6") is None
