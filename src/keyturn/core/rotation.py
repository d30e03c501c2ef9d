"""The rotation of refresh tokens: what happens when one is presented.

Theory of operation
===================

A session is one row. It knows three tokens by their ids:

- the *root*: the newest token that a client has presented. Presenting a token proves that the answer which carried it
  arrived; so everything older than the root has been superseded, and the client knows it;
- the *child*: the token last minted for the root. It may have arrived or not, and nobody can know until it is presented.
  When it is, it becomes the next root;
- the *previous* root.

A refresh never invalidates the token that it was asked with. The token dies when the client shows, by presenting its child,
that it holds something newer. That is why a lost answer signs nobody out: the client presents the root again, whenever it likes,
and gets a child again. And that is why a stolen token ends the session: thief and owner hold the same root, each is given
a child of it, and as soon as one of the two children has become the root, the other belongs to nobody honest.

What remains is to tell two holders from one holder in two places, or in a hurry: tabs that refresh at once, a page
rendered on the server beside the browser, answers that arrive in the wrong order. Those happen within seconds; so within one
window W every presentation of the root, its child or its predecessor *converges*: it is answered with the same child,
and nothing rotates a second time. A refresh token is a pure function of ids in the row and of values that never move, so the
very same bytes are minted again without having been stored.

The bound on W: a client gives up on a refresh L after sending it; `child_at` may be stale by T; two servers' clocks may
differ by S. What is needed is `W >= 2 L + T + S`, and every request decided within `W - L - S` of being sent. Both are exact.
The project's exhaustive search over all interleavings (tests/model) finds no false sign-out there, and one in each
direction that falls short by one tick.

The table below is the protocol. `decide` takes its first rule that applies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from keyturn.core.model import Delivery, Device, EndReason, Micros, Policy, RefreshToken, Session, User


class Verdict(StrEnum):
    """What a presentation came to."""

    ENDED = "ended"
    ROTATED = "rotated"
    CONVERGED = "converged"
    RECOVERED = "recovered"
    CAUGHT_UP = "caught_up"
    REUSED = "reused"


class Presentation(NamedTuple):
    """A token of a session, presented at a moment."""

    session: Session
    token: RefreshToken
    now: Micros
    fresh_id: str
    policy: Policy

    @property
    def is_child(self) -> bool:
        """Any child of the root: the current one or a sibling that was minted before or after it."""
        return self.token.generation == self.session.generation + 1 and self.token.parent_id == self.session.root_id

    @property
    def is_root(self) -> bool:
        return self.token.id == self.session.root_id

    @property
    def is_previous(self) -> bool:
        return self.token.id == self.session.previous_id

    @property
    def is_newer(self) -> bool:
        return self.token.generation > self.session.generation

    @property
    def in_window_of_root(self) -> bool:
        """The root was first presented no longer than W ago."""
        root_at = self.session.root_at
        return root_at is not None and self.now - root_at <= self.policy.window

    @property
    def in_window_of_child(self) -> bool:
        """The child was last handed out no longer than W ago, so it may still be on its way."""
        return self.now - self.session.child_at <= self.policy.window


class Decision(NamedTuple):
    """What is to be done.

    Attributes:
        verdict: what the presentation came to.
        rule: the number of the rule in the table.
        session: the row to be written, its version raised by one; none: the row stays as it is.
        token: what the client gets; none: no token.
        reason: why there is no token; none where there is one.
    """

    verdict: Verdict
    rule: int
    session: Session | None = None
    token: RefreshToken | None = None
    reason: EndReason | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    Attributes:
        number: its place; rules are tried in this order.
        verdict: what it decides.
        when: the condition in words, for the documentation.
        then: what becomes of the row and what the client gets, in words.
        applies: the condition.
        act: the decision, given that the condition holds.
    """

    number: int
    verdict: Verdict
    when: str
    then: str
    applies: Callable[[Presentation], bool]
    act: Callable[[Presentation, Rule], Decision]


def end_of(session: Session, now: Micros) -> EndReason | None:
    """Why a session is over at `now`, or none if it is alive.

    An expiry follows from the times and is not written down, so a wrong clock does no lasting harm.
    """
    if session.ended_at is not None:
        return session.end_reason
    if now >= session.expires_at:
        return EndReason.EXPIRED
    if now >= session.idle_expires_at:
        return EndReason.IDLE
    if session.user is None or session.user.disabled:
        return EndReason.ACCOUNT_DISABLED
    return None


def child_of(session: Session) -> RefreshToken:
    """The token last minted for the session's root."""
    return RefreshToken(session.id, session.seed, session.generation + 1, session.child_id, session.root_id)


def ended(session: Session, reason: EndReason, now: Micros) -> Session:
    """The session's row, ended."""
    return session._replace(ended_at=now, end_reason=reason, version=session.version + 1)


def opened(
    *,
    user: User,
    ids: tuple[str, str, str, str],
    now: Micros,
    policy: Policy,
    delivery: Delivery,
    remember: bool = True,
    device: Device,
) -> Session:
    """The row of a session that begins now.

    The root is an id that no token bears, and the child is the first token, so that the first refresh rotates at once.

    Args:
        user: whose session it is.
        ids: four fresh ids: the session's, its seed, the root's and the first token's.
        now: the time, in microseconds.
        policy: the lifetimes.
        delivery: how its tokens travel.
        remember: whether its cookies outlive the browser.
        device: what the user recognises it by.
    """
    session_id, seed, root_id, child_id = ids
    expires_at = now + policy.session_lifetime
    return Session(
        id=session_id,
        user_id=user.id,
        seed=seed,
        generation=0,
        root_id=root_id,
        root_at=None,
        previous_id=None,
        child_id=child_id,
        child_at=now,
        version=1,
        created_at=now,
        authenticated_at=now,
        expires_at=expires_at,
        idle_expires_at=min(now + policy.idle_lifetime, expires_at),
        delivery=delivery,
        remember=remember,
        device=device,
        user=user,
    )


def _refuse(presented: Presentation, rule: Rule) -> Decision:
    return Decision(rule.verdict, rule.number, reason=end_of(presented.session, presented.now))


def _with_new_child(presented: Presentation, **root: Any) -> Session:
    session, now = presented.session, presented.now
    return session._replace(
        child_id=presented.fresh_id,
        child_at=now,
        idle_expires_at=min(now + presented.policy.idle_lifetime, session.expires_at),
        version=session.version + 1,
        **root,
    )


def _advance(presented: Presentation, rule: Rule) -> Decision:
    """The presented token becomes the root. Its parent was the root, or would have been had no write been lost."""
    token = presented.token
    session = _with_new_child(
        presented,
        generation=token.generation,
        root_id=token.id,
        root_at=presented.now,
        previous_id=token.parent_id,
    )
    return Decision(rule.verdict, rule.number, session, child_of(session))


def _touch(presented: Presentation) -> Session | None:
    """Note that the child is handed out once more; at most once per T, so that a client in a loop cannot load the store."""
    session, now = presented.session, presented.now
    if now - session.child_at <= presented.policy.throttle:
        return None
    return session._replace(child_at=now, version=session.version + 1)


def _give_back(presented: Presentation, rule: Rule) -> Decision:
    return Decision(rule.verdict, rule.number, _touch(presented), presented.token)


def _give_child(presented: Presentation, rule: Rule) -> Decision:
    return Decision(rule.verdict, rule.number, _touch(presented), child_of(presented.session))


def _give_sibling(presented: Presentation, rule: Rule) -> Decision:
    session = _with_new_child(presented)
    return Decision(rule.verdict, rule.number, session, child_of(session))


def _end(presented: Presentation, rule: Rule) -> Decision:
    reason = EndReason.REUSE_DETECTED
    return Decision(rule.verdict, rule.number, ended(presented.session, reason, presented.now), reason=reason)


TABLE: tuple[Rule, ...] = (
    Rule(
        1,
        Verdict.ENDED,
        "the session has ended or expired, or its user is disabled",
        "nothing is written; the client gets the reason",
        lambda p: end_of(p.session, p.now) is not None,
        _refuse,
    ),
    Rule(
        2,
        Verdict.ROTATED,
        "it is a child of the root, and the root is older than W or was never presented",
        "it becomes the root; the client gets a new child",
        lambda p: p.is_child and not p.in_window_of_root,
        _advance,
    ),
    Rule(
        3,
        Verdict.CONVERGED,
        "it is a child of the root, otherwise",
        "the client gets the presented token back",
        lambda p: p.is_child,
        _give_back,
    ),
    Rule(
        4,
        Verdict.CONVERGED,
        "it is the root, and the child was handed out no longer than W ago",
        "the client gets the same child again",
        lambda p: p.is_root and p.in_window_of_child,
        _give_child,
    ),
    Rule(
        5,
        Verdict.RECOVERED,
        "it is the root, later than that: the child was lost",
        "the client gets a new child, a sibling of the lost one",
        lambda p: p.is_root,
        _give_sibling,
    ),
    Rule(
        6,
        Verdict.CONVERGED,
        "it is the previous root, and the root is no older than W",
        "the client gets the current child",
        lambda p: p.is_previous and p.in_window_of_root,
        _give_child,
    ),
    Rule(
        7,
        Verdict.CAUGHT_UP,
        "it is newer than the row, though not a child of its root: the store lost writes",
        "it becomes the root; the client gets a new child",
        lambda p: p.is_newer,
        _advance,
    ),
    Rule(
        8,
        Verdict.REUSED,
        "anything else: somebody else has moved on from here",
        "the session ends; the client gets the reason",
        lambda p: True,
        _end,
    ),
)


def decide(
    session: Session,
    token: RefreshToken,
    now: Micros,
    fresh_id: str,
    policy: Policy,
    *,
    table: Sequence[Rule] = TABLE,
) -> Decision:
    """Decide what a presented refresh token comes to. Pure and total.

    The token is already known to be authentic: its signature, `typ`, `iss` and `aud` are right, and its seed is the row's. An
    expired one is authentic still.

    Args:
        session: the row, with its user.
        token: what was presented.
        now: the store's time, in microseconds.
        fresh_id: an id that nothing bears yet; used if a token is minted.
        policy: the window and the lifetimes.
        table: the rules, in order; another one only to show what the right one is worth.

    Returns:
        The verdict, the next row if it changes, and the token or the reason for the client.
    """
    presented = Presentation(session, token, now, fresh_id, policy)
    rule = next(rule for rule in table if rule.applies(presented))
    return rule.act(presented, rule)
