"""A database that keeps everybody waiting: what waited too long is not decided any more, and nobody is signed out by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.history import rows_of
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, wait_until_read

LIFE = 10
"""L: the seconds after which a client gives up on a refresh, with the default window."""

CLIENTS = 12
QUEUE = 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server in which few refreshes may wait."""
    with LiveServer(tmp_path / "data", refresh_queue=CLIENTS) as live:
        yield live


@pytest.fixture
def connect(server: LiveServer) -> Iterator[Callable[[], Wire]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Wire(server.address))


class Device:
    """A session, and the connection over which it refreshes."""

    def __init__(self, wire: Wire, call: str) -> None:
        self._wire = wire
        names = {"email": EMAIL} if call == "/register" else {"login": EMAIL}
        opened = wire.call("POST", call, {**names, "password": PASSWORD, "delivery": "body"}).json
        self.token, self.access = opened["refresh_token"], opened["access_token"]

    def ask(self) -> None:
        """Send a refresh, and do not wait."""
        self._wire.begin(self._wire.request("POST", "/refresh-token", {"refresh_token": self.token}))

    def answer(self) -> Answer:
        answer = self._wire.answer()
        if answer.status == 200:
            self.token = answer.json["refresh_token"]
        return answer


@pytest.fixture
def devices(connect: Callable[[], Wire]) -> list[Device]:
    return [Device(connect(), "/register" if number == 0 else "/login") for number in range(CLIENTS)]


@contextmanager
def all_waiting(server: LiveServer, devices: list[Device]) -> Iterator[None]:
    """While somebody else holds the database's write lock, and everybody waits for it."""
    with closing(sqlite3.connect(server.data_dir / "keyturn.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for device in devices:
            device.ask()
        wait_until_read(server.address)
        yield
        other.execute("ROLLBACK")


def told(answers: list[Answer]) -> set[tuple[int, str]]:
    return {(answer.status, "" if answer.status == 200 else answer.code) for answer in answers}


def test_what_waited_for_longer_than_its_client_would_is_answered_undecided(
    server: LiveServer, devices: list[Device]
) -> None:
    """Z4."""
    before = rows_of(server.data_dir / "keyturn.db")
    with all_waiting(server, devices):
        server.clock.advance(LIFE + 0.001)
    answers = [device.answer() for device in devices]
    assert told(answers) == {(503, "overloaded")}
    assert {value for answer in answers for value in answer.values("retry-after")} == {"1"}
    assert rows_of(server.data_dir / "keyturn.db") == before
    for pause in (0, 60, 60):
        server.clock.advance(pause)
        for device in devices:
            device.ask()
        assert told([device.answer() for device in devices]) == {(200, "")}


def test_what_waited_for_less_is_decided(server: LiveServer, devices: list[Device]) -> None:
    with all_waiting(server, devices):
        server.clock.advance(LIFE)
    assert told([device.answer() for device in devices]) == {(200, "")}
    assert {row.generation for row in rows_of(server.data_dir / "keyturn.db").values()} == {1}


def test_what_only_reads_waits_for_no_writer(
    server: LiveServer, devices: list[Device], connect: Callable[[], Wire]
) -> None:
    with all_waiting(server, devices):
        for path, status in (("/me", 200), ("/sessions", 200), ("/verify", 204), ("//readyz", 200)):
            assert connect().call("GET", path, headers=[bearer(devices[0].access)]).status == status
    assert told([device.answer() for device in devices]) == {(200, "")}


def test_whoever_finds_the_queue_full_is_told_at_once(
    server: LiveServer, devices: list[Device], connect: Callable[[], Wire]
) -> None:
    """D8: what waits is bounded."""
    late = [Device(connect(), "/login") for _ in range(QUEUE)]
    with all_waiting(server, devices[:1]):
        # One is being decided; as many more may wait as the setting says.
        for device in [*devices[1:], *late]:
            device.ask()
        refused = [device.answer() for device in late[1:]]
        assert told(refused) == {(503, "overloaded")}
        assert {value for answer in refused for value in answer.values("retry-after")} == {"1"}
    assert told([device.answer() for device in [*devices, late[0]]]) == {(200, "")}
    # Nobody was harmed by being refused.
    for device in late[1:]:
        device.ask()
    assert told([device.answer() for device in late[1:]]) == {(200, "")}
