"""Killed without warning, over and over, in the middle of thousands of refreshes: nothing that was answered is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.support.history import rows_of, violations
from tests.support.load import CHEAP_HASHES, Crowd, LoadClient, finish
from tests.support.server import ServerProcess

CLIENTS = 24
RESTLESS = {0: 2, 1: 5, 2: 11, 3: 23}
"""These clients sign out and in again, after so many refreshes each."""


def verdicts(log: Path) -> Counter[str]:
    """How many refreshes were decided which way, as the server's log has it. A kill may cut a line short."""
    found: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        try:
            found[json.loads(line).get("verdict", "")] += 1
        except json.JSONDecodeError:
            continue
    return found


def run(data_dir: Path, window: str, *, rounds: int, refreshes: int) -> tuple[Crowd, Counter[str]]:
    """Let a crowd refresh, kill the server in the middle, start it again on the same data; and so on."""
    environ = {**CHEAP_HASHES, "KEYTURN_REFRESH_WINDOW": window, "KEYTURN_LOG_FORMAT": "json"}
    server = ServerProcess(data_dir, environ)
    port = int(server.url.rpartition(":")[2])
    crowd = Crowd(server.url, CLIENTS)
    try:
        for _ in range(rounds):
            threads = crowd.start(restless=RESTLESS)
            crowd.wait_for(refreshes)
            server.kill()
            finish(threads)
            crowd.close()
            server = ServerProcess(data_dir, environ, port=port)
            for client in crowd.clients:
                _goes_on(client)
            assert violations(crowd.events, rows_of(data_dir / "keyturn.db")) == []
        return crowd, verdicts(server.log)
    finally:
        server.kill()
        crowd.close()


def _goes_on(client: LoadClient) -> None:
    """With the newest token that it holds, whether or not its last request was answered; and what it left stays ended."""
    while not client.token or client.leaving:
        assert client.go_on() in {200, 204}
    held = client.session, client.token
    for session, token in client.left[-2:]:
        client.session, client.token = session, token
        assert client.refresh() == 403
        assert client.events[-1].reason == "signed_out"
    client.session, client.token = held
    assert client.refresh() == 200, client.events[-3:]


def _nothing_was_lost(data_dir: Path, crowd: Crowd, decided: Counter[str]) -> None:
    rows = rows_of(data_dir / "keyturn.db")
    assert decided["caught_up"] == 0
    assert decided["reused"] == 0
    # Every client had the last word of its session answered: then the database is exactly where the client is.
    for client in crowd.clients:
        assert rows[client.session].generation == client.newest - 1
    # A rotation is logged after its commit: a kill in between leaves at most one unlogged for each that was in flight.
    unanswered = sum(event.op == "refresh" and event.status is None for event in crowd.events)
    rotations = sum(row.generation for row in rows.values())
    assert 0 <= rotations - decided["rotated"] <= unanswered
    assert sum(len(client.left) for client in crowd.clients) > 0


def test_a_server_killed_while_every_refresh_rotates_loses_nothing(tmp_path: Path) -> None:
    crowd, decided = run(tmp_path / "data", "0s", rounds=3, refreshes=400)
    _nothing_was_lost(tmp_path / "data", crowd, decided)
    assert decided["rotated"] > 800
    assert decided["recovered"] > 0


def test_a_server_killed_while_refreshes_converge_loses_nothing(tmp_path: Path) -> None:
    crowd, decided = run(tmp_path / "data", "30s", rounds=2, refreshes=400)
    _nothing_was_lost(tmp_path / "data", crowd, decided)
    assert decided["converged"] > 500


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("window", ["0s", "30s"])
def test_a_server_killed_fifty_times_loses_nothing(tmp_path: Path, window: str) -> None:
    crowd, decided = run(tmp_path / "data", window, rounds=50, refreshes=2000)
    _nothing_was_lost(tmp_path / "data", crowd, decided)
