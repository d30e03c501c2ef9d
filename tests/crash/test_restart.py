"""What outlives a restart, what a purge leaves alone, and what one process learns of another."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.client import Browser
from tests.support.load import CHEAP_HASHES, Crowd
from tests.support.server import LiveServer, ServerProcess

from keyturn.core.model import SECOND, EndReason
from keyturn.server.following import FOLLOW_SECONDS
from keyturn.server.opening import open_context
from keyturn.server.settings import load_settings
from keyturn.service.administration import set_disabled
from keyturn.service.context import Context
from keyturn.service.ending import end_sessions

DAY = 86_400


def test_after_a_restart_an_ancient_token_is_refused_and_the_newest_works(tmp_path: Path) -> None:
    environ = {**CHEAP_HASHES, "KEYTURN_REFRESH_WINDOW": "0s"}
    with ServerProcess(tmp_path / "data", environ) as server:
        crowd = Crowd(server.url, 1)
        (client,) = crowd.clients
        ancient = client.token
        for _ in range(4):
            assert client.refresh() == 200
        server.stop()
        crowd.close()
    with ServerProcess(tmp_path / "data", environ, port=int(server.url.rpartition(":")[2])):
        assert client.refresh() == 200
        newest, client.token = client.token, ancient
        assert client.refresh() == 403
        assert client.events[-1].reason == "reuse_detected"
        client.token = newest
        assert client.refresh() == 403
        assert client.events[-1].reason == "reuse_detected"
        crowd.close()


def _purge(server: LiveServer) -> int:
    return server.context.database.transact(lambda tx: tx.sessions.purge(1000))


def test_a_purge_deletes_no_live_session_and_no_tombstone_that_still_matters(server: LiveServer) -> None:
    with Browser(server.url) as alive, Browser(server.url) as gone, Browser(server.url) as idle:
        alive.register(delivery="body")
        idle.login(delivery="body")
        ended = gone.login(delivery="body")["refresh_token"]
        assert gone.call("POST", "/logout", {"refresh_token": ended}).status_code == 204
        token, idle_token = alive.login(delivery="body")["refresh_token"], idle.login(delivery="body")["refresh_token"]

        for _ in range(6):
            server.clock.advance(29.9 * DAY)
            assert _purge(server) == 0
            answer = alive.refresh(token)
            assert answer.status_code == 200
            token = answer.json()["refresh_token"]
            assert gone.refresh(ended).json()["reason"] == "signed_out"
        assert idle.refresh(idle_token).json()["reason"] == "idle"

        server.clock.advance(DAY)
        assert _purge(server) == 5
        assert alive.refresh(token).json()["reason"] == "expired"
        assert gone.refresh(ended).json()["reason"] == "expired"


@contextmanager
def _other_process(server: ServerProcess) -> Iterator[Context]:
    """The same data, opened by somebody else, as the command line does."""
    context = open_context(load_settings({"data_dir": server.data_dir}, {}), server.issuer)
    try:
        yield context
    finally:
        context.database.close()


def _seconds_until_refused(browser: Browser) -> float:
    """How long a proxy's forward-auth still lets an access token in."""
    began = time.monotonic()
    while browser.call("GET", "/verify", bearer=browser.access_token).status_code != 401:
        assert time.monotonic() - began < FOLLOW_SECONDS + 30
        time.sleep(0.02)
    return time.monotonic() - began


def test_an_end_that_another_process_decided_counts_at_once_and_is_followed_within_a_second(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path / "data", CHEAP_HASHES) as server,
        Browser(server.url) as browser,
        _other_process(server) as other,
    ):
        session = browser.register()["session"]["id"]
        assert browser.call("GET", "/verify", bearer=browser.access_token).status_code == 204
        assert other.database.transact(lambda tx: end_sessions(tx, [session], EndReason.REVOKED)) == [session]
        assert browser.me().status_code == 401
        took = _seconds_until_refused(browser)
        print(f"\nGET /verify refused an end decided elsewhere after {took:.2f} s")
        assert browser.refresh().json()["reason"] == "revoked"


def test_an_account_disabled_by_another_process_is_out_everywhere(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path / "data", CHEAP_HASHES) as server,
        Browser(server.url) as browser,
        _other_process(server) as other,
    ):
        user = browser.register()["user"]["id"]
        set_disabled(other, user, disabled=True)
        assert browser.me().status_code == 401
        assert browser.refresh().json()["reason"] == "account_disabled"
        _seconds_until_refused(browser)


def test_an_end_is_refused_by_a_server_that_was_not_running_then(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHEAP_HASHES) as server, Browser(server.url) as browser:
        session = browser.register()["session"]["id"]
        access_token = browser.access_token
    with _other_process(server) as other:
        other.database.transact(lambda tx: end_sessions(tx, [session], EndReason.REVOKED))
    port = int(server.url.rpartition(":")[2])
    with ServerProcess(tmp_path / "data", CHEAP_HASHES, port=port), Browser(server.url) as browser:
        assert browser.call("GET", "/verify", bearer=access_token).status_code == 401


def test_the_row_of_a_session_stays_one_row_however_often_it_refreshes(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as server, Browser(server.url) as browser:
        browser.register()
        for _ in range(20):
            server.clock.advance(server.settings.refresh_window / SECOND + 1)
            assert browser.refresh().status_code == 200
        with closing(sqlite3.connect(tmp_path / "data" / "keyturn.db")) as connection:
            assert connection.execute("SELECT count(*), max(generation) FROM sessions").fetchone() == (1, 20)
