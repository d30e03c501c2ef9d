"""Refreshing: authentic tokens in, a batch at a time; each gets what the table of the rotation says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from keyturn.core.model import Delivery, EndReason, Micros, Policy, RefreshToken, Session, shown
from keyturn.core.rotation import Decision, Verdict, decide
from keyturn.errors import KeyturnError, Overloaded, RefreshTokenInvalid, SessionEnded
from keyturn.ports import Transaction, fresh_ids
from keyturn.service.context import Context, Grant, grant, same_seed
from keyturn.service.events import announce_ends, record
from keyturn.service.mail import tell_of_reuse


class Presented(NamedTuple):
    """A refresh token as it came in.

    Attributes:
        raw: its bytes.
        token: what it says; its signature was verified.
        in_body: whether it came in a body rather than in a cookie.
        received_at: when the request arrived, on the monotonic clock, in microseconds.
    """

    raw: str
    token: RefreshToken
    in_body: bool
    received_at: Micros

    def __repr__(self) -> str:
        return shown(self, hidden={"raw"})


class Decided(NamedTuple):
    """What a presentation came to, durable by now.

    Attributes:
        now: the store's time of the decision, in microseconds.
        access_id: of the access token that may be minted for it.
    """

    session: Session
    decision: Decision
    now: Micros
    access_id: str


Outcome = Decided | KeyturnError


def refresh_many(context: Context, batch: Sequence[Presented]) -> list[Outcome]:
    """Decide a batch in one transaction.

    What comes back was durable before. Two presentations of one session are decided one after the other, in the order of
    the batch, and written as one row. Nothing of a single request is done here that could take long or fail: `grant_of` mints.

    Returns:
        For each presentation, in order: what it came to, or the error for its client.

    Raises:
        StoreUnavailable: nothing was decided for anybody.
    """
    outcomes = context.database.transact(lambda tx: _decide_batch(context, tx, batch))
    context.metrics.refreshed([outcome.decision.verdict for outcome in outcomes if isinstance(outcome, Decided)])
    for outcome in outcomes:
        if isinstance(outcome, Decided):
            _report(context, outcome)
    return outcomes


def grant_of(context: Context, presented: Presented, outcome: Outcome) -> Grant:
    """What the client of a presentation gets.

    Raises:
        KeyturnError: it gets nothing. After `ClaimsHookFailed` the rotation stands, and the client's retry recovers it like any
            lost answer.
    """
    if isinstance(outcome, KeyturnError):
        raise outcome
    session, token = outcome.session, outcome.decision.token
    if token is None or session.user is None:
        raise SessionEnded(outcome.decision.reason or "expired")
    return grant(
        context,
        session,
        session.user,
        outcome.now,
        access_id=outcome.access_id,
        token=token,
        # A converged answer gives the presented token back byte for byte, even if the key has changed since.
        presented=presented.raw if token == presented.token else None,
    )


def _decide_batch(context: Context, tx: Transaction, batch: Sequence[Presented]) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    pending = dict(enumerate(batch))
    while pending:
        loaded = tx.sessions.load_many({presented.token.session_id for presented in pending.values()})
        rows = dict(loaded)
        ids = iter(fresh_ids(context.entropy, 2 * len(pending)))
        # Read after whatever the transaction waited for: that is what makes an old request too old.
        uptime = context.clock.monotonic()
        for index, presented in pending.items():
            if uptime - presented.received_at > context.policy.refresh_timeout:
                outcomes[index] = Overloaded()
            else:
                outcomes[index] = _decide_one(context.policy, presented, rows, tx.now, (next(ids), next(ids)))
        changed = [_after(loaded[session_id], row) for session_id, row in rows.items() if row is not loaded[session_id]]
        won = tx.sessions.swap_many(changed) if changed else set()
        tell_of_reuse(context, tx, [row for row in changed if row.ended_at is not None and row.id in won])
        lost = {row.id for row in changed} - won
        pending = {index: presented for index, presented in pending.items() if presented.token.session_id in lost}
    return [outcomes[index] for index in range(len(batch))]


def _after(loaded: Session, row: Session) -> Session:
    """The row as one write, however many decisions led to it."""
    version = loaded.version + 1
    return row if row.version == version else row._replace(version=version)


def _decide_one(
    policy: Policy, presented: Presented, rows: dict[str, Session], now: Micros, ids: tuple[str, str]
) -> Outcome:
    token = presented.token
    row = rows.get(token.session_id)
    if row is None:
        # The tombstone is kept until the session would have expired.
        return SessionEnded("expired")
    if not same_seed(token, row) or presented.in_body != (row.delivery is Delivery.BODY):
        return RefreshTokenInvalid()
    token_id, access_id = ids
    decision = decide(row, token, now, token_id, policy)
    if decision.session is not None:
        rows[row.id] = decision.session
    return Decided(rows[row.id], decision, now, access_id)


def _report(context: Context, outcome: Decided) -> None:
    """What an operator wants to know: how each presentation was decided; a theft is a warning."""
    session, decision = outcome.session, outcome.decision
    facts: dict[str, Any] = {
        "session": session.id,
        "user": session.user_id,
        "verdict": decision.verdict,
        "rule": decision.rule,
    }
    if decision.verdict is Verdict.REUSED:
        record("authn_token_reuse", level=logging.WARNING, **facts)
        announce_ends(context, outcome.now, [session.id], EndReason.REUSE_DETECTED)
    elif decision.verdict is Verdict.ENDED:
        record("session_use_after_end", reason=decision.reason, **facts)
    else:
        record("session_renewed", **facts)
