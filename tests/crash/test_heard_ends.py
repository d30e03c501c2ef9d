"""Ends over PostgreSQL reach other servers at once, and within a second where nothing is heard of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import Browser
from tests.support.load import CHEAP_HASHES
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.server import LiveServer, ServerProcess

from keyturn.core.model import EndReason
from keyturn.ports import Database
from keyturn.server import following
from keyturn.service.ending import end_sessions
from keyturn.stores.sql import open_database
from keyturn.system import SystemClock

pytestmark = needs("postgres")

ROUNDS = 5


@contextmanager
def another(url: str) -> Iterator[Database]:
    """The same database, as another process has it."""
    database = open_database(url, clock=SystemClock())
    try:
        yield database
    finally:
        database.close()


def end(database: Database, session: str) -> None:
    assert database.transact(lambda tx: end_sessions(tx, [session], EndReason.REVOKED)) == [session]


def seconds_until_refused(browser: Browser, access_token: str) -> float:
    began = time.monotonic()
    while browser.call("GET", "/verify", bearer=access_token).status_code != 401:
        assert time.monotonic() - began < 10 * following.FOLLOW_SECONDS + 20, "the end was never learned"
        time.sleep(0.002)
    return time.monotonic() - began


def measured(browser: Browser, act: Callable[[str], object]) -> list[float]:
    """How long after each of some ends the access token of its session is refused, in seconds."""
    found = []
    for number in range(ROUNDS):
        time.sleep(number / ROUNDS / 3)  # or else each would come just after a look
        signed_in: dict[str, Any] = browser.login(delivery="body")
        act(signed_in["session"]["id"])
        found.append(seconds_until_refused(browser, signed_in["access_token"]))
    return found


def test_an_end_is_heard_by_a_server_that_would_not_look_for_an_hour(
    tmp_path: Path, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.database()
    monkeypatch.setattr(following, "FOLLOW_SECONDS", 3600.0)
    clock: Any = SystemClock()
    with (
        LiveServer(tmp_path / "data", clock=clock, database_url=url) as server,
        Browser(server.url) as browser,
        another(url) as elsewhere,
    ):
        signed_in = browser.register(delivery="body")
        end(elsewhere, signed_in["session"]["id"])
        assert seconds_until_refused(browser, signed_in["access_token"]) < 60


def test_how_long_an_end_takes_to_reach_another_server(tmp_path: Path, postgres: Cluster) -> None:
    """The stated bound is a second and a read, whether or not anything is heard."""
    url = postgres.database()
    name = url.rpartition("/")[2]
    environ = {**CHEAP_HASHES, "KEYTURN_DATABASE_URL": url}

    def in_silence(session: str) -> None:
        postgres.execute(
            "UPDATE sessions SET ended_at = extract(epoch FROM clock_timestamp()) * 1000000, end_reason = 'revoked', "
            f"version = version + 1 WHERE id = decode('{session}', 'hex')",
            name,
        )

    with ServerProcess(tmp_path / "data", environ) as server, Browser(server.url) as browser, another(url) as elsewhere:
        browser.register()
        told = measured(browser, lambda session: end(elsewhere, session))
        silent = measured(browser, in_silence)
    for how, found in (("with NOTIFY", told), ("without", silent)):
        print(f"\n{how}: median {1000 * statistics.median(found):.0f} ms, longest {1000 * max(found):.0f} ms")
    assert statistics.median(told) < statistics.median(silent)


def test_a_server_that_is_cut_off_from_the_news_goes_on_looking_and_listens_again(
    tmp_path: Path, postgres: Cluster
) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    listening = f"FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE 'LISTEN%'"
    environ = {**CHEAP_HASHES, "KEYTURN_DATABASE_URL": url}
    with ServerProcess(tmp_path / "data", environ) as server, Browser(server.url) as browser, another(url) as elsewhere:
        signed_in = browser.register(delivery="body")

        def listener() -> list[tuple[object, ...]]:
            return postgres.execute(f"SELECT pid {listening}")

        while not (first := listener()):
            time.sleep(0.02)
        postgres.execute(f"SELECT pg_terminate_backend(pid) {listening}")
        end(elsewhere, signed_in["session"]["id"])
        assert seconds_until_refused(browser, signed_in["access_token"]) < 20
        until = time.monotonic() + 30
        while listener() in ([], first):
            assert time.monotonic() < until, "it does not listen again"
            time.sleep(0.02)
