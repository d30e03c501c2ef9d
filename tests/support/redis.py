"""A Redis of one's own, on a free port, whose time goes by when it is told."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from tests.support.wire import free_port


class RedisServer:
    """`redis-server` as a process that keeps nothing on the disk.

    Args:
        folder: where it may write.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(["redis-server", *arguments, "--dir", str(folder)], stdout=subprocess.DEVNULL)
        self.client = redis.Redis.from_url(self.url)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.01)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self.stop()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def advance(self, seconds: float) -> None:
        """Let time pass, for every key."""
        for key in self.client.scan_iter():
            left = self.client.pttl(key) - round(seconds * 1000)
            assert left < 10**12, "a key that never expires"
            if left > 0:
                self.client.pexpire(key, left)
            else:
                self.client.delete(key)
