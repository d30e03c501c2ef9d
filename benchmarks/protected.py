"""Requests a second of a route that wants an access token: the same token everywhere, HS256, over 64 connections."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.clients import Repeating
from benchmarks.contestants import CONNECTIONS, Running, Starting, compare
from benchmarks.figures import Figure
from benchmarks.peers import express, simplejwt
from benchmarks.refreshing import rate, times
from benchmarks.running import Connection, free_address, process, request
from keyturn.core import access_token
from keyturn.core.keyring import from_secret
from keyturn.core.model import AccessClaims

ISSUER = "https://accounts.example.com"
SECRET = "Pq8sVh2LxN5cRzT0wYb6KdGfJm3uEaIo9i7nXtB4"
SUBJECT = "5f0c7a1e9b3d2846a1c0e7f9"

OURS = "protected route, Keyturn's verifier in Starlette"
COLD = "protected route, Keyturn's verifier without its memory of signatures"
WANTED: dict[str, float | None] = {
    "protected route, Express, jsonwebtoken with a string as secret": 2.5,
    "protected route, Express, jsonwebtoken with a KeyObject": 1.0,
    "protected route, Django, simplejwt reading its user from PostgreSQL": 18.0,
    "protected route, Django, simplejwt without reading its user": None,
}


def _token() -> str:
    now = int(time.time())
    said = AccessClaims(
        SUBJECT, "a1" * 12, "b2" * 12, issued_at=now, expires_at=now + 900, authenticated_at=now, roles=("user",)
    )
    return access_token.mint(said, issuer=ISSUER, audience=ISSUER, key=from_secret(SECRET, purpose="access"))


@contextmanager
def _service(token: str, remembered: int) -> Iterator[Running]:
    address = free_address()
    environ = {**os.environ, "SECRET": SECRET, "ISSUER": ISSUER, "REMEMBERED": str(remembered)}
    uvicorn = [sys.executable, "-m", "uvicorn", "benchmarks.service:app", "--port", str(address[1]), "--no-access-log"]
    with process([*uvicorn, "--log-level", "warning", "--lifespan", "off"], address, env=environ):
        forged = request("GET", "/me", bearer=token[:-4] + "AAAA")
        assert Connection(address).exchange(forged)[0] == 401, "a forged token was taken"
        asking = request("GET", "/me", bearer=token)
        yield Running(address, [Repeating(asking, SUBJECT.encode()) for _ in range(CONNECTIONS)])


def measure() -> list[Figure]:
    """The figures."""
    token = _token()
    presented = (SECRET, ISSUER, token, SUBJECT)
    theirs: list[Starting[Running]] = [
        partial(express.protected, "array", *presented),
        partial(express.protected, "set", *presented),
        partial(simplejwt.protected, "documented", *presented),
        partial(simplejwt.protected, "stateless", *presented),
    ]
    ours = {OURS: partial(_service, token, 10_000), COLD: partial(_service, token, 0)}
    measured = compare({**ours, **dict(zip(WANTED, theirs, strict=True))})
    figures = [rate(name, one) for name, one in measured.items()]
    return [
        *figures,
        *(times("Keyturn's verifier", measured[OURS], name, measured[name], f) for name, f in WANTED.items()),
    ]
