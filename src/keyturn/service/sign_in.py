"""Signing in with a password."""

from __future__ import annotations

import logging

from keyturn.core.model import Account, EndReason, MailKind, Micros, Session, User
from keyturn.errors import InvalidCredentials, TooManyAttempts
from keyturn.ports import Transaction
from keyturn.service.attempts import attempts_to_sign_in, password_is_right
from keyturn.service.context import Context, Grant, SignInOptions, grant, open_session
from keyturn.service.ending import end_replaced
from keyturn.service.events import announce_ends, record
from keyturn.service.mail import is_new_device, queue_device_mail


def sign_in(context: Context, login: str, password: str, options: SignInOptions) -> Grant:
    """Check a password and open a session.

    An unknown user, a disabled one and one without a password cost the same work as a wrong password, and get the same answer.

    Args:
        login: an e-mail address or a username.
        password: as typed.
        options: what the client chooses and is.

    Returns:
        The new session with its tokens; the session whose refresh token came along has ended.

    Raises:
        InvalidCredentials, TooManyAttempts, Overloaded, StoreUnavailable
    """
    checked = _checked(context, login, password, options)
    new_hash = _rehashed(context, checked, password)

    def work(tx: Transaction) -> tuple[Micros, Session, User, list[str]]:
        # Locked, so that no change of the password and no end of all sessions slips between the check and the session.
        locked = tx.users.lock(checked.user.id)
        if locked is None or locked.user.disabled or locked.password_hash != checked.password_hash:
            raise InvalidCredentials
        if new_hash is not None:
            tx.users.set_password_hash(locked.user.id, new_hash)
        if is_new_device(context, tx, locked.user, options):
            queue_device_mail(context, tx, MailKind.NEW_DEVICE, locked.user, options.device, tx.now)
        replaced = end_replaced(tx, options.replaces)
        return tx.now, open_session(context, tx, locked.user, options), locked.user, replaced

    now, session, owner, replaced = context.database.transact(work)
    announce_ends(context, now, replaced, EndReason.REPLACED)
    context.metrics.signed_in("ok")
    record("authn_login_success", user=owner.id, session=session.id, address=options.device.address)
    return grant(context, session, owner, now)


def _checked(context: Context, login: str, password: str, options: SignInOptions) -> Account:
    """The account that the password opens."""
    address = options.device.address
    account = context.database.read(lambda tx: tx.users.find(login))
    user_id = account.user.id if account is not None else None
    usable = account if account is not None and not account.user.disabled else None
    stored = usable.password_hash if usable is not None else None
    attempts = attempts_to_sign_in(context, login, user_id, options)
    try:
        right = password_is_right(context, attempts, stored, password, user_id=user_id, address=address)
    except TooManyAttempts:
        context.metrics.signed_in("refused")
        raise
    if not right or usable is None:
        record("authn_login_fail", level=logging.WARNING, user=user_id, address=address)
        context.metrics.signed_in("failed")
        raise InvalidCredentials
    return usable


def _rehashed(context: Context, account: Account, password: str) -> str | None:
    """A new hash, where the stored one was made with other parameters than today's."""
    stored = account.password_hash
    return context.hasher.hash(password) if stored is not None and context.hasher.is_outdated(stored) else None
