"""PostgreSQL goes away, comes back, is slow, or is another machine: 503 meanwhile, and nothing that was answered is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.support.client import Browser
from tests.support.history import violations
from tests.support.load import CHEAP_HASHES, Crowd, finish
from tests.support.postgres import Cluster, running
from tests.support.programs import needs
from tests.support.server import ServerProcess

from keyturn.core.model import Account
from keyturn.errors import StoreUnavailable
from keyturn.stores.sql import open_database
from keyturn.system import SystemClock
from keyturn.testing.store_contract import sample_session, sample_user

pytestmark = needs("postgres")

CLIENTS = 12

_SPREAD = """
CREATE TEMP TABLE busy AS SELECT * FROM sessions;
DELETE FROM sessions;
DO $$
DECLARE one sessions%ROWTYPE; idle integer := 0;
BEGIN
  FOR one IN SELECT * FROM busy LOOP
    INSERT INTO sessions SELECT one.*;
    FOR place IN 1..100 LOOP
      idle := idle + 1;
      one.id := 'idle' || idle;
      INSERT INTO sessions SELECT one.*;
    END LOOP;
  END LOOP;
END $$
"""


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A server that a test may break."""
    with running() as cluster:
        yield cluster


def serving(data_dir: Path, url: str) -> ServerProcess:
    return ServerProcess(data_dir, {**CHEAP_HASHES, "KEYTURN_DATABASE_URL": url, "KEYTURN_REFRESH_WINDOW": "0s"})


def until_it_heals(browser: Browser) -> list[int]:
    """The statuses of refreshes, up to the first that works."""
    statuses = []
    while not statuses or statuses[-1] != 200:
        statuses.append(browser.refresh().status_code)
        assert len(statuses) < 10_000
    return statuses


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_after_a_crash_of_postgresql_every_acknowledged_rotation_is_there(
    own: Cluster, tmp_path: Path, times: int
) -> None:
    url = own.database()
    with serving(tmp_path / "data", url) as server:
        crowd = Crowd(server.url, CLIENTS)
        for _ in range(times):
            threads = crowd.start()
            crowd.wait_for(150)
            own.kill()
            own.start()
            # The server was never restarted: it heals by itself.
            crowd.wait_for(150, status=200)
            crowd.stop()
            finish(threads)
            assert violations(crowd.events, own.rows(url)) == []
        crowd.close()
        assert {event.status for event in crowd.events} >= {200, 503}


def test_a_failover_to_a_synchronous_standby_loses_nothing(tmp_path: Path) -> None:
    with running(wal_level="replica", max_wal_senders=4) as primary:
        primary.allow_standbys()
        name = primary.database().rpartition("/")[2]
        with running(copy_of=primary.url()) as standby:
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.execute("SELECT pg_reload_conf()")
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = f"postgresql://keyturn@/{name}?host={hosts.replace(',', '&host=')}"
            with serving(tmp_path / "data", url) as server:
                crowd = Crowd(server.url, CLIENTS)
                threads = crowd.start()
                crowd.wait_for(150)
                primary.kill()
                standby.promote()
                crowd.wait_for(150, status=200)
                crowd.stop()
                finish(threads)
                crowd.close()
                assert violations(crowd.events, standby.rows(f"/{name}")) == []


def test_a_connection_that_was_cut_is_replaced(own: Cluster, tmp_path: Path) -> None:
    url = own.database()
    with serving(tmp_path / "data", url) as server, Browser(server.url) as browser:
        browser.register()
        assert browser.refresh().status_code == 200
        own.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyturn'")
        assert set(until_it_heals(browser)) <= {200, 503}
        assert browser.me().status_code == 200


def test_while_postgresql_is_stopped_nobody_is_signed_out(own: Cluster, tmp_path: Path) -> None:
    with serving(tmp_path / "data", own.database()) as server, Browser(server.url) as browser:
        browser.register()
        own.stop()
        for _ in range(3):
            refused = browser.refresh()
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert refused.headers["retry-after"].isdigit()
        assert browser.call("GET", "/verify", bearer=browser.access_token).status_code == 204
        own.start()
        assert until_it_heals(browser)[-1] == 200


def test_a_statement_that_is_cancelled_changes_nothing(own: Cluster) -> None:
    """As it is when it takes too long: the client is told to come again."""
    url = own.database()
    database = open_database(url, clock=SystemClock())
    database.transact(lambda tx: tx.users.insert(Account(sample_user(), "hash")))
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM users FOR UPDATE")
        failed: list[Exception] = []

        def change() -> None:
            try:
                database.transact(lambda tx: (tx.sessions.insert(sample_session(tx.now)), tx.users.lock("u1")))
            except StoreUnavailable as error:
                failed.append(error)

        thread = threading.Thread(target=change)
        thread.start()
        blocked = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while not own.execute(blocked):
            pass
        thread.join(20)
    assert len(failed) == 1
    assert database.transact(lambda tx: tx.sessions.load_many(["s1"])) == {}
    assert database.transact(lambda tx: tx.users.lock("u1")) is not None
    database.close()


def test_a_rotation_touches_no_index(own: Cluster, tmp_path: Path) -> None:
    """Every one is a HOT update: the new version of the row lies on the same page, and no index learns of it."""
    url = own.database()
    name = url.rpartition("/")[2]
    with serving(tmp_path / "data", url) as server:
        crowd = Crowd(server.url, CLIENTS)
        # As in a table of many: of the sessions on one page, few are used at the same moment.
        own.execute(_SPREAD, name)
        threads = crowd.start()
        crowd.wait_for(600)
        crowd.stop()
        finish(threads)
        crowd.close()
    own.execute("SELECT pg_stat_force_next_flush()", name)
    counted = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'"
    ((updated, hot),) = own.execute(counted, name)
    assert isinstance(updated, int)
    assert updated >= 600
    assert hot == updated


def test_a_refresh_that_waits_too_long_for_a_lock_is_refused_and_has_changed_nothing(
    own: Cluster, tmp_path: Path
) -> None:
    """D8: somebody holds the row; one has to come again."""
    url = own.database()
    name = url.rpartition("/")[2]
    with serving(tmp_path / "data", url) as server, Browser(server.url) as browser:
        browser.register()
        before = own.execute("SELECT * FROM sessions", name)
        with psycopg.connect(url) as other:
            other.execute("SELECT 1 FROM sessions FOR UPDATE")
            refused = browser.refresh()
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert own.execute("SELECT * FROM sessions", name) == before
        assert browser.refresh().status_code == 200


def test_a_database_that_can_only_be_read_is_as_good_as_away(own: Cluster, tmp_path: Path) -> None:
    """Z6: a standby answers at the address of the primary for a while; what it would say is not asked for."""
    url = own.database()
    name = url.rpartition("/")[2]
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    with serving(tmp_path / "data", url) as server, Browser(server.url) as browser:
        browser.register()
        own.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        own.execute(cut)
        for _ in range(3):
            assert browser.refresh().json()["code"] == "store_unavailable"
            assert browser.me().status_code == 503
        own.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert until_it_heals(browser)[-1] == 200


def test_while_the_synchronous_standby_is_away_nothing_is_acknowledged(own: Cluster, tmp_path: Path) -> None:
    """What one machine alone has is not said to be kept; when that is enough again, whoever waits goes on."""
    with serving(tmp_path / "data", own.database()) as server, Browser(server.url) as browser:
        browser.register()
        own.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        own.execute("SELECT pg_reload_conf()")
        while own.execute("SHOW synchronous_standby_names") != [("nobody",)]:
            pass
        with ThreadPoolExecutor(1) as thread:
            refreshing = thread.submit(browser.refresh)
            while own.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == []:
                assert not refreshing.done()
            own.execute("ALTER SYSTEM RESET synchronous_standby_names")
            own.execute("SELECT pg_reload_conf()")
            assert refreshing.result(60).status_code == 200
