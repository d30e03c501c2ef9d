"""Clocks that are wrong under real processes, and servers whose clocks differ: nobody is signed out, nothing expired is taken."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from tests.support.client import Browser
from tests.support.history import rows_of, violations
from tests.support.load import CHEAP_HASHES, Crowd, LoadClient
from tests.support.postgres import Cluster
from tests.support.processes import eventually
from tests.support.programs import needs
from tests.support.server import LiveServer, ServerProcess

from keyturn.core.model import SECOND
from keyturn.testing.fakes import FakeClock

HOUR = 3600
SKEW = 30


def clock_of(**more: str) -> dict[str, str]:
    """The environment of a process that sees another time of day; how long ago anything was it sees as everybody does."""
    libraries = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return {"LD_PRELOAD": str(next(libraries)), "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1", **more}


class SetClock:
    """Such a clock that can be set.

    Args:
        folder: of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        # Looked at once a second; at each question for the time the process would be slow.
        self.environ = clock_of(FAKETIME_TIMESTAMP_FILE=str(self._file), FAKETIME_CACHE_DURATION="1")

    def set(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.replace(self._file)


@needs("faketime")
def test_the_clock_of_a_running_process_is_set_an_hour_forth_and_back(tmp_path: Path) -> None:
    """Row 82, Z2."""
    clock = SetClock(tmp_path)
    with ServerProcess(tmp_path / "data", {**CHEAP_HASHES, **clock.environ}) as server, Browser(server.url) as browser:
        browser.register()
        for seconds in (HOUR, 0, -HOUR, 0):
            earlier = partial(browser.call, "GET", "/verify", bearer=browser.access_token)
            clock.set(seconds)
            # What was issued an hour ago has expired; what will be issued in an hour is not taken yet.
            eventually(lambda call=earlier: call().status_code == 401, "it is still taken")
            for _ in range(3):
                assert browser.refresh().status_code == 200
                assert browser.me().status_code == 200
    assert {row.end_reason for row in rows_of(tmp_path / "data" / "keyturn.db").values()} == {None}


def visit_in_turn(here: LoadClient, there: LoadClient) -> None:
    there.session, there.token = here.session, here.token
    assert there.refresh() == 200
    here.session, here.token = there.session, there.token
    assert here.refresh() == 200


@pytest.mark.parametrize("pause", [0, 4, 29, 31, HOUR])
def test_servers_whose_clocks_differ_sign_nobody_out(tmp_path: Path, pause: int) -> None:
    """Z2: over SQLite each decides by a clock of its own."""
    clocks = FakeClock(), FakeClock()
    clocks[1].time += SKEW * SECOND
    with ExitStack() as stack:
        ahead, behind = (
            stack.enter_context(LiveServer(tmp_path / "data", clock=clock, issuer="http://localhost"))
            for clock in clocks
        )
        crowd, elsewhere = Crowd(ahead.url, 2), LoadClient(behind.url)
        for client in crowd.clients:
            for _ in range(6):
                visit_in_turn(client, elsewhere)
                for clock in clocks:
                    clock.advance(pause)
        assert violations([*crowd.events, *elsewhere.events], rows_of(tmp_path / "data" / "keyturn.db")) == []
        elsewhere.close()
        crowd.close()


@needs("faketime")
@needs("postgres")
def test_over_postgresql_every_server_decides_by_the_clock_of_the_database(postgres: Cluster, tmp_path: Path) -> None:
    """Z2: a server whose own clock is wrong ends no session; it only misjudges the age of access tokens."""
    url = postgres.database()
    environ = {**CHEAP_HASHES, "KEYTURN_DATABASE_URL": url, "KEYTURN_ISSUER": "http://localhost"}
    with ExitStack() as stack:
        ahead, behind = (
            stack.enter_context(ServerProcess(tmp_path / "data", {**environ, **clock_of(FAKETIME=f"{seconds:+g}")}))
            for seconds in (SKEW / 2, -SKEW / 2)
        )
        crowd, elsewhere = Crowd(ahead.url, 2), LoadClient(behind.url)
        for client in crowd.clients:
            for _ in range(4):
                visit_in_turn(client, elsewhere)
        assert violations([*crowd.events, *elsewhere.events], postgres.rows(url)) == []
        elsewhere.close()
        crowd.close()
