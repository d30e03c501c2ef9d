"""What is kept of mails: those that wait, and the one-time tokens in them."""

from __future__ import annotations

from typing import Protocol

from keyturn.core.model import (
    Mail,
    OneTimeToken,
    Purpose,
    User,
)


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
