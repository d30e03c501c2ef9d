"""Checking a password: counted before it is evaluated, so that guessing is slow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from keyturn.core.identity import canonical_login
from keyturn.core.model import AccessClaims, User
from keyturn.core.networks import network_of
from keyturn.errors import KeyturnError, TooManyAttempts
from keyturn.ports import Attempt, Counted, Throttle
from keyturn.service.context import Context, SignInOptions
from keyturn.service.events import record


def password_is_right(
    context: Context,
    attempts: Iterator[Attempt],
    stored: str | None,
    password: str,
    *,
    user_id: str | None,
    address: str = "",
) -> bool:
    """Whether a password belongs to a hash, asked as one attempt.

    Args:
        attempts: as whom the client may be counted; the first that is let through counts.
        stored: the hash; none takes the same work and is false.
        password: as typed.
        user_id: whose account it is, for the log; none: nobody's.
        address: the client's, for the log; empty: not known here.

    Raises:
        TooManyAttempts: nothing was evaluated.
        Overloaded, StoreUnavailable
    """
    with refusals_logged(user=user_id, address=address or None):
        counted = _let_through(context.throttle, attempts)
    try:
        right = context.hasher.verify(stored, password)
    except BaseException:
        with suppress(KeyturnError):
            counted.give_back()
        raise
    if right:
        counted.succeeded()
    return right


def _let_through(throttle: Throttle, attempts: Iterator[Attempt]) -> Counted:
    try:
        return throttle.attempt(next(attempts))
    except TooManyAttempts:
        for attempt in attempts:
            with suppress(TooManyAttempts):
                return throttle.attempt(attempt)
        raise


@contextmanager
def refusals_logged(**facts: object) -> Iterator[None]:
    """Log that a limit is reached: of one client, or of everybody, which is how guessing at many accounts is seen."""
    try:
        yield
    except TooManyAttempts as refused:
        record("excess_rate_limit_exceeded", level=logging.WARNING, limit=refused.limit, **facts)
        raise


def count_asking(context: Context, address: str, known_device: str | None) -> Counted:
    """Count that somebody makes us ask a provider who they are; a failure, until it is told otherwise.

    Args:
        address: the client's network address; empty: not known.
        known_device: the cookie of a device that has signed in before: it has a count of its own, so that what strangers in
            the same network do keeps nobody out.

    Raises:
        TooManyAttempts, StoreUnavailable
    """
    with refusals_logged(address=address or None):
        return context.throttle.provider(network_of(address), context.known_devices.find_any(known_device))


def check_asking(context: Context, address: str, known_device: str | None) -> None:
    """The same, without counting, for somebody who only begins: nothing is asked of the provider about them yet."""
    with refusals_logged(address=address or None):
        context.throttle.provider_wait(network_of(address), context.known_devices.find_any(known_device))


def attempts_to_sign_in(context: Context, login: str, user_id: str | None, options: SignInOptions) -> Iterator[Attempt]:
    """As whom a client that signs in may be counted.

    First as a device that its cookie makes known to the account, or as a stranger. A stranger who has to wait then as a known
    client after all, if a live session of the account began in the same network: so is a client without cookies known.

    Args:
        login: as typed.
        user_id: whose account that is; none: nobody's, which takes the same work.
        options: the device and its cookie.
    """
    name, network = canonical_login(login), network_of(options.device.address)
    device = context.known_devices.find(options.known_device, user_id or "")
    yield Attempt(name, network, device)
    if device is None and network:
        devices = context.database.read(lambda tx: tx.sessions.devices_of_user(user_id or ""))
        if any(network_of(known.address) == network for known in devices):
            yield Attempt(name, network, f"network {network}")


def attempts_to_confirm(claims: AccessClaims, user: User) -> Iterator[Attempt]:
    """As whom somebody is counted who is signed in: each session is a known client."""
    yield Attempt(canonical_login(user.email), device=f"session {claims.session_id}")


def names_of(user: User) -> list[str]:
    """The names that attempts at an account are counted by."""
    return [canonical_login(name) for name in (user.email, user.username) if name]


def forget_attempts(context: Context, user: User) -> None:
    """Forget what stands against an account that is gone. It is hashed and expires, so nothing is lost if nobody answers."""
    with suppress(KeyturnError):
        context.throttle.forget(names_of(user))
