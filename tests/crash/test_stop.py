"""Told to stop, a server finishes what it began: nothing that was decided goes unanswered."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.history import rows_of, violations
from tests.support.load import CHEAP_HASHES, Crowd, finish, start
from tests.support.server import ServerProcess
from tests.support.wire import wait_until_read

AT_ONCE = 60
"""Seconds, on a machine that may be busy: a server that waited for what never comes would take all the time that it has."""
UNHURRIED = {**CHEAP_HASHES, "KEYTURN_SHUTDOWN_TIMEOUT": "1h"}


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("after", [100, pytest.param(150, marks=pytest.mark.soak)])
def test_no_answer_of_a_committed_rotation_is_lost(tmp_path: Path, after: int, workers: str) -> None:
    """Z7, with one process and with several."""
    environ = {**UNHURRIED, "KEYTURN_REFRESH_WINDOW": "0s", "KEYTURN_WORKERS": workers}
    with ServerProcess(tmp_path / "data", environ) as server:
        crowd = Crowd(server.url, 16)
        threads = crowd.start(restless={0: 10})
        crowd.wait_for(after)
        assert server.stop(timeout=AT_ONCE) == 0
        finish(threads)
        crowd.close()
    rows = rows_of(tmp_path / "data" / "keyturn.db")
    assert violations(crowd.events, rows) == []
    assert len(rows) == sum(event.op == "sign_in" for event in crowd.events)
    for client in crowd.clients:
        # The last request of each got no answer; then it was not decided either: the row is where the client is.
        assert client.events[-1].status is None or not client.token
        assert rows[client.session].generation == client.newest - 1
        assert not client.leaving or rows[client.session].end_reason is None


def test_refreshes_that_wait_for_the_database_are_answered_before_the_server_stops(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHEAP_HASHES) as server:
        crowd = Crowd(server.url, 8)
        with closing(sqlite3.connect(tmp_path / "data" / "keyturn.db", isolation_level=None)) as somebody_else:
            somebody_else.execute("BEGIN IMMEDIATE")
            threads = [start(client.refresh) for client in crowd.clients]
            # Each takes its connection's turn, so what was sent before this has been read.
            wait_until_read(server.address)
            os.kill(server.process.pid, signal.SIGTERM)
            _wait_until_refused(server.address)
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(0.5)
            somebody_else.execute("ROLLBACK")
        finish(threads)
        assert server.process.wait(20) == 0
        crowd.close()
    assert [event.status for event in crowd.events if event.op == "refresh"] == [200] * 8
    assert {row.generation for row in rows_of(tmp_path / "data" / "keyturn.db").values()} == {1}


def test_an_idle_server_stops_at_once_though_connections_are_open(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", UNHURRIED) as server:
        crowd = Crowd(server.url, 4)
        assert server.stop(timeout=AT_ONCE) == 0
        crowd.close()


def test_a_server_that_stops_takes_no_new_connection_and_answers_the_request_under_way(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHEAP_HASHES) as server:
        address = server.address
        with socket.create_connection(address, 20) as connection:
            body = b'{"email": "alice@example.com", "password": "correct horse battery staple"}'
            head = (
                f"POST /api/v1/auth/register HTTP/1.1\r\nhost: {address[0]}:{address[1]}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body[:10])
            wait_until_read(address)
            os.kill(server.process.pid, signal.SIGTERM)
            _wait_until_refused(address)
            connection.sendall(body[10:])
            assert connection.recv(12) == b"HTTP/1.1 201"
        assert server.process.wait(20) == 0


def test_whoever_is_still_waiting_when_the_time_to_stop_is_over_is_told_to_come_again(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", {**CHEAP_HASHES, "KEYTURN_SHUTDOWN_TIMEOUT": "1s"}) as server:
        address = server.address
        with socket.create_connection(address, 20) as connection:
            head = f"POST /api/v1/auth/login HTTP/1.1\r\nhost: {address[0]}:{address[1]}\r\ncontent-length: 100\r\n\r\n"
            connection.sendall(head.encode() + b"{")
            wait_until_read(address)
            assert server.stop(timeout=20) == 0
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in answer
    assert b'"code": "overloaded"' in answer


def _wait_until_refused(address: tuple[str, int]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(address, 1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("new connections are still taken")
