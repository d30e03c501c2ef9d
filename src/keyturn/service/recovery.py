"""What the links in mails are for: a new password, a verified address, the end of all sessions. Nobody is signed in by them."""

from __future__ import annotations

from dataclasses import replace

from keyturn.core.identity import canonical_email, clean_email
from keyturn.core.model import AccessClaims, Device, EndReason, MailKind, Micros, Purpose, User
from keyturn.core.networks import network_of
from keyturn.errors import TooManyAttempts
from keyturn.ports import Transaction
from keyturn.service.attempts import forget_attempts, refusals_logged
from keyturn.service.context import Context, check_password, current_session
from keyturn.service.events import announce_ends, record
from keyturn.service.mail import queue, queue_device_mail
from keyturn.service.one_time import owner_of, redeem


def forgot_password(context: Context, email: str, address: str) -> None:
    """Send a link for a new password to an address, if an account has it.

    Whether one has it is not looked up before the mail is sent: nothing that is done here depends on it. An address that had its
    share of mails within the hour gets no more, and nobody is told.

    Args:
        email: as typed.
        address: the client's network address; empty: not known.

    Raises:
        InvalidInput: it is no e-mail address.
        TooManyAttempts: this client asks too often.
        StoreUnavailable
    """
    recipient = clean_email(email)
    with refusals_logged(address=address or None):
        may = context.throttle.mail(canonical_email(recipient), network_of(address))
    if may:
        context.database.transact(lambda tx: queue(context, tx, MailKind.RESET, recipient, None))
    record("authn_password_reset_requested", address=address or None)


def reset_password(context: Context, token: str, new_password: str, device: Device) -> User:
    """Set a new password by the token of a mail. Every session ends, and the address is verified: the mail was received there.

    If it was not verified before, no provider's account opens this one any more.

    Args:
        token: as it came.
        new_password: as typed.
        device: that sets it, for the mail that tells of it.

    Raises:
        OneTimeTokenInvalid, InvalidInput, Overloaded, StoreUnavailable
    """
    owner = owner_of(context, Purpose.RESET_PASSWORD, token)
    check_password(context, new_password, owner, field="new_password")
    new_hash = context.hasher.hash(new_password)

    def work(tx: Transaction) -> tuple[Micros, User, list[str]]:
        account = redeem(tx, Purpose.RESET_PASSWORD, token, owner.id)
        user = replace(account.user, email_verified=True)
        tx.users.update(user)
        tx.users.set_password_hash(user.id, new_hash)
        if not account.user.email_verified:
            # Whoever made the account may never have had the address, and may have left a door open for themselves.
            tx.identities.delete_of_user(user.id)
        tx.one_time_tokens.forget(user.id)
        queue_device_mail(context, tx, MailKind.PASSWORD_CHANGED, user, device, tx.now)
        return tx.now, user, tx.sessions.end_of_user(user.id, EndReason.PASSWORD_CHANGED)

    now, user, ended = context.database.transact(work)
    announce_ends(context, now, ended, EndReason.PASSWORD_CHANGED)
    # Whoever guessed at the old password has learned nothing about the new one.
    forget_attempts(context, user)
    record("authn_password_reset", user=user.id, address=device.address or None)
    return user


def send_verification(context: Context, claims: AccessClaims, address: str) -> None:
    """Send a link to one's own address, by which it is verified; without need, nothing.

    Raises:
        AccessTokenInvalid, TooManyAttempts, StoreUnavailable
    """
    _, user = context.database.read(lambda tx: current_session(tx, claims))
    if user.email_verified:
        return
    with refusals_logged(user=user.id, address=address or None):
        if not context.throttle.mail(canonical_email(user.email), network_of(address)):
            raise TooManyAttempts(3600, "mailbox")
    context.database.transact(lambda tx: queue(context, tx, MailKind.VERIFICATION, user.email, user))


def verify_email(context: Context, token: str) -> User:
    """Verify an address by the token of a mail that was sent there.

    Raises:
        OneTimeTokenInvalid, StoreUnavailable
    """
    owner = owner_of(context, Purpose.VERIFY_EMAIL, token)

    def work(tx: Transaction) -> User:
        user = replace(redeem(tx, Purpose.VERIFY_EMAIL, token, owner.id).user, email_verified=True)
        tx.users.update(user)
        return user

    user = context.database.transact(work)
    record("user_email_verified", user=user.id)
    return user


def end_sessions_by_mail(context: Context, token: str) -> User:
    """End every session of whoever got a mail, by its token.

    Raises:
        OneTimeTokenInvalid, StoreUnavailable
    """
    owner = owner_of(context, Purpose.END_SESSIONS, token)

    def work(tx: Transaction) -> tuple[Micros, User, list[str]]:
        user = redeem(tx, Purpose.END_SESSIONS, token, owner.id).user
        return tx.now, user, tx.sessions.end_of_user(user.id, EndReason.SIGNED_OUT_EVERYWHERE)

    now, user, ended = context.database.transact(work)
    announce_ends(context, now, ended, EndReason.SIGNED_OUT_EVERYWHERE)
    record("sessions_ended_by_mail", user=user.id)
    return user
