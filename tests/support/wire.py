"""HTTP by hand, over one socket: for requests that no well-behaved client would send, and to see every byte of an answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any, Self

from tests.support.client import BASE, EMAIL, PASSWORD
from tests.support.witness import WITNESS

Headers = Iterable[tuple[str, str]]

# A seed that a test sets, or sets for all, gives two workers the same ports.
_PORTS = random.SystemRandom()
_NEVER_THE_SAME = frozenset({"date", "x-request-id"})


@dataclass(frozen=True)
class Answer:
    """An answer, byte for byte; the names of its headers in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """What a problem is called."""
        code: str = self.json["code"]
        return code

    @property
    def looks(self) -> object:
        """All that a client can tell two answers apart by, but for the date and the request id."""
        return self.status, tuple(pair for pair in self.headers if pair[0] not in _NEVER_THE_SAME), self.body

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def cookies(self) -> Mapping[str, str]:
        """What its Set-Cookie headers set, by name; cleared ones are empty."""
        return {name: morsel.value for line in self.values("set-cookie") for name, morsel in SimpleCookie(line).items()}


class Wire:
    """A connection to a server. An answer of 500 fails the test that gets it.

    Args:
        address: host and port.
        host: what the Host header says; the address by default.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, address: tuple[str, int], *, host: str | None = None, timeout: float = 20) -> None:
        self._address = address
        self._host = host or f"{address[0]}:{address[1]}"
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def connect(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout)
        return self._socket

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, request: bytes, *, method: str = "GET") -> Answer:
        """Send these very bytes and read one answer.

        Args:
            request: a request, or what pretends to be one.
            method: of the request: an answer to HEAD has no body.

        Raises:
            OSError: the server closed the connection without an answer.
        """
        self.begin(request)
        return self.answer(method=method)

    def begin(self, request: bytes) -> None:
        """Send these very bytes; `answer` reads what comes of it."""
        WITNESS.note(request)
        connection = self.connect()
        # A server that refuses what is being sent does not wait for the rest of it; its answer is there to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)

    def answer(self, *, method: str = "GET") -> Answer:
        """Read one answer.

        Raises:
            OSError: the server closed the connection without one.
        """
        connection = self.connect()
        try:
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            headers = tuple((name.lower(), value) for name, value in response.getheaders())
            answer = Answer(response.status, headers, response.read())
            WITNESS.note(answer.body + "".join(value for _, value in headers).encode())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionError("no answer") from error
        if response.will_close:
            self.close()
        assert answer.status != 500, answer
        return answer

    def call(
        self, method: str, path: str, json: Any = None, *, headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Call the account API.

        Args:
            path: below the base path, or from the root if it begins with //.
            json: the body, as JSON.
            headers: to be sent as they are, repeated ones included.
            body: the body, as it is; its Content-Type, if any, is among the headers.
        """
        return self.send(self.request(method, path, json, headers=headers, body=body), method=method)

    def request(
        self, method: str, path: str, json: Any = None, *, headers: Headers = (), body: bytes | None = None
    ) -> bytes:
        """The bytes of such a call."""
        target = path[1:] if path.startswith("//") else f"{BASE}{path}"
        sent = [("host", self._host), *headers]
        if json is not None:
            body = _encoded(json)
            sent.append(("content-type", "application/json"))
        if body is not None or method not in {"GET", "HEAD"}:
            sent.append(("content-length", str(len(body or b""))))
        head = "".join([f"{method} {target} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in sent), "\r\n"])
        return head.encode("latin-1") + (body or b"")


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def register(wire: Wire, email: str = EMAIL) -> dict[str, Any]:
    """Sign up with delivery `body`: the whole answer."""
    answer = wire.call("POST", "/register", {"email": email, "password": PASSWORD, "delivery": "body"})
    assert answer.status == 201
    return dict(answer.json)


def refresh(wire: Wire, token: str) -> Answer:
    """Present a refresh token in the body."""
    return wire.call("POST", "/refresh-token", {"refresh_token": token})


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def cookie(**values: str) -> tuple[str, str]:
    return "cookie", "; ".join(f"{name}={value}" for name, value in values.items())


def wait_until_read(address: tuple[str, int]) -> None:
    """One whole exchange on another connection: what came before on the first one has been read by then."""
    with socket.create_connection(address, 20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"


def statuses(address: tuple[str, int], requests: bytes) -> list[int]:
    """Those of all that is answered to these very bytes, until the server hangs up."""
    WITNESS.note(requests)
    with socket.create_connection(address, 20) as connection:
        connection.sendall(requests)
        answered = b"".join(iter(lambda: connection.recv(65_536), b""))
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered)]


def free_port() -> int:
    """A port of loopback that nobody listens on, nor gets by chance: the system gives away those from 32768."""
    while True:
        port = _PORTS.randrange(15_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
