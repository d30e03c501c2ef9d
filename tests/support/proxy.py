"""TCP proxies between clients and a server: one loses answers when told to, one does whatever networks do."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

_CHUNK = 65_536


class LossyProxy:
    """Passes bytes on, both ways. A lost answer was given: the server wrote all that the proxy threw away.

    Args:
        upstream: host and port of the server.

    Attributes:
        address: where the proxy listens.
        lose: how many connections are still to be cut as soon as the server has answered on them.
        lost: what the server had answered on each of those that were.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.lose = 0
        self.lost: list[bytes] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone does not wake a thread that waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """All of one connection, in a thread of its own."""
        try:
            server = socket.create_connection(self._upstream)
        except OSError:
            hang_up(client)
            return
        threading.Thread(target=self._pass_back, args=(client, server), daemon=True).start()
        self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK):
                server.sendall(data)
        hang_up(server)

    def _pass_back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                if self.lose > 0:
                    self.lose -= 1
                    self.lost.append(data + _rest(server))
                    break
                client.sendall(data)
        hang_up(client)
        hang_up(server)


def _rest(server: socket.socket) -> bytes:
    """What follows the beginning of an answer, until the server has nothing more to say to somebody who says no more."""
    server.shutdown(socket.SHUT_WR)
    return b"".join(iter(lambda: server.recv(_CHUNK), b""))


def hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


FATES = {"passed": 60, "cut before": 8, "cut after": 8, "cut amid": 8, "late": 16}
"""What becomes of a request, and how often: it arrives and is answered; it never arrives; its answer is lost, wholly or from its
middle on; its answer waits until others that were asked for later have come."""

LOST = "cut at once"
"""One fate more, for browsers, which repeat by themselves what nothing at all came of: the first bytes of the answer come, and no
cookie."""


class UnrulyProxy(LossyProxy):
    """Passes requests on one by one, each to a fate of its own.

    Args:
        upstream: host and port of the server.
        seed: of the fates.
        fates: how often each befalls.

    Attributes:
        met: how many met which fate.
    """

    def __init__(self, upstream: tuple[str, int], seed: int, fates: Mapping[str, int] = FATES) -> None:
        super().__init__(upstream)
        self.fates = fates
        self._random = random.Random(seed)
        self._answered = threading.Condition()
        self._count = 0
        self.met: Counter[str] = Counter()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self._upstream) as server:
            while request := read_message(client):
                (fate,) = self._random.choices([*self.fates], [*self.fates.values()])
                self.met[fate] += 1
                if fate == "cut before":
                    break
                server.sendall(request)
                answer = read_message(server)
                if fate == "late":
                    self._wait_for_others()
                if fate != "cut after":
                    client.sendall(answer[: {LOST: 12, "cut amid": len(answer) // 2}.get(fate)])
                with self._answered:
                    self._count += 1
                    self._answered.notify_all()
                if fate.startswith("cut"):
                    break
        hang_up(client)

    @property
    def answered(self) -> int:
        """How many requests the server has answered."""
        return self._count

    def wait_for_answer(self, number: int) -> None:
        """Until the server has answered so many."""
        with self._answered:
            assert self._answered.wait_for(lambda: self._count >= number, timeout=30)

    def _wait_for_others(self) -> None:
        with self._answered:
            goal = self._count + 3
            # Not for ever: the others may all be late.
            self._answered.wait_for(lambda: self._count >= goal, timeout=0.2)


class HoldingProxy(LossyProxy):
    """Holds back answers to one path when told to: others overtake them.

    Args:
        upstream: host and port of the server.
        path: whose answers.

    Attributes:
        hold: how many are to be held back, from the first on.
        held: how many have been.
        gate: opened to let them through.
    """

    def __init__(self, upstream: tuple[str, int], path: str) -> None:
        super().__init__(upstream)
        self.hold = self.held = 0
        self.gate = threading.Event()
        self._path = path.encode()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self._upstream) as server:
            while request := read_message(client):
                server.sendall(request)
                answer = read_message(server)
                if self.held < self.hold and request.split(b" ", 2)[1] == self._path:
                    self.held += 1
                    self.gate.wait(30)
                client.sendall(answer)
        hang_up(client)


def read_message(connection: socket.socket) -> bytes:
    """A whole request or answer; empty: there is none any more."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := connection.recv(_CHUNK))
        if not more:
            return b""
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    while found and len(body) < int(found[1]):
        body += (more := connection.recv(_CHUNK))
        if not more:
            return b""
    return head + b"\r\n\r\n" + body
