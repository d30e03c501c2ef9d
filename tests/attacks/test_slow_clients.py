"""Clients that take their time: each holds a connection for a bounded while, and nobody else waits for them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.client import BASE, EMAIL, PASSWORD, Browser
from tests.support.server import LiveServer
from tests.support.wire import Wire

from keyturn.server import protocol

HEAD = f"POST {BASE}/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
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


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"G", b""),
        (b"GET / HTTP/1.1\r\n", b"x-drop: 1\r\n"),
        (HEAD.encode() + b"content-length: 100000\r\n\r\n", b"1"),
        (HEAD.encode() + b"content-length: 5000\r\n\r\n{", b""),
        (HEAD.encode() + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n1\r\n"),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nG", b""),
    ],
    ids=["silent", "one byte", "slow head", "too large", "slow body", "slow chunks", "slow second request"],
)
def test_a_request_that_does_not_come_to_an_end_loses_its_connection(
    server: LiveServer, first: bytes, drop: bytes
) -> None:
    """Row 85, D7: slowloris and its kin, in the head, in the body, after an answer."""
    with socket.create_connection(server.address) as connection:
        assert dripping(connection, first, drop)


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
            connection.settimeout(10)
            assert connection.recv(1) == b""
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
