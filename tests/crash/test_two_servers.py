"""Two servers on one data directory: started at once on an empty one, and at work together."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx2
import pytest
from tests.support.history import rows_of
from tests.support.load import CHEAP_HASHES, Crowd, LoadClient, claims_of, finish, start
from tests.support.processes import two_servers

# One public URL for both, as behind a load balancer.
ENVIRON = {**CHEAP_HASHES, "KEYTURN_ISSUER": "http://localhost:8000"}


@pytest.mark.parametrize("attempt", range(2))
def test_two_servers_started_at_once_have_the_same_keys_and_one_schema(tmp_path: Path, attempt: int) -> None:
    with two_servers(tmp_path / "data", ENVIRON) as urls:
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
        with closing(sqlite3.connect(tmp_path / "data" / "keyturn.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert len(connection.execute("SELECT * FROM alembic_version").fetchall()) == 1


def test_sessions_that_refresh_at_both_servers_in_turn_lose_nothing(tmp_path: Path) -> None:
    """Both write all the time, so each finds the file locked by the other, and rows that the other has changed."""
    rotations = 40
    with two_servers(tmp_path / "data", {**ENVIRON, "KEYTURN_REFRESH_WINDOW": "0s"}) as urls:
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
    assert {row.generation for row in rows_of(tmp_path / "data" / "keyturn.db").values()} == {rotations}


def test_one_token_presented_at_both_servers_at_once_converges(tmp_path: Path) -> None:
    with two_servers(tmp_path / "data", ENVIRON) as urls:
        crowd = Crowd(urls[0], 1)
        tabs = [LoadClient(url) for url in urls * 8]
        for tab in tabs:
            tab.session, tab.token = crowd.clients[0].session, crowd.clients[0].token
        finish([start(tab.refresh) for tab in tabs])
        assert {tab.events[-1].status for tab in tabs} == {200}
        assert len({tab.token for tab in tabs}) == 1
        for client in (*crowd.clients, *tabs):
            client.close()
    assert {row.generation for row in rows_of(tmp_path / "data" / "keyturn.db").values()} == {1}
