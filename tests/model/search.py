"""Breadth-first search through every state that a world can reach, and the cycles of what it found.

A world is a function from a state to its moves. States are hashable values in a canonical form; a search ends when no move
leads to a state that is new, or at the first wrong move. It knows no other limit. Breadth first, a trace is a shortest one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
E = TypeVar("E", bound=object)

Moves = Callable[[S], Iterable[tuple[E, S]]]
"""The moves out of a state: what happens, and the state after it."""


@dataclass(frozen=True)
class Found(Generic[S, E]):
    """What a search came to.

    Attributes:
        came_from: every state that was reached, with the move that first led to it; none for the start.
        trace: the moves up to the first wrong one; none when there is no wrong one.
    """

    came_from: dict[S, tuple[S, E] | None] = field(repr=False)
    trace: list[E] | None

    @property
    def states(self) -> int:
        return len(self.came_from)

    def path_to(self, state: S) -> list[E]:
        """The moves from the start to a state, a shortest way."""
        path = []
        step = self.came_from[state]
        while step is not None:
            path.append(step[1])
            step = self.came_from[step[0]]
        return path[::-1]


def explore(start: S, moves: Moves[S, E], is_wrong: Callable[[E, S], bool] = lambda event, state: False) -> Found[S, E]:
    """Reach every state, or the first wrong one.

    Args:
        start: where everything begins.
        moves: the moves out of a state.
        is_wrong: whether a move must never happen, by what happens and the state after it.
    """
    found: Found[S, E] = Found({start: None}, None)
    came_from = found.came_from
    queue = deque([start])
    while queue:
        state = queue.popleft()
        for event, after in moves(state):
            if is_wrong(event, after):
                return Found(came_from, [*found.path_to(state), event])
            if after not in came_from:
                came_from[after] = (state, event)
                queue.append(after)
    return found


def components(graph: Mapping[S, Iterable[S]]) -> dict[S, int]:
    """The strongly connected component of each state of a graph (Kosaraju's algorithm).

    Two states have the same number if and only if each can be reached from the other: an infinite run of a finite graph
    stays in one component in the end.
    """
    backward: dict[S, list[S]] = {state: [] for state in graph}
    for state, ahead in graph.items():
        for after in ahead:
            backward[after].append(state)
    component: dict[S, int] = {}
    for number, start in enumerate(reversed(_left_in_order(graph))):
        work = [] if start in component else [start]
        component.setdefault(start, number)
        while work:
            for before in backward[work.pop()]:
                if before not in component:
                    component[before] = number
                    work.append(before)
    return component


def _left_in_order(graph: Mapping[S, Iterable[S]]) -> list[S]:
    """The states in the order in which a depth-first search leaves them."""
    order: list[S] = []
    seen: set[S] = set()
    for start in graph:
        work = [] if start in seen else [(start, iter(graph[start]))]
        seen.add(start)
        while work:
            state, ahead = work[-1]
            after = next((after for after in ahead if after not in seen), None)
            if after is None:
                order.append(state)
                work.pop()
            else:
                seen.add(after)
                work.append((after, iter(graph[after])))
    return order


def cycle(found: Found[S, E], moves: Moves[S, E], *kinds: Callable[[E], bool]) -> tuple[list[E], list[E]] | None:
    """A way to a cycle that holds a move of each kind, and that cycle; none if there is no such cycle.

    Args:
        found: a search that ended without a wrong move.
        moves: the moves that it was made with.
        kinds: each tells whether a move is of its kind.
    """
    component = components({state: [after for _, after in moves(state)] for state in found.came_from})
    edges: dict[int, dict[int, tuple[S, E, S]]] = {}
    for state in found.came_from:
        number = component[state]
        for event, after in moves(state):
            for kind, belongs in enumerate(kinds):
                if component[after] == number and belongs(event):
                    edges.setdefault(number, {}).setdefault(kind, (state, event, after))
        if len(edges.get(number, ())) == len(kinds):
            return _through(list(edges[number].values()), found, moves)
    return None


def _through(edges: list[tuple[S, E, S]], found: Found[S, E], moves: Moves[S, E]) -> tuple[list[E], list[E]]:
    around: list[E] = []
    for (_, event, after), (target, _, _) in zip(edges, edges[1:] + edges[:1], strict=True):
        around += [event, *explore(after, moves).path_to(target)]
    return found.path_to(edges[0][0]), around
