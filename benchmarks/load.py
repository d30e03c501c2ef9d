"""Load from one core: as many requests as a server answers, or so many a second whatever it does.

Sockets and epoll without a framework between, because the load must not be what is measured: `Run.load_core` says how much of its
core it took.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

_RECEIVED = 65_536
_HANGING_AFTER = 30.0


class Client(Protocol):
    """One client of the server, with one request under way at most."""

    @property
    def request(self) -> bytes:
        """The bytes that it sends next."""
        ...

    def answered(self, answer: bytes) -> None:
        """Check the answer, head and body, and make the next request.

        Raises:
            AssertionError: it is not the answer that was wanted.
        """
        ...


@dataclass(frozen=True)
class Run:
    """What a closed loop did.

    Attributes:
        answers: how many there were.
        seconds: how long it took.
        load_core: what part of its core the load itself took: 1.0 would mean that the load was measured, not the server.
    """

    answers: int
    seconds: float
    load_core: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def closed_loop(address: tuple[str, int], clients: Sequence[Client], seconds: float) -> Run:
    """Let each client send its next request as soon as it has its answer, each over one connection kept alive.

    Args:
        address: of the server.
        clients: as many as there are to be connections. They can go on in another loop: every answer was read.
        seconds: for how long requests are sent.
    """
    answers, under_way = 0, len(clients)
    with _connected(address, clients) as (epoll, connections):
        used, began = time.process_time(), time.perf_counter()
        until = began + seconds
        for connection in connections.values():
            connection.send()
        while under_way:
            goes_on = time.perf_counter() < until
            for number, _ in _ready(epoll, _HANGING_AFTER):
                connection = connections[number]
                if connection.is_answered():
                    answers += 1
                    if goes_on:
                        connection.send()
                    else:
                        under_way -= 1
        took = time.perf_counter() - began
        return Run(answers, took, (time.process_time() - used) / took)


def open_loop(address: tuple[str, int], clients: Sequence[Client], rate: float, seconds: float) -> list[float]:
    """Send requests at a fixed rate, and say how long each took, in seconds, in ascending order.

    A latency counts from the moment at which the request was due, not from when it could be sent: a server that stalls delays
    everything that was due meanwhile, and leaving that out ("coordinated omission") would hide the stall.

    Args:
        address: of the server.
        clients: as many as may have a request under way at once.
        rate: requests a second.
        seconds: for how long.
    """
    total, sent, latencies = int(rate * seconds), 0, list[float]()
    with _connected(address, clients) as (epoll, connections):
        idle = deque(connections.values())
        began = time.perf_counter()
        while len(latencies) < total:
            elapsed = time.perf_counter() - began
            assert elapsed < 2 * seconds + _HANGING_AFTER, f"{rate:.0f} requests a second are too many for this server"
            while idle and sent < total and sent / rate <= elapsed:
                connection = idle.popleft()
                connection.due = sent / rate
                connection.send()
                sent += 1
            for number, _ in epoll.poll(0):
                connection = connections[number]
                if connection.is_answered():
                    latencies.append(time.perf_counter() - began - connection.due)
                    idle.append(connection)
    return sorted(latencies)


def quantile(ascending: Sequence[float], part: float) -> float:
    """The value that this part of all values does not exceed.

    Args:
        ascending: the values.
        part: between 0 and 1.
    """
    return ascending[min(len(ascending) - 1, int(part * len(ascending)))]


def is_whole(data: bytes) -> bool:
    """Whether an answer is there to its end: by its length, or by its last chunk."""
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    # Servers write it in one of two ways, and looking for these is faster than folding the head's case.
    at = data.find(b"ontent-length: ", 0, head_end)
    if at < 0:
        at = data.find(b"ontent-Length: ", 0, head_end)
    if at < 0:
        return data[9:12] == b"204" or data.endswith(b"\r\n0\r\n\r\n")
    return len(data) >= head_end + 4 + int(data[at + 15 : data.find(b"\r\n", at)])


class _Connection:
    __slots__ = ("_client", "_received", "_socket", "due")

    def __init__(self, connected: socket.socket, client: Client) -> None:
        self._socket = connected
        self._client = client
        self._received = b""
        self.due = 0.0

    def send(self) -> None:
        self._socket.sendall(self._client.request)

    def is_answered(self) -> bool:
        data = self._socket.recv(_RECEIVED)
        assert data, f"the server hung up: {self._received!r}"
        if self._received:
            data = self._received + data
        if not is_whole(data):
            self._received = data
            return False
        self._received = b""
        self._client.answered(data)
        return True


def _ready(epoll: select.epoll, seconds: float) -> list[tuple[int, int]]:
    ready = epoll.poll(seconds)
    assert ready, f"no answer for {seconds:.0f} seconds"
    return ready


@contextmanager
def _connected(
    address: tuple[str, int], clients: Sequence[Client]
) -> Iterator[tuple[select.epoll, dict[int, _Connection]]]:
    sockets = [socket.create_connection(address) for _ in clients]
    gc.collect()
    gc.disable()
    try:
        with select.epoll(len(sockets)) as epoll:
            for connected in sockets:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                epoll.register(connected, select.EPOLLIN)
            pairs = zip(sockets, clients, strict=True)
            yield epoll, {connected.fileno(): _Connection(connected, client) for connected, client in pairs}
    finally:
        gc.enable()
        for connected in sockets:
            connected.close()
