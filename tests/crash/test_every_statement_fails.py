"""The database fails at the first statement of a call, at the second, and so on to its commit: 503, and nothing has happened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError
from tests.support.client import EMAIL, PASSWORD
from tests.support.history import contents_of
from tests.support.mail import Post
from tests.support.server import LiveServer, nothing_beside_the_calls
from tests.support.wire import Answer, Wire, bearer, cookie

OTHER = "another long password"

CALLS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "sign-up": ("POST", "/register", {"email": "bob@example.com", "password": PASSWORD}),
    "sign-in": ("POST", "/login", {"login": EMAIL, "password": PASSWORD}),
    "refresh": ("POST", "/refresh-token", None),
    "sign-out": ("POST", "/logout", None),
    "sign-out everywhere": ("POST", "/logout-all", None),
    "change of password": ("POST", "/password", {"current_password": PASSWORD, "new_password": OTHER}),
    "change of address": ("POST", "/email", {"current_password": PASSWORD, "email": "alice@example.org"}),
    "change of name": ("PATCH", "/me", {"full_name": "Alice Liddell"}),
    "end of a session": ("DELETE", "/sessions/{other}", None),
    "closing of the account": ("DELETE", "/me", {"current_password": PASSWORD}),
}


class Failing:
    """Fails one statement, or a commit, counted from when it is armed; what SQLite says then is that the disk has failed."""

    def __init__(self, *engines: Engine) -> None:
        self.left = 0
        for engine in engines:
            event.listen(engine, "before_cursor_execute", self._statement)
            event.listen(engine, "commit", self._commit)

    def _statement(self, *_: Any) -> None:
        self._count()

    def _commit(self, *_: Any) -> None:
        self._count()

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OperationalError("a statement", {}, sqlite3.OperationalError("disk I/O error"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """One of which no statement is counted that it makes of its own accord."""
    with nothing_beside_the_calls(), LiveServer(tmp_path / "data") as live:
        yield live


@pytest.fixture
def failing(server: LiveServer) -> Failing:
    database: Any = server.context.database
    return Failing(database._writer, database._readers)


@pytest.mark.parametrize("name", CALLS)
def test_whichever_statement_fails_nothing_has_happened(server: LiveServer, failing: Failing, name: str) -> None:
    method, path, body = CALLS[name]
    with Wire(server.address) as wire:
        signed_in = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD})
        other = wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}).json["session"]["id"]
        headers = [bearer(signed_in.json["access_token"]), cookie(**signed_in.cookies)]
        file = Path(server.data_dir) / "keyturn.db"
        Post(server).letters()  # none waits any more: nothing but the call changes the database
        before = contents_of(file)

        def call() -> Answer:
            return wire.call(method, path.format(other=other), body, headers=headers)

        failed = 0
        while True:
            failing.left = failed + 1
            answer = call()
            if failing.left > 0:
                break
            failed += 1
            assert (answer.status, answer.code) == (503, "store_unavailable"), failed
            assert answer.cookies == {}
            assert contents_of(file) == before
        assert answer.status in {200, 201, 204}
        assert contents_of(file) != before
        # At least: the beginning, a read, a write, the commit.
        assert failed >= 4
