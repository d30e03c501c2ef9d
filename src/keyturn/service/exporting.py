"""Giving out what is kept: all users, to go elsewhere; all about one user, for whoever asks for it (GDPR, articles 15 and 20)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from keyturn.core.model import Account, Identity, Mail, OneTimeToken, Session, User
from keyturn.errors import SettingsError
from keyturn.ports import BulkUserStore, Standing, Transaction
from keyturn.service.administration import PAGE
from keyturn.service.attempts import names_of
from keyturn.service.context import Context
from keyturn.service.records import IDENTITIES, PASSWORD_HASH, exact_moment, fields_of


def export_users(context: Context, *, hashes: bool = False) -> Iterator[dict[str, object]]:
    """All users in the order in which they were made, as `keyturn.service.records` has them.

    Args:
        hashes: whether the hashes of their passwords are among it.

    Raises:
        SettingsError: they are kept in an application's own table, which has the hashes.
    """
    last: User | None = None
    while True:
        users, found = context.database.read(partial(_page, after=last, hashes=hashes))
        if not users:
            return
        for user in users:
            yield fields_of(user) | found[user.id]
        last = users[-1]


def _page(tx: Transaction, *, after: User | None, hashes: bool) -> tuple[list[User], dict[str, dict[str, object]]]:
    """Some users, and by their ids what opens their accounts."""
    users = tx.users.page(PAGE, after)
    ids = [user.id for user in users]
    known: dict[str, list[dict[str, object]]] = {user_id: [] for user_id in ids}
    for one in tx.identities.of_users(ids):
        known[one.user_id].append({"issuer": one.issuer, "subject": one.subject, "email": one.email})
    opens: dict[str, dict[str, object]] = {user_id: {IDENTITIES: found} for user_id, found in known.items()}
    if hashes:
        if not isinstance(tx.users, BulkUserStore):
            raise SettingsError("KEYTURN_USER_STORE names a table of the application's own: the hashes are there.")
        found = tx.users.password_hashes(ids)
        opens = {user_id: opener | {PASSWORD_HASH: found.get(user_id)} for user_id, opener in opens.items()}
    return users, opens


def personal_data(context: Context, account: Account) -> dict[str, object]:
    """All that is kept about a user, but for what only serves to check that it is they: hashes, seeds, ids of tokens."""
    user = account.user

    def work(tx: Transaction) -> tuple[list[Session], list[Identity], list[Mail], list[OneTimeToken]]:
        return (
            tx.sessions.all_of_user(user.id),
            tx.identities.of_user(user.id),
            tx.mails.of_user(user),
            tx.one_time_tokens.of_user(user.id),
        )

    sessions, identities, mails, tokens = context.database.read(work)
    return {
        "user": fields_of(user) | {"has_password": account.password_hash is not None},
        "sessions": [_session(session) for session in sessions],
        "identities": [_identity(identity) for identity in identities],
        "failed_attempts": [_standing(one) for one in context.throttle.standing(names_of(user))],
        "mails": [_mail(mail) for mail in mails],
        "one_time_tokens": [_token(token) for token in tokens],
    }


def _session(session: Session) -> dict[str, object]:
    return {
        "id": session.id,
        "device": session.device.label,
        "address": session.device.address,
        "delivery": session.delivery.value,
        "created_at": exact_moment(session.created_at),
        "authenticated_at": exact_moment(session.authenticated_at),
        "last_used_at": exact_moment(session.child_at),
        "refreshes": session.generation,
        "expires_at": exact_moment(min(session.expires_at, session.idle_expires_at)),
        "ended_at": exact_moment(session.ended_at) if session.ended_at is not None else None,
        "end_reason": session.end_reason.value if session.end_reason is not None else None,
    }


def _identity(identity: Identity) -> dict[str, object]:
    return {
        "id": identity.id,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "email": identity.email,
        "created_at": exact_moment(identity.created_at),
    }


def _token(token: OneTimeToken) -> dict[str, object]:
    return {"purpose": token.purpose.value, "email": token.email, "expires_at": exact_moment(token.expires_at)}


def _standing(one: Standing) -> dict[str, object]:
    return {"of": one.limit, "count": one.count, "forgotten_at": exact_moment(one.forgotten_at)}


def _mail(mail: Mail) -> dict[str, object]:
    return {
        "kind": mail.kind.value,
        "recipient": mail.recipient,
        "facts": dict(mail.facts),
        "created_at": exact_moment(mail.created_at),
        "attempts": mail.attempts,
        "next_at": exact_moment(mail.next_at),
        "last_error": mail.last_error,
    }
