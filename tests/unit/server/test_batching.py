"""Batches: no timer, company while one is under way, and an answer or an error for everybody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from keyturn.errors import Overloaded
from keyturn.server.batching import Batcher
from keyturn.server.lanes import Lane


class Work:
    """Doubles numbers; waits at a gate, and remembers the batches."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        self.begun.set()
        assert self.gate.wait(20)
        if 13 in batch:
            raise ValueError("unlucky")
        return [number * 2 for number in batch]


def present() -> bool:
    return False


def gone() -> bool:
    return True


async def _behind(work: Work, batcher: Batcher[int, int], *numbers: int) -> list[int | BaseException]:
    """Submit the first number, and the others while it is being decided."""
    first = asyncio.create_task(batcher.submit(numbers[0], present))
    await asyncio.to_thread(work.begun.wait, 20)
    others = [asyncio.create_task(batcher.submit(number, present)) for number in numbers[1:]]
    await asyncio.sleep(0)
    work.gate.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


@pytest.fixture
def work() -> Work:
    return Work()


def batcher_of(work: Work, *, queue: int = 100, size: int = 256) -> Batcher[int, int]:
    return Batcher(work, queue=queue, size=size)


def test_a_lone_item_waits_for_nobody(work: Work) -> None:
    work.gate.set()
    batcher = batcher_of(work)

    async def alone() -> list[int]:
        return [await batcher.submit(number, present) for number in (1, 2, 3)]

    assert asyncio.run(alone()) == [2, 4, 6]
    assert work.batches == [[1], [2], [3]]
    batcher.close()


def test_those_that_arrive_during_a_batch_form_the_next_one(work: Work) -> None:
    batcher = batcher_of(work)
    assert asyncio.run(_behind(work, batcher, 1, 2, 3, 4)) == [2, 4, 6, 8]
    assert work.batches == [[1], [2, 3, 4]]
    batcher.close()


def test_a_batch_has_a_size_at_most(work: Work) -> None:
    batcher = batcher_of(work, size=2)
    asyncio.run(_behind(work, batcher, 1, 2, 3, 4, 5, 6))
    assert work.batches == [[1], [2, 3], [4, 5], [6]]
    batcher.close()


def test_a_failure_reaches_everybody_in_its_batch_and_nobody_else(work: Work) -> None:
    batcher = batcher_of(work)

    async def run() -> tuple[list[int | BaseException], int]:
        return await _behind(work, batcher, 1, 2, 13, 4), await batcher.submit(5, present)

    (first, *mates), later = asyncio.run(run())
    assert (first, later) == (2, 10)
    assert [str(error) for error in mates] == ["unlucky"] * 3
    batcher.close()


def test_more_than_may_wait_are_told_so_at_once_and_never_decided(work: Work) -> None:
    batcher = batcher_of(work, queue=2)
    first, second, third, refused = asyncio.run(_behind(work, batcher, 1, 2, 3, 4))
    assert (first, second, third) == (2, 4, 6)
    assert isinstance(refused, Overloaded)
    assert work.batches == [[1], [2, 3]]
    batcher.close()


def test_an_item_that_nobody_waits_for_any_more_is_dropped_undecided(work: Work) -> None:
    work.gate.set()
    batcher = batcher_of(work)

    async def run() -> list[int | BaseException]:
        submitted = [batcher.submit(1, present), batcher.submit(2, gone), batcher.submit(3, present)]
        return await asyncio.gather(*submitted, return_exceptions=True)

    first, dropped, third = asyncio.run(run())
    assert (first, third) == (2, 6)
    assert isinstance(dropped, Overloaded)
    assert 2 not in [number for batch in work.batches for number in batch]
    batcher.close()


def test_an_item_that_cannot_be_asked_about_fails_alone(work: Work) -> None:
    work.gate.set()
    batcher = batcher_of(work)

    def unknown() -> bool:
        raise OSError("no answer")

    async def run() -> list[int | BaseException]:
        submitted = [batcher.submit(1, present), batcher.submit(2, unknown), batcher.submit(3, present)]
        return await asyncio.gather(*submitted, return_exceptions=True)

    first, failed, third = asyncio.run(run())
    assert (first, third) == (2, 6)
    assert isinstance(failed, OSError)
    batcher.close()


def test_an_item_whose_task_was_cancelled_takes_nobody_with_it(work: Work) -> None:
    batcher = batcher_of(work)

    async def run() -> list[int | BaseException]:
        first = asyncio.create_task(batcher.submit(1, present))
        await asyncio.to_thread(work.begun.wait, 20)
        cancelled, kept = (asyncio.create_task(batcher.submit(number, present)) for number in (2, 3))
        await asyncio.sleep(0)
        cancelled.cancel()
        first.cancel()
        work.gate.set()
        return await asyncio.gather(first, cancelled, kept, return_exceptions=True)

    first, cancelled, kept = asyncio.run(run())
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert kept == 6
    assert work.batches == [[1], [3]]
    batcher.close()


def test_a_lane_runs_so_many_at_a_time_lets_so_many_wait_and_refuses_the_rest() -> None:
    lock, gate = threading.Lock(), threading.Event()
    running = most = 0

    def work() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(20)
        with lock:
            running -= 1
        return "done"

    async def run() -> list[str | BaseException]:
        lane = Lane(2, 3)
        tasks = []
        for _ in range(8):
            tasks.append(asyncio.create_task(lane.run(work)))
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while running < 2:
                await asyncio.sleep(0.001)
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(run())
    assert outcomes[:5] == ["done"] * 5
    assert all(isinstance(outcome, Overloaded) for outcome in outcomes[5:])
    assert most == 2


def test_what_a_lane_runs_may_fail_and_the_lane_goes_on() -> None:
    async def run() -> tuple[object, object]:
        lane = Lane(1, 0)
        (failed,) = await asyncio.gather(lane.run(lambda: 1 // 0), return_exceptions=True)
        return failed, await lane.run(lambda: "done")

    failed, done = asyncio.run(run())
    assert isinstance(failed, ZeroDivisionError)
    assert done == "done"
