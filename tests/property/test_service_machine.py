"""The real flows on the real store, in any order and at any time, against an oracle that knows only the words of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from tests.property.stage import DAY, POLICY, Stage

from keyturn.core.model import SECOND, Delivery
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
from keyturn.service import account, ending
from keyturn.service.context import Grant, SignInOptions
from keyturn.service.refresh import Presented, refresh_many
from keyturn.service.register import NewUser, register
from keyturn.service.sign_in import sign_in

WINDOW, LIFE, THROTTLE = 30 * SECOND, 10 * SECOND, 5 * SECOND
RULES = Rules(window=WINDOW, throttle=THROTTLE, idle=2 * DAY, absolute=7 * DAY)
AMOUNTS = (0, 1, THROTTLE, THROTTLE + 1, LIFE, WINDOW, WINDOW + 1, 3600 * SECOND, 2 * DAY - 1, 2 * DAY, 7 * DAY)


@dataclass(frozen=True)
class Pick:
    """Which token is presented, and how.

    Attributes:
        session: counted from the newest one.
        kind: which of the session's tokens: `held` is what a client has whose answers may be lost.
        index: which, where there are several.
        lost: the answer never arrives.
        waited: how long the request has lain in the server, in microseconds.
        astray: it comes in a body instead of a cookie, or the other way round.
    """

    session: int
    kind: str
    index: int
    lost: bool
    waited: int
    astray: bool


PICKS = st.builds(
    Pick,
    session=st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3]),
    kind=st.sampled_from(["held", "held", "held", "child", "root", "previous", "sibling", "any"]),
    index=st.integers(0, 30),
    lost=st.booleans(),
    waited=st.sampled_from([0, 0, 0, 0, 0, 0, LIFE, LIFE + 1]),
    astray=st.sampled_from([False] * 15 + [True]),
)
OF_PEOPLE = st.integers(0, 2)
OF_SESSIONS = st.integers(0, 5)
SOMETIMES = st.sampled_from([False, False, True])


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.oracle = Oracle(RULES)
        self.sessions: list[str] = []
        self.owners: dict[str, Person] = {}
        self.held: dict[str, Leaf] = {}
        self.first_seen: dict[str, dict[str, object]] = {}
        self.over: dict[str, str] = {}
        self.rotated: dict[str, tuple[int, int]] = {}
        self.copied: Past | None = None
        self.fallen = False
        self.people = 0

    def teardown(self) -> None:
        self.stage.close()

    # Whom it is about

    @property
    def now(self) -> int:
        return self.stage.clock.now()

    def person(self, index: int) -> Person:
        people = list(self.oracle.past.people.values())
        return people[-1 - index % len(people)]

    def session(self, index: int) -> str:
        return self.sessions[-1 - index % len(self.sessions)]

    def claims(self, session: str) -> tuple[Person, object]:
        owner = self.owners[session]
        return owner, self.stage.claims(owner.id, session)

    def leaf(self, pick: Pick) -> Leaf:
        session = self.session(pick.session)
        every = [leaf for leaf in self.oracle.leaves.values() if leaf.session == session]
        life = self.oracle.past.lives.get(session)
        if life is None or pick.kind == "any":
            return every[pick.index % len(every)]
        siblings = [leaf for leaf in every if leaf.parent == life.child.parent]
        roots = [root for root, _ in life.roots if root is not None]
        known = {"held": self.held[session], "child": life.child, "sibling": siblings[pick.index % len(siblings)]}
        if pick.kind in known:
            return known[pick.kind]
        return (
            (roots[-2:-1] if pick.kind == "previous" else roots[-1:] or every[:1] or roots)[0:1][0]
            if roots[-2:-1] or pick.kind == "root"
            else every[0]
        )

    def refused(self, error: type[KeyturnError], flow: Callable[[], object]) -> None:
        with pytest.raises(error):
            flow()

    # What people do

    def opened(self, grant: Grant, person: Person, delivery: Delivery) -> None:
        session = grant.session.id
        assert session not in self.owners
        self.oracle.opened(session, person.id, grant.refresh_token, self.now, in_body=delivery is Delivery.BODY)
        self.sessions.append(session)
        self.owners[session] = person
        self.held[session] = self.oracle.leaves[grant.refresh_token]
        assert (grant.session.delivery, grant.user.id) == (delivery, person.id)

    def options(self, delivery: Delivery, replaces: Leaf | None) -> SignInOptions:
        return SignInOptions(
            delivery, replaces=self.stage.context.tokens.parse_refresh(replaces.raw) if replaces else None
        )

    @initialize()
    def somebody_begins(self) -> None:
        self.somebody_registers(Delivery.SPLIT)

    @rule(delivery=st.sampled_from(Delivery))
    def somebody_registers(self, delivery: Delivery) -> None:
        if self.people == 3:
            taken = next(iter(self.oracle.past.people.values()), None)
            if taken is not None:
                new = NewUser(taken.email, "a password of somebody else")
                self.refused(EmailTaken, lambda: register(self.stage.context, new, SignInOptions()))
            return
        self.people += 1
        email, password = f"user{self.people}@example.com", f"the password of {self.people}"
        grant = register(self.stage.context, NewUser(email, password), SignInOptions(delivery))
        person = self.oracle.past.people[grant.user.id] = Person(grant.user.id, email, password)
        self.opened(grant, person, delivery)

    @precondition(lambda self: self.oracle.past.people)
    @rule(who=OF_PEOPLE, delivery=st.sampled_from(Delivery), wrongly=SOMETIMES, replaces=st.none() | PICKS)
    def somebody_signs_in(self, who: int, delivery: Delivery, wrongly: bool, replaces: Pick | None) -> None:
        person = self.person(who)
        replaced = self.leaf(replaces) if replaces else None
        password = "wrong" if wrongly else person.password
        options = self.options(delivery, replaced)
        if wrongly or person.disabled:
            self.refused(InvalidCredentials, lambda: sign_in(self.stage.context, person.email, password, options))
            return
        grant = sign_in(self.stage.context, person.email, password, options)
        if replaced is not None:
            self.oracle.ends(replaced.session, "replaced", self.now)
        self.opened(grant, person, delivery)

    @rule(picks=st.lists(PICKS, min_size=1, max_size=5))
    def clients_refresh(self, picks: list[Pick]) -> None:
        self.present([(self.leaf(pick), pick) for pick in picks])

    @rule(pick=PICKS, pauses=st.lists(st.sampled_from([WINDOW + 1, WINDOW + 1, WINDOW, LIFE]), min_size=2, max_size=6))
    def a_client_goes_on_refreshing(self, pick: Pick, pauses: list[int]) -> None:
        for pause in pauses:
            self.present([(self.held[self.session(pick.session)], pick)])
            self.stage.advance(pause)

    def present(self, presented: Sequence[tuple[Leaf, Pick]]) -> None:
        batch = []
        for leaf, pick in presented:
            life = self.oracle.past.lives.get(leaf.session)
            in_body = (life is not None and life.in_body) != pick.astray
            token = self.stage.context.tokens.parse_refresh(leaf.raw)
            batch.append(Presented(leaf.raw, token, in_body, self.stage.clock.monotonic() - pick.waited))
        answers = refresh_many(self.stage.context, batch)
        for (leaf, pick), answer in zip(presented, answers, strict=True):
            self.compare(leaf, pick, answer)

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

    # How sessions end

    @rule(picks=st.lists(PICKS, max_size=2), by_access=st.none() | OF_SESSIONS)
    def somebody_signs_out(self, picks: list[Pick], by_access: int | None) -> None:
        leaves = [self.leaf(pick) for pick in picks]
        tokens = [self.stage.context.tokens.parse_refresh(leaf.raw) for leaf in leaves]
        named = {leaf.session for leaf in leaves}
        claims = None
        if by_access is not None:
            session = self.session(by_access)
            claims = self.claims(session)[1]
            named.add(session)
        ending.sign_out(self.stage.context, tokens, claims)
        for session in named:
            self.oracle.ends(session, "signed_out", self.now)

    @rule(which=OF_SESSIONS, keep_this=st.booleans())
    def somebody_signs_out_everywhere(self, which: int, keep_this: bool) -> None:
        session = self.session(which)
        owner, claims = self.claims(session)
        flow = lambda: ending.sign_out_everywhere(self.stage.context, claims, keep_this=keep_this)  # noqa: E731
        if not self.oracle.alive(session, self.now):
            self.refused(AccessTokenInvalid, flow)
            return
        flow()
        self.oracle.ends_all(owner.id, "signed_out_everywhere", keep=session if keep_this else None)
