"""How a search is reported: proved, with its number of states, or refuted, with the shortest trace there is."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from tests.model.search import Found, Moves, explore
from tests.model.world import Event, told

S = TypeVar("S", bound=Hashable)


def signed_out(event: Event) -> bool:
    """A presentation is taken for reuse; where there is no thief, that is a false sign-out."""
    return event.reused


def prove(
    what: str, start: S, moves: Moves[S, Event], is_wrong: Callable[[Event], bool] = signed_out
) -> Found[S, Event]:
    """Search everything there is, and find nothing wrong."""
    found = explore(start, moves, lambda event, _: is_wrong(event))
    assert found.trace is None, f"{what}:\n{told(found.trace)}"
    print(f"{what}: {found.states} states, none wrong")
    return found


def refute(what: str, start: S, moves: Moves[S, Event], is_wrong: Callable[[Event], bool] = signed_out) -> list[Event]:
    """Find something wrong."""
    found = explore(start, moves, lambda event, _: is_wrong(event))
    assert found.trace is not None, f"{what}: {found.states} states, none wrong"
    print(f"{what}:\n{told(found.trace)}")
    return found.trace
