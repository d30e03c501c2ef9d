"""A server on one core, and HTTP clients on the other."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

BASE = "/api/v1/auth"
SERVER_CORE, LOAD_CORE = 0, 1


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run this process on one core for a while."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class Running:
    """A running server.

    Attributes:
        started_in: seconds from the start of the process to its first answer.
    """

    url: str
    data_dir: Path
    process: subprocess.Popen[str]
    started_in: float

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    @property
    def memory_mb(self) -> float:
        """Resident memory, in 10^6 bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kib = re.search(r"VmRSS:\s+(\d+)", status)
        assert kib
        return int(kib[1]) * 1024 / 1e6


@contextmanager
def server(environ: Mapping[str, str] = {}) -> Iterator[Running]:
    """Run `keyturn serve` on the first core, and this process on the second."""
    os.sched_setaffinity(0, {LOAD_CORE} if (os.cpu_count() or 1) > 1 else {SERVER_CORE})
    with TemporaryDirectory(prefix="keyturn-bench-") as folder:
        data_dir = Path(folder, "data")
        command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "keyturn", "serve", "--port", "0"]
        began = time.perf_counter()
        with Path(folder, "log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--data-dir", str(data_dir)],
                env={**os.environ, **environ},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            assert process.stdout
            greeting = "".join(process.stdout.readline() for _ in range(4))
            found = re.search(r"answers at (\S+)", greeting)
            assert found, greeting
            running = Running(found[1], data_dir, process, 0.0)
            Connection(running.address).exchange(request("GET", "/healthz"))
            yield Running(found[1], data_dir, process, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)


def request(method: str, path: str, body: Mapping[str, Any] | None = None, bearer: str | None = None) -> bytes:
    """The bytes of a request."""
    content = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
    if body is not None:
        lines.append("Content-Type: application/json")
    if bearer:
        lines.append(f"Authorization: Bearer {bearer}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def whole(data: bytes) -> tuple[int, bytes] | None:
    """Status and body of an answer, once all of it is there."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if length is None or len(body) < int(length[1]):
        return None if length else (int(head[9:12]), b"")
    return int(head[9:12]), body


class Connection:
    """One keep-alive connection, blocking."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, data: bytes) -> tuple[int, Any]:
        """Send a request and read its answer."""
        self._socket.sendall(data)
        received = b""
        while (answer := whole(received)) is None:
            received += self._socket.recv(65_536)
        return answer[0], json.loads(answer[1] or b"null")


class Client(asyncio.Protocol):
    """One keep-alive connection that always has one request under way, until it is told to stop.

    Args:
        first: the first request.
        following: makes the next request from an answer; none: stop.
    """

    def __init__(self, first: bytes, following: Any, done: asyncio.Future[None]) -> None:
        self._first = first
        self._following = following
        self._done = done
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(self._first)

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = whole(self._received)
        if answer is None:
            return
        self._received = b""
        following = self._following(*answer)
        if following is None:
            self._transport.close()
            self._done.set_result(None)
        else:
            self._transport.write(following)
