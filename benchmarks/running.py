"""A server on one core, and HTTP clients on the other."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import is_whole

BASE = "/api/v1/auth"
SERVER_CORE, LOAD_CORE = 0, 1
# Data lies on the disk: /tmp may be in memory, /var/tmp is not.
tempfile.tempdir = "/var/tmp"


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


def free_address() -> tuple[str, int]:
    """An address on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address: tuple[str, int] = listener.getsockname()
        return address


@contextmanager
def process(command: Sequence[str], address: tuple[str, int], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on the first core.

    Args:
        command: what to type.
        address: where it is going to listen.
        options: as `subprocess.Popen` takes them.

    Raises:
        RuntimeError: it ended before it listened; with what it said.
    """
    with TemporaryFile() as said:
        started = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command], stdout=said, stderr=subprocess.STDOUT, **options
        )
        try:
            while not _listens(address):
                if started.poll() is not None:
                    said.seek(0)
                    raise RuntimeError(said.read().decode()[-2000:])
                time.sleep(0.05)
            yield started
        finally:
            started.terminate()
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                started.kill()


def _listens(address: tuple[str, int]) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(address):
        return True
    return False


def _installed() -> dict[str, str]:
    """The environment, in which a server finds its modules compiled, as an installed one does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def server(environ: Mapping[str, str] = {}, data_dir: Path | None = None) -> Iterator[Running]:
    """Run `keyturn serve` on the first core, and this process on the second.

    Args:
        environ: its settings.
        data_dir: its data directory; by default a new one.
    """
    os.sched_setaffinity(0, {LOAD_CORE} if (os.cpu_count() or 1) > 1 else {SERVER_CORE})
    with TemporaryDirectory(prefix="keyturn-bench-") as folder:
        data_dir = data_dir or Path(folder, "data")
        command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "keyturn", "serve", "--port", "0"]
        began = time.perf_counter()
        with Path(folder, "log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--data-dir", str(data_dir)],
                # Limits are on, but few sessions stand for the many of a real load.
                env={**_installed(), "KEYTURN_RATE_LIMIT_REFRESH": "1000000", **environ},
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


class Connection:
    """One keep-alive connection, blocking."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, data: bytes) -> tuple[int, Any]:
        """Send a request and read its answer: its status, and its body if that is JSON."""
        answer = self.answer(data)
        head, _, body = answer.partition(b"\r\n\r\n")
        is_json = re.search(rb"(?i)content-type: \S*json", head) is not None
        return int(head[9:12]), json.loads(body) if is_json else None

    def answer(self, data: bytes) -> bytes:
        """Send a request and read the bytes of its answer."""
        self._socket.sendall(data)
        received = b""
        while not is_whole(received):
            received += self._socket.recv(65_536)
        return received
