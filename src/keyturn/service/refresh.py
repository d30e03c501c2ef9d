"""Refreshing: authentic tokens in, a batch at a time; each gets what the table of the rotation says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keyturn.core.model import Delivery, EndReason, Micros, RefreshToken, Session
from keyturn.core.rotation import Decision, Verdict, decide
from keyturn.errors import ClaimsHookFailed, KeyturnError, Overloaded, RefreshTokenInvalid, SessionEnded
from keyturn.ports import Transaction, fresh_id
from keyturn.service.context import Context, Grant, grant, same_seed
from keyturn.service.events import announce_ends, record


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token as it came in.

    Attributes:
        raw: its bytes.
        token: what it says; its signature was verified.
        in_body: whether it came in a body rather than in a cookie.
        received_at: when the request arrived, on the monotonic clock, in microseconds.
    """

    raw: str = field(repr=False)
    token: RefreshToken
    in_body: bool
    received_at: Micros


@dataclass(frozen=True, slots=True)
class _Decided:
    session: Session
    decision: Decision


def refresh_many(context: Context, batch: Sequence[Presented]) -> list[Grant | KeyturnError]:
    """Decide a batch in one transaction.

    What comes back was durable before. Two presentations of one session are decided one after the other, in the order of
    the batch, and written as one row.

    Returns:
        For each presentation, in order: the grant, or the error for its client.

    Raises:
        StoreUnavailable: nothing was decided for anybody.
    """

    def work(tx: Transaction) -> tuple[Micros, list[_Decided | KeyturnError]]:
        return tx.now, _decide_batch(context, tx, batch)

    now, outcomes = context.database.transact(work)
    return [_answer(context, presented, outcome, now) for presented, outcome in zip(batch, outcomes, strict=True)]


def _decide_batch(context: Context, tx: Transaction, batch: Sequence[Presented]) -> list[_Decided | KeyturnError]:
    outcomes: dict[int, _Decided | KeyturnError] = {}
    pending = dict(enumerate(batch))
    while pending:
        loaded = tx.sessions.load_many({presented.token.session_id for presented in pending.values()})
        rows = dict(loaded)
        # Read after whatever the transaction waited for: that is what makes an old request too old.
        uptime = context.clock.monotonic()
        for index, presented in pending.items():
            outcomes[index] = _decide_one(context, presented, rows, tx.now, uptime)
        changed = [
            replace(row, version=loaded[session_id].version + 1)
            for session_id, row in rows.items()
            if row is not loaded[session_id]
        ]
        won = tx.sessions.swap_many(changed) if changed else set()
        lost = {row.id for row in changed} - won
        pending = {index: presented for index, presented in pending.items() if presented.token.session_id in lost}
    return [outcomes[index] for index in range(len(batch))]


def _decide_one(
    context: Context, presented: Presented, rows: dict[str, Session], now: Micros, uptime: Micros
) -> _Decided | KeyturnError:
    if uptime - presented.received_at > context.policy.refresh_timeout:
        return Overloaded()
    token = presented.token
    row = rows.get(token.session_id)
    if row is None:
        # The tombstone is kept until the session would have expired.
        return SessionEnded("expired")
    if not same_seed(token, row) or presented.in_body != (row.delivery is Delivery.BODY):
        return RefreshTokenInvalid()
    decision = decide(row, token, now, fresh_id(context.entropy), context.policy)
    if decision.session is not None:
        rows[row.id] = decision.session
    return _Decided(rows[row.id], decision)


def _answer(
    context: Context, presented: Presented, outcome: _Decided | KeyturnError, now: Micros
) -> Grant | KeyturnError:
    if isinstance(outcome, KeyturnError):
        return outcome
    session, decision = outcome.session, outcome.decision
    _report(context, session, decision, now)
    if decision.token is None or session.user is None:
        return SessionEnded(decision.reason or "expired")
    # A converged answer gives the presented token back byte for byte, even if the key has changed since.
    kept = presented.raw if decision.token == presented.token else None
    try:
        return grant(context, session, session.user, now, presented=kept, token=decision.token)
    except ClaimsHookFailed as failed:
        # One user's, not the batch's. The rotation stands; the client's retry recovers it like any lost answer.
        return failed


def _report(context: Context, session: Session, decision: Decision, now: Micros) -> None:
    """What an operator wants to know: how each presentation was decided; a theft is a warning."""
    facts: dict[str, Any] = {
        "session": session.id,
        "user": session.user_id,
        "verdict": decision.verdict,
        "rule": decision.rule,
    }
    if decision.verdict is Verdict.REUSED:
        record("authn_token_reuse", level=logging.WARNING, **facts)
        announce_ends(context, now, [session.id], EndReason.REUSE_DETECTED)
    elif decision.verdict is Verdict.ENDED:
        record("session_use_after_end", reason=decision.reason, **facts)
    else:
        record("session_renewed", **facts)
