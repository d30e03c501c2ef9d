"""Servers that are measured in turn, so that a machine that is busy for a while is so for all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.installing import NotInstalled
from benchmarks.load import Client, Run, closed_loop

CONNECTIONS = 64
ROUNDS = 5
SECONDS = 3.0
_WARM_UP = 1.0


@dataclass(frozen=True)
class Running:
    """A server, and the clients that it knows.

    Attributes:
        address: of the server.
        clients: one for each connection.
        check: given how many answers there were, sees that what was promised about them is so.
    """

    address: tuple[str, int]
    clients: Sequence[Client]
    check: Callable[[int], None] = lambda answers: None


@dataclass
class Measured:
    """What came of a contestant.

    Attributes:
        missing: why there is nothing, if so.
        runs: one for each round.
    """

    missing: str = ""
    runs: list[Run] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second: the median of the rounds."""
        return statistics.median(run.rate for run in self.runs)

    @property
    def load_core(self) -> float:
        """What part of its core the load took, at the most."""
        return max(run.load_core for run in self.runs)


R = TypeVar("R", bound=Running)
Starting = Callable[[], AbstractContextManager[R]]


@contextmanager
def started(contestants: Mapping[str, Starting[R]]) -> Iterator[tuple[dict[str, R], dict[str, str]]]:
    """Start them all.

    Yields:
        Those that run, and why the others do not.
    """
    running, missing = {}, {}
    with ExitStack() as stack:
        for name, starting in contestants.items():
            try:
                running[name] = stack.enter_context(starting())
            except NotInstalled as error:
                missing[name] = f"could not be installed: {error}"
        yield running, missing


def compare(
    contestants: Mapping[str, Starting[Running]], *, rounds: int = ROUNDS, seconds: float = SECONDS
) -> dict[str, Measured]:
    """Answers a second of each, in a closed loop over 64 connections, after a short round that does not count.

    Args:
        contestants: how each is started.
        rounds: how many.
        seconds: how long each contestant's part of a round is.
    """
    with started(contestants) as (running, missing):
        measured = take_turns(running, rounds=rounds, seconds=seconds)
    return {name: measured.get(name) or Measured(missing[name]) for name in contestants}


def take_turns(
    running: Mapping[str, Running], *, rounds: int = ROUNDS, seconds: float = SECONDS
) -> dict[str, Measured]:
    """The same of servers that run; at the end, what was promised about their answers is checked."""
    measured = {name: Measured() for name in running}
    answers = dict.fromkeys(running, 0)
    for number in range(rounds + 1):
        for name, server in running.items():
            run = closed_loop(server.address, server.clients, seconds if number else _WARM_UP)
            answers[name] += run.answers
            if number:
                measured[name].runs.append(run)
    for name, server in running.items():
        server.check(answers[name])
    return measured
