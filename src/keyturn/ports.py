"""What Keyturn asks of the world, and what it may rely on in return.

A database other than ours is a class with these methods that passes the contract suite in `keyturn.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

from keyturn.core.model import (
    Account,
    EndReason,
    Identity,
    Mail,
    Micros,
    OneTimeToken,
    Person,
    Purpose,
    Session,
    User,
)

T = TypeVar("T")

ID_BYTES = 12
"""Ids are 96 random bits."""

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


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> Micros:
        """Microseconds since the epoch, UTC. May be set back or forth."""
        ...

    def monotonic(self) -> Micros:
        """Microseconds since some moment; never goes back. For durations."""
        ...


class Entropy(Protocol):
    """Where randomness comes from."""

    def random_bytes(self, count: int) -> bytes:
        """Bytes that nobody can predict."""
        ...


def fresh_id(entropy: Entropy) -> str:
    """A new id: 96 random bits in hexadecimal, 24 characters."""
    return entropy.random_bytes(ID_BYTES).hex()


def fresh_ids(entropy: Entropy, count: int) -> list[str]:
    """So many new ids, of one draw: asking the system for each is slow."""
    drawn, width = entropy.random_bytes(count * ID_BYTES).hex(), 2 * ID_BYTES
    return [drawn[start : start + width] for start in range(0, count * width, width)]


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


class OneTimeTokenStore(Protocol):
    """One-time tokens by their hashes, as one transaction sees them. One that has expired is never found."""

    def insert(self, token: OneTimeToken) -> None:
        """Store a new token."""
        ...

    def find(self, purpose: Purpose, digest: str) -> OneTimeToken | None:
        """The token, which stays."""
        ...

    def take(self, purpose: Purpose, digest: str) -> OneTimeToken | None:
        """The token, which is gone then: of any number who take it at once, one gets it."""
        ...

    def of_user(self, user_id: str) -> list[OneTimeToken]:
        """Every token of a user that there is, expired ones too."""
        ...

    def forget(self, user_id: str) -> None:
        """Delete every token of a user."""
        ...

    def purge(self, limit: int) -> int:
        """Delete at most `limit` tokens that have expired; the number of those deleted."""
        ...


class MailStore(Protocol):
    """The mails that wait to be sent, as one transaction sees them."""

    def insert(self, mail: Mail) -> None:
        """Let a mail wait: it is sent if the transaction commits, and only then."""
        ...

    def due(self, limit: int) -> list[Mail]:
        """At most `limit` mails whose time has come, those that have waited longest first."""
        ...

    def swap(self, mail: Mail) -> bool:
        """Write `attempts`, `next_at` and `last_error`, if the stored mail is at `attempts - 1`.

        Of any number who swap at once, one succeeds: this is how a mail is claimed.
        """
        ...

    def put_off(self, mail: Mail) -> None:
        """Write `next_at` and `last_error`, if the stored mail is still at `attempts`: nobody else has claimed it since."""
        ...

    def delete(self, mail_id: str) -> None:
        """A mail is sent, or is not to be sent any more."""
        ...

    def of_user(self, user: User) -> list[Mail]:
        """Every mail about a user, and those about nobody in particular that go to their address, in its canonical form."""
        ...

    def forget(self, user_id: str) -> None:
        """Delete every mail about a user."""
        ...


class Transaction(Protocol):
    """One transaction: what it read is what it writes upon."""

    @property
    def now(self) -> Micros:
        """The store's time, read after whatever the transaction had to wait for: its turn, or the locks that it took before.

        It is the same however often it is asked.
        """
        ...

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def identities(self) -> IdentityStore: ...

    @property
    def facts(self) -> FactStore: ...

    @property
    def counters(self) -> CounterStore: ...

    @property
    def one_time_tokens(self) -> OneTimeTokenStore: ...

    @property
    def mails(self) -> MailStore: ...


class Database(Protocol):
    """Where sessions and users are kept. Safe to use from several threads."""

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that may write, and return what it returned once that is durable.

        If `work` raises, nothing was written. A database may run it more than once, when its transaction was
        chosen to be repeated: it must have no effect but through its argument.

        Raises:
            StoreUnavailable: nothing was written.
        """
        ...

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that only reads, which waits for no writer. What it tries to write is not written.

        Raises:
            StoreUnavailable
        """
        ...

    def ping(self) -> None:
        """Do nothing, if the database answers: for readiness checks.

        Raises:
            StoreUnavailable
        """
        ...

    def close(self) -> None:
        """Let go of the database. Nothing else may be called afterwards."""
        ...


@runtime_checkable
class Announcing(Protocol):
    """What a database may offer besides: to say at once that another process has ended sessions. Without it one has to look."""

    def wait_for_news(self) -> None:
        """Return when a session may have ended or a user's older tokens become stale, in whatever process.

        Raises:
            StoreUnavailable: nothing is heard at the moment, or the database was closed.
        """
        ...


SignInResult = Literal["ok", "failed", "refused"]
"""A wrong password failed; one that no limit let through was refused unseen."""


class Metrics(Protocol):
    """What is counted of what happens. Each call costs little and comes after the commit, from whichever thread."""

    def refreshed(self, verdicts: Collection[str]) -> None:
        """A batch of refreshes was decided; the verdict of each."""
        ...

    def ended(self, reason: str, count: int) -> None:
        """So many sessions have ended."""
        ...

    def signed_in(self, result: SignInResult) -> None:
        """Somebody signed in with a password, or tried to."""
        ...

    def mailed(self, result: str) -> None:
        """A mail was `sent`, is `put_off`, or was `given_up`."""
        ...


@dataclass(frozen=True, slots=True)
class Handshake:
    """What ties a way back from a provider to the way there.

    Attributes:
        redirect_uri: where the provider sends the browser back to.
        state: comes back in the address.
        nonce: comes back within the ID token.
        code_verifier: shows that whoever redeems a code is whoever asked for it (PKCE, RFC 7636).
    """

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


class Provider(Protocol):
    """Somebody else's accounts to sign in with. Called from several threads; each call may ask over the network."""

    @property
    def issuer(self) -> str:
        """The provider's own name: identities are kept under it."""
        ...

    @property
    def label(self) -> str:
        """What people call it."""
        ...

    def authorization_url(self, handshake: Handshake) -> str:
        """Where to send a browser, for its user to say who they are.

        Raises:
            ProviderUnavailable, ProviderInvalid
        """
        ...

    def person(self, handshake: Handshake, code: str, issuer: str | None) -> Person:
        """Redeem the code that a browser came back with.

        Args:
            handshake: the one that the browser was sent there with.
            code: as it came.
            issuer: `iss` of the address, if there was one (RFC 9207).

        Raises:
            ProviderUnavailable, ProviderInvalid
        """
        ...


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
