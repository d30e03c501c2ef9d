"""The sessions that ended lately: what makes an access token worthless before it expires.

It need name only sessions that ended within the longest life of an access token plus W, so it stays small whatever the number
of users.
"""

from __future__ import annotations

from collections.abc import Iterable

from keyturn.core.model import Micros, Policy
from keyturn.ports import Database, Transaction


class Revocations:
    """A container of session ids, for a verifier. Safe to use from several threads.

    Ends that this process decides are in it at once (`add`); those that another process decides, such as the command line, are
    in it after the next `follow`.

    Args:
        policy: how long an end must be remembered.
    """

    def __init__(self, policy: Policy) -> None:
        self._keep = policy.access_lifetime + policy.window
        self._overlap = policy.window + policy.skew
        self._ended: dict[str, Micros] = {}
        self._followed_until: Micros | None = None

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, session_ids: Iterable[str], now: Micros) -> None:
        """Name sessions that have ended, for as long as an access token of theirs may be about."""
        for session_id in session_ids:
            self._ended[session_id] = now

    def follow(self, database: Database) -> None:
        """Learn of ends that others decided, and forget those that no longer matter.

        Raises:
            StoreUnavailable: nothing was forgotten.
        """

        def work(tx: Transaction) -> tuple[Micros, list[tuple[str, Micros]]]:
            since = tx.now - self._keep
            if self._followed_until is not None and self._followed_until <= tx.now:
                # A write may commit a little after the time it bears, and clocks differ: read the last stretch again.
                # A clock that was set back makes all of it the last stretch.
                since = max(since, self._followed_until - self._overlap)
            return tx.now, tx.sessions.ended_since(since)

        now, ended = database.read(work)
        for session_id, ended_at in ended:
            self._ended[session_id] = ended_at
        self._followed_until = now
        for session_id, ended_at in list(self._ended.items()):
            if now - ended_at > self._keep:
                del self._ended[session_id]
