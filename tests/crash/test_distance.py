"""A slow and lossy network on a clock that runs fast, and tabs that share a jar: whatever arrives when, nobody is signed out.

Where a real store is broken on purpose, the checker of histories says so.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.distance import FarTab, PassingTime
from tests.support.faults import BrokenDatabase, BrokenSessions
from tests.support.history import LOST, SIGNED_OUT, UNDEAD, Row, Violation, rows_of, violations
from tests.support.load import LoadClient, finish, start
from tests.support.postgres import ClockedPostgres, Cluster
from tests.support.programs import needs
from tests.support.server import LiveServer
from tests.support.witness import WITNESS

from keyturn.core.model import Session
from keyturn.ports import Transaction
from keyturn.service.context import Context

JARS, TABS = 4, 3


def _live(tab: FarTab, over: threading.Event, restless: int) -> None:
    """Refresh now and then; whoever is restless signs out and in again after so many requests."""
    number = 0
    while not over.is_set():
        number += 1
        if restless and tab.token and number % restless == 0:
            tab.sign_out()
        else:
            tab.go_on()
        tab.pause()


def _people(server: LiveServer, time: PassingTime, seed: int) -> list[FarTab]:
    """Jars with several tabs each, and as many with one."""
    first = LoadClient(server.url)
    assert first.register() == 201
    people: list[FarTab] = []
    for number in range(2 * JARS):
        assert number == 0 or first.sign_in() == 200
        jar: list[str] = []
        tabs = [
            FarTab(server.url, jar, time, 100 * seed + 10 * number + tab) for tab in range(TABS if number < JARS else 1)
        ]
        jar.append(first.token)
        for tab in tabs:
            tab.session = first.session
        people += tabs
    first.close()
    return people


def spend(
    folder: Path, minutes: float, seed: int, *, rows: Callable[[], dict[str, Row]] | None = None, **more: Any
) -> tuple[list[Violation], Counter[str]]:
    """Let time pass for everybody; then what was violated, and how refreshes were decided."""
    rows = rows or partial(rows_of, folder / "data" / "keyturn.db")
    with LiveServer(folder / "data", **more) as server:
        WITNESS.begin()
        with PassingTime(server.clock, server.context.policy) as time:
            people = _people(server, time, seed)
            over = threading.Event()
            threads = [
                start(partial(_live, tab, over, n % 5 if n >= JARS * TABS else 0)) for n, tab in enumerate(people)
            ]
            time.wait_until(round(minutes * 60_000_000))
            over.set()
            finish(threads)
        for tab in people:
            tab.close()
        events = [event for tab in people for event in tab.events]
        found = violations(events, rows())
    assert WITNESS.events("authn_token_reuse") == [] or found
    return found, Counter(str(facts["verdict"]) for facts in WITNESS.events("session_renewed"))


def test_nobody_is_signed_out_by_what_the_network_does_to_messages(tmp_path: Path) -> None:
    found, verdicts = spend(tmp_path, 20, 1)
    assert found == []
    assert verdicts.keys() == {"rotated", "converged", "recovered"}
    assert verdicts["rotated"] > 50


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2))
def test_nobody_is_signed_out_by_what_the_network_does_for_hours(tmp_path: Path, seed: int) -> None:
    found, verdicts = spend(tmp_path, 300, seed)
    assert found == []
    assert verdicts.keys() == {"rotated", "converged", "recovered"}


@needs("postgres")
@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_nobody_is_signed_out_by_what_the_network_does_over_postgresql(postgres: Cluster, tmp_path: Path) -> None:
    url = postgres.database()

    def wrap(context: Context) -> Context:
        return replace(context, database=ClockedPostgres(url, context.clock))

    found, verdicts = spend(tmp_path, 60, 3, rows=lambda: postgres.rows(url), wrap=wrap)
    assert found == []
    assert verdicts.keys() == {"rotated", "converged", "recovered"}


def broken(change: Callable[[Sequence[Session]], Sequence[Session]], *, every: int) -> Callable[[Context], Context]:
    """A server on a real database of which some swaps write something else."""

    def breach(number: int, tx: Transaction) -> Transaction:
        sessions: Any = BrokenSessions(tx, change)
        return tx if number % every else sessions

    def wrap(context: Context) -> Context:
        database: Any = BrokenDatabase(context.database, breach)
        return replace(context, database=database)

    return wrap


def _forgotten(rows: Sequence[Session]) -> Sequence[Session]:
    return []


def _counted_twice(rows: Sequence[Session]) -> Sequence[Session]:
    return [row if row.ended_at else row._replace(generation=row.generation + 1) for row in rows]


def _revived(rows: Sequence[Session]) -> Sequence[Session]:
    return [row._replace(ended_at=None, end_reason=None) for row in rows]


@pytest.mark.parametrize(
    ("change", "every", "kind"),
    [
        pytest.param(_forgotten, 1, LOST, id="writes nothing"),
        pytest.param(_counted_twice, 7, SIGNED_OUT, id="counts twice"),
        pytest.param(_revived, 1, UNDEAD, id="ends nothing"),
    ],
)
def test_a_store_that_breaks_its_promise_is_found_out(
    tmp_path: Path, change: Callable[[Sequence[Session]], Sequence[Session]], every: int, kind: str
) -> None:
    found, _ = spend(tmp_path, 3, 1, wrap=broken(change, every=every))
    assert kind in {violation.kind for violation in found}
