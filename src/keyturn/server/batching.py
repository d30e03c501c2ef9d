"""Gathering concurrent refreshes into batches: those that arrive while a batch is being committed form the next one.

There is no timer, so an idle server adds no delay; under load one commit serves many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from keyturn.errors import Overloaded

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Q, A]):
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
        self._running: asyncio.Task[None] | None = None

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
        waiting: _Waiting[Q, A] = _Waiting(item, is_gone, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        return await waiting.answer

    @property
    def waiting(self) -> int:
        """How many items wait for a batch."""
        return len(self._waiting)

    def close(self) -> None:
        """Let the last batch finish."""
        self._thread.shutdown(wait=True)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
                await self._run([waiting for waiting in batch if not self._dropped(waiting)])
        finally:
            self._running = None

    def _dropped(self, waiting: _Waiting[Q, A]) -> bool:
        if not waiting.answer.done() and waiting.is_gone():
            waiting.answer.set_exception(Overloaded())
        return waiting.answer.done()

    async def _run(self, batch: list[_Waiting[Q, A]]) -> None:
        if not batch:
            return
        items = [waiting.item for waiting in batch]
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._decide, items)
        except Exception as error:  # whoever waits must hear of it, whatever it is
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
