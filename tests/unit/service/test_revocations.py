"""Which access tokens are worthless though they have not expired."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.core.model import SECOND, AccessClaims, Account, Delivery, Device, EndReason, Policy, User
from keyturn.core.rotation import opened
from keyturn.service.revocations import Revocations
from keyturn.stores.memory import MemoryDatabase
from keyturn.testing.fakes import FakeClock

POLICY = Policy()
USER = User("a" * 24, "alice@example.com", 0)


class World:
    """A database in which another process ends sessions."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database = MemoryDatabase(clock=self.clock)
        self.database.transact(lambda tx: tx.users.insert(Account(USER, None)))
        self.revocations = Revocations(POLICY)
        self.opened = 0

    def end_a_session(self) -> str:
        """Open a session and end it, as somebody else; gives its id."""
        self.opened += 1
        ids = tuple(f"{kind}{self.opened:023}" for kind in "abcd")
        session = opened(
            user=USER,
            ids=(ids[0], ids[1], ids[2], ids[3]),
            now=self.clock.now(),
            policy=POLICY,
            delivery=Delivery.SPLIT,
            remember=True,
            device=Device(),
        )
        self.database.transact(lambda tx: tx.sessions.insert(session))
        self.database.transact(lambda tx: tx.sessions.end_of_user(USER.id, EndReason.REVOKED))
        return session.id

    def follow(self) -> None:
        self.revocations.follow(self.database)

    def change_roles(self) -> None:
        """Say, as somebody else, that what the user's tokens say is no longer so."""
        changed = replace(USER, tokens_valid_from=self.clock.now())
        self.database.transact(lambda tx: tx.users.update(changed))

    def token(self, issued_at: int) -> AccessClaims:
        return AccessClaims(USER.id, "b" * 24, "c" * 24, issued_at, issued_at + 600, issued_at)


@pytest.fixture
def world() -> World:
    return World()


def test_an_end_decided_here_counts_at_once(world: World) -> None:
    world.revocations.add(["a" * 24], world.clock.now())
    assert "a" * 24 in world.revocations


def test_an_end_decided_elsewhere_counts_after_the_next_look(world: World) -> None:
    session = world.end_a_session()
    assert session not in world.revocations
    world.follow()
    assert session in world.revocations


def test_an_end_from_before_the_start_counts_as_long_as_a_token_may_be_about(world: World) -> None:
    old = world.end_a_session()
    world.clock.advance((POLICY.access_lifetime + POLICY.window) / SECOND + 1)
    recent = world.end_a_session()
    world.clock.advance(POLICY.access_lifetime / SECOND)
    world.follow()
    assert old not in world.revocations
    assert recent in world.revocations


def test_an_end_is_forgotten_when_every_token_of_its_session_has_expired(world: World) -> None:
    session = world.end_a_session()
    world.follow()
    world.clock.advance((POLICY.access_lifetime + POLICY.window) / SECOND)
    world.follow()
    assert session in world.revocations
    world.clock.advance(1)
    world.follow()
    assert len(world.revocations) == 0


def test_an_end_is_not_missed_where_clocks_differ(world: World) -> None:
    world.follow()
    world.clock.set(world.clock.now() - POLICY.skew)
    session = world.end_a_session()
    world.clock.set(world.clock.now() + POLICY.skew + SECOND)
    world.follow()
    assert session in world.revocations


def test_an_end_is_not_missed_when_the_clock_was_set_back(world: World) -> None:
    world.follow()
    world.clock.set(world.clock.now() - 3600 * SECOND)
    session = world.end_a_session()
    world.follow()
    assert session in world.revocations


def test_tokens_from_before_a_change_of_roles_are_stale_after_the_next_look(world: World) -> None:
    moment = world.clock.now() // SECOND
    world.change_roles()
    assert not world.revocations.is_stale(world.token(moment))
    world.follow()
    assert world.revocations.is_stale(world.token(moment - 1))
    # In the same second nobody can tell which came first.
    assert world.revocations.is_stale(world.token(moment))
    assert not world.revocations.is_stale(world.token(moment + 1))
    assert not world.revocations.is_stale(replace(world.token(moment), subject="d" * 24))


def test_a_change_of_roles_that_was_decided_here_counts_at_once_and_never_moves_back(world: World) -> None:
    now = world.clock.now()
    world.revocations.add_stale(USER.id, now)
    world.revocations.add_stale(USER.id, now - 60 * SECOND)
    assert world.revocations.is_stale(world.token(now // SECOND))


def test_a_change_of_roles_is_forgotten_when_every_older_token_has_expired(world: World) -> None:
    moment = world.clock.now() // SECOND
    world.change_roles()
    world.clock.advance((POLICY.access_lifetime + POLICY.window) / SECOND)
    world.follow()
    assert world.revocations.is_stale(world.token(moment))
    world.clock.advance(1)
    world.follow()
    assert not world.revocations.is_stale(world.token(moment))
