"""Memory of an idle server, and the time from its start to its first answer."""

from __future__ import annotations

import statistics
import time

from benchmarks.figures import Figure
from benchmarks.running import server

STARTS = 5


def measure() -> list[Figure]:
    """The figures."""
    starts, memory = [], []
    for _ in range(STARTS):
        with server() as running:
            starts.append(running.started_in)
            time.sleep(1.5)
            memory.append(running.memory_mb)
    return [
        Figure("start to first answer, median", statistics.median(starts), "{:.2f} s", "at most", 2.0),
        Figure("idle memory, median", statistics.median(memory), "{:.0f} MB", "at most", 120),
    ]
