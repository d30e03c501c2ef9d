"""The playground's world: throw-away sessions with a clock that anybody may push, apart from everything real.

Each visit has a database in memory, a clock and one session of its own; the keys are drawn when the server starts. What is
decided there is decided by the flows and the table that run for real sessions.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from keyturn.core.keyring import KeyRing, SigningKey
from keyturn.core.keys import ES256, HS256
from keyturn.core.model import SECOND, Account, Delivery, Micros, Policy, RefreshToken, Session, User
from keyturn.core.rotation import TABLE, end_of
from keyturn.errors import AccessTokenInvalid, KeyturnError, NotFound
from keyturn.ports import Clock, Entropy, PasswordHasher, Transaction, fresh_id
from keyturn.service.context import Context, Grant, SignInOptions, grant, open_session
from keyturn.service.refresh import Presented, grant_of, refresh_many
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import Tokens
from keyturn.stores.memory import MemoryDatabase
from keyturn.system import generate_key
from keyturn.verifier import Verifier

MAX_VISITS = 100
"""How many visits are kept; another one takes the place of the one that nothing has happened in for the longest time."""

MAX_STEP_SECONDS = 365 * 86_400
MAX_AHEAD: Micros = 10 * MAX_STEP_SECONDS * SECOND
"""How far a visit's clock may be pushed at once, and at all."""

POLICY = Policy(window=10 * SECOND, access_lifetime=30 * SECOND)
"""Nobody wants to wait. The lifetimes of the session are the real ones: the clock gets there."""

_USER = "somebody@playground.example"


class PushedClock:
    """A clock that runs like another one, and can be pushed ahead of it.

    Args:
        clock: the other one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: Micros = 0

    def now(self) -> Micros:
        return self._clock.now() + self._ahead

    def monotonic(self) -> Micros:
        return self._clock.monotonic()

    def push(self, seconds: int) -> None:
        """Let time pass, up to `MAX_AHEAD` in all."""
        self._ahead = min(self._ahead + seconds * SECOND, MAX_AHEAD)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor's world.

    Attributes:
        session_id: of its only session.
        first_row: that session as it was at sign-in.
    """

    id: str
    clock: PushedClock
    context: Context
    verifier: Verifier
    session_id: str
    first_row: Session

    def row(self) -> Session:
        """The session as it is now."""
        return self.context.database.read(lambda tx: tx.sessions.load_many([self.session_id])[self.session_id])

    def end(self) -> str | None:
        """Why the session is over; none: it is not."""
        return end_of(self.row(), self.clock.now())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a refresh token that was presented.

    Attributes:
        rule: the number of the table's rule that applied.
        when: what that rule asks for, in the table's words.
        then: what it does, likewise.
        presented: the token.
        given: the token in the answer; none: the answer was a refusal.
        reason: of the refusal.
        grant: the answer, unless it was lost on the way.
    """

    verdict: str
    rule: int
    when: str
    then: str
    presented: RefreshToken
    given: RefreshToken | None
    reason: str | None
    grant: Grant | None = field(default=None, repr=False)


class Playground:
    """Every visit that is going on. Its visits are opened and found by the event loop alone; the rest may run in a thread.

    Args:
        issuer: who mints the tokens: a name that no real verifier takes.
        clock: what the visits' clocks begin with.
        entropy: for ids.
        hasher: of nothing; no password opens these accounts.
    """

    def __init__(self, issuer: str, clock: Clock, entropy: Entropy, hasher: PasswordHasher) -> None:
        self._clock, self._entropy, self._hasher = clock, entropy, hasher
        self._tokens = Tokens(issuer, issuer, POLICY, _ring(ES256, "access"), _ring(HS256, "refresh"))
        self._visits: OrderedDict[str, Visit] = OrderedDict()

    def __len__(self) -> int:
        return len(self._visits)

    def open(self) -> tuple[Visit, Grant]:
        """A new visit, and the tokens of the session that it begins with."""
        clock = PushedClock(self._clock)
        context = Context(
            database=MemoryDatabase(clock=clock),
            hasher=self._hasher,
            clock=clock,
            entropy=self._entropy,
            policy=POLICY,
            tokens=self._tokens,
            revocations=Revocations(POLICY),
            registration_open=False,
        )
        signed_in = context.database.transact(lambda tx: _sign_in(context, tx))
        visit = Visit(
            fresh_id(self._entropy), clock, context, _verifier(context), signed_in.session.id, signed_in.session
        )
        self._visits[visit.id] = visit
        if len(self._visits) > MAX_VISITS:
            self._visits.popitem(last=False)
        return visit, signed_in

    def find(self, visit_id: str) -> Visit:
        """A visit that is going on.

        Raises:
            NotFound: it never was, or others have taken its place.
        """
        visit = self._visits.get(visit_id)
        if visit is None:
            raise NotFound
        self._visits.move_to_end(visit_id)
        return visit


def present(visit: Visit, raw: str, received_at: Micros, *, lose_answer: bool = False) -> Verdict:
    """Present a refresh token, as `POST /refresh-token` does it.

    Args:
        visit: where.
        raw: the token.
        received_at: when the request came, on the monotonic clock, in microseconds.
        lose_answer: whether the answer gets lost once everything is decided.

    Raises:
        RefreshTokenInvalid: it is no token of this visit.
        Overloaded: the request waited for too long to be decided.
    """
    context = visit.context
    presented = Presented(raw, context.tokens.parse_refresh(raw), in_body=True, received_at=received_at)
    (outcome,) = refresh_many(context, [presented])
    if isinstance(outcome, KeyturnError):
        raise outcome
    decision = outcome.decision
    rule = TABLE[decision.rule - 1]
    return Verdict(
        verdict=decision.verdict,
        rule=rule.number,
        when=rule.when,
        then=rule.then,
        presented=presented.token,
        given=decision.token,
        reason=decision.reason,
        grant=grant_of(context, presented, outcome) if decision.token is not None and not lose_answer else None,
    )


def lose_writes(visit: Visit) -> None:
    """Let the database fall back to the sign-in, as one does that was restored from a copy. An end stays."""

    def work(tx: Transaction) -> None:
        row = tx.sessions.load_many([visit.session_id])[visit.session_id]
        if end_of(row, tx.now) is None:
            tx.sessions.swap_many([visit.first_row._replace(version=row.version + 1)])

    visit.context.database.transact(work)


def is_accepted(visit: Visit, access_token: str) -> bool:
    """Whether a resource server would take an access token now."""
    try:
        visit.verifier.verify(access_token)
    except AccessTokenInvalid:
        return False
    return True


def _sign_in(context: Context, tx: Transaction) -> Grant:
    user = tx.users.insert(Account(User(fresh_id(context.entropy), _USER, tx.now), None))
    session = open_session(context, tx, user, SignInOptions(delivery=Delivery.BODY))
    return grant(context, session, user, tx.now)


def _verifier(context: Context) -> Verifier:
    tokens = context.tokens
    return Verifier(
        issuer=tokens.issuer,
        keys=tokens.access_keys.verifying.values(),
        leeway=0,
        cache_size=4,
        clock=context.clock,
        revoked=context.revocations,
    )


def _ring(algorithm: str, purpose: str) -> KeyRing:
    return KeyRing([SigningKey(f"playground-{purpose}", algorithm, generate_key(algorithm))])
