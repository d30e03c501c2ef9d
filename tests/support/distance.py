"""Clients whose messages take their time, on a clock that the test moves: hours of a slow network pass in seconds."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from tests.support.load import Tab

from keyturn.core.model import SECOND, Micros, Policy
from keyturn.testing.fakes import FakeClock

_STEP = SECOND // 4


class PassingTime:
    """Moves a clock on by itself, but not past the moment by which the protocol wants a request decided that is under way.

    However slow the machine is, no run breaks what the protocol asks of clients and servers.

    Args:
        clock: of the servers.
        policy: theirs.

    Attributes:
        life: how long a message is good for, in microseconds.
    """

    def __init__(self, clock: FakeClock, policy: Policy) -> None:
        self._clock = clock
        self._bound = policy.window - policy.refresh_timeout - policy.skew
        self.life = policy.refresh_timeout
        self._under_way: list[Micros] = []
        self._moved = threading.Condition()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._pass)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def now(self) -> Micros:
        return self._clock.monotonic()

    def wait_until(self, moment: Micros) -> None:
        with self._moved:
            while self.now < moment:
                assert self._moved.wait(60), "time does not pass"

    @contextmanager
    def sending(self) -> Iterator[Micros]:
        """While a request is under way and not decided yet; gives when it was sent."""
        with self._moved:
            sent = self.now
            self._under_way.append(sent)
        try:
            yield sent
        finally:
            with self._moved:
                self._under_way.remove(sent)

    def _pass(self) -> None:
        while not self._is_over.wait(0.001):
            with self._moved:
                if self.now + _STEP < min(self._under_way, default=self.now) + self._bound:
                    self._clock.advance(_STEP / SECOND)
                    self._moved.notify_all()


class FarTab(Tab):
    """A tab far away from the server: requests and answers are late, overtake each other, or are lost.

    It gives up on a request in time, and uses nothing that comes later, as the protocol asks of it.

    Args:
        url: of the server.
        jar: shared with other tabs.
        time: that passes.
        seed: of what becomes of its messages.
    """

    def __init__(self, url: str, jar: list[str], time: PassingTime, seed: int) -> None:
        super().__init__(url, jar)
        self._time = time
        self._random = random.Random(seed)

    def pause(self) -> None:
        """Do nothing for a moment, for a window at the longest, or for several."""
        self._time.wait_until(self._time.now + self._between(0, self._random.choice([1, 30, 90, 90])))

    def _call(self, path: str, body: Mapping[str, object]) -> tuple[int | None, dict[str, Any]]:
        is_lost = self._random.random() < 0.15
        with self._time.sending() as sent:
            self._time.wait_until(sent + self._between(0, 5))
            result = (None, {}) if is_lost else super()._call(path, body)
        arrives = self._time.now + self._between(0, 8)
        given_up = sent + self._time.life
        self._time.wait_until(min(arrives, given_up))
        return (None, {}) if arrives > given_up or self._random.random() < 0.15 else result

    def _between(self, least: float, most: float) -> Micros:
        return round(self._random.uniform(least, most) * SECOND)
