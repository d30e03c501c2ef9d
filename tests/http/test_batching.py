"""Refreshes that arrive together are decided together: fewer commits than refreshes, and one successor for one token."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.client import BASE, Browser
from tests.support.server import LiveServer

from keyturn.ports import Database, Transaction
from keyturn.service.context import Context

T = TypeVar("T")


class CountingDatabase:
    """Counts commits, and can hold them up.

    Attributes:
        commits: how many transactions of refreshes have been committed. A purge may still be under way beside them.
        gate: while it is closed, none begins.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.commits = 0
        self.gate = threading.Event()
        self.gate.set()
        self.read, self.ping, self.close = database.read, database.ping, database.close

    def transact(self, work: Callable[[Transaction], T]) -> T:
        assert self.gate.wait(60)
        result = self._database.transact(work)
        self.commits += threading.current_thread().name.startswith("keyturn-refresh")
        return result


def _counting(context: Context) -> Context:
    return replace(context, database=CountingDatabase(context.database))


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "data", wrap=_counting) as live:
        yield live


def refresh_at_once(server: LiveServer, tokens: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """Refresh each over a connection of its own, all sent before the first commit; gives the answers and the commits."""
    database = server.context.database
    assert isinstance(database, CountingDatabase)
    with ExitStack() as open_:
        connections = [open_.enter_context(socket.create_connection(server.address, 20)) for _ in tokens]
        before = database.commits
        database.gate.clear()
        for connection, token in zip(connections, tokens, strict=True):
            connection.sendall(_request(server, token))
        database.gate.set()
        answers = [_answer(connection) for connection in connections]
        return answers, database.commits - before


def _request(server: LiveServer, token: str) -> bytes:
    body = json.dumps({"refresh_token": token}).encode()
    head = (
        f"POST {BASE}/refresh-token HTTP/1.1\r\nhost: {server.address[0]}:{server.address[1]}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _answer(connection: socket.socket) -> dict[str, Any]:
    with HTTPResponse(connection) as response:
        response.begin()
        assert response.status == 200, response.read()
        answer: dict[str, Any] = json.loads(response.read())
        return answer


def _generations(server: LiveServer, sessions: Sequence[str]) -> list[int]:
    rows = server.context.database.read(lambda tx: tx.sessions.load_many(sessions))
    return [rows[session].generation for session in sessions]


def test_two_hundred_refreshes_of_one_token_rotate_once_and_all_get_the_same_bytes(counting: LiveServer) -> None:
    with Browser(counting.url) as browser:
        signed_in = browser.register(delivery="body")
    answers, commits = refresh_at_once(counting, [signed_in["refresh_token"]] * 200)
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert answers[0]["refresh_token"] != signed_in["refresh_token"]
    assert _generations(counting, [signed_in["session"]["id"]]) == [1]
    assert commits < 100
    print(f"\n200 refreshes of one token: {commits} commits")


def test_refreshes_of_many_sessions_share_commits(counting: LiveServer) -> None:
    with Browser(counting.url) as browser:
        browser.register()
        signed_in = [browser.login(delivery="body") for _ in range(64)]
    sessions = [each["session"]["id"] for each in signed_in]
    answers, commits = refresh_at_once(counting, [each["refresh_token"] for each in signed_in])
    assert [answer["session"]["id"] for answer in answers] == sessions
    assert len({answer["refresh_token"] for answer in answers}) == 64
    assert _generations(counting, sessions) == [1] * 64
    assert commits < 32
    print(f"\n64 refreshes of 64 sessions: {commits} commits")


def test_a_refresh_that_comes_alone_has_a_commit_of_its_own(counting: LiveServer) -> None:
    with Browser(counting.url) as browser:
        token = browser.register(delivery="body")["refresh_token"]
    for number in range(5):
        counting.clock.advance(31)
        (answer,), commits = refresh_at_once(counting, [token])
        assert commits == 1
        assert _generations(counting, [answer["session"]["id"]]) == [number + 1]
        token = answer["refresh_token"]
