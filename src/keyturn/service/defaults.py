"""What the flows work with where a server was given nothing else."""

from __future__ import annotations

from collections.abc import Collection

from keyturn.core.model import SECOND, Micros, Purpose
from keyturn.ports import Attempt, Counted, Metrics, SignInResult, Standing

LIFETIMES: dict[Purpose, Micros] = {
    Purpose.RESET_PASSWORD: 3600 * SECOND,
    Purpose.VERIFY_EMAIL: 86_400 * SECOND,
    # It signs nobody in and opens nothing: an owner who reads the mail after a holiday is to end the thief's session still.
    Purpose.END_SESSIONS: 14 * 86_400 * SECOND,
}
"""How long a one-time token is good for, in microseconds, unless a setting says otherwise."""


class Uncounted(Metrics):
    """Nobody wants to know."""

    def refreshed(self, verdicts: Collection[str]) -> None:
        pass

    def ended(self, reason: str, count: int) -> None:
        pass

    def signed_in(self, result: SignInResult) -> None:
        pass

    def mailed(self, result: str) -> None:
        pass


class Unthrottled:
    """`keyturn.ports.Throttle` that counts nothing, for where throttling is turned off."""

    def attempt(self, attempt: Attempt) -> Counted:
        return self

    def registration(self, network: str) -> None:
        pass

    def mail(self, name: str, network: str) -> bool:
        return True

    def provider(self, network: str, device: str | None) -> Counted:
        return self

    def provider_wait(self, network: str, device: str | None) -> None:
        pass

    def standing(self, names: Collection[str]) -> list[Standing]:
        return []

    def forget(self, names: Collection[str]) -> None:
        pass

    def succeeded(self) -> None:
        pass

    def give_back(self) -> None:
        pass
