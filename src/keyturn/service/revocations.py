"""The sessions that ended lately, and the users whose tokens say what is no longer so: what makes an access token worthless
before it expires.

Either need be known only for the longest life of an access token plus W, so it stays small whatever the number of users.
"""

from __future__ import annotations

from collections.abc import Iterable

from keyturn.core.model import SECOND, AccessClaims, Micros, Policy
from keyturn.ports import Database, Transaction

_COMMITTED_AFTER: Micros = 30 * SECOND
"""How long after the time that it bears a write may at the latest be seen: a database bounds what a transaction may take."""

_Entries = list[tuple[str, Micros]]


class Revocations:
    """A container of the ids of ended sessions, for a verifier; `is_stale` says the rest. Safe to use from several threads.

    Ends that this process decides are in it at once (`add`); those that another process decides, such as the command line, are
    in it after the next `follow`.

    Args:
        policy: how long an end must be remembered.
    """

    def __init__(self, policy: Policy) -> None:
        self._keep = policy.access_lifetime + policy.window
        self._overlap = max(policy.window + policy.skew, _COMMITTED_AFTER)
        self._ended: dict[str, Micros] = {}
        self._stale: dict[str, Micros] = {}
        self._followed_until: Micros | None = None

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, session_ids: Iterable[str], now: Micros) -> None:
        """Name sessions that have ended, for as long as an access token of theirs may be about."""
        for session_id in session_ids:
            self._ended[session_id] = now

    def is_stale(self, claims: AccessClaims) -> bool:
        """Whether a token was issued before its user's roles were changed."""
        valid_from = self._stale.get(claims.subject)
        return valid_from is not None and claims.issued_at <= valid_from // SECOND

    def add_stale(self, user_id: str, valid_from: Micros) -> None:
        """Refuse the tokens of a user that were issued until then."""
        self._stale[user_id] = max(valid_from, self._stale.get(user_id, 0))

    def follow(self, database: Database) -> None:
        """Learn of what others decided, and forget what no longer matters.

        Raises:
            StoreUnavailable: nothing was forgotten.
        """

        def work(tx: Transaction) -> tuple[Micros, _Entries, _Entries]:
            since = tx.now - self._keep
            if self._followed_until is not None and self._followed_until <= tx.now:
                # A write may commit a little after the time it bears, and clocks differ: read the last stretch again.
                # A clock that was set back makes all of it the last stretch.
                since = max(since, self._followed_until - self._overlap)
            return tx.now, tx.sessions.ended_since(since), tx.users.stale_since(since)

        now, ended, stale = database.read(work)
        self._ended.update(ended)
        for user_id, valid_from in stale:
            self.add_stale(user_id, valid_from)
        self._followed_until = now
        for known in (self._ended, self._stale):
            for name, moment in list(known.items()):
                if now - moment > self._keep:
                    del known[name]
