"""One's own account: seeing it, changing it, closing it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keyturn.core.identity import clean_email, clean_full_name, clean_username
from keyturn.core.model import SECOND, AccessClaims, Account, EndReason, MailKind, Micros, Session, User
from keyturn.errors import AccessTokenInvalid, CurrentPasswordWrong, InvalidInput, ReauthenticationRequired
from keyturn.ports import Transaction
from keyturn.service.attempts import attempts_to_confirm, forget_attempts, password_is_right
from keyturn.service.context import (
    Context,
    Grant,
    SignInOptions,
    check_password,
    current_session,
    grant,
    open_session,
)
from keyturn.service.events import announce_ends, record
from keyturn.service.mail import queue, queue_device_mail

FRESH_SECONDS = 600
"""How long ago a sign-in may be to do what a password is asked for otherwise."""


def who_am_i(context: Context, claims: AccessClaims) -> tuple[Session, User]:
    """The session that asks, and its user.

    Raises:
        AccessTokenInvalid: the session is over.
    """
    return context.database.read(lambda tx: current_session(tx, claims))


def update_profile(context: Context, claims: AccessClaims, changes: Mapping[str, str | None]) -> User:
    """Change one's username or full name; none removes it.

    Args:
        changes: `username` and `full_name`, either or both.

    Raises:
        AccessTokenInvalid, InvalidInput, UsernameTaken
    """
    clean = {"username": clean_username, "full_name": clean_full_name}
    cleaned: dict[str, Any] = {name: None if value is None else clean[name](value) for name, value in changes.items()}

    def work(tx: Transaction) -> User:
        tx.users.lock(claims.subject)
        _, user = current_session(tx, claims)
        changed = replace(user, **cleaned)
        tx.users.update(changed)
        return changed

    user = context.database.transact(work)
    record("user_updated", user=user.id, session=claims.session_id)
    return user


def change_password(
    context: Context, claims: AccessClaims, current_password: str | None, new_password: str, options: SignInOptions
) -> Grant:
    """Change one's password: every session ends, the one that asks included (a thief would share it), and a new one opens.

    Args:
        current_password: as typed; none for an account that has none, whose sign-in must be fresh.
        options: the device that asks; delivery and remember are those of the session that asks.

    Raises:
        AccessTokenInvalid, CurrentPasswordWrong, TooManyAttempts, InvalidInput, Overloaded
    """
    account = own_account(context, claims)
    check_password(context, new_password, account.user, field="new_password")
    _confirm_password(context, claims, account, current_password)
    new_hash = context.hasher.hash(new_password)

    def work(tx: Transaction) -> tuple[Micros, Session, User, list[str]]:
        session, user = lock_confirmed(tx, claims, account)
        tx.users.set_password_hash(user.id, new_hash)
        tx.one_time_tokens.forget(user.id)
        ended = tx.sessions.end_of_user(user.id, EndReason.PASSWORD_CHANGED)
        queue_device_mail(context, tx, MailKind.PASSWORD_CHANGED, user, options.device, tx.now)
        same_way = replace(options, delivery=session.delivery, remember=session.remember)
        return tx.now, open_session(context, tx, user, same_way), user, ended

    now, session, user, ended = context.database.transact(work)
    announce_ends(context, now, ended, EndReason.PASSWORD_CHANGED)
    record("authn_password_change", user=user.id, session=session.id, address=options.device.address)
    return grant(context, session, user, now)


def change_email(context: Context, claims: AccessClaims, current_password: str | None, email: str) -> User:
    """Change one's e-mail address, which is what one signs in with. The new one is sent a link to verify it, the old one is told.

    Raises:
        AccessTokenInvalid, CurrentPasswordWrong, TooManyAttempts, InvalidInput, EmailTaken, Overloaded
    """
    address = clean_email(email)
    account = own_account(context, claims)
    _confirm_password(context, claims, account, current_password)

    def work(tx: Transaction) -> User:
        _, user = lock_confirmed(tx, claims, account)
        changed = replace(user, email=address, email_verified=False)
        tx.users.update(changed)
        tx.one_time_tokens.forget(user.id)
        queue(context, tx, MailKind.VERIFICATION, changed.email, changed)
        queue(context, tx, MailKind.EMAIL_CHANGED, user.email, changed, at=str(tx.now))
        return changed

    user = context.database.transact(work)
    record("user_email_changed", user=user.id, session=claims.session_id)
    return user


def delete_account(context: Context, claims: AccessClaims, current_password: str | None) -> None:
    """Close one's own account: every session ends, the user is deleted, and no session remembers a device of theirs.

    Raises:
        AccessTokenInvalid, CurrentPasswordWrong, TooManyAttempts, Overloaded
    """
    account = own_account(context, claims)
    _confirm_password(context, claims, account, current_password)

    def work(tx: Transaction) -> tuple[Micros, list[str]]:
        _, user = lock_confirmed(tx, claims, account)
        return tx.now, close_account(tx, user)

    now, ended = context.database.transact(work)
    announce_ends(context, now, ended, EndReason.ACCOUNT_DELETED)
    forget_attempts(context, account.user)
    record("user_deleted", user=claims.subject)


def close_account(tx: Transaction, user: User) -> list[str]:
    """Delete a user who is locked: every session ends, none remembers a device, no provider opens the account again, and
    nothing waits for them any more.

    Returns:
        The ids of the sessions that this ended.
    """
    ended = tx.sessions.end_of_user(user.id, EndReason.ACCOUNT_DELETED)
    tx.sessions.forget_devices(user.id)
    tx.one_time_tokens.forget(user.id)
    for mail in tx.mails.of_user(user):
        tx.mails.delete(mail.id)
    tx.identities.delete_of_user(user.id)
    tx.users.delete(user.id)
    return ended


def own_account(context: Context, claims: AccessClaims) -> Account:
    """The account of whoever asks.

    Raises:
        AccessTokenInvalid: the session is over.
    """

    def work(tx: Transaction) -> Account | None:
        _, user = current_session(tx, claims)
        return tx.users.find(user.email)

    account = context.database.read(work)
    if account is None:
        raise AccessTokenInvalid
    return account


def confirm_owner(context: Context, claims: AccessClaims, password: str | None) -> Account:
    """Make sure that whoever asks is the owner of the account, and not somebody who has found a device unattended.

    Args:
        password: the current one; without it, or where the account has none, the sign-in must be fresh.

    Raises:
        AccessTokenInvalid, CurrentPasswordWrong, ReauthenticationRequired, TooManyAttempts, Overloaded
    """
    account = own_account(context, claims)
    if password is not None:
        _confirm_password(context, claims, account, password)
    else:
        _check_fresh(context, claims)
    return account


def _check_fresh(context: Context, claims: AccessClaims) -> None:
    if context.clock.now() // SECOND - claims.authenticated_at > FRESH_SECONDS:
        raise ReauthenticationRequired


def _confirm_password(context: Context, claims: AccessClaims, account: Account, password: str | None) -> None:
    """Check the current password of whoever asks, outside any transaction: it is slow. An account that has none needs a
    fresh sign-in instead, and whatever is given for it is wrong."""
    if password is None and account.password_hash is None:
        _check_fresh(context, claims)
        return
    if password is None:
        raise InvalidInput("current_password", "Enter your current password.")
    attempts = attempts_to_confirm(claims, account.user)
    if not password_is_right(context, attempts, account.password_hash, password, user_id=account.user.id):
        record("authn_reauthentication_fail", level=logging.WARNING, user=claims.subject, session=claims.session_id)
        raise CurrentPasswordWrong


def lock_confirmed(tx: Transaction, claims: AccessClaims, confirmed: Account) -> tuple[Session, User]:
    """Lock the account, and find the session alive and the password as it was when it was confirmed."""
    locked = tx.users.lock(confirmed.user.id)
    if locked is None or locked.password_hash != confirmed.password_hash:
        raise AccessTokenInvalid
    return current_session(tx, claims)
