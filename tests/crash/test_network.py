"""A network that loses requests, loses answers, cuts them in the middle and changes their order: nobody is signed out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.support.history import Row, rows_of, violations
from tests.support.load import CHEAP_HASHES, LoadClient, Tab, finish, start
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.proxy import FATES, UnrulyProxy
from tests.support.server import ServerProcess

JARS = 5
TABS = 3


def go_on(client: LoadClient, goal: threading.Event, restless: int) -> None:
    """Refresh, whatever happens; sign out and in again now and then. A request that came to nothing is made again."""
    number = 0
    while not goal.is_set():
        number += 1
        if restless and client.token and number % restless == 0:
            client.sign_out()
        else:
            client.go_on()


@contextmanager
def crowd(server: ServerProcess, proxy: UnrulyProxy) -> Iterator[list[LoadClient]]:
    """Jars that several tabs share, and clients that come and go, all of them behind the proxy."""
    jars: list[list[str]] = [[] for _ in range(JARS)]
    clients: list[LoadClient] = [Tab(proxy.url, jar) for jar in jars for _ in range(TABS)]
    first = LoadClient(server.url)
    assert first.register() == 201
    for number, jar in enumerate(jars):
        assert first.sign_in() == 200
        jar.append(first.token)
        for tab in clients[number * TABS : (number + 1) * TABS]:
            tab.session = first.session
    lonely = [LoadClient(proxy.url) for _ in range(3)]
    yield [*clients, *lonely]
    for client in (first, *clients, *lonely):
        client.close()


def shake(server: ServerProcess, seed: int, rounds: int, rows: Callable[[], dict[str, Row]]) -> UnrulyProxy:
    """Let everybody go on behind an unruly network until so many things have happened; then see that all is well."""
    with UnrulyProxy(server.address, seed) as proxy, crowd(server, proxy) as clients:
        enough = threading.Event()
        threads = [start(partial(go_on, client, enough, 0 if isinstance(client, Tab) else 7)) for client in clients]
        while sum(len(client.events) for client in clients) < rounds:
            enough.wait(0.05)
        enough.set()
        finish(threads)
        events = [event for client in clients for event in client.events]
        assert violations(events, rows()) == []
        # And everybody goes on, once the network is as it should be.
        for client in clients:
            if client.token and not client.leaving:
                client.close()
                calm = LoadClient(server.url)
                calm.session, calm.token = client.session, client.token
                assert calm.refresh() == 200
                calm.close()
    return proxy


def test_whatever_the_network_does_nobody_is_signed_out(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHEAP_HASHES) as server:
        proxy = shake(server, 7, 600, lambda: rows_of(tmp_path / "data" / "keyturn.db"))
    assert proxy.met.keys() == FATES.keys()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_network_does_for_long_nobody_is_signed_out(tmp_path: Path, seed: int) -> None:
    with ServerProcess(tmp_path / "data", CHEAP_HASHES) as server:
        shake(server, seed, 20_000, lambda: rows_of(tmp_path / "data" / "keyturn.db"))


@needs("postgres")
@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_whatever_the_network_does_nobody_is_signed_out_over_postgresql(postgres: Cluster, tmp_path: Path) -> None:
    url = postgres.database()
    with ServerProcess(tmp_path / "data", {**CHEAP_HASHES, "KEYTURN_DATABASE_URL": url}) as server:
        shake(server, 11, 20_000, lambda: postgres.rows(url))
