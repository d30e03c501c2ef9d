"""Keyturn itself, as it is measured: durable, and rotating every time (W = 0)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, create_engine, text

from benchmarks import filling
from benchmarks.clients import Rotating, Taking, presenting
from benchmarks.clusters import cluster
from benchmarks.contestants import CONNECTIONS, Running
from benchmarks.load import Client
from benchmarks.running import BASE, server
from keyturn.core.keyring import from_secret
from keyturn.stores.sql import open_database
from keyturn.system import SystemClock

_SECRETS = {
    "KEYTURN_REFRESH_SECRET": "dXJ3m9TqL0vYb7Zc1eHs5KfAo8RgWnPi2tUxQ4jM",
    "KEYTURN_ACCESS_SECRET": "Pq8sVh2LxN5cRzT0wYb6KdGfJm3uEaIo9i7nXtB4",
}
SESSIONS = 1000


def environment(algorithm: str, log_level: str = "warning") -> dict[str, str]:
    """The settings of a server.

    Args:
        algorithm: of the access tokens.
        log_level: by default no refresh is logged, as the servers that ours is compared with log none.
    """
    environ = {"KEYTURN_REFRESH_WINDOW": "0s", "KEYTURN_LOG_LEVEL": log_level, **_SECRETS}
    if algorithm != "HS256":
        del environ["KEYTURN_ACCESS_SECRET"]
        environ["KEYTURN_ACCESS_ALGORITHM"] = algorithm
    return environ


@dataclass(frozen=True, kw_only=True)
class Keyturn(Running):
    """A server of ours.

    Attributes:
        engine: of its database.
        memory_mb: gives its resident memory, in 10^6 bytes.
    """

    engine: Engine
    memory_mb: Callable[[], float]


@contextmanager
def sqlite(algorithm: str, log_level: str = "warning", **filled: int) -> Iterator[Keyturn]:
    """Refreshes on SQLite.

    Args:
        algorithm: as in `environment`.
        log_level: as there.
        filled: what `_serving` takes.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        url = f"sqlite:///{folder}/keyturn.db"
        yield stack.enter_context(_serving(url, Path(folder), environment(algorithm, log_level), **filled))


@contextmanager
def postgresql(algorithm: str, log_level: str = "warning", **filled: int) -> Iterator[Keyturn]:
    """Refreshes on PostgreSQL; the arguments are those of `sqlite`."""
    with cluster() as database, TemporaryDirectory() as folder:
        url = database.database()
        environ = {**environment(algorithm, log_level), "KEYTURN_DATABASE_URL": url}
        with _serving(url, Path(folder), environ, **filled) as running:
            yield running


ENGINES: dict[str, Callable[..., AbstractContextManager[Keyturn]]] = {"SQLite": sqlite, "PostgreSQL": postgresql}


@contextmanager
def _serving(
    url: str,
    folder: Path,
    environ: Mapping[str, str],
    *,
    sessions: int = SESSIONS,
    dead: int = 0,
    clients: int = CONNECTIONS,
    connections: int = CONNECTIONS,
) -> Iterator[Keyturn]:
    """A server with a filled database.

    Args:
        url: of the database.
        folder: for the server's data.
        environ: its settings.
        sessions: how many there are.
        dead: how many there are beside them that have expired, for the purge.
        clients: for how many sessions somebody refreshes.
        connections: how many there are to be; beyond it, clients take turns.
    """
    open_database(url, clock=SystemClock()).close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    filling.fill(engine, sessions, dead=dead)
    with server(environ, folder) as running:
        key = from_secret(_SECRETS["KEYTURN_REFRESH_SECRET"], purpose="refresh")
        make = presenting(f"{BASE}/refresh-token", "keyturn_refresh")
        with engine.connect() as connection:
            tokens = list(filling.held(connection, running.url, key, clients))
        held: list[Client] = [Rotating(make, b"keyturn_refresh=", b";", token) for token in tokens]
        waiting = deque(held)
        yield Keyturn(
            address=running.address,
            clients=held if clients <= connections else [Taking(waiting) for _ in range(connections)],
            check=partial(_check, engine, filling.GENERATION * (sessions + dead)) if not dead else lambda answers: None,
            engine=engine,
            memory_mb=lambda: running.memory_mb,
        )
    engine.dispose()


def _check(engine: Engine, before: int, answers: int) -> None:
    """Every 200 is a rotation that is in the database: no answer was invented, none was lost."""
    with engine.connect() as connection:
        rotations = connection.execute(text("SELECT sum(generation) FROM sessions")).scalar_one() - before
    assert rotations == answers, (rotations, answers)
