"""A TCP proxy between a client and a server that loses answers when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
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
                server = socket.create_connection(self._upstream)
                threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass_back, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK):
                server.sendall(data)
        _hang_up(server)

    def _pass_back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                if self.lose > 0:
                    self.lose -= 1
                    self.lost.append(data + _rest(server))
                    break
                client.sendall(data)
        _hang_up(client)
        _hang_up(server)


def _rest(server: socket.socket) -> bytes:
    """What follows the beginning of an answer, until the server has nothing more to say to somebody who says no more."""
    server.shutdown(socket.SHUT_WR)
    return b"".join(iter(lambda: server.recv(_CHUNK), b""))


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
