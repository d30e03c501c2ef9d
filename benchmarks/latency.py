"""How long a refresh takes at half of the top load: sent at a fixed rate, whatever the server does."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial

from benchmarks import keyturn_servers
from benchmarks.contestants import CONNECTIONS, started, take_turns
from benchmarks.figures import Figure
from benchmarks.load import open_loop, quantile

SESSIONS = 256
ROUNDS = 3
SECONDS = 5.0


def measure() -> list[Figure]:
    """The figures."""
    engines = {
        name: partial(engine, "HS256", clients=SESSIONS, connections=SESSIONS)
        for name, engine in keyturn_servers.ENGINES.items()
    }
    figures = []
    with started(engines) as (running, missing):
        figures += [Figure(f"latency of a refresh on {name}", 0.0, missing=why) for name, why in missing.items()]
        for name, server in running.items():
            (top,) = take_turns({name: replace(server, clients=server.clients[:CONNECTIONS])}, rounds=ROUNDS).values()
            load = top.rate / 2
            latencies = [open_loop(server.address, server.clients, load, SECONDS) for _ in range(ROUNDS)]
            for part, bound in ((0.5, ()), (0.99, ("at most", 10.0))):
                value = statistics.median(quantile(one, part) for one in latencies) * 1e3
                what = f"refresh on {name}, p{part * 100:.0f} at {load:,.0f}/s, half of the top load"
                figures.append(Figure(what, value, "{:.1f} ms", *bound))
    return figures
