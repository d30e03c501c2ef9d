"""Between a guess and an account: the hash, and the limits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from keyturn.core.model import (
    Micros,
)


class PasswordHasher(Protocol):
    """Slow by design, and bounded: at most so many at a time, and whoever would wait too long is refused."""

    def hash(self, password: str) -> str:
        """A hash that carries its own parameters (PHC string).

        Raises:
            Overloaded
        """
        ...

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password belongs to the hash. None takes the same work and is always false.

        Raises:
            Overloaded
        """
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than `hash` would use today."""
        ...

    def can_verify(self, password_hash: str) -> bool:
        """Whether `verify` could ever be true for this text: it is a hash of a known form and cost. Nothing slow is done."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password that is about to be checked.

    Attributes:
        name: of the account, as `keyturn.core.identity.canonical_login` makes it, whether or not there is such an account.
        network: where it comes from, as `keyturn.core.networks.network_of` says it; empty: nobody knows.
        device: what tells this client among those who have signed in to the account before; none: a stranger.
    """

    name: str
    network: str = ""
    device: str | None = None


class Counted(Protocol):
    """An attempt that was let through, and stands as a failure until it is told otherwise."""

    def succeeded(self) -> None:
        """The password was right: what stood against this client at this account is forgotten.

        Raises:
            StoreUnavailable
        """
        ...

    def give_back(self) -> None:
        """The password was not checked after all: as if there had been no attempt.

        Raises:
            StoreUnavailable
        """
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """A counter that stands at an account.

    Attributes:
        limit: what is counted, such as `account/count`; nothing of whom.
        forgotten_at: when it will be gone, in microseconds.
    """

    limit: str
    count: int
    forgotten_at: Micros


class Throttle(Protocol):
    """Counts failures, so that guessing passwords is slow. Shared by all servers over one store; a restart resets nothing.

    The promises:

    - An attempt is counted before the password is checked, so that of any number at once no more are checked than the limit.
    - What strangers do never makes a client wait that has signed in to the account before: such a client has a count of its own.
    - No account is ever closed: at worst a stranger waits an hour from attempt to attempt, until one succeeds.
    - A name that no account has is treated like any other.
    - No name and no address is stored, only keyed hashes of them; and how many is bounded.
    """

    def attempt(self, attempt: Attempt) -> Counted:
        """Count a password that is about to be checked as a failure.

        Raises:
            TooManyAttempts: it must not be checked; nothing was counted.
            StoreUnavailable: nobody can count, so it must not be checked.
        """
        ...

    def registration(self, network: str) -> None:
        """Count that somebody wants to make an account.

        Raises:
            TooManyAttempts, StoreUnavailable
        """
        ...

    def mail(self, name: str, network: str) -> bool:
        """Count that somebody wants a mail to be sent to an address.

        Args:
            name: the address, in its canonical form, whether or not an account has it.
            network: where the wish comes from; empty: nobody knows.

        Returns:
            Whether the address may get one more.

        Raises:
            TooManyAttempts: this network asks too often.
            StoreUnavailable
        """
        ...

    def provider(self, network: str, device: str | None) -> Counted:
        """Count that a provider is about to be asked who somebody is.

        Args:
            network: where they come from; empty: nobody knows.
            device: what tells their client, if anybody has signed in on it before; none: a stranger's.

        Raises:
            TooManyAttempts: it must not be asked; nothing was counted.
            StoreUnavailable
        """
        ...

    def provider_wait(self, network: str, device: str | None) -> None:
        """The same without counting: whether it would be asked. Writes nothing.

        Raises:
            TooManyAttempts, StoreUnavailable
        """
        ...

    def standing(self, names: Collection[str]) -> list[Standing]:
        """What is counted at accounts, by their canonical names.

        Raises:
            StoreUnavailable
        """
        ...

    def forget(self, names: Collection[str]) -> None:
        """Forget what stands against accounts, by their canonical names, strangers and known clients alike.

        Raises:
            StoreUnavailable
        """
        ...
