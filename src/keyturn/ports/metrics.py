"""What is counted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

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
