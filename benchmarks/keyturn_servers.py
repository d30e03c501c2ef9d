"""Keyturn itself, as it is measured: durable, and rotating every time (W = 0)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text

from benchmarks import filling
from benchmarks.clients import Rotating, presenting
from benchmarks.clusters import cluster
from benchmarks.contestants import CONNECTIONS, Running
from benchmarks.running import BASE, server
from keyturn.core.keyring import from_secret

_SECRETS = {
    "KEYTURN_REFRESH_SECRET": "dXJ3m9TqL0vYb7Zc1eHs5KfAo8RgWnPi2tUxQ4jM",
    "KEYTURN_ACCESS_SECRET": "Pq8sVh2LxN5cRzT0wYb6KdGfJm3uEaIo9i7nXtB4",
}
SESSIONS = 1000


def environment(algorithm: str) -> dict[str, str]:
    """The settings of a server whose access tokens are signed with this algorithm."""
    environ = {"KEYTURN_REFRESH_WINDOW": "0s", **_SECRETS}
    if algorithm != "HS256":
        del environ["KEYTURN_ACCESS_SECRET"]
        environ["KEYTURN_ACCESS_ALGORITHM"] = algorithm
    return environ


@contextmanager
def sqlite(algorithm: str, *, sessions: int = SESSIONS, clients: int = CONNECTIONS) -> Iterator[Running]:
    """Refreshes on SQLite.

    Args:
        algorithm: of the access tokens.
        sessions: how many there are.
        clients: for how many of them somebody refreshes.
    """
    with server(environment(algorithm)) as running:
        url = f"sqlite:///{running.data_dir / 'keyturn.db'}"
        yield Running(running.address, *_filled(url, running.url, sessions, clients))


@contextmanager
def postgresql(algorithm: str, *, sessions: int = SESSIONS, clients: int = CONNECTIONS) -> Iterator[Running]:
    """Refreshes on PostgreSQL; the arguments are those of `sqlite`."""
    with cluster() as database:
        url = database.database()
        with server({**environment(algorithm), "KEYTURN_DATABASE_URL": url}) as running:
            driver = url.replace("postgresql:", "postgresql+psycopg:")
            yield Running(running.address, *_filled(driver, running.url, sessions, clients))


def _filled(database: str, issuer: str, sessions: int, clients: int) -> tuple[list[Rotating], Callable[[int], None]]:
    engine = create_engine(database)
    filling.fill(engine, sessions)
    key = from_secret(_SECRETS["KEYTURN_REFRESH_SECRET"], purpose="refresh")
    make = presenting(f"{BASE}/refresh-token", "keyturn_refresh")
    with engine.connect() as connection:
        tokens = list(filling.held(connection, issuer, key, clients))
    before = 7 * sessions

    def check(answers: int) -> None:
        """Every 200 is a rotation that is in the database: no answer was invented, none was lost."""
        with engine.connect() as connection:
            rotations = connection.execute(text("SELECT sum(generation) FROM sessions")).scalar_one() - before
        assert rotations == answers, (rotations, answers)

    return [Rotating(make, b"keyturn_refresh=", b";", token) for token in tokens], check
