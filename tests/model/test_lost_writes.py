"""A store that falls back to an earlier state signs out nobody, with the exception that is shown here as well.

At some moment the store keeps a copy of the row, and at some later moment it falls back to it: any two moments, so to any
earlier state. Nothing is ever wrong before the fall.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.model import mutants
from tests.model.proofs import prove, refute
from tests.model.server import Server
from tests.model.slots import SlotsWorld
from tests.model.tabs import TabsWorld
from tests.model.world import Times

TIMES = Times.exact(life=2, slack=1, drift=1)
PROMPT = replace(TIMES, late=TIMES.life)
"""Nothing is decided once its client has given it up."""


def test_nobody_is_signed_out_if_nothing_was_in_flight_when_the_store_fell_back() -> None:
    world = TabsWorld(Server(TIMES), quiet=True)
    found = prove("lost writes, nothing in flight", world.start(fallback=True), world.moves)
    assert found.states == 27_317


@pytest.mark.parametrize("gap", [3, 5])
def test_a_client_with_one_refresh_in_flight_at_a_time_is_not_signed_out(gap: int) -> None:
    world = SlotsWorld(Server(PROMPT, gap=gap), at_once=1, repeated=False)
    found = prove(f"lost writes, one in flight at a time, gap {gap}", world.start(fallback=True), world.moves)
    assert found.states == {3: 10_035, 5: 12_123}[gap]


def test_with_two_in_flight_when_the_store_falls_back_there_is_a_false_sign_out() -> None:
    world = SlotsWorld(Server(PROMPT), at_once=2, repeated=False)
    refute("lost writes, two in flight", world.start(fallback=True), world.moves)


def test_a_request_that_is_decided_after_its_client_gave_it_up_counts_as_a_second_one_in_flight() -> None:
    world = SlotsWorld(Server(replace(PROMPT, late=PROMPT.late + 1)), at_once=1, repeated=False)
    refute("lost writes, decided after it was given up", world.start(fallback=True), world.moves)


def test_a_request_that_is_decided_twice_counts_as_a_second_one_in_flight() -> None:
    world = SlotsWorld(Server(PROMPT), at_once=1, repeated=True)
    refute("lost writes, decided twice", world.start(fallback=True), world.moves)


def test_without_rule_7_lost_writes_sign_a_client_out() -> None:
    world = TabsWorld(Server(TIMES, mutants.without(7)), quiet=True)
    refute("lost writes without rule 7", world.start(fallback=True), world.moves)
