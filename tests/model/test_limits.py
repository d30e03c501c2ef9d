"""What holds at every single step: an ended session is dead, and writes are few."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, get_type_hints

import pytest
from tests.model import mutants
from tests.model.proofs import prove, refute
from tests.model.search import explore
from tests.model.server import FRESH, NOW, Server, session_of, token_of
from tests.model.slots import SlotsWorld
from tests.model.tabs import TabsWorld
from tests.model.thief import ThiefWorld
from tests.model.world import Event, Outcome, Times

from keyturn.core.model import EndReason, RefreshToken, Session
from keyturn.core.rotation import TABLE, Decision, Verdict, decide, ended

TIMES = Times.exact(life=2, slack=1, drift=1)
SMALL = Times.exact(life=1, slack=1, drift=0)


def with_a_thief(times: Times = SMALL) -> ThiefWorld:
    """A thief who comes as near as he likes, to an owner whose answers may be lost."""
    return ThiefWorld(SlotsWorld(Server(times), at_once=1), apart=-1, answered=False)


class Case(NamedTuple):
    session: Session
    token: RefreshToken
    clock: int
    outcome: Outcome


@pytest.fixture(scope="module")
def met() -> list[Case]:
    """Every case of the table that a client, a thief or a store that lost writes can bring about."""
    tabs, thief, store = TabsWorld(Server(TIMES)), with_a_thief(), TabsWorld(Server(TIMES))
    explore(tabs.start(), tabs.moves)
    explore(thief.start(), thief.moves)
    explore(store.start(fallback=True), store.moves)
    return [
        Case(session_of(row), token_of(token), clock, outcome)
        for world in (tabs, thief, store)
        for (row, token, clock), outcome in world.server.cases.items()
    ]


# Dead is dead


def test_the_searches_meet_every_rule_of_a_living_session(met: list[Case]) -> None:
    assert {case.outcome.rule for case in met} == {rule.number for rule in TABLE[1:]}


@pytest.mark.parametrize("reason", EndReason)
def test_after_the_end_no_token_yields_anything_whatever_rule_it_would_have_met(
    met: list[Case], reason: EndReason
) -> None:
    dead = Decision(Verdict.ENDED, 1, reason=reason)
    for case in met:
        for later in (0, 1, TIMES.window + 1, 1_000):
            session = ended(case.session, reason, NOW)
            assert decide(session, case.token, NOW + case.clock + later, str(FRESH), TIMES) == dead


def test_without_rule_1_tokens_live_on_after_the_end(met: list[Case]) -> None:
    table = mutants.without(1)
    revived = [
        case
        for case in met
        if decide(
            ended(case.session, EndReason.REVOKED, NOW), case.token, NOW + case.clock, str(FRESH), TIMES, table=table
        ).token
    ]
    assert revived


# Bounded writes


def too_many(times: Times) -> Callable[[Event], bool]:
    """Whether a write comes earlier than the table allows, by the clock of the server that decides."""

    def is_wrong(event: Event) -> bool:
        outcome = event.outcome
        if outcome is None or outcome.after is None:
            return False
        before, after, window = outcome.before, outcome.after, times.window
        root_age = window + 1 if before.root_age is None else before.root_age + event.clock
        child_age = before.child_age + event.clock
        rotated, minted = before.root != after.root, before.child != after.child
        if rotated or minted:
            return root_age <= window if rotated else child_age <= window
        return outcome.written and child_age <= times.slack

    return is_wrong


def test_a_decision_writes_at_most_one_row() -> None:
    assert get_type_hints(Decision)["session"] == Session | None


def test_clients_bring_about_one_rotation_per_window_at_most() -> None:
    world = TabsWorld(Server(TIMES))
    prove("few writes, clients", world.start(), world.moves, too_many(TIMES))


def test_a_thief_does_not_bring_about_more_writes() -> None:
    world = with_a_thief()
    prove("few writes, a thief", world.start(), world.moves, too_many(SMALL))


def test_a_row_is_written_whenever_it_changes_and_only_then(met: list[Case]) -> None:
    assert all(case.outcome.written == (case.outcome.before != case.outcome.after) for case in met)


@pytest.mark.parametrize("number", [3, 4])
def test_without_this_rule_there_are_more_writes(number: int) -> None:
    world = TabsWorld(Server(TIMES, mutants.without(number)))
    refute(f"many writes without rule {number}", world.start(), world.moves, too_many(TIMES))
