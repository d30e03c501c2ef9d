"""Refreshes a second: durable, rotating every time (W = 0), 64 clients with a session each."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

from benchmarks.figures import Figure
from benchmarks.running import BASE, Client, Connection, Running, request, server

CLIENTS = 64
SECONDS = 5.0
_TOKEN = b'"refresh_token":"'


def _sessions(running: Running) -> list[str]:
    connection = Connection(running.address)
    tokens = []
    for number in range(CLIENTS):
        body = {"email": f"user{number}@example.com", "password": "correct horse", "delivery": "body"}
        status, answer = connection.exchange(request("POST", f"{BASE}/register", body))
        assert status == 201, answer
        tokens.append(answer["refresh_token"])
    return tokens


async def _drive(running: Running, tokens: list[str]) -> tuple[int, float]:
    loop = asyncio.get_running_loop()
    answered = 0
    began = time.perf_counter()
    until = began + SECONDS

    def following(status: int, body: bytes) -> bytes | None:
        nonlocal answered
        assert status == 200, body
        answered += 1
        if time.perf_counter() > until:
            return None
        start = body.index(_TOKEN) + len(_TOKEN)
        token = body[start : body.index(b'"', start)].decode()
        return request("POST", f"{BASE}/refresh-token", {"refresh_token": token})

    finished = []
    for token in tokens:
        done = loop.create_future()
        finished.append(done)
        first = request("POST", f"{BASE}/refresh-token", {"refresh_token": token})
        await loop.create_connection(lambda first=first, done=done: Client(first, following, done), *running.address)
    await asyncio.gather(*finished)
    return answered, time.perf_counter() - began


def measure() -> list[Figure]:
    """The figures."""
    figures = []
    for algorithm in ("ES256", "EdDSA"):
        with server({"KEYTURN_REFRESH_WINDOW": "0s", "KEYTURN_ACCESS_ALGORITHM": algorithm}) as running:
            tokens = _sessions(running)
            answered, seconds = asyncio.run(_drive(running, tokens))
            with closing(sqlite3.connect(running.data_dir / "keyturn.db")) as database:
                generations = database.execute("select sum(generation) from sessions").fetchone()[0]
        # Every 200 was a rotation that is in the database: no answer was invented, none was lost.
        assert generations == answered, (generations, answered)
        what = f"refresh, durable, rotating, {CLIENTS} clients, {algorithm}"
        figures.append(Figure(what, answered / seconds, "{:,.0f}/s", "at least", 1000))
    return figures
