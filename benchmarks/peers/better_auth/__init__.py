"""Better Auth on SQLite: `get-session`, which moves the session's expiry at every call."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import installing
from benchmarks.clients import Repeating
from benchmarks.contestants import CONNECTIONS, Running
from benchmarks.running import Connection, free_address, process, request

_COOKIE = re.compile(rb"set-cookie: (better-auth\.session_token=[^;]+)")


@contextmanager
def refreshing(pragmas: str) -> Iterator[Running]:
    """Calls of `get-session`.

    Args:
        pragmas: what to set in SQLite, separated by commas.
    """
    folder, address = installing.node_modules("better_auth"), free_address()
    with TemporaryDirectory() as data:
        database = Path(data, "auth.db")
        environ = {
            "PORT": str(address[1]),
            "DATABASE": str(database),
            "PRAGMAS": pragmas,
            "SECRET": "a-secret-of-better-auth-that-is-long-enough",
            "NODE_ENV": "production",
        }
        with process([str(installing.node()), "server.js"], address, cwd=folder, env=environ):
            requests = [_signed_up(address, number) for number in range(CONNECTIONS)]
            _writes(address, requests[0], database)
            yield Running(address, [Repeating(wanted, b'"session":{') for wanted in requests])


def _signed_up(address: tuple[str, int], number: int) -> bytes:
    body = {"email": f"user{number}@example.com", "password": "correct horse", "name": f"user{number}"}
    found = _COOKIE.search(Connection(address).answer(request("POST", "/api/auth/sign-up/email", body)))
    assert found
    head = b"GET /api/auth/get-session HTTP/1.1\r\nHost: localhost\r\nCookie: "
    return head + found[1] + b"\r\n\r\n"


def _writes(address: tuple[str, int], asking: bytes, database: Path) -> None:
    def written() -> list[tuple[str]]:
        with closing(sqlite3.connect(database)) as connection:
            return connection.execute('SELECT "updatedAt" FROM session ORDER BY id').fetchall()

    before = written()
    Connection(address).answer(asking)
    assert written() != before, "a call wrote nothing"
