"""Mails: each is queued in the transaction of what it tells of, and claimed by whoever sends it.

So no act is told that did not happen, and none is lost with a server that dies. A token is made when its mail is sent: one that
waits is in no database, and its life begins when the mail goes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from keyturn.core.identity import canonical_email
from keyturn.core.model import Device, Mail, MailKind, Micros, Purpose, Session, User
from keyturn.core.networks import network_of
from keyturn.ports import Transaction, fresh_id
from keyturn.service.context import Context, SignInOptions
from keyturn.service.one_time import mint

PURPOSES: dict[MailKind, Purpose] = {
    MailKind.VERIFICATION: Purpose.VERIFY_EMAIL,
    MailKind.RESET: Purpose.RESET_PASSWORD,
    MailKind.NEW_DEVICE: Purpose.END_SESSIONS,
    MailKind.TOKEN_REUSED: Purpose.END_SESSIONS,
    MailKind.PASSWORD_CHANGED: Purpose.END_SESSIONS,
    MailKind.EMAIL_CHANGED: Purpose.END_SESSIONS,
    MailKind.IDENTITY_CONNECTED: Purpose.END_SESSIONS,
    MailKind.IDENTITY_DISCONNECTED: Purpose.END_SESSIONS,
}
"""What the token in each kind of mail is good for."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that was claimed, with all that it needs to be written.

    Attributes:
        to: the address it goes to.
        user: whom it is about.
        token: the one-time token of its link; fresh with every attempt.
        expires_in: microseconds until that is worth nothing.
    """

    mail: Mail
    to: str
    user: User
    token: str = field(repr=False)
    expires_in: Micros


def queue(context: Context, tx: Transaction, kind: MailKind, to: str, user: User | None, **facts: str) -> None:
    """Let a mail wait that is sent once the transaction has committed.

    Args:
        to: the address it goes to.
        user: whom it is about; none: whoever has that address, if anybody has it.
        facts: what it tells; never a token.
    """
    user_id = user.id if user is not None else None
    tx.mails.insert(Mail(fresh_id(context.entropy), kind, user_id, to, tx.now, tx.now, facts))


def queue_device_mail(
    context: Context, tx: Transaction, kind: MailKind, user: User, device: Device, when: Micros
) -> None:
    """Let a mail wait that tells of a device, and of when something happened, in microseconds."""
    queue(context, tx, kind, user.email, user, device=device.label, address=device.address, at=str(when))


def is_new_device(context: Context, tx: Transaction, user: User, options: SignInOptions) -> bool:
    """Whether the user never signed in from a device, as far as its cookie and their live sessions tell.

    A client without cookies is known by what it calls itself and the network that it comes from, both together.
    """
    if context.known_devices.find(options.known_device, user.id) is not None:
        return False
    known = {(device.label, network_of(device.address)) for device in tx.sessions.devices_of_user(user.id)}
    return (options.device.label, network_of(options.device.address)) not in known


def tell_of_reuse(context: Context, tx: Transaction, ended: Iterable[Session]) -> None:
    """Ask the owners of sessions that ended because a token was used twice whether that was them."""
    for session in ended:
        if session.user is not None:
            queue_device_mail(context, tx, MailKind.TOKEN_REUSED, session.user, session.device, tx.now)


def claim(context: Context, mail: Mail, lease: Micros) -> Letter | None:
    """Claim a mail that is due, so that nobody else sends it; none: somebody else did, or it has become pointless.

    Args:
        lease: microseconds after which others may try, should nothing be heard of this attempt.

    Raises:
        StoreUnavailable
    """

    def work(tx: Transaction) -> Letter | None:
        claimed = replace(mail, attempts=mail.attempts + 1, next_at=tx.now + lease)
        if not tx.mails.swap(claimed):
            return None
        user = _addressee(tx, mail)
        if user is None:
            tx.mails.delete(mail.id)
            return None
        purpose = PURPOSES[mail.kind]
        # Whoever asked by a look-alike of an address gets nothing: the mail goes to the one that the account has.
        to = user.email if mail.user_id is None else mail.recipient
        return Letter(claimed, to, user, mint(context, tx, purpose, user), context.token_lifetimes[purpose])

    return context.database.transact(work)


def _addressee(tx: Transaction, mail: Mail) -> User | None:
    if mail.user_id is None:
        account = tx.users.find(mail.recipient)
        user = account.user if account is not None else None
    else:
        user = tx.users.load_many([mail.user_id]).get(mail.user_id)
    if user is None or user.disabled:
        return None
    if mail.kind is MailKind.VERIFICATION:
        stale = user.email_verified or canonical_email(user.email) != canonical_email(mail.recipient)
        return None if stale else user
    return user
