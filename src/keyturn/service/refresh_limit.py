"""How often one session may refresh: a client that asks in a loop is told to wait, and stays signed in."""

from __future__ import annotations

from keyturn.core.model import SECOND, Micros
from keyturn.errors import TooManyAttempts

WINDOW: Micros = 60 * SECOND
MAX_SESSIONS = 16_384
"""How many sessions are counted at a time. Where more refresh within a minute, all begin anew: the limit only becomes wider."""


class RefreshLimit:
    """Counts in this process's memory, without a lock: called by the event loop alone. It asks nobody, so it never fails.

    Args:
        most: refreshes of one session in a minute; none: any number.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._counts: dict[str, int] = {}
        self._ends_at: Micros = 0

    def check(self, session_id: str, now: Micros) -> None:
        """Count a refresh; to be called with an authentic token's session, before anything is asked of the database.

        Args:
            session_id: of the token.
            now: on the monotonic clock, in microseconds.

        Raises:
            TooManyAttempts
        """
        if self._most is None:
            return
        counts = self._counts
        if now >= self._ends_at or len(counts) >= MAX_SESSIONS:
            counts.clear()
            self._ends_at = now + WINDOW
        count = counts.get(session_id, 0) + 1
        if count > self._most:
            raise TooManyAttempts((self._ends_at - now) / SECOND, "refresh")
        counts[session_id] = count
