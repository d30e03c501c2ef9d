"""Two servers on one data directory, on either engine: started at once on an empty one, and at work together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest
from tests.support.history import Row, rows_of
from tests.support.load import CHEAP_HASHES, Crowd, LoadClient, claims_of, finish, start
from tests.support.postgres import Cluster
from tests.support.processes import two_servers
from tests.support.programs import needs

# One public URL for both, as behind a load balancer.
ENVIRON = {**CHEAP_HASHES, "KEYTURN_ISSUER": "http://localhost:8000"}


@dataclass(frozen=True)
class Engine:
    """Where two servers keep their data.

    Attributes:
        environ: their settings.
        rows: the sessions in the database, by id.
    """

    environ: dict[str, str]
    rows: Callable[[], dict[str, Row]]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs("postgres"))])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "sqlite":
        return Engine(ENVIRON, lambda: rows_of(tmp_path / "data" / "keyturn.db"))
    cluster: Cluster = request.getfixturevalue("postgres")
    url = cluster.database()
    return Engine({**ENVIRON, "KEYTURN_DATABASE_URL": url}, lambda: cluster.rows(url))


@pytest.mark.parametrize("attempt", [1, *(pytest.param(number, marks=pytest.mark.soak) for number in range(2, 11))])
def test_two_servers_started_at_once_have_the_same_keys_and_one_schema(
    tmp_path: Path, engine: Engine, attempt: int
) -> None:
    with two_servers(tmp_path / "data", engine.environ) as urls:
        keys, same_keys = (httpx2.get(f"{url}/.well-known/jwks.json").json() for url in urls)
        assert keys == same_keys
        crowd = Crowd(urls[0], 1)
        here = crowd.clients[0]
        there = LoadClient(urls[1])
        there.session, there.token = here.session, here.token
        assert there.refresh() == 200
        assert claims_of(there.token)["gen"] == 2
        crowd.close()
        there.close()
        if "KEYTURN_DATABASE_URL" in engine.environ:
            return
        with closing(sqlite3.connect(tmp_path / "data" / "keyturn.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert len(connection.execute("SELECT * FROM alembic_version").fetchall()) == 1


def test_sessions_that_refresh_at_both_servers_in_turn_lose_nothing(tmp_path: Path, engine: Engine) -> None:
    """Both write all the time, so each finds the file locked by the other, and rows that the other has changed."""
    rotations = 40
    with two_servers(tmp_path / "data", {**engine.environ, "KEYTURN_REFRESH_WINDOW": "0s"}) as urls:
        crowd = Crowd(urls[0], 4)
        elsewhere = [LoadClient(urls[1]) for _ in crowd.clients]

        def refresh_in_turn(here: LoadClient, there: LoadClient) -> None:
            for _ in range(rotations // 2):
                for client, other in ((here, there), (there, here)):
                    client.refresh()
                    other.session, other.token = client.session, client.token

        finish([start(partial(refresh_in_turn, *pair)) for pair in zip(crowd.clients, elsewhere, strict=True)])
        events = [event for client in (*crowd.clients, *elsewhere) for event in client.events]
        assert {event.status for event in events if event.op == "refresh"} == {200}
        crowd.close()
        for client in elsewhere:
            client.close()
    assert {row.generation for row in engine.rows().values()} == {rotations}


def test_one_token_presented_at_both_servers_at_once_converges(tmp_path: Path, engine: Engine) -> None:
    with two_servers(tmp_path / "data", engine.environ) as urls:
        crowd = Crowd(urls[0], 1)
        tabs = [LoadClient(url) for url in urls * 8]
        for tab in tabs:
            tab.session, tab.token = crowd.clients[0].session, crowd.clients[0].token
        finish([start(tab.refresh) for tab in tabs])
        assert {tab.events[-1].status for tab in tabs} == {200}
        assert len({tab.token for tab in tabs}) == 1
        for client in (*crowd.clients, *tabs):
            client.close()
    assert {row.generation for row in engine.rows().values()} == {1}
