"""Whatever is asked of the two stores, in whatever order, they answer the same."""

import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keyturn.core.model import SECOND, Account, Device, EndReason, Session
from keyturn.errors import KeyturnError, Taken
from keyturn.ports import SWAPPED_FIELDS, Database, Transaction
from keyturn.stores.memory import MemoryDatabase
from keyturn.stores.sql import open_database
from keyturn.testing.fakes import FakeClock
from keyturn.testing.store_contract import sample_session, sample_user

USERS = ("u1", "u2", "u3")
SESSIONS = tuple(f"s{n}" for n in range(6))
NAMES = ("kim", "KIM", "\u212aim", "lee", "Straße", "STRASSE", "\u0131", "i")

user_ids = st.sampled_from(USERS)
session_ids = st.sampled_from(SESSIONS)
reasons = st.sampled_from(EndReason)
names = st.sampled_from(NAMES)
offsets = st.integers(-3, 3)
users = st.builds(
    sample_user,
    user_ids,
    email=names.map(lambda name: f"{name}@example.org"),
    username=st.none() | names,
    full_name=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    roles=st.lists(st.sampled_from(("admin", 'a "quoted" one')), max_size=2).map(tuple),
    disabled=st.booleans(),
)
swaps = st.fixed_dictionaries(
    {},
    optional={
        "generation": st.integers(0, 2**53),
        "root_at": st.none() | offsets,
        "previous_id": st.none() | st.text(st.characters(codec="ascii"), max_size=3),
        "child_id": st.sampled_from(("c", "d")),
        "idle_expires_at": offsets.map(lambda n: n * SECOND),
        "ended_at": st.none() | offsets,
        "end_reason": st.none() | reasons,
    },
)


class _GivenUpError(KeyturnError):
    pass


def _template() -> Path:
    """A new database, made once: making one takes longer than most runs of the machine."""
    path = Path(tempfile.mkdtemp()) / "template.db"
    open_database(f"sqlite:///{path}", clock=FakeClock()).close()
    return path


class StoresAgree(RuleBasedStateMachine):
    template: Path

    @initialize()
    def open(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.directory / "keyturn.db")
        self.clock = FakeClock()
        self.sql = open_database(f"sqlite:///{self.directory}/keyturn.db", clock=self.clock)
        self.memory = MemoryDatabase(clock=self.clock)
        self.counter = itertools.count()

    def teardown(self) -> None:
        self.sql.close()
        shutil.rmtree(self.directory)

    def both(self, work: Callable[[Transaction], Any], *, write: bool = True) -> Any:
        def outcome(database: Database) -> Any:
            try:
                return database.transact(work) if write else database.read(work)
            except Taken:  # where both names are taken, either may be named
                return Taken
            except KeyturnError as error:
                return type(error)

        ours, reference = outcome(self.sql), outcome(self.memory)
        assert ours == reference
        return ours

    def moved(self, sessions: dict[str, Session], changes: dict[str, Any], stale: int) -> list[Session]:
        """The sessions' next versions; the times among the changes count from now."""
        times = {
            name: value + self.clock.now()
            for name, value in changes.items()
            if name.endswith("_at") and value is not None
        }
        return [
            session._replace(version=session.version + 1 - stale, **changes | times) for session in sessions.values()
        ]

    @rule(session_id=session_ids, user_id=user_ids, age=offsets, life=offsets, label=names)
    def insert_session(self, session_id: str, user_id: str, age: int, life: int, label: str) -> None:
        now = self.clock.now()
        session = sample_session(
            now, session_id, user_id, created_at=now - age, expires_at=now + life * SECOND, device=Device(label)
        )
        self.both(lambda t: t.sessions.insert(session))

    @rule(ids=st.sets(session_ids), changes=swaps, stale=st.sampled_from((0, 0, 0, 1)))
    def load_and_swap(self, ids: set[str], changes: dict[str, Any], stale: int) -> None:
        assert set(changes) <= set(SWAPPED_FIELDS)
        self.both(lambda t: t.sessions.swap_many(self.moved(t.sessions.load_many(ids), changes, stale)))

    @rule(stale_ids=st.sets(session_ids), ids=st.sets(session_ids), changes=swaps)
    def swap_after_another(self, stale_ids: set[str], ids: set[str], changes: dict[str, Any]) -> None:
        seen = self.both(lambda t: t.sessions.load_many(ids), write=False)
        self.both(lambda t: t.sessions.swap_many(self.moved(t.sessions.load_many(stale_ids), {}, 0)))
        self.both(lambda t: t.sessions.swap_many(self.moved(seen, changes, 0)))

    @rule(user_id=user_ids, reason=reasons, keep=st.none() | session_ids)
    def end_of_user(self, user_id: str, reason: EndReason, keep: str | None) -> None:
        self.both(lambda t: sorted(t.sessions.end_of_user(user_id, reason, keep=keep)))

    @rule(reason=reasons)
    def end_some(self, reason: EndReason) -> None:
        self.both(lambda t: sorted(t.sessions.end_some(reason, 1000)))

    @rule(user_id=user_ids)
    def forget_devices(self, user_id: str) -> None:
        self.both(lambda t: t.sessions.forget_devices(user_id))

    @rule(user_id=user_ids)
    def disown(self, user_id: str) -> None:
        self.both(lambda t: t.sessions.disown(user_id))

    @rule(limit=st.integers(100, 1000))
    def purge(self, limit: int) -> None:
        self.both(lambda t: t.sessions.purge(limit))

    @rule(user=users, password_hash=st.none() | st.just("hash"))
    def insert_user(self, user: Any, password_hash: str | None) -> None:
        if not self.memory.read(lambda t: t.users.load_many([user.id])):  # ids are random: no two are ever the same
            self.both(lambda t: t.users.insert(Account(user, password_hash)))

    @rule(user=users)
    def update_user(self, user: Any) -> None:
        self.both(lambda t: t.users.update(user))

    @rule(user_id=user_ids, password_hash=names)
    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        self.both(lambda t: t.users.set_password_hash(user_id, password_hash))

    @rule(user_id=user_ids)
    def delete_user(self, user_id: str) -> None:
        self.both(lambda t: t.users.delete(user_id))

    @rule(user=users, session_id=session_ids, reason=reasons)
    def give_up_halfway(self, user: Any, session_id: str, reason: EndReason) -> None:
        def work(transaction: Transaction) -> None:
            transaction.users.delete(user.id)
            transaction.users.insert(Account(user, "given up"))
            transaction.sessions.end_of_user(user.id, reason, keep=session_id)
            transaction.sessions.forget_devices(user.id)
            transaction.sessions.purge(1)
            raise _GivenUpError

        self.both(work)

    @rule(seconds=st.integers(-2, 2))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def reopen(self) -> None:
        self.sql.close()
        self.sql = open_database(f"sqlite:///{self.directory}/keyturn.db", clock=self.clock)

    @invariant()
    def they_hold_the_same(self) -> None:
        def everything(transaction: Transaction) -> list[Any]:
            since = [transaction.now + n for n in (-1, 0, 1)]
            return [
                transaction.now,
                transaction.sessions.load_many(SESSIONS),
                [transaction.sessions.live_of_user(user_id) for user_id in USERS],
                [transaction.sessions.devices_of_user(user_id) for user_id in USERS],
                [transaction.sessions.all_of_user(user_id) for user_id in USERS],
                [transaction.sessions.ended_since(moment) for moment in since],
                transaction.sessions.live(1000),
                transaction.users.load_many(USERS),
                transaction.users.page(1000),
                transaction.users.page(1),
                transaction.users.stale_since(0),
                [transaction.users.lock(user_id) for user_id in USERS],
                [transaction.users.find(login) for name in NAMES for login in (name, f"{name}@EXAMPLE.org")],
            ]

        self.both(everything, write=False)


def test_whatever_is_asked_of_them_both_stores_answer_the_same() -> None:
    StoresAgree.template = _template()
    try:
        StoresAgree.TestCase.settings = settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        StoresAgree.TestCase().runTest()
    finally:
        shutil.rmtree(StoresAgree.template.parent)
