"""What watches a server for its operator: by default nothing does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from keyturn.server.api import Api
from keyturn.server.app import Located
from keyturn.service.context import Context

Q = TypeVar("Q")
A = TypeVar("A")


class Watch:
    """Watches nothing. `keyturn.server.metrics` has one that counts."""

    def watching(self, context: Context) -> Context:
        """A context whose parts are watched."""
        return context

    def counting(self, decide: Callable[[Sequence[Q]], Sequence[A]]) -> Callable[[Sequence[Q]], Sequence[A]]:
        """What decides a batch, with its size counted."""
        return decide

    def answered(self, route: str | None, status: int | None) -> None:
        """Count a request. Called in the event loop's thread, as is `sample`.

        Args:
            route: where it was for, as the table of calls has it; none: nothing of ours.
            status: of the answer; none: there was none.
        """

    def sample(self, api: Api) -> None:
        """Look at what is only looked at once a second."""

    def pages(self, api: Api) -> list[Located]:
        """Where the operator sees it."""
        return []
