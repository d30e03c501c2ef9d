"""No answer leaves before the disk has what it says. Watched from outside, call by call."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.crash import careless
from tests.support.history import Event
from tests.support.load import CHEAP_HASHES, Crowd, LoadClient, finish, start
from tests.support.programs import needs
from tests.support.server import ServerProcess
from tests.support.trace import Trace, under_strace

CLIENTS = 8
REFRESHES = 15


def watched(folder: Path, window: str, *more: str) -> tuple[list[Event], Trace]:
    """What clients of a server under strace saw, and what strace saw."""
    environ = {**CHEAP_HASHES, "KEYTURN_REFRESH_WINDOW": window}
    output = folder / "trace"
    with ServerProcess(folder / "data", environ, prefix=(*under_strace(output), *more)) as server:
        crowd = Crowd(server.url, CLIENTS)
        # All at once, so that one commit serves several.
        finish([start(partial(_refresh, client)) for client in crowd.clients])
        for client in crowd.clients[::2]:
            client.sign_out()
        server.stop()
        crowd.close()
        return crowd.events, Trace(output, server.process.pid)


def _refresh(client: LoadClient) -> None:
    for _ in range(REFRESHES):
        client.refresh()


def promised(events: list[Event], op: str) -> dict[str, str]:
    """What had to be written before each answer: the id of the new token; the new session; the end in the session's row."""
    patterns = {
        "sign_in": "{0.session}",
        "refresh": "{0.got_id}",
        "sign_out": "{0.session}(?:(?!body).)*signed_out",
    }
    assert all(event.status in {200, 201, 204} for event in events)
    return {event.request_id: patterns[op].format(event) for event in events if event.op == op}


@needs("strace")
def test_every_answer_is_sent_after_its_commit_reached_the_disk(tmp_path: Path) -> None:
    events, trace = watched(tmp_path, "0s")
    rotations = promised(events, "refresh")
    assert len(set(rotations.values())) == CLIENTS * REFRESHES
    assert trace.answers_sent_too_early(rotations) == []
    assert trace.answers_sent_too_early(promised(events, "sign_in")) == []
    assert trace.answers_sent_too_early(promised(events, "sign_out")) == []


@needs("strace")
def test_a_converged_refresh_that_writes_nothing_waits_for_no_disk(tmp_path: Path) -> None:
    events, trace = watched(tmp_path, "30s")
    writes = {event.got_id for event in events if event.op == "refresh"}
    assert len(writes) == CLIENTS
    # Opening the database takes a few as well.
    assert len(trace.syncs) < CLIENTS * REFRESHES / 2
    assert trace.answers_sent_too_early(promised(events, "sign_in")) == []


@needs("strace")
def test_the_check_finds_a_server_that_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    events, trace = watched(tmp_path, "0s", sys.executable, str(Path(careless.__file__)))
    for op in ("refresh", "sign_in", "sign_out"):
        expected = promised(events, op)
        assert trace.answers_sent_too_early(expected) == list(expected)
