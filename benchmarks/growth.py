"""What becomes of refreshes as sessions grow in number: their rate, the bytes of a session, and the purge of a million dead ones.

`--long` adds ten million sessions, and the memory of a server after ten million refreshes: an hour.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial

from sqlalchemy import text

from benchmarks import filling, keyturn_servers
from benchmarks.contestants import started, take_turns
from benchmarks.figures import Figure
from benchmarks.keyturn_servers import ENGINES, Keyturn
from benchmarks.load import closed_loop, open_loop, quantile

SIZES = {1000: "10³", 100_000: "10⁵", 10_000_000: "10⁷"}
LARGEST = 100_000
REFRESHED = 20_000
DEAD = 1_000_000
FEW, MANY = 10_000, 10_000_000
_SLICE = 3.0


def measure(*, long: bool = False) -> list[Figure]:
    """The figures.

    Args:
        long: whether to add what takes an hour.
    """
    sizes = {size: name for size, name in SIZES.items() if long or size <= LARGEST}
    figures = [figure for engine in ENGINES for figure in (*_growing(engine, sizes), *_purging(engine))]
    return [*figures, *_remembering()] if long else figures


def _growing(engine: str, sizes: dict[int, str]) -> Iterator[Figure]:
    """Refreshes of sessions from all over the table."""
    servers = {
        name: partial(ENGINES[engine], "HS256", sessions=size, clients=min(size, REFRESHED))
        for size, name in sizes.items()
    }
    with started(servers) as (running, missing):
        measured = take_turns(running)
        for size, name in sizes.items():
            if name in missing:
                yield Figure(f"refresh on {engine} at {name} sessions", 0.0, missing=missing[name])
                continue
            yield Figure(f"refresh on {engine} at {name} sessions", measured[name].rate, "{:,.0f}/s")
            if size > min(sizes):
                ratio = measured[name].rate / measured[sizes[min(sizes)]].rate
                yield Figure(f"refresh on {engine}, {name} sessions against 10³", ratio, "{:.2f}", "at least", 0.8)
                size_of_one = filling.bytes_per_session(running[name].engine, size)
                what = f"bytes per session on {engine} at {name} sessions, with indexes"
                yield Figure(what, size_of_one, "{:.0f}", "at most", 400)


def _purging(engine: str) -> Iterator[Figure]:
    """A server purges when it starts; refreshes go on meanwhile."""
    with started({engine: partial(ENGINES[engine], "HS256", dead=DEAD)}) as (running, missing):
        if missing:
            yield Figure(f"purge on {engine}", 0.0, missing=missing[engine])
            return
        server = running[engine]
        assert _dead(server), "the purge was over before it was measured"
        during = closed_loop(server.address, server.clients, _SLICE).rate
        latencies = open_loop(server.address, server.clients, during / 2, _SLICE)
        left = _dead(server)
        while _dead(server):
            time.sleep(0.5)
        after = statistics.median(closed_loop(server.address, server.clients, _SLICE).rate for _ in range(3))
    over = "" if left else ", which was over before the load"
    yield Figure(f"refresh on {engine} during the purge of 10⁶ sessions, against after it", during / after)
    what = f"refresh on {engine}, p99 at {during / 2:,.0f}/s during that purge{over}"
    yield Figure(what, quantile(latencies, 0.99) * 1e3, "{:.1f} ms")


def _dead(server: Keyturn) -> int:
    with server.engine.connect() as connection:
        counted = connection.execute(text("SELECT count(*) FROM sessions WHERE expires_at <= :now"), {"now": _now()})
        return int(counted.scalar_one())


def _now() -> int:
    return time.time_ns() // 1000


def _remembering() -> Iterator[Figure]:
    """Memory after many refreshes."""
    with keyturn_servers.sqlite("HS256", sessions=100_000, clients=REFRESHED) as server:
        answers, memory = 0, dict[int, float]()
        for goal in (FEW, MANY):
            while answers < goal:
                answers += closed_loop(server.address, server.clients, _SLICE).answers
            memory[goal] = server.memory_mb()
        server.check(answers)
    yield Figure("memory of the server after 10⁴ refreshes", memory[FEW], "{:.1f} MB")
    yield Figure("memory after 10⁷ refreshes, times", memory[MANY] / memory[FEW], "{:.3f}", "at most", 1.1)
