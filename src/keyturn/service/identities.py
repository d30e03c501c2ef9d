"""Signing in with a provider's account, and connecting one to an account that is there.

An identity is an issuer and a subject, never an e-mail address. An address leads to an account that is there already only if both
sides are sure of it: the account's own address was verified, and the provider has the last word on who has it. In every other
case the account's owner signs in as before and connects the two. So whoever made an account with somebody else's address gains
nothing when the owner of the address comes, and an owner never takes over what a stranger has prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from keyturn.core.identity import canonical_email, clean_email, clean_full_name
from keyturn.core.model import AccessClaims, Account, EndReason, Identity, MailKind, Micros, Person, Session, User
from keyturn.core.networks import network_of
from keyturn.core.rotation import end_of
from keyturn.errors import (
    AccountExists,
    EmailMissing,
    EmailTaken,
    IdentityTaken,
    InvalidInput,
    LastSignInMethod,
    NotFound,
    ProviderDenied,
    RegistrationClosed,
    StateInvalid,
)
from keyturn.ports import Transaction, fresh_id
from keyturn.service.account import confirm_owner, lock_confirmed
from keyturn.service.attempts import refusals_logged
from keyturn.service.context import Context, Grant, SignInOptions, current_session, grant, open_session
from keyturn.service.ending import end_replaced, end_sessions
from keyturn.service.events import announce_ends, record
from keyturn.service.handshakes import Way, use_once
from keyturn.service.mail import is_new_device, queue, queue_device_mail


@dataclass(frozen=True, slots=True)
class _SignedIn:
    now: Micros
    session: Session
    user: User
    replaced: list[str]
    made: bool
    connected: bool


def sign_in_with(context: Context, person: Person, way: Way, options: SignInOptions) -> Grant:
    """Open a session for somebody a provider vouches for; the first time, make an account or find the one that is theirs.

    Args:
        person: who it is.
        way: that they came back from; it leads to a session once.
        options: the device; the delivery is the way's.

    Raises:
        StateInvalid, ProviderDenied, AccountExists, EmailMissing, RegistrationClosed, TooManyAttempts, StoreUnavailable
    """
    person, options = _readable(person), replace(options, delivery=way.delivery)
    try:
        done = _signed_in(context, person, way, options)
    except (IdentityTaken, EmailTaken):  # somebody was faster: the same person, in all likelihood, in another tab
        try:
            done = _signed_in(context, person, way, options)
        except (IdentityTaken, EmailTaken):
            raise AccountExists from None
    announce_ends(context, done.now, done.replaced, EndReason.REPLACED)
    context.metrics.signed_in("ok")
    user_id, session_id, address = done.user.id, done.session.id, options.device.address
    if done.made:
        record("user_created", user=user_id, session=session_id, address=address)
    if done.connected:
        record("identity_connected", user=user_id, session=session_id, issuer=person.issuer)
    record("authn_login_success", user=user_id, session=session_id, address=address, issuer=person.issuer)
    return grant(context, done.session, done.user, done.now)


def _signed_in(context: Context, person: Person, way: Way, options: SignInOptions) -> _SignedIn:
    made = _prepared(context, person, options)

    def work(tx: Transaction) -> _SignedIn:
        use_once(tx, way)
        connected = _known(tx, person) is None
        user = _user_of(context, tx, person, made)
        if user.disabled:
            raise ProviderDenied("This account is disabled. Ask an administrator if you think that this is wrong.")
        is_new = made is not None and connected
        _tell(context, tx, user, options, made=is_new, connected=connected)
        replaced = end_sessions(tx, [way.replaces], EndReason.REPLACED) if way.replaces else []
        replaced += end_replaced(tx, options.replaces)
        session = open_session(context, tx, user, options)
        return _SignedIn(tx.now, session, user, replaced, made=is_new, connected=connected)

    return context.database.transact(work)


def _tell(
    context: Context, tx: Transaction, user: User, options: SignInOptions, *, made: bool, connected: bool
) -> None:
    """The mails that a sign-in with a password sends as well, and that of a provider's account that opens one from now on."""
    if connected and not made:
        queue(context, tx, MailKind.IDENTITY_CONNECTED, user.email, user)
    if made and not user.email_verified:
        queue(context, tx, MailKind.VERIFICATION, user.email, user)
    if not made and is_new_device(context, tx, user, options):
        queue_device_mail(context, tx, MailKind.NEW_DEVICE, user, options.device, tx.now)


def _prepared(context: Context, person: Person, options: SignInOptions) -> User | None:
    """The user to make for somebody whom nobody knows here; none for anybody else.

    Raises:
        EmailMissing, AccountExists, RegistrationClosed, TooManyAttempts
    """

    def look(tx: Transaction) -> tuple[Account | None, bool]:
        account = _holder(tx, person)
        theirs = account is not None and _is_found_by_address(tx, account.user, person)
        return account, theirs or _known(tx, person) is not None

    account, is_there = context.database.read(look)
    if is_there:
        return None
    if person.email is None:
        raise EmailMissing
    if account is not None and (person.owns_email or context.registration_open):
        raise AccountExists
    if not context.registration_open:
        raise RegistrationClosed
    with refusals_logged(address=options.device.address):
        context.throttle.registration(network_of(options.device.address))
    return User(
        id=fresh_id(context.entropy),
        email=person.email,
        created_at=context.clock.now(),
        # Only the word of whoever gives the address out: it is what an account is found by later on.
        email_verified=person.owns_email,
        full_name=person.full_name,
    )


def _user_of(context: Context, tx: Transaction, person: Person, made: User | None) -> User:
    """Whose account somebody's identity opens, locked; from now on, if it opened none before."""
    known = _known(tx, person)
    if known is not None:
        account, identity = tx.users.lock(known.user_id), _known(tx, person)
        if account is None or identity is None:
            raise IdentityTaken
        return account.user
    holder = _holder(tx, person)
    if holder is not None:
        account = tx.users.lock(holder.user.id)
        if account is None or not _is_found_by_address(tx, account.user, person):
            raise AccountExists
        _insert(context, tx, person, account.user)
        return account.user
    if made is None:
        raise IdentityTaken
    user = tx.users.insert(Account(made, None))
    _insert(context, tx, person, user)
    return user


def _known(tx: Transaction, person: Person) -> Identity | None:
    """The identity of somebody who has been here, if its user is still there."""
    identity = tx.identities.find(person.issuer, person.subject)
    return identity if identity is not None and tx.users.load_many([identity.user_id]) else None


def _holder(tx: Transaction, person: Person) -> Account | None:
    """The account that has the person's address."""
    return tx.users.find(person.email) if person.email is not None else None


def _is_theirs(user: User, person: Person) -> bool:
    """Whether both sides are sure that an account belongs to a person, who has just shown that they have the address."""
    same = canonical_email(user.email) == canonical_email(person.email or "")
    return user.email_verified and person.owns_email and same


def _is_found_by_address(tx: Transaction, user: User, person: Person) -> bool:
    """Whether an account is a person's for their address alone.

    Not if somebody else of the same issuer opens it: then the issuer has given the address to another since.
    """
    taken = any(identity.issuer == person.issuer for identity in tx.identities.of_user(user.id))
    return _is_theirs(user, person) and not taken


def _insert(context: Context, tx: Transaction, person: Person, user: User) -> None:
    stale = tx.identities.find(person.issuer, person.subject)
    if stale is not None and not tx.users.load_many([stale.user_id]):
        tx.identities.delete(stale.id)  # of a user whom the application has deleted by itself
    tx.identities.insert(
        Identity(fresh_id(context.entropy), user.id, person.issuer, person.subject, person.email, tx.now)
    )


def connect(context: Context, person: Person, way: Way, claims: AccessClaims | None) -> None:
    """Connect somebody's identity to the account of the session that the way began in.

    Args:
        person: who it is at the provider.
        way: that they came back from.
        claims: of the access token that the browser has by now, if any: it must be of the same session.

    Raises:
        StateInvalid: that session is over, or the browser has another one.
        IdentityTaken: the identity opens another account.
    """
    person = _readable(person)

    def work(tx: Transaction) -> User:
        use_once(tx, way)
        session = tx.sessions.load_many([way.links or ""]).get(way.links or "")
        account = tx.users.lock(session.user_id) if session is not None else None
        if session is None or account is None or end_of(session, tx.now) is not None:
            raise StateInvalid
        if claims is not None and claims.session_id != session.id:
            raise StateInvalid
        known = _known(tx, person)
        if known is None:
            _insert(context, tx, person, account.user)
            queue(context, tx, MailKind.IDENTITY_CONNECTED, account.user.email, account.user)
        elif known.user_id != account.user.id:
            raise IdentityTaken
        if _is_theirs(replace(account.user, email_verified=True), person):
            tx.users.update(replace(account.user, email_verified=True))
        return account.user

    user = context.database.transact(work)
    record("identity_connected", user=user.id, session=way.links, issuer=person.issuer)


def identities_of(context: Context, claims: AccessClaims) -> list[Identity]:
    """The identities that open one's account, the oldest first.

    Raises:
        AccessTokenInvalid: the session is over.
    """

    return context.database.read(lambda tx: tx.identities.of_user(current_session(tx, claims)[1].id))


def disconnect(
    context: Context, claims: AccessClaims, identity_id: str, issuers: Collection[str], password: str | None = None
) -> None:
    """Take away an identity from one's account.

    Args:
        identity_id: which.
        issuers: of the providers that one can sign in with today.
        password: the current one; without it the sign-in must be fresh.

    Raises:
        AccessTokenInvalid, ReauthenticationRequired, CurrentPasswordWrong, TooManyAttempts, NotFound
        LastSignInMethod: nothing else would open the account.
    """
    account = confirm_owner(context, claims, password)

    def work(tx: Transaction) -> Identity:
        _, user = lock_confirmed(tx, claims, account)
        mine = tx.identities.of_user(user.id)
        one = next((identity for identity in mine if identity.id == identity_id), None)
        if one is None:
            raise NotFound
        others = [identity for identity in mine if identity is not one and identity.issuer in issuers]
        if not others and account.password_hash is None:
            raise LastSignInMethod
        tx.identities.delete(one.id)
        queue(context, tx, MailKind.IDENTITY_DISCONNECTED, user.email, user)
        return one

    gone = context.database.transact(work)
    record("identity_disconnected", user=gone.user_id, session=claims.session_id, issuer=gone.issuer)


def _readable(person: Person) -> Person:
    """The person with their address and name in the form that is kept; none in the place of what is neither."""
    return replace(person, email=_clean(clean_email, person.email), full_name=_clean(clean_full_name, person.full_name))


def _clean(clean: Callable[[str], str], text: str | None) -> str | None:
    try:
        return clean(text) if text else None
    except InvalidInput:
        return None
