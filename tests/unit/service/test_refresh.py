"""A batch of refreshes, where another writer is quicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.support.refreshing import refreshed

from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, Account, Delivery, Device, EndReason, Policy, Session, User
from keyturn.core.rotation import child_of, ended, opened
from keyturn.errors import KeyturnError, Overloaded, SessionEnded
from keyturn.hashing import Argon2Hasher
from keyturn.service.context import Context, Grant
from keyturn.service.refresh import Presented, grant_of, refresh_many
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import Tokens
from keyturn.stores.keys import new_key
from keyturn.stores.memory import MemoryDatabase, MemorySessions, MemoryTransaction
from keyturn.testing.fakes import FakeClock, SeededEntropy

T = TypeVar("T")
POLICY = Policy()
USER = User("a" * 24, "alice@example.com", 0)


class OvertakenSessions:
    """The sessions as another process changes them between the load and the swap, once."""

    def __init__(self, sessions: MemorySessions, meanwhile: list[Callable[[Session], Session]]) -> None:
        self._sessions = sessions
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> object:
        return getattr(self._sessions, name)

    def swap_many(self, sessions: Sequence[Session]) -> set[str]:
        if self._meanwhile:
            change = self._meanwhile.pop()
            for row in self._sessions.load_many([session.id for session in sessions]).values():
                self._sessions.swap_many([change(row)])
        return self._sessions.swap_many(sessions)


class OvertakenDatabase(MemoryDatabase):
    """A database whose swaps can be lost, as those of several servers are."""

    def __init__(self, *, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.meanwhile: list[Callable[[Session], Session]] = []

    def transact(self, work: Callable[[MemoryTransaction], T]) -> T:
        def overtaken(tx: MemoryTransaction) -> T:
            tx.sessions = OvertakenSessions(tx.sessions, self.meanwhile)  # type: ignore[assignment]
            return work(tx)

        return super().transact(overtaken)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database = OvertakenDatabase(clock=self.clock)
        entropy = SeededEntropy()
        access, refresh = new_key("access", "HS256", 0), new_key("refresh", "HS256", 0)
        issuer = "https://accounts.example.com"
        self.context = Context(
            database=self.database,
            hasher=Argon2Hasher(entropy, memory_kib=8, time_cost=1),
            clock=self.clock,
            entropy=entropy,
            policy=POLICY,
            tokens=Tokens(issuer, issuer, POLICY, KeyRing([access]), KeyRing([refresh])),
            revocations=Revocations(POLICY),
        )
        self.database.transact(lambda tx: tx.users.insert(Account(USER, None)))
        self.session = opened(
            user=USER,
            ids=("1" * 24, "2" * 24, "3" * 24, "4" * 24),
            now=self.clock.now(),
            policy=POLICY,
            delivery=Delivery.BODY,
            remember=True,
            device=Device(),
        )
        self.database.transact(lambda tx: tx.sessions.insert(self.session))

    def presented(self) -> Presented:
        token = child_of(self.session)
        raw = self.context.tokens.mint_refresh(token, self.session)
        return Presented(raw, token, in_body=True, received_at=self.clock.monotonic())

    def refresh(self, *batch: Presented) -> list[Grant | KeyturnError]:
        return refreshed(self.context, batch or [self.presented()])

    def row(self) -> Session:
        return self.database.read(lambda tx: tx.sessions.load_many([self.session.id]))[self.session.id]


def test_whoever_loses_a_swap_is_decided_again_on_what_the_winner_left() -> None:
    world = World()
    world.database.meanwhile.append(lambda row: ended(row, EndReason.REVOKED, world.clock.now()))
    (outcome,) = world.refresh()
    assert isinstance(outcome, SessionEnded)
    assert outcome.reason == "revoked"
    assert world.row().generation == 0


def test_a_lost_swap_hands_out_no_token_that_the_row_does_not_know() -> None:
    world = World()
    world.database.meanwhile.append(
        lambda row: row._replace(idle_expires_at=row.idle_expires_at + 1, version=row.version + 1)
    )
    (outcome,) = world.refresh()
    assert isinstance(outcome, Grant)
    row = world.row()
    assert (row.generation, row.version) == (1, 3)
    assert outcome.refresh_token == world.context.tokens.mint_refresh(child_of(row), row)


def test_two_presentations_in_one_batch_are_decided_in_turn_and_written_once() -> None:
    world = World()
    first, second = world.refresh(world.presented(), world.presented())
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    assert first.refresh_token == second.refresh_token
    assert (world.row().generation, world.row().version) == (1, 2)


def test_a_refresh_that_was_held_too_long_is_not_decided() -> None:
    world = World()
    held = world.presented()
    world.clock.advance(POLICY.message_life / SECOND + 0.000_001)
    late, prompt = world.refresh(held, world.presented())
    assert isinstance(late, Overloaded)
    assert isinstance(prompt, Grant)


def test_a_refresh_that_was_held_as_long_as_its_client_waits_is_decided() -> None:
    world = World()
    held = world.presented()
    world.clock.advance(POLICY.message_life / SECOND)
    assert isinstance(world.refresh(held)[0], Grant)


def test_no_repr_shows_a_token_on_its_way_in_or_out() -> None:
    world = World()
    presented = world.presented()
    (decided,) = refresh_many(world.context, [presented])
    granted = grant_of(world.context, presented, decided)
    printed = f"{presented!r} {presented} {decided!r} {decided} {granted!r} {granted}"
    for secret in (presented.raw, world.session.seed, granted.access_token, granted.refresh_token):
        assert secret not in printed
    assert world.session.id in printed
