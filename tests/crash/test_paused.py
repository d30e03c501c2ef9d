"""One of two servers stands still in the middle of a refresh, while its user goes on at the other."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.support.client import BASE
from tests.support.history import Row, rows_of, violations
from tests.support.load import CHEAP_HASHES, LoadClient
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.server import ServerProcess
from tests.support.wire import Wire, wait_until_read


@contextmanager
def stopped(server: ServerProcess) -> Iterator[None]:
    """From here on all its threads stand still; the signal alone lets some of them go on for a moment, and take a lock."""
    os.kill(server.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def stand_still(
    folder: Path,
    environ: dict[str, str],
    seconds: float,
    lock: Callable[[], object],
    unlock: Callable[[], object],
    waits: Callable[[], object],
    rows: Callable[[], dict[str, Row]],
) -> list[int | None]:
    """Stop one of two servers while a refresh waits in it for a lock; the user's statuses at the other meanwhile."""
    environ = {**CHEAP_HASHES, "KEYTURN_ISSUER": "http://localhost", **environ}
    with ServerProcess(folder / "data", environ) as here, ServerProcess(folder / "data", environ) as there:
        client = LoadClient(there.url)
        assert client.register() == 201
        lock()
        with Wire(here.address) as wire:
            body = json.dumps({"refresh_token": client.token})
            head = f"POST {BASE}/refresh-token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            wire.connect().sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
            wait_until_read(here.address)
            while not waits():
                pass
            statuses: list[int | None] = []
            with stopped(here):
                unlock()
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    statuses.append(client.refresh())
                    time.sleep(seconds / 20)
            # What the server had under way when it stood still was decided by then, or is too old to be decided.
            assert wire.send(b"").status in {200, 503}
        assert client.refresh() == 200
        assert violations(client.events, rows()) == []
        client.close()
        assert set(statuses) <= {200, 503}
        assert statuses[-1] == 200
        return statuses


PAUSES = [
    pytest.param("6s", 3.0, id="three seconds"),
    pytest.param("30s", 90.0, id="ninety seconds", marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
]


@pytest.mark.parametrize(("window", "seconds"), PAUSES)
def test_nobody_is_signed_out_by_a_server_that_stood_still(tmp_path: Path, window: str, seconds: float) -> None:
    file = tmp_path / "data" / "keyturn.db"
    (tmp_path / "data").mkdir(mode=0o700)
    with ServerProcess(tmp_path / "data", CHEAP_HASHES):
        pass  # it makes the file
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as somebody_else:
        stand_still(
            tmp_path,
            {"KEYTURN_REFRESH_WINDOW": window},
            seconds,
            lambda: somebody_else.execute("BEGIN IMMEDIATE"),
            lambda: somebody_else.execute("ROLLBACK"),
            lambda: True,
            lambda: rows_of(file),
        )


@needs("postgres")
@pytest.mark.soak
@pytest.mark.timeout(300)
def test_postgresql_takes_the_locks_from_a_server_that_stands_still(postgres: Cluster, tmp_path: Path) -> None:
    """It stands still with its row locked. The others are answered 503 until the database has lost its patience."""
    url = postgres.database()
    (tmp_path / "data").mkdir(mode=0o700)
    with ServerProcess(tmp_path / "data", {**CHEAP_HASHES, "KEYTURN_DATABASE_URL": url}):
        pass
    with psycopg.connect(url) as somebody_else:
        statuses = stand_still(
            tmp_path,
            {"KEYTURN_DATABASE_URL": url},
            60.0,
            lambda: somebody_else.execute("LOCK TABLE sessions IN EXCLUSIVE MODE"),
            somebody_else.rollback,
            lambda: postgres.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"),
            lambda: postgres.rows(url),
        )
    assert 503 in statuses
