"""Gathering concurrent refreshes into batches: those that arrive while a batch is being committed form the next one.

There is no timer, so an idle server adds no delay; under load one commit serves many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from keyturn.errors import Overloaded

Q = TypeVar("Q")
A = TypeVar("A")


class _Waiting(NamedTuple, Generic[Q, A]):
    item: Q
    is_gone: Callable[[], bool]
    answer: asyncio.Future[A]


class Batcher(Generic[Q, A]):
    """Runs `decide` in one thread, on whatever is waiting when it comes back.

    Args:
        decide: a batch in, an answer for each out, in order. If it raises, everyone in the batch gets that.
        queue: how many may wait; beyond it, `Overloaded`.
        size: how many one batch holds at most.
    """

    def __init__(self, decide: Callable[[Sequence[Q]], Sequence[A]], *, queue: int, size: int = 256) -> None:
        self._decide = decide
        self._queue = queue
        self._size = size
        self._waiting: deque[_Waiting[Q, A]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keyturn-refresh")
        self._is_busy = False

    async def submit(self, item: Q, is_gone: Callable[[], bool]) -> A:
        """The answer to an item.

        Args:
            item: what to decide.
            is_gone: whether nobody waits for the answer any more; asked just before the batch. Such an item is dropped
                undecided.

        Raises:
            Overloaded: too many are waiting, or nobody waits for this one; it was not decided.
        """
        if len(self._waiting) >= self._queue:
            raise Overloaded
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append(_Waiting(item, is_gone, answer))
        if not self._is_busy:
            self._is_busy = True
            # Not at once: whoever arrives at the same moment comes along.
            loop.call_soon(self._begin, loop)
        return await answer

    @property
    def waiting(self) -> int:
        """How many items wait for a batch."""
        return len(self._waiting)

    def close(self) -> None:
        """Let the last batch finish."""
        self._thread.shutdown(wait=True)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send the next batch to the thread, if anybody waits."""
        self._is_busy = False
        while self._waiting:
            next_ones = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            batch = [waiting for waiting in next_ones if not self._dropped(waiting)]
            if batch:
                self._is_busy = True
                self._thread.submit(self._run, loop, batch)
                return

    def _dropped(self, waiting: _Waiting[Q, A]) -> bool:
        try:
            if not waiting.answer.done() and waiting.is_gone():
                waiting.answer.set_exception(Overloaded())
        except Exception as error:  # of one request; its mates are decided all the same
            waiting.answer.set_exception(error)
        return waiting.answer.done()

    def _run(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting[Q, A]]) -> None:
        """Decide a batch, in the thread. The event loop hears of all its answers at once."""
        try:
            answered = list(zip(batch, self._decide([waiting.item for waiting in batch]), strict=True))
        except Exception as error:  # whoever waits must hear of it, whatever it is
            loop.call_soon_threadsafe(self._fail, loop, batch, error)
        else:
            loop.call_soon_threadsafe(self._answer, loop, answered)

    def _answer(self, loop: asyncio.AbstractEventLoop, answered: list[tuple[_Waiting[Q, A], A]]) -> None:
        for waiting, answer in answered:
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        self._begin(loop)

    def _fail(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting[Q, A]], error: Exception) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
        self._begin(loop)
