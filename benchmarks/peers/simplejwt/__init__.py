"""Django REST framework with simplejwt on PostgreSQL under gunicorn: rotation, and a blacklist of what was rotated away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import Cluster

from benchmarks import installing
from benchmarks.clients import Repeating, Rotating, posting
from benchmarks.clusters import cluster
from benchmarks.contestants import CONNECTIONS, Running
from benchmarks.running import Connection, free_address, process, request

_SITE = Path(__file__).with_name("site")
THREADS = 4
_Serving = tuple[tuple[str, int], list[str], Cluster, str]


@contextmanager
def _serving(variant: str, secret: str, issuer: str, users: list[str]) -> Iterator[_Serving]:
    python, address = installing.virtual_environment("simplejwt"), free_address()
    with cluster() as database:
        environ = {
            **os.environ,
            "VARIANT": variant,
            "SECRET": "a-secret-of-django-that-is-long-enough-for-it",
            "ACCESS_SECRET": secret,
            "ISSUER": issuer,
            "DATABASE": database.database().rpartition("/")[2],
            "DATABASE_PORT": str(database.port),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        populating = [str(python), "populate.py", *users]
        done = subprocess.run(populating, cwd=_SITE, env=environ, stdout=subprocess.PIPE, text=True, check=True)
        serving = [str(python), "-m", "gunicorn", "wsgi:application", "--bind", f"127.0.0.1:{address[1]}"]
        workers = ["--workers", "1", "--worker-class", "gthread", "--threads", str(THREADS), "--keep-alive", "600"]
        with process([*serving, *workers], address, cwd=_SITE, env=environ):
            yield address, done.stdout.split(), database, environ["DATABASE"]


@contextmanager
def refreshing(variant: str) -> Iterator[Running]:
    """Refreshes.

    Args:
        variant: "documented": as the documentation sets it up; "atomic": with one transaction for each request.
    """
    make = posting("/token/refresh/", b'{"refresh":"%b"}')
    users = [f"user{number}" for number in range(CONNECTIONS + 1)]
    secret = "a-secret-of-simplejwt-that-is-long-enough-for-it"
    with _serving(variant, secret, "", users) as (address, tokens, database, name):
        _rotates(address, make(tokens.pop().encode()))

        def check(answers: int) -> None:
            """Every token that was rotated away is in the blacklist."""
            ((listed,),) = database.execute("SELECT count(*) FROM token_blacklist_blacklistedtoken", name)
            assert listed == answers + 1, (listed, answers)

        yield Running(address, [Rotating(make, b'"refresh":"', b'"', token.encode()) for token in tokens], check)


def _rotates(address: tuple[str, int], presenting: bytes) -> None:
    connection = Connection(address)
    assert connection.exchange(presenting)[0] == 200
    assert connection.exchange(presenting)[0] == 401, "an old token was taken"


@contextmanager
def protected(variant: str, secret: str, issuer: str, token: str, subject: str) -> Iterator[Running]:
    """A protected route.

    Args:
        variant: "documented": the user is read from the database; "stateless": the token is believed.
        secret: that access tokens are signed with.
        issuer: of the tokens, and their audience.
        token: what clients present.
        subject: whom it is of.
    """
    with _serving(variant, secret, issuer, [subject]) as (address, *_):
        forged = request("GET", "/me/", bearer=token[:-4] + "AAAA")
        assert Connection(address).exchange(forged)[0] == 401, "a forged token was taken"
        yield Running(
            address, [Repeating(request("GET", "/me/", bearer=token), subject.encode()) for _ in range(CONNECTIONS)]
        )
