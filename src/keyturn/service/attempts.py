"""Checking a password: counted before it is evaluated, so that guessing is slow."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from keyturn.core.identity import canonical_login
from keyturn.core.model import AccessClaims, Session, User
from keyturn.core.networks import network_of
from keyturn.errors import KeyturnError, TooManyAttempts
from keyturn.ports import Attempt, Counted
from keyturn.service.events import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyturn.service.context import Context


class Unthrottled:
    """`keyturn.ports.Throttle` that counts nothing, for where throttling is turned off."""

    def attempt(self, attempt: Attempt) -> Counted:
        return self

    def registration(self, network: str) -> None:
        pass

    def forget(self, names: Collection[str]) -> None:
        pass

    def succeeded(self) -> None:
        pass

    def give_back(self) -> None:
        pass


def password_is_right(
    context: Context, attempt: Attempt, stored: str | None, password: str, *, user_id: str | None, address: str = ""
) -> bool:
    """Whether a password belongs to a hash, asked as one attempt.

    Args:
        attempt: at which account, from where.
        stored: the hash; none takes the same work and is false.
        password: as typed.
        user_id: whose account it is, for the log; none: nobody's.
        address: the client's, for the log; empty: not known here.

    Raises:
        TooManyAttempts: nothing was evaluated.
        Overloaded, StoreUnavailable
    """
    with refusals_logged(user=user_id, address=address or None):
        counted = context.throttle.attempt(attempt)
    try:
        right = context.hasher.verify(stored, password)
    except BaseException:
        with suppress(KeyturnError):
            counted.give_back()
        raise
    if right:
        counted.succeeded()
    return right


@contextmanager
def refusals_logged(**facts: object) -> Iterator[None]:
    """Log that a limit is reached: of one client, or of everybody, which is how guessing at many accounts is seen."""
    try:
        yield
    except TooManyAttempts as refused:
        record("excess_rate_limit_exceeded", level=logging.WARNING, limit=refused.limit, **facts)
        raise


def attempt_to_sign_in(
    login: str, user: User | None, sessions: Collection[Session], address: str, device: str | None
) -> Attempt:
    """An attempt at an account.

    A client is known by its device's cookie. One without cookies is known by its network, if a live session of the account
    began there.

    Args:
        login: as typed.
        user: whose account that is; none: nobody's.
        sessions: those of the user that are alive.
        address: the client's.
        device: what the client's cookie says about this account.
    """
    network = network_of(address)
    if device is None and user is not None and network:
        began_here = any(network_of(session.device.address) == network for session in sessions)
        device = f"network {network}" if began_here else None
    return Attempt(canonical_login(login), network, device)


def attempt_to_confirm(claims: AccessClaims, user: User) -> Attempt:
    """An attempt of somebody who is signed in: each session is a known client."""
    return Attempt(canonical_login(user.email), device=f"session {claims.session_id}")


def names_of(user: User) -> list[str]:
    """The names that attempts at an account are counted by."""
    return [canonical_login(name) for name in (user.email, user.username) if name]


def forget_attempts(context: Context, user: User) -> None:
    """Forget what stands against an account that is gone. It is hashed and expires, so nothing is lost if nobody answers."""
    with suppress(KeyturnError):
        context.throttle.forget(names_of(user))
