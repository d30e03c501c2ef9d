"""Ending sessions: by name, all of a user's, or the one whose token was presented. A session ends once."""

from __future__ import annotations

from collections.abc import Collection

from keyturn.core.model import AccessClaims, EndReason, Micros, RefreshToken, Session
from keyturn.core.rotation import end_of, ended
from keyturn.errors import NotFound, RefreshTokenInvalid, SessionEnded
from keyturn.ports import Transaction
from keyturn.service.context import Context, current_session, same_seed
from keyturn.service.events import announce_ends


def end_sessions(tx: Transaction, ids: Collection[str], reason: EndReason) -> list[str]:
    """End those of the sessions that are alive, whatever happens to them meanwhile.

    Returns:
        The ids of the sessions that this ended.
    """
    done: list[str] = []
    while ids:
        alive = [row for row in tx.sessions.load_many(ids).values() if end_of(row, tx.now) is None]
        won = tx.sessions.swap_many([ended(row, reason, tx.now) for row in alive]) if alive else set()
        done += won
        ids = {row.id for row in alive} - won
    return done


def named_by(tx: Transaction, token: RefreshToken) -> Session | None:
    """The session that an authentic refresh token names; none if it is unknown or its seed is another."""
    session = tx.sessions.load_many([token.session_id]).get(token.session_id)
    return session if session is not None and same_seed(token, session) else None


def session_of(context: Context, token: RefreshToken) -> Session:
    """The live session that an authentic refresh token names: a read, which decides nothing about the token.

    Raises:
        SessionEnded: with the reason.
        RefreshTokenInvalid: its seed is not the session's.
    """

    def work(tx: Transaction) -> tuple[Micros, Session | None]:
        return tx.now, tx.sessions.load_many([token.session_id]).get(token.session_id)

    now, session = context.database.read(work)
    if session is None:
        raise SessionEnded(EndReason.EXPIRED)
    if not same_seed(token, session):
        raise RefreshTokenInvalid
    reason = end_of(session, now)
    if reason is not None:
        raise SessionEnded(reason)
    return session


def end_replaced(tx: Transaction, token: RefreshToken | None) -> list[str]:
    """End the session whose refresh token came with a sign-in."""
    session = named_by(tx, token) if token is not None else None
    return end_sessions(tx, [session.id], EndReason.REPLACED) if session is not None else []


def sign_out(context: Context, tokens: Collection[RefreshToken], claims: Collection[AccessClaims]) -> None:
    """End every session that is authentically named. However old a refresh token is, here it is never reuse.

    Args:
        tokens: authentic refresh tokens.
        claims: of verified access tokens.
    """

    def work(tx: Transaction) -> tuple[Micros, list[str]]:
        named = [named_by(tx, token) for token in tokens]
        ids = {session.id for session in named if session is not None} | {claim.session_id for claim in claims}
        return tx.now, end_sessions(tx, ids, EndReason.SIGNED_OUT)

    announce_ends(context, *context.database.transact(work), EndReason.SIGNED_OUT)


def sign_out_everywhere(context: Context, claims: AccessClaims, *, keep_this: bool) -> None:
    """End every session of the user; this one too unless it is to be kept.

    Raises:
        AccessTokenInvalid: the session is over.
    """

    def work(tx: Transaction) -> tuple[Micros, list[str]]:
        tx.users.lock(claims.subject)
        current, user = current_session(tx, claims)
        keep = current.id if keep_this else None
        return tx.now, tx.sessions.end_of_user(user.id, EndReason.SIGNED_OUT_EVERYWHERE, keep=keep)

    announce_ends(context, *context.database.transact(work), EndReason.SIGNED_OUT_EVERYWHERE)


def list_sessions(context: Context, claims: AccessClaims) -> list[Session]:
    """The user's live sessions, the newest first.

    Raises:
        AccessTokenInvalid: the session is over.
    """

    return context.database.read(lambda tx: tx.sessions.live_of_user(current_session(tx, claims)[1].id))


def end_one(context: Context, claims: AccessClaims, session_id: str) -> None:
    """End one of the user's own sessions; one that is over already stays as it is.

    Raises:
        AccessTokenInvalid: the session that asks is over.
        NotFound: there is no such session, or it is somebody else's.
    """

    def work(tx: Transaction) -> tuple[Micros, list[str]]:
        _, user = current_session(tx, claims)
        session = tx.sessions.load_many([session_id]).get(session_id)
        if session is None or session.user_id != user.id:
            raise NotFound
        return tx.now, end_sessions(tx, [session.id], EndReason.REVOKED)

    announce_ends(context, *context.database.transact(work), EndReason.REVOKED)
