"""Where the ASGI edge meets the synchronous flows: threads, so many at a time, with so many waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from keyturn.errors import Overloaded

T = TypeVar("T")


class Lane:
    """A bounded pool of threads with a bounded queue. Each kind of work has its own, so that none starves another.

    Args:
        threads: how many calls run at a time.
        queue: how many more may wait.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._queue = queue
        self.threads = threads

    @property
    def busy(self) -> int:
        """How many calls run now."""
        return self._limiter.borrowed_tokens

    @property
    def waiting(self) -> int:
        """How many more wait."""
        return self._limiter.statistics().tasks_waiting

    async def run(self, work: Callable[[], T]) -> T:
        """Run a call in a thread and give what it gives.

        Raises:
            Overloaded: the queue is full; nothing was begun.
        """
        if self.waiting >= self._queue and self._limiter.available_tokens < 1:
            raise Overloaded
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)
