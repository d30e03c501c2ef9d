"""Many dead sessions are deleted while the living refresh: nobody is harmed, and nobody waits for long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.history import rows_of, violations
from tests.support.load import Crowd, finish
from tests.support.server import LiveServer

from keyturn.server.app import PURGE_ROWS

CLIENTS = 8
LONGEST = 2.0
"""Seconds that a refresh may take meanwhile, on a machine busy with other things. A step of the purge takes hundredths."""

_DEAD = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO sessions ({columns}) SELECT {values} FROM numbers, (SELECT * FROM sessions LIMIT 1)
"""


def bury(file: Path, count: int) -> None:
    """Add so many sessions whose time is up, spread over the whole table."""
    with closing(sqlite3.connect(file)) as connection:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(sessions)")]
        changed = {"id": "printf('%08x%016x', n * 2654435761 % 4294967296, n)", "expires_at": "created_at + n % 1000"}
        values = ", ".join(changed.get(name, name) for name in columns)
        connection.execute(_DEAD.format(columns=", ".join(columns), values=values), {"count": count})
        connection.commit()


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_nobody_is_harmed_by_a_purge(tmp_path: Path, count: int) -> None:
    """Z8."""
    file = tmp_path / "data" / "keyturn.db"
    with LiveServer(tmp_path / "data", refresh_window="0s") as server:
        crowd = Crowd(server.url, CLIENTS)
        bury(file, count)
        crowd.close()  # the server may have lost its patience with idle connections meanwhile
        server.clock.advance(1)
        threads = crowd.start(restless={0: 3, 1: 7})
        crowd.wait_for(CLIENTS)
        purged = [PURGE_ROWS]
        while purged[-1] == PURGE_ROWS:
            purged.append(server.context.database.transact(lambda tx: tx.sessions.purge(PURGE_ROWS)))
        crowd.stop()
        finish(threads)
        crowd.close()
        rows = rows_of(file)
    assert sum(purged) - PURGE_ROWS == count
    # The tombstones of those who signed out are there as well as the living.
    assert violations(crowd.events, rows) == []
    assert rows.keys() == {event.session for event in crowd.events}
    refreshes = [event for event in crowd.events if event.op == "refresh"]
    assert {event.status for event in refreshes} == {200}
    assert max(event.ended - event.began for event in refreshes) < LONGEST
