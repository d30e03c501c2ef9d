"""A client that hangs up while its refresh waits: deciding it would move the session on for nobody."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.support.client import EMAIL, PASSWORD
from tests.support.faults import failing
from tests.support.server import LiveServer
from tests.support.wire import Wire, cookie

from keyturn.server.settings import Settings
from keyturn.server.wiring import application
from keyturn.service.context import Context


def _request(token: str) -> bytes:
    name, value = cookie(keyturn_refresh=token)
    return f"POST /api/v1/auth/refresh-token HTTP/1.1\r\nhost: localhost\r\n{name}: {value}\r\n\r\n".encode()


def _let_the_server_read(server: LiveServer) -> None:
    """What was sent before is read before what is sent later: these are answered when the server has seen the rest."""
    with Wire(server.address) as wire:
        for _ in range(5):
            assert wire.call("GET", "//healthz").status == 200


class _Once:
    """An awaitable that can be awaited, and nothing else: no coroutine, which one may step through and close."""

    def __init__(self, message: asyncio.Future[Message]) -> None:
        self._step = message.__await__()

    def __await__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._step)


def _without_coroutines(settings: Settings, context: Context) -> ASGIApp:
    """The application as a server runs it that is not written in Python: its `receive` is a built-in, and gives no coroutines."""
    app = application(settings, context)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body = asyncio.ensure_future(receive())

        async def hear_the_end() -> Message:
            await body
            return await receive()

        await app(scope, deque([_Once(body), _Once(asyncio.ensure_future(hear_the_end()))]).popleft, send)

    return served


@pytest.mark.parametrize("build", [application, _without_coroutines])
@pytest.mark.parametrize(("stays", "generation"), [(True, 1), (False, 0)])
def test_a_refresh_is_decided_only_for_a_client_that_still_waits(
    tmp_path: Path, stays: bool, generation: int, build: Callable[[Settings, Context], ASGIApp]
) -> None:
    with LiveServer(tmp_path / "data", wrap=failing, build=build) as server, Wire(server.address) as wire:
        wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD})
        first, second = (wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}) for _ in range(2))
        database = server.context.database
        with (
            socket.create_connection(server.address, 20) as ahead,
            socket.create_connection(server.address, 20) as other,
        ):
            database.gate.clear()
            ahead.sendall(_request(first.cookies["keyturn_refresh"]))
            _let_the_server_read(server)
            other.sendall(_request(second.cookies["keyturn_refresh"]))
            _let_the_server_read(server)
            if not stays:
                other.close()
                _let_the_server_read(server)
            database.gate.set()
            assert ahead.recv(12) == b"HTTP/1.1 200"
            if stays:
                assert other.recv(12) == b"HTTP/1.1 200"
        # The next batch comes after the one that would have decided it.
        assert wire.call("POST", "/refresh-token", headers=[cookie(**first.cookies)]).status == 200
        session = second.json["session"]["id"]
        (row,) = database.read(lambda tx: tx.sessions.load_many([session])).values()
        assert row.generation == generation
        # And nobody was signed out by it.
        assert wire.call("POST", "/refresh-token", headers=[cookie(**second.cookies)]).status == 200
