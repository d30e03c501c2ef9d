"""One-time tokens: 256 random bits in a link of a mail; only their hashes are kept, each with its purpose.

A token is worth nothing once it was used, has expired, or its user has another password or address. Each purpose has hashes of
its own, so that a token of one is unknown to all others.
"""

from __future__ import annotations

import hashlib
import re

from joserfc.util import urlsafe_b64encode

from keyturn.core.identity import canonical_email
from keyturn.core.model import Account, OneTimeToken, Purpose, User
from keyturn.errors import OneTimeTokenInvalid
from keyturn.ports import Transaction
from keyturn.service.context import Context

TOKEN_BYTES = 32

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def mint(context: Context, tx: Transaction, purpose: Purpose, user: User) -> str:
    """Make a token for a user, and keep its hash."""
    token = urlsafe_b64encode(context.entropy.random_bytes(TOKEN_BYTES)).decode("ascii")
    expires_at = tx.now + context.token_lifetimes[purpose]
    tx.one_time_tokens.insert(OneTimeToken(digest_of(purpose, token), purpose, user.id, user.email, expires_at))
    return token


def digest_of(purpose: Purpose, token: str) -> str:
    """What is kept of a token. It is too random to be guessed, so a fast hash does."""
    return hashlib.sha256(f"{purpose}:{token}".encode()).hexdigest()


def owner_of(context: Context, purpose: Purpose, token: str) -> User:
    """Whose token this is; it stays as it is.

    Raises:
        OneTimeTokenInvalid, StoreUnavailable
    """

    def work(tx: Transaction) -> User:
        found = tx.one_time_tokens.find(purpose, _digest(purpose, token))
        user = tx.users.load_many([found.user_id]).get(found.user_id) if found is not None else None
        return _good_for(found, user)

    return context.database.read(work)


def redeem(tx: Transaction, purpose: Purpose, token: str, user_id: str) -> Account:
    """Use a token up, and lock its user's account.

    Args:
        user_id: whose it was found to be. The user is locked first, as everywhere: no two transactions wait for each other.

    Raises:
        OneTimeTokenInvalid
    """
    account = tx.users.lock(user_id)
    found = tx.one_time_tokens.take(purpose, _digest(purpose, token))
    _good_for(found, account.user if account is not None else None)
    if account is None:
        raise OneTimeTokenInvalid
    return account


def _digest(purpose: Purpose, token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise OneTimeTokenInvalid
    return digest_of(purpose, token)


def _good_for(token: OneTimeToken | None, user: User | None) -> User:
    if token is None or user is None or user.id != token.user_id or user.disabled:
        raise OneTimeTokenInvalid
    if canonical_email(user.email) != canonical_email(token.email):
        raise OneTimeTokenInvalid
    return user
