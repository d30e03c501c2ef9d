"""Memory of an idle server, and the time from its start to its first answer."""

from __future__ import annotations

import statistics
import time

from benchmarks.running import server

STARTS = 5


def measure() -> list[tuple[str, str, str]]:
    """(what, measured, wanted) of every figure."""
    starts, memory = [], []
    for _ in range(STARTS):
        with server() as running:
            starts.append(running.started_in)
            time.sleep(1.5)
            memory.append(running.memory_mb)
    return [
        ("start to first answer, median", f"{statistics.median(starts):.2f} s", "under 2 s"),
        ("idle memory, median", f"{statistics.median(memory):.0f} MB", "under 120 MB"),
    ]
