"""Clients that take their time: each holds a connection for a bounded while, and nobody else waits for them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.support.client import BASE, EMAIL, PASSWORD, Browser
from tests.support.processes import eventually
from tests.support.server import LiveServer
from tests.support.wire import Wire

from keyturn.server import protocol

HEAD = f"POST {BASE}/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
BODY = b'{"login": "alice@example.com", "password": "x"}'


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)


def dripping(connection: socket.socket, first: bytes, drop: bytes) -> bool:
    """Send something, then drop after drop, until the server hangs up; whether it does before a thousand drops."""
    connection.sendall(first)
    connection.settimeout(0.02)
    for _ in range(1000):
        try:
            connection.sendall(drop)
            if not connection.recv(4096):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def read_to_its_end(connection: socket.socket) -> bytes:
    """Everything that still comes."""
    connection.settimeout(30)
    read = bytearray()
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            read += piece
    return bytes(read)


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"G", b""),
        (b"GET / HTTP/1.1\r\n", b"x-drop: 1\r\n"),
        (HEAD.encode() + b"content-length: 100000\r\n\r\n", b"1"),
        (HEAD.encode() + b"content-length: 5000\r\n\r\n{", b""),
        (HEAD.encode() + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n1\r\n"),
        (GET + b"G", b""),
        (GET, b"\r\n"),
        (GET + GET[:-2], b"x-drop: 1\r\n"),
    ],
    ids=[
        "silent",
        "one byte",
        "slow head",
        "too large",
        "slow body",
        "slow chunks",
        "slow second request",
        "empty lines",
        "slow second head",
    ],
)
def test_a_request_that_does_not_come_to_an_end_loses_its_connection(
    server: LiveServer, first: bytes, drop: bytes
) -> None:
    """Row 85, D7: slowloris and its kin, in the head, in the body, after an answer."""
    with socket.create_connection(server.address) as connection:
        assert dripping(connection, first, drop)


def test_an_empty_line_between_requests_does_not_keep_a_connection_for_ever(server: LiveServer) -> None:
    """Row 85: uvicorn forgets its own bound on idle connections at the first byte, and no request has begun."""
    with Wire(server.address) as wire:
        assert wire.send(GET).status == 200
        connection = wire.connect()
        connection.sendall(b"\r\n")
        assert connection.recv(1) == b""


LARGE = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
SMALLER = b"GET /keyturn/client.js HTTP/1.1\r\nhost: localhost\r\n\r\n"
"""Its answer is less than the 64 KiB that may wait before the server stops writing."""


@pytest.fixture
def deaf(server: LiveServer) -> Iterator[socket.socket]:
    """Somebody who asks and asks, and reads nothing."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(server.address)
        eventually(lambda: bool(server.connections), "the connection is not taken")
        yield connection


def lets_go(server: LiveServer) -> bool:
    """Whether the server closes its only connection within half a minute."""
    deadline = time.monotonic() + 30
    while server.connections and time.monotonic() < deadline:
        time.sleep(0.02)
    return not server.connections


def test_who_does_not_read_answers_loses_the_connection(server: LiveServer, deaf: socket.socket) -> None:
    """Row 85: what waits to be read takes memory."""
    (connection,) = server.connections
    deaf.sendall(LARGE * 100)
    eventually(lambda: bool(connection.flow.write_paused), "the answer finds room")
    assert lets_go(server)


def test_an_answer_that_is_never_read_does_not_keep_an_idle_connection(server: LiveServer, deaf: socket.socket) -> None:
    """Row 85: too little waits for the server to stop writing, and closing in order would wait for the client."""
    (connection,) = server.connections
    connection.timeout_keep_alive = 0.2
    while not connection.transport.get_write_buffer_size():
        asked = connection.server_state.total_requests
        deaf.sendall(SMALLER)
        eventually(lambda asked=asked: connection.server_state.total_requests > asked, "the request is not read")  # type: ignore[misc]
    assert not connection.flow.write_paused
    assert lets_go(server)


def test_who_sends_thousands_of_requests_without_waiting_for_answers_loses_the_connection(
    server: LiveServer, browser: Browser
) -> None:
    """Row 85: each that waits takes memory; a hundred may."""
    browser.register()
    with socket.create_connection(server.address) as impatient:
        with suppress(OSError):
            impatient.sendall(GET * 100_000)
        assert browser.refresh().status_code == 200
        assert read_to_its_end(impatient).count(b"HTTP/1.1 200 ") < 10_000
    with socket.create_connection(server.address) as patient:
        patient.sendall(GET * 99 + GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert read_to_its_end(patient).count(b"HTTP/1.1 200 ") == 100


def test_hanging_up_on_many_requests_at_once_is_no_error_of_ours(server: LiveServer, browser: Browser) -> None:
    """Row 85: nothing is written to a connection that is gone; the log would fill with it."""
    for _ in range(5):
        with socket.create_connection(server.address) as hasty:
            hasty.sendall(GET * 100)
            assert hasty.recv(1)
    assert lets_go(server)
    assert browser.get("/healthz").status_code == 200


def test_two_hundred_slow_clients_slow_nobody(server: LiveServer, browser: Browser) -> None:
    """Row 85: everybody else is served while they hold their connections."""
    browser.register()
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(server.address)) for _ in range(200)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nx-slow: ")
        assert browser.refresh().status_code == 200
        assert browser.me().status_code == 200
        for connection in slow:
            assert read_to_its_end(connection) == b""
        assert browser.refresh().status_code == 200


def test_a_request_that_comes_in_pieces_but_in_time_is_answered(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 10)
    with Wire(server.address) as wire:
        request = HEAD.encode() + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
        connection = wire.connect()
        for piece in (request[:10], request[10:60], request[60:-5]):
            connection.sendall(piece)
        assert wire.send(request[-5:]).code == "invalid_credentials"


def test_an_answer_that_takes_long_is_not_cut_off_by_the_bound_on_requests(
    tmp_path: Path, at_rest: Callable[[LiveServer], None]
) -> None:
    """The bound is on what a client sends, not on how long the server thinks."""
    with LiveServer(tmp_path / "slow") as server, Browser(server.url) as browser:
        browser.register()
        at_rest(server)
        assert browser.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}).status_code == 200


@pytest.fixture
def at_rest() -> Callable[[LiveServer], None]:
    """Makes verifying a password take longer than a request may."""

    def slow_down(server: LiveServer) -> None:
        hasher = server.context.hasher
        verify = hasher.verify

        def slowly(password_hash: str | None, password: str) -> bool:
            time.sleep(0.6)
            return verify(password_hash, password)

        hasher.verify = slowly  # type: ignore[method-assign]

    return slow_down
