"""What an administrator does to other people's accounts and sessions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from keyturn.core.model import Account, EndReason, Micros, Session, User
from keyturn.errors import NotFound
from keyturn.ports import Transaction
from keyturn.service.account import close_account
from keyturn.service.attempts import forget_attempts, names_of
from keyturn.service.context import Context, check_password
from keyturn.service.ending import end_sessions
from keyturn.service.events import announce_ends, record
from keyturn.service.register import check_roles

PAGE = 500
"""How many users or sessions are read, or sessions ended, in one transaction: others take their turn in between."""


def find_account(context: Context, name: str) -> Account:
    """The account with this id, e-mail address or username.

    Raises:
        NotFound
    """

    def work(tx: Transaction) -> Account | None:
        # A username may look like an id; an id is what a script means.
        known = tx.users.load_many([name]).get(name)
        return tx.users.find(known.email if known is not None else name)

    account = context.database.read(work)
    if account is None:
        raise NotFound("There is no user with this id, e-mail address or username.")
    return account


def list_users(context: Context) -> Iterator[User]:
    """All users in the order in which they were made."""
    last: User | None = None
    while page := _page_after(context, last):
        yield from page
        last = page[-1]


def _page_after(context: Context, last: User | None) -> list[User]:
    return context.database.read(lambda tx: tx.users.page(PAGE, last))


def sessions_of(context: Context, user_id: str) -> list[Session]:
    """The user's live sessions, the newest first."""
    return context.database.read(lambda tx: tx.sessions.live_of_user(user_id))


def newest_sessions(context: Context, limit: int) -> list[Session]:
    """At most `limit` live sessions of whomever, the newest first."""
    return context.database.read(lambda tx: tx.sessions.live(limit))


def set_disabled(context: Context, user_id: str, *, disabled: bool) -> User:
    """Disable a user, which ends every session of theirs, or enable one again, which revives none.

    Raises:
        NotFound
    """

    def work(tx: Transaction, user: User) -> tuple[User, list[str]]:
        changed = replace(user, disabled=disabled)
        tx.users.update(changed)
        tx.one_time_tokens.forget(user.id)
        return changed, tx.sessions.end_of_user(user_id, EndReason.ACCOUNT_DISABLED) if disabled else []

    event = "user_disabled" if disabled else "user_enabled"
    return _change(context, user_id, work, event, EndReason.ACCOUNT_DISABLED)


def set_roles(context: Context, user_id: str, roles: tuple[str, ...]) -> User:
    """Replace a user's roles. Access tokens that say otherwise are refused from now on: their clients refresh and go on.

    Raises:
        NotFound, InvalidInput
    """
    check_roles(roles)

    def work(tx: Transaction, user: User) -> tuple[User, list[str]]:
        # After a change in the same second, tokens that are about are dated ahead.
        changed = replace(user, roles=roles, tokens_valid_from=user.dates_tokens(tx.now))
        tx.users.update(changed)
        return changed, []

    changed = _change(context, user_id, work, "authz_change")
    context.revocations.add_stale(changed.id, changed.tokens_valid_from)
    return changed


def set_password(context: Context, user_id: str, password: str) -> User:
    """Give a user another password; every session of theirs ends.

    Raises:
        NotFound, InvalidInput, Overloaded
    """
    account = find_account(context, user_id)
    check_password(context, password, account.user)
    new_hash = context.hasher.hash(password)

    def work(tx: Transaction, user: User) -> tuple[User, list[str]]:
        tx.users.set_password_hash(user.id, new_hash)
        tx.one_time_tokens.forget(user.id)
        return user, tx.sessions.end_of_user(user.id, EndReason.PASSWORD_CHANGED)

    return _change(context, account.user.id, work, "authn_password_change", EndReason.PASSWORD_CHANGED)


def delete_user(context: Context, user_id: str) -> User:
    """Delete an account; every session ends, and none remembers a device.

    Raises:
        NotFound
    """

    def work(tx: Transaction, user: User) -> tuple[User, list[str]]:
        return user, close_account(tx, user)

    user = _change(context, user_id, work, "user_deleted", EndReason.ACCOUNT_DELETED)
    forget_attempts(context, user)
    return user


def erase_user(context: Context, user: User) -> None:
    """Delete an account so that nothing in the database says that there was one: its sessions become nobody's.

    Raises:
        NotFound
        StoreUnavailable: nothing was changed, or only the failed attempts are forgotten; try again.
    """
    context.throttle.forget(names_of(user))

    def work(tx: Transaction, user: User) -> tuple[User, list[str]]:
        ended = close_account(tx, user)
        tx.sessions.disown(user.id)
        return user, ended

    erased = _change(context, user.id, work, "user_deleted", EndReason.ACCOUNT_DELETED)
    forget_attempts(context, erased)


def unblock(context: Context, user: User) -> None:
    """Forget every failed attempt at an account: whoever had to wait may try again at once.

    Raises:
        StoreUnavailable
    """
    context.throttle.forget(names_of(user))
    record("user_unblocked", user=user.id)


def end_each(context: Context, session_ids: Collection[str]) -> int:
    """End these sessions, whosever they are: all of them, or none if one of them is unknown.

    Returns:
        How many of them were alive.

    Raises:
        NotFound
    """

    def work(tx: Transaction) -> tuple[Micros, list[str]]:
        unknown = set(session_ids) - tx.sessions.load_many(session_ids).keys()
        if unknown:
            raise NotFound(f"There is no session {min(unknown)}; nothing was ended.")
        return tx.now, end_sessions(tx, session_ids, EndReason.REVOKED)

    now, ended = context.database.transact(work)
    announce_ends(context, now, ended, EndReason.REVOKED)
    return len(ended)


def end_sessions_of(context: Context, user_id: str) -> int:
    """End every session of a user; the number of those that this ended.

    Raises:
        NotFound
    """
    ended: list[str] = []

    def work(tx: Transaction, user: User) -> tuple[User, list[str]]:
        ended[:] = tx.sessions.end_of_user(user.id, EndReason.REVOKED)
        return user, ended

    _change(context, user_id, work, None, EndReason.REVOKED)
    return len(ended)


def end_all_sessions(context: Context) -> int:
    """End every session of everybody, some at a time, so that the server goes on meanwhile; the number of those ended."""
    count = 0
    while True:
        now, ended = context.database.transact(lambda tx: (tx.now, tx.sessions.end_some(EndReason.REVOKED, PAGE)))
        announce_ends(context, now, ended, EndReason.REVOKED)
        count += len(ended)
        if len(ended) < PAGE:
            return count


def _change(
    context: Context,
    user_id: str,
    change: Callable[[Transaction, User], tuple[User, list[str]]],
    event: str | None,
    reason: EndReason = EndReason.REVOKED,
) -> User:
    """Change a user under lock, announce the sessions that this ended, and log it."""

    def work(tx: Transaction) -> tuple[Micros, User, list[str]]:
        account = tx.users.lock(user_id)
        if account is None:
            raise NotFound("There is no user with this id.")
        return tx.now, *change(tx, account.user)

    now, user, ended = context.database.transact(work)
    announce_ends(context, now, ended, reason)
    if event is not None:
        record(event, user=user.id)
    return user
