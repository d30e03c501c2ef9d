"""What is kept: sessions, users and what belongs to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

from keyturn.core.model import (
    Account,
    Device,
    EndReason,
    Identity,
    Micros,
    Session,
    User,
)

SWAPPED_FIELDS = (
    "generation",
    "root_id",
    "root_at",
    "previous_id",
    "child_id",
    "child_at",
    "version",
    "authenticated_at",
    "idle_expires_at",
    "ended_at",
    "end_reason",
)
"""The fields of a session that a swap writes. The others never change, but for the device, which may be forgotten."""


class SessionStore(Protocol):
    """The sessions, as one transaction sees them. Whatever writes a row raises its version by one."""

    def load_many(self, ids: Collection[str]) -> dict[str, Session]:
        """The sessions with these ids, ended ones included, each with its user; an unknown id is left out."""
        ...

    def swap_many(self, sessions: Sequence[Session]) -> set[str]:
        """Write the `SWAPPED_FIELDS` of each row if the stored one is still at `version - 1`; no id twice.

        The promise: a swap succeeds for exactly one of the writers that saw a version, and when the transaction has
        returned, what it wrote survives a crash.

        Returns:
            The ids of the rows that were written. Whoever is not among them loads again and decides again.
        """
        ...

    def insert(self, session: Session) -> None:
        """Store a new session."""
        ...

    def live_of_user(self, user_id: str) -> list[Session]:
        """The user's sessions that neither ended nor expired, the newest first."""
        ...

    def devices_of_user(self, user_id: str) -> set[Device]:
        """What the user's live sessions began on, each device once: a program may have signed in very often."""
        ...

    def all_of_user(self, user_id: str) -> list[Session]:
        """Every session of the user that there is, ended and expired ones too, the newest first."""
        ...

    def end_of_user(self, user_id: str, reason: EndReason, *, keep: str | None = None) -> list[str]:
        """End every session of the user that has not ended, but for `keep`; the caller has locked the user.

        Expired ones are ended too: a clock that was wrong and is set back must not revive them.

        Returns:
            The ids of the sessions that this ended.
        """
        ...

    def live(self, limit: int) -> list[Session]:
        """At most `limit` sessions of whomever that neither ended nor expired, the newest first."""
        ...

    def end_some(self, reason: EndReason, limit: int) -> list[str]:
        """End at most `limit` of the sessions that have not ended, whosever they are; expired ones too.

        Returns:
            The ids of the sessions that this ended; fewer than `limit`: none is left.
        """
        ...

    def ended_since(self, since: Micros) -> list[tuple[str, Micros]]:
        """Ids and times of the sessions that ended at `since` or later: what a verifier must refuse."""
        ...

    def forget_devices(self, user_id: str) -> None:
        """Blank the device and the address in every session of the user: nothing personal outlives the account."""
        ...

    def disown(self, user_id: str) -> None:
        """Forget whose the sessions of the user were, who is gone: from now on they are nobody's (an empty id)."""
        ...

    def purge(self, limit: int) -> int:
        """Delete at most `limit` sessions whose `expires_at` has passed: they would be gone anyway. Never a live one.

        Returns:
            How many were deleted.
        """
        ...


class UserStore(Protocol):
    """The users, as one transaction sees them. Canonical forms (`keyturn.core.identity`) are unique.

    It may be an application's own table of users: `keyturn.stores.sql.open_database` takes a class of the application's.
    """

    def insert(self, account: Account) -> User:
        """Store a new user.

        Returns:
            The user as stored: a table that numbers its users by itself gives another id than the one proposed.

        Raises:
            EmailTaken, UsernameTaken: another user has it, in its canonical form.
        """
        ...

    def load_many(self, ids: Collection[str]) -> dict[str, User]:
        """The users with these ids; an unknown id is left out."""
        ...

    def page(self, limit: int, after: User | None = None) -> list[User]:
        """At most `limit` users in the order in which they were made, from the first or from the one after a user."""
        ...

    def find(self, login: str) -> Account | None:
        """The account whose e-mail address or username has the same canonical form as `login`."""
        ...

    def lock(self, user_id: str) -> Account | None:
        """The account, locked until the transaction ends: whoever else locks it waits."""
        ...

    def update(self, user: User) -> None:
        """Write the user's fields (not the password's hash, nor when the account was made); without the user, nothing.

        Raises:
            EmailTaken, UsernameTaken: another user has it, in its canonical form.
        """
        ...

    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        """Replace the hash that the user's password is checked against."""
        ...

    def delete(self, user_id: str) -> None:
        """Delete the account. Its sessions stay, and load without a user."""
        ...

    def stale_since(self, since: Micros) -> list[tuple[str, Micros]]:
        """Ids and `tokens_valid_from` of the users in whom that is `since` or later: their older tokens must be refused."""
        ...


@runtime_checkable
class BulkUserStore(Protocol):
    """What a store of users may offer besides: many at a time, for an import and an export."""

    def find_many(self, ids: Collection[str], emails: Collection[str], usernames: Collection[str]) -> list[User]:
        """The users who have one of these ids, or one of these names in its canonical form."""
        ...

    def insert_many(self, accounts: Sequence[Account]) -> None:
        """Store new users, with the ids that they have.

        Raises:
            EmailTaken, UsernameTaken: another user has one of the names; nothing else may be done in this transaction.
        """
        ...

    def password_hashes(self, ids: Collection[str]) -> dict[str, str]:
        """The hashes of those of the users who have one."""
        ...


class IdentityStore(Protocol):
    """The providers' accounts that open accounts here, as one transaction sees them."""

    def insert(self, identity: Identity) -> None:
        """Store a new one.

        Raises:
            IdentityTaken: its issuer and subject are there already, whosever they are.
        """
        ...

    def find(self, issuer: str, subject: str) -> Identity | None:
        """The identity of this issuer and subject, compared to the letter."""
        ...

    def of_user(self, user_id: str) -> list[Identity]:
        """The user's identities, the oldest first."""
        ...

    def of_users(self, user_ids: Collection[str]) -> list[Identity]:
        """The identities of several users, the oldest first."""
        ...

    def delete(self, identity_id: str) -> None:
        """Delete one; it opens nothing any more."""
        ...

    def delete_of_user(self, user_id: str) -> None:
        """Delete all of a user's."""
        ...


class FactStore(Protocol):
    """Facts about the database itself, by name, as one transaction that may write sees them."""

    def lock(self, name: str) -> str | None:
        """The fact, locked with all others until the transaction ends: whoever else locks one waits."""
        ...

    def put(self, name: str, value: str) -> None:
        """Set the fact."""
        ...


class CounterStore(Protocol):
    """Counters that are forgotten after a while, as one transaction sees them. Their keys say nothing about anybody."""

    def add(self, key: str, amount: int, lifetime: int) -> int:
        """Add to a counter; the first to do so makes it. Whoever else adds to it waits until the transaction ends.

        Args:
            key: its name.
            amount: what to add; may be negative.
            lifetime: seconds after which a counter that this makes is gone.

        Returns:
            What it is at now.
        """
        ...

    def get(self, key: str) -> tuple[int, Micros]:
        """What a counter is at, and when it will be gone; zero and now, if there is none."""
        ...

    def listed(self, prefix: str) -> list[tuple[str, int, Micros]]:
        """The counters whose key begins with a text of letters, digits and slashes: key, count, when they will be gone."""
        ...

    def clear(self, key: str) -> None:
        """Forget a counter."""
        ...

    def clear_all(self, prefix: str) -> None:
        """Forget every counter whose key begins with a text of letters, digits and slashes. May take its time."""
        ...

    def purge(self, limit: int, *, keep: int) -> int:
        """Delete at most `limit` counters: those that are gone; then, of more than `keep`, those that would go first.

        Returns:
            How many were deleted.
        """
        ...
