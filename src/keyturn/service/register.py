"""Making accounts."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyturn.core.gate import ROLE
from keyturn.core.identity import clean_email, clean_full_name, clean_username
from keyturn.core.model import Account, EndReason, MailKind, Micros, Session, User
from keyturn.core.networks import network_of
from keyturn.errors import EmailTaken, InvalidInput, RegistrationClosed, UsernameTaken
from keyturn.ports import Transaction, fresh_id
from keyturn.service.attempts import refusals_logged
from keyturn.service.context import Context, Grant, SignInOptions, check_password, grant, open_session
from keyturn.service.ending import end_replaced
from keyturn.service.events import announce_ends, record
from keyturn.service.mail import queue

MAX_ROLES_LENGTH = 400
"""Characters, all roles of a user together: they have to fit into an access token, and that into a cookie."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """What an account is made of, as typed."""

    email: str
    password: str = field(repr=False)
    username: str | None = None
    full_name: str | None = None
    roles: tuple[str, ...] = ()


def register(context: Context, new: NewUser, options: SignInOptions) -> Grant:
    """Make an account for oneself and sign in to it.

    Raises:
        RegistrationClosed, TooManyAttempts, InvalidInput, EmailTaken, UsernameTaken, Overloaded, StoreUnavailable
    """
    if not context.registration_open:
        raise RegistrationClosed
    with refusals_logged(address=options.device.address):
        context.throttle.registration(network_of(options.device.address))
    account = _prepare(context, new)

    def work(tx: Transaction) -> tuple[Micros, User, Session, list[str]]:
        user = tx.users.insert(account)
        queue(context, tx, MailKind.VERIFICATION, user.email, user)
        replaced = end_replaced(tx, options.replaces)
        return tx.now, user, open_session(context, tx, user, options), replaced

    now, user, session, replaced = context.database.transact(work)
    announce_ends(context, now, replaced, EndReason.REPLACED)
    record("user_created", user=user.id, session=session.id, address=options.device.address)
    return grant(context, session, user, now)


def create_user(context: Context, new: NewUser) -> User:
    """Make an account for somebody else, as an administrator does.

    Raises:
        InvalidInput, EmailTaken, UsernameTaken, StoreUnavailable
    """
    check_roles(new.roles)
    account = _prepare(context, new)
    user = context.database.transact(lambda tx: tx.users.insert(account))
    record("user_created", user=user.id)
    return user


def _prepare(context: Context, new: NewUser) -> Account:
    """Check every field, and that the names are free, before anything slow is done; the store checks the names again."""
    email = clean_email(new.email)
    username = clean_username(new.username) if new.username is not None else None
    full_name = clean_full_name(new.full_name) if new.full_name is not None else None
    user = User(
        id=fresh_id(context.entropy),
        email=email,
        created_at=context.clock.now(),
        username=username,
        full_name=full_name,
        roles=new.roles,
    )
    check_password(context, new.password, user)
    _check_free(context, email, username)
    return Account(user, context.hasher.hash(new.password))


def check_roles(roles: tuple[str, ...]) -> None:
    """Refuse roles that no token could carry.

    Raises:
        InvalidInput
    """
    if not all(ROLE.fullmatch(role) for role in roles):
        raise InvalidInput("role", "A role is 1 to 64 printable ASCII characters, without space or comma.")
    if sum(map(len, roles)) > MAX_ROLES_LENGTH or len(set(roles)) != len(roles):
        raise InvalidInput(
            "role", f"The roles of a user are {MAX_ROLES_LENGTH} characters at most, and no role comes twice."
        )


def _check_free(context: Context, email: str, username: str | None) -> None:
    def work(tx: Transaction) -> None:
        if tx.users.find(email) is not None:
            raise EmailTaken
        if username is not None and tx.users.find(username) is not None:
            raise UsernameTaken

    context.database.read(work)
