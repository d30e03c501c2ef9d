"""The real flows on the real store, in any order and at any time, against an oracle that knows only the words of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.property.oracle import Leaf, Oracle, Past, Person, Rules
from tests.property.picks import PICKS, Pick, picked
from tests.property.stage import ABSOLUTE, IDLE, LIFE, THROTTLE, WINDOW, PostgresStage, Stage
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.refreshing import refreshed

from keyturn.core.model import SECOND, AccessClaims, Delivery
from keyturn.errors import (
    AccessTokenInvalid,
    CurrentPasswordWrong,
    EmailTaken,
    InvalidCredentials,
    KeyturnError,
    NotFound,
    Overloaded,
    RefreshTokenInvalid,
    SessionEnded,
)
from keyturn.service import account, administration, ending
from keyturn.service.context import Context, Grant, SignInOptions
from keyturn.service.refresh import Presented
from keyturn.service.register import NewUser, register
from keyturn.service.sign_in import sign_in

RULES = Rules(window=WINDOW, throttle=THROTTLE, idle=IDLE, absolute=ABSOLUTE)
AMOUNTS = (0, 1, THROTTLE, THROTTLE + 1, LIFE, WINDOW, WINDOW + 1, 3600 * SECOND)
PEOPLE = st.integers(0, 2)
SESSIONS = st.integers(0, 5)
RARELY = st.sampled_from([False, False, True])


# Sessions must grow old before the next one ends: most of the protocol is about those that live.
after_a_while = precondition(lambda self: self.presentations > 8 * (1 + self.sessions_over))


class Machine(RuleBasedStateMachine):
    """People with sessions, clients with tokens, and an operator; each rule is something that one of them does."""

    make_stage: Callable[[], Stage] = Stage

    def __init__(self) -> None:
        super().__init__()
        self.stage = type(self).make_stage()
        self.oracle = Oracle(RULES)
        self.sessions: list[str] = []
        self.owners: dict[str, Person] = {}
        self.held: dict[str, Leaf] = {}
        self.ever_registered = 0
        self.presentations = 0
        self.copied: Past | None = None
        self.forget_what_was_seen()

    def forget_what_was_seen(self) -> None:
        """The invariants over time begin anew."""
        self.expiries: dict[str, int] = {}
        self.endings: dict[str, str] = {}
        self.rotations: dict[str, tuple[int, int | None]] = {}

    def teardown(self) -> None:
        self.stage.close()

    @property
    def now(self) -> int:
        return self.stage.clock.now()

    @property
    def context(self) -> Context:
        return self.stage.context

    @property
    def sessions_over(self) -> int:
        return sum(not self.oracle.alive(session, self.now) for session in self.sessions)

    def person(self, index: int) -> Person:
        people = list(self.oracle.past.people.values())
        return people[index % len(people)]

    def asking(self, index: int) -> tuple[str, Person, AccessClaims]:
        """A session, those that live and are old first; whose it is, and what its access token says."""
        ranked = sorted(self.sessions, key=lambda session: not self.oracle.alive(session, self.now))
        session = ranked[index % len(ranked)]
        owner = self.owners[session]
        return session, owner, self.stage.claims(owner.id, session)

    def leaf(self, pick: Pick) -> Leaf:
        session, _, _ = self.asking(pick.session)
        return picked(self.oracle, session, self.held[session], pick)

    def runs(self, refusal: type[KeyturnError] | None, flow: Callable[[Context], object]) -> bool:
        """Whether a flow does anything, as it must, or must not for the reason given."""
        if refusal is None:
            flow(self.context)
            return True
        with pytest.raises(refusal):
            flow(self.context)
        return False

    def refusal(self, session: str, *, wrong_password: bool = False) -> type[KeyturnError] | None:
        """What an access token of a session comes to."""
        if not self.oracle.alive(session, self.now):
            return AccessTokenInvalid
        return CurrentPasswordWrong if wrong_password else None

    # Accounts and sessions begin

    def begun(self, grant: Grant, person: Person, delivery: Delivery) -> None:
        session = grant.session.id
        assert session not in self.owners
        assert (grant.session.delivery, grant.user.id) == (delivery, person.id)
        self.oracle.opened(session, person.id, grant.refresh_token, self.now, in_body=delivery is Delivery.BODY)
        self.sessions.append(session)
        self.owners[session] = person
        self.held[session] = self.oracle.leaves[grant.refresh_token]

    @initialize(delivery=st.sampled_from(Delivery))
    def somebody_comes(self, delivery: Delivery) -> None:
        self.ever_registered += 1
        name = f"user{self.ever_registered}"
        new = NewUser(f"{name}@example.com", f"{name}'s password")
        grant = register(self.context, new, SignInOptions(delivery))
        person = self.oracle.past.people[grant.user.id] = Person(grant.user.id, new.email, new.password)
        self.begun(grant, person, delivery)

    @precondition(lambda self: self.ever_registered < 3)
    @rule(delivery=st.sampled_from(Delivery))
    def somebody_registers(self, delivery: Delivery) -> None:
        self.somebody_comes(delivery)

    @precondition(lambda self: self.oracle.past.people)
    @rule(who=PEOPLE)
    def somebody_takes_an_address_that_is_taken(self, who: int) -> None:
        new = NewUser(self.person(who).email.upper(), "another password")
        self.runs(EmailTaken, lambda context: register(context, new, SignInOptions()))

    @precondition(lambda self: self.oracle.past.people)
    @rule(
        who=PEOPLE,
        delivery=st.sampled_from(Delivery),
        wrongly=RARELY,
        replaces=st.none() | st.none() | st.none() | PICKS,
    )
    def somebody_signs_in(self, who: int, delivery: Delivery, wrongly: bool, replaces: Pick | None) -> None:
        person = self.person(who)
        replaced = self.leaf(replaces) if replaces is not None else None
        token = self.context.tokens.parse_refresh(replaced.raw) if replaced is not None else None
        options = SignInOptions(delivery, replaces=token)
        if wrongly or person.disabled:
            password = "wrong" if wrongly else person.password
            self.runs(InvalidCredentials, lambda context: sign_in(context, person.email, password, options))
            return
        grant = sign_in(self.context, person.email, person.password, options)
        if replaced is not None:
            self.oracle.ends(replaced.session, "replaced", self.now)
        self.begun(grant, person, delivery)

    # Clients refresh

    @rule(picks=st.lists(PICKS, min_size=1, max_size=5))
    def clients_refresh(self, picks: list[Pick]) -> None:
        self.present([(self.leaf(pick), pick) for pick in picks])

    @rule(pick=PICKS, pauses=st.lists(st.sampled_from([WINDOW + 1, WINDOW, LIFE]), min_size=2, max_size=6))
    def a_client_goes_on_refreshing(self, pick: Pick, pauses: list[int]) -> None:
        for pause in pauses:
            session, _, _ = self.asking(pick.session)
            self.present([(self.held[session], pick)])
            self.stage.advance(pause)

    @rule(pick=PICKS, pause=st.sampled_from([0, LIFE, WINDOW, WINDOW + 1]))
    def another_tab_is_a_token_behind(self, pick: Pick, pause: int) -> None:
        session, _, _ = self.asking(pick.session)
        newest = self.held[session]
        self.present([(newest, pick)])
        self.stage.advance(pause)
        self.present([(newest.parent or newest, pick)])

    def present(self, presented: Sequence[tuple[Leaf, Pick]]) -> None:
        self.presentations += len(presented)
        batch = []
        for leaf, pick in presented:
            life = self.oracle.past.lives.get(leaf.session)
            in_body = (life is not None and life.in_body) != pick.astray
            token = self.context.tokens.parse_refresh(leaf.raw)
            batch.append(Presented(leaf.raw, token, in_body, self.stage.clock.monotonic() - pick.waited))
        answers = refreshed(self.context, batch)
        for (leaf, pick), answer in zip(presented, answers, strict=True):
            self.compare(leaf, pick, answer)
        self.check_everything()

    def compare(self, leaf: Leaf, pick: Pick, answer: Grant | KeyturnError) -> None:
        """What a client was told, beside what it had to be told."""
        if pick.waited > LIFE:
            assert isinstance(answer, Overloaded)
            return
        if pick.astray and leaf.session in self.oracle.past.lives:
            assert isinstance(answer, RefreshTokenInvalid)
            return
        told = self.oracle.presents(leaf, self.now)
        if told.reason is not None:
            assert isinstance(answer, SessionEnded)
            assert answer.reason == told.reason
            return
        assert isinstance(answer, Grant)
        if told.fresh:
            assert answer.refresh_token not in self.oracle.leaves
            assert told.parent is not None
            self.oracle.minted(told.parent, answer.refresh_token, self.now)
        else:
            assert answer.refresh_token == told.same
        if not pick.lost:
            self.held[leaf.session] = self.oracle.leaves[answer.refresh_token]

    # Sessions end

    @after_a_while
    @rule(picks=st.lists(PICKS, max_size=2), by_access=st.none() | SESSIONS)
    def somebody_signs_out(self, picks: list[Pick], by_access: int | None) -> None:
        leaves = [self.leaf(pick) for pick in picks]
        session, _, claims = self.asking(by_access or 0)
        named = {leaf.session for leaf in leaves} | ({session} if by_access is not None else set())
        tokens = [self.context.tokens.parse_refresh(leaf.raw) for leaf in leaves]
        ending.sign_out(self.context, tokens, [claims] if by_access is not None else [])
        for one in named:
            self.oracle.ends(one, "signed_out", self.now)

    @after_a_while
    @rule(which=SESSIONS, keep_this=st.booleans())
    def somebody_signs_out_everywhere(self, which: int, keep_this: bool) -> None:
        session, owner, claims = self.asking(which)
        if self.runs(
            self.refusal(session), lambda context: ending.sign_out_everywhere(context, claims, keep_this=keep_this)
        ):
            self.oracle.ends_all(owner.id, "signed_out_everywhere", keep=session if keep_this else None)

    @after_a_while
    @rule(which=SESSIONS, named_one=SESSIONS)
    def somebody_ends_a_session_by_name(self, which: int, named_one: int) -> None:
        session, owner, claims = self.asking(which)
        named, its_owner, _ = self.asking(named_one)
        is_theirs = named in self.oracle.past.lives and its_owner.id == owner.id
        refusal = self.refusal(session) or (None if is_theirs else NotFound)
        if self.runs(refusal, lambda context: ending.end_one(context, claims, named)):
            self.oracle.ends(named, "revoked", self.now)

    @after_a_while
    @rule(which=SESSIONS, wrongly=RARELY)
    def somebody_changes_the_password(self, which: int, wrongly: bool) -> None:
        session, owner, claims = self.asking(which)
        refusal = self.refusal(session, wrong_password=wrongly)
        person = self.oracle.past.people.get(owner.id, owner)
        new = f"{person.password[:30]}, changed {len(self.sessions)}"
        current = "wrong" if wrongly else person.password
        change = lambda context: account.change_password(context, claims, current, new, SignInOptions())  # noqa: E731
        if refusal is not None:
            self.runs(refusal, change)
            return
        delivery = Delivery(self.stage.rows()[session]["delivery"])
        grant = change(self.context)
        person.password = new
        self.oracle.ends_all(person.id, "password_changed")
        self.begun(grant, person, delivery)

    @after_a_while
    @precondition(lambda self: self.oracle.past.people)
    @rule(which=SESSIONS, other=PEOPLE, wrongly=RARELY, taken=RARELY)
    def somebody_changes_the_address(self, which: int, other: int, wrongly: bool, taken: bool) -> None:
        session, owner, claims = self.asking(which)
        refusal = self.refusal(session, wrong_password=wrongly)
        person = self.oracle.past.people.get(owner.id, owner)
        wanted = self.person(other)
        if taken and wanted.id != person.id:
            refusal = refusal or EmailTaken
        email = wanted.email.upper() if taken else f"{owner.id}.{len(self.sessions)}@example.com"
        current = "wrong" if wrongly else person.password
        if self.runs(refusal, lambda context: account.change_email(context, claims, current, email)):
            person.email = email

    @after_a_while
    @rule(which=SESSIONS, wrongly=RARELY)
    def somebody_closes_the_account(self, which: int, wrongly: bool) -> None:
        session, owner, claims = self.asking(which)
        person = self.oracle.past.people.get(owner.id, owner)
        current = "wrong" if wrongly else person.password
        if self.runs(
            self.refusal(session, wrong_password=wrongly),
            lambda context: account.delete_account(context, claims, current),
        ):
            self.oracle.ends_all(owner.id, "account_deleted")
            del self.oracle.past.people[owner.id]

    @after_a_while
    @rule(which=SESSIONS, disabled=st.booleans())
    def an_operator_disables_or_enables_somebody(self, which: int, disabled: bool) -> None:
        _, owner, _ = self.asking(which)
        person = self.oracle.past.people.get(owner.id)
        if self.runs(
            None if person else NotFound,
            lambda context: administration.set_disabled(context, owner.id, disabled=disabled),
        ):
            assert person is not None
            person.disabled = disabled
            if disabled:
                self.oracle.ends_all(owner.id, "account_disabled")

    # Time passes, and the store is looked after

    @rule(amount=st.sampled_from(AMOUNTS))
    def time_passes(self, amount: int) -> None:
        self.stage.advance(amount)

    @after_a_while
    @rule(amount=st.sampled_from([IDLE - 1, IDLE, ABSOLUTE]))
    def much_time_passes(self, amount: int) -> None:
        self.stage.advance(amount)

    @rule(which=SESSIONS, edge=st.sampled_from(["window", "child"]), by=st.sampled_from([-1, 0, 1]))
    def time_passes_to_the_edge_of_a_window(self, which: int, edge: str, by: int) -> None:
        self.time_passes_to_an_edge(which, edge, by)

    @after_a_while
    @rule(which=SESSIONS, edge=st.sampled_from(["idle", "absolute"]), by=st.sampled_from([-1, 0, 1]))
    def time_passes_to_the_end_of_a_life(self, which: int, edge: str, by: int) -> None:
        self.time_passes_to_an_edge(which, edge, by)

    def time_passes_to_an_edge(self, which: int, edge: str, by: int) -> None:
        session, _, _ = self.asking(which)
        life = self.oracle.past.lives.get(session)
        if life is None:
            return
        root_at = life.roots[-1][1] or life.began
        at = {
            "window": root_at + WINDOW,
            "child": life.child_at + WINDOW,
            "idle": life.idle_until,
            "absolute": life.expires,
        }[edge]
        self.stage.advance(max(0, at + by - self.now))

    @after_a_while
    @after_a_while
    @rule(pick=PICKS)
    def a_client_comes_back_at_the_last_moment(self, pick: Pick) -> None:
        session, _, _ = self.asking(pick.session)
        self.time_passes_to_an_edge(pick.session, "idle", -1)
        self.present([(self.held[session], pick)])

    @rule()
    def expired_sessions_are_purged(self) -> None:
        purged = self.context.database.transact(lambda tx: tx.sessions.purge(1000))
        assert purged == self.oracle.purged(self.now)

    @rule()
    def the_server_restarts(self) -> None:
        self.stage.reopen()

    @precondition(lambda self: self.copied is None)
    @rule()
    def the_store_is_copied(self) -> None:
        self.stage.copy()
        self.copied = self.oracle.remember()

    @precondition(lambda self: self.copied is not None and not self.oracle.fell_back)
    @rule()
    def the_store_falls_back_to_the_copy(self) -> None:
        assert self.copied is not None
        self.stage.fall_back()
        self.oracle.fall_back(self.copied)
        self.owners = {
            session: self.oracle.past.people.get(person.id, person) for session, person in self.owners.items()
        }
        self.forget_what_was_seen()

    @precondition(lambda self: not self.oracle.fell_back)
    @rule(pick=PICKS, pauses=st.lists(st.sampled_from([WINDOW + 1, WINDOW, LIFE]), min_size=2, max_size=4))
    def the_store_loses_what_a_client_was_answered(self, pick: Pick, pauses: list[int]) -> None:
        session, _, _ = self.asking(pick.session)
        self.the_store_is_copied()
        self.a_client_goes_on_refreshing(pick, pauses)
        self.the_store_falls_back_to_the_copy()
        self.present([(self.held[session], pick)])

    # What holds at all times

    @invariant()
    def check_everything(self) -> None:
        rows = self.stage.rows()
        lives = self.oracle.past.lives
        assert rows.keys() == lives.keys(), "one row a session, however often it was refreshed"
        for session, row in rows.items():
            life = lives[session]
            root, root_at = life.roots[-1]
            assert row["generation"] == (root.depth if root is not None else 0)
            assert row["root_at"] == root_at
            assert (row["child_at"], row["idle_expires_at"]) == (life.child_at, life.idle_until)
            assert row["end_reason"] == life.ended
            assert row["expires_at"] == self.expiries.setdefault(session, life.expires)
            self.check_rotation(session, row["generation"])
            self.check_end(session)

    def check_rotation(self, session: str, generation: int) -> None:
        """Without lost writes a session rotates once a window, and by one."""
        before, at = self.rotations.get(session, (0, None))
        if generation == before or self.oracle.fell_back:
            return
        assert generation == before + 1
        assert at is None or self.now - at > WINDOW
        self.rotations[session] = generation, self.now

    def check_end(self, session: str) -> None:
        """What was ended stays ended, for the reason it was ended for; access tokens of it are refused from then on."""
        reason = self.oracle.past.lives[session].ended
        if reason is None:
            assert session not in self.endings
            return
        if session not in self.endings:
            self.endings[session] = reason
            assert session in self.context.revocations or self.oracle.fell_back
        assert self.endings[session] == reason

    @invariant()
    def whoever_asks_is_known_if_the_session_lives(self) -> None:
        """One session at a time, each in its turn."""
        session = self.sessions[self.presentations % len(self.sessions)]
        owner = self.owners[session]
        claims = self.stage.claims(owner.id, session)
        if self.runs(self.refusal(session), lambda context: account.who_am_i(context, claims)):
            listed = {row.id for row in ending.list_sessions(self.context, claims)}
            alive = {one for one in self.sessions if self.oracle.alive(one, self.now)}
            assert listed == {one for one in alive if self.owners[one].id == owner.id}


QUICK = settings(
    max_examples=80,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


LEVELS = ["read committed", "serializable"]


def test_every_client_is_told_what_the_protocol_says() -> None:
    run_state_machine_as_test(Machine, settings=QUICK)


def _over(cluster: Cluster, level: str) -> type[Machine]:
    return type("PostgresMachine", (Machine,), {"make_stage": partial(PostgresStage, cluster, level)})


@needs("postgres")
@pytest.mark.parametrize("level", LEVELS)
def test_every_client_is_told_what_the_protocol_says_over_postgresql(postgres: Cluster, level: str) -> None:
    run_state_machine_as_test(_over(postgres, level), settings=settings(QUICK, max_examples=4))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@needs("postgres")
@pytest.mark.parametrize("level", LEVELS)
def test_every_client_is_told_what_the_protocol_says_in_long_histories_over_postgresql(
    postgres: Cluster, level: str
) -> None:
    deep = settings(QUICK, max_examples=100, stateful_step_count=100, derandomize=False)
    run_state_machine_as_test(_over(postgres, level), settings=deep)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_client_is_told_what_the_protocol_says_in_long_histories() -> None:
    deep = settings(QUICK, max_examples=300, stateful_step_count=100, derandomize=False)
    run_state_machine_as_test(Machine, settings=deep)
