"""Opening a PostgreSQL database: its URL, its bounds, its tables, and several servers that start at once."""

from __future__ import annotations

import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.support.postgres import Cluster
from tests.support.programs import needs

from keyturn.core.model import Account, EndReason
from keyturn.errors import SettingsError
from keyturn.stores.sql import SqlDatabase, open_database, postgresql
from keyturn.stores.sql.tables import metadata
from keyturn.system import SystemClock
from keyturn.testing.store_contract import sample_session, sample_user

SECRET = "hunter2-and-more"


def opened(url: str) -> SqlDatabase:
    return open_database(url, clock=SystemClock())


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"postgresql://keyturn:{SECRET}@/", "names no database"),
        (f"postgresql://keyturn:pass@{SECRET}@127.0.0.1/app", "cannot be read"),
        (f"postgresql://keyturn:{SECRET}@127.0.0.1:port/app", "cannot be read"),
        (f"postgresql://keyturn:{SECRET}@127.0.0.1:1/app", "127.0.0.1:1/app"),
        (f"postgres://keyturn:{SECRET}@127.0.0.1:1/app", "127.0.0.1:1/app"),
        (f"postgresql+psycopg://keyturn@127.0.0.1:1/app?password={SECRET}", "127.0.0.1:1/app"),
        (f"postgresql://keyturn:{SECRET}@/app?host=127.0.0.1:1&host=127.0.0.1:2", "127.0.0.1:1, 127.0.0.1:2/app"),
        (f"postgresql://keyturn:{SECRET}@127.0.0.1:1/app?nonsense=1", "nonsense"),
    ],
    ids=["no database", "at sign", "port", "unreachable", "short scheme", "in the query", "hosts", "option"],
)
def test_a_url_that_leads_nowhere_is_told_in_a_line_without_its_password(url: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        opened(url)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_without_the_driver_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install 'keyturn\[postgresql\]'"):
        opened("postgresql://keyturn@127.0.0.1:1/app")


@needs("postgres")
@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_many_servers_may_start_at_once_whatever_the_level(postgres: Cluster, level: str) -> None:
    url = postgres.database()
    postgres.execute(f"ALTER DATABASE {name_of(url)} SET default_transaction_isolation = '{level}'")
    start = threading.Barrier(6)

    def begin(_: int) -> SqlDatabase:
        start.wait(30)
        return opened(url)

    with ThreadPoolExecutor(6) as threads:
        for database in threads.map(begin, range(6)):
            database.ping()
            database.close()


@needs("postgres")
def test_a_server_waits_longer_for_another_ones_upgrade_than_for_anything_else(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_SESSION", ("SET statement_timeout = '400ms'", "SET lock_timeout = '300ms'"))
    url = postgres.database()
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as thread:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [postgresql._UPGRADE_LOCK])
        opening = thread.submit(opened, url)
        while postgres.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == []:
            assert not opening.done()
        other.execute("SELECT pg_sleep(0.6)")
        other.commit()
        database = opening.result(30)
    database.ping()
    database.close()


@needs("postgres")
def test_a_database_that_a_newer_version_has_upgraded_is_left_alone(postgres: Cluster) -> None:
    url = postgres.database()
    opened(url).close()
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", name_of(url))
    with pytest.raises(SettingsError, match="revision 9999"):
        opened(url)
    assert postgres.execute("SELECT version_num FROM alembic_version", name_of(url)) == [("9999",)]


@needs("postgres")
@pytest.mark.parametrize("table", ["meta", "sessions", "alembic_version"])
def test_a_table_with_a_name_of_ours_that_is_not_ours_stops_the_start(postgres: Cluster, table: str) -> None:
    url = postgres.database()
    postgres.execute(f"CREATE TABLE {table} (name text, value text)", name_of(url))
    with pytest.raises(SettingsError, match=f"another program: {table}"):
        opened(url)
    assert postgres.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name_of(url)) == [(table,)]


@needs("postgres")
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_is_not_in_utf8_stops_the_start(postgres: Cluster, encoding: str) -> None:
    name = f"in_{encoding.lower()}"
    postgres.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(SettingsError, match=f"encoding {encoding}.*UTF-8"):
        opened(postgres.url(name))
    assert postgres.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name) == []


@needs("postgres")
def test_what_cannot_be_written_to_is_no_database_of_ours(postgres: Cluster) -> None:
    """Z6: a standby, whatever the URL says: what it shows is of a moment ago."""
    url = postgres.database()
    opened(url).close()
    postgres.execute(f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = on")
    for address in (url, f"{url}?target_session_attrs=any"):
        with pytest.raises(SettingsError, match="read-only"):
            opened(address)


@needs("postgres")
def test_every_wait_has_a_bound(postgres: Cluster) -> None:
    """D8, and a commit that is on the disk whatever the database's own setting."""
    url = postgres.database()
    for setting in ("synchronous_commit = off", "statement_timeout = 0", "lock_timeout = 0"):
        postgres.execute(f"ALTER DATABASE {name_of(url)} SET {setting}")
    engine = postgresql.engine(url, patience=1)
    with engine.connect() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in (
                "synchronous_commit",
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
            )
        }
        driver = connection.connection.driver_connection
        assert driver is not None
        parameters = driver.info.get_parameters()
    engine.dispose()
    assert shown == {
        "synchronous_commit": "on",
        "statement_timeout": "5s",
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "10s",
    }
    assert parameters["connect_timeout"] == "3"
    assert parameters["tcp_user_timeout"] == "10000"
    assert parameters["target_session_attrs"] == "read-write"


@needs("postgres")
def test_a_url_may_set_the_bounds_of_its_own_network(postgres: Cluster) -> None:
    engine = postgresql.engine(f"{postgres.database()}?tcp_user_timeout=2500", patience=1)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.info.get_parameters()["tcp_user_timeout"] == "2500"
    engine.dispose()


@needs("postgres")
def test_a_server_needs_no_right_but_to_use_the_tables(postgres: Cluster) -> None:
    """As docs/postgresql.md grants them to a role that owns nothing."""
    url = postgres.database()
    opened(url).close()
    text = (Path(__file__).parents[3] / "docs" / "postgresql.md").read_text()
    (granted,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert set(re.findall(r"\w+", granted.split(" ON ")[1].split(" TO ")[0])) == {*metadata.tables}
    role = f"server_of_{name_of(url)}"
    postgres.execute(f"CREATE ROLE {role} LOGIN", name_of(url))
    for grant in granted.replace("keyturn_server", role).strip().split(";")[:-1]:
        postgres.execute(grant, name_of(url))
    database = opened(url.replace("//keyturn:", f"//{role}:"))
    database.transact(lambda tx: tx.users.insert(Account(sample_user(), "hash")))
    database.transact(lambda tx: tx.sessions.insert(sample_session(tx.now)))
    assert database.transact(lambda tx: tx.users.lock("u1")) is not None
    assert database.transact(lambda tx: tx.sessions.end_of_user("u1", EndReason.REVOKED)) == ["s1"]
    database.transact(lambda tx: tx.facts.put("access_key", "a"))
    database.transact(lambda tx: tx.counters.add("key", 1, 1))
    database.transact(lambda tx: tx.users.delete("u1"))
    database.transact(lambda tx: tx.sessions.purge(1))
    database.close()


@needs("postgres")
def test_a_thread_that_outlives_its_database_leaves_no_connection_open(postgres: Cluster) -> None:
    """A stop waits neither for a purge nor for a request that takes too long; either may just be at work, or about to begin."""
    url = postgres.database()
    database = opened(url)

    def outlive(_: object) -> list[tuple[object, ...]]:
        database.close()
        return connected()

    def connected() -> list[tuple[object, ...]]:
        return postgres.execute(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name_of(url)}'")

    assert len(database.transact(outlive)) == 1
    database.read(lambda tx: tx.now)
    until = time.monotonic() + 30
    while connected():
        assert time.monotonic() < until, "a connection is left"
