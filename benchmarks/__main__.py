"""`make bench`: every benchmark in one run, as a table on standard output and in benchmarks/results.md, with charts beside it.

The server has one core, whatever loads it has the other. Exits with 1 if a figure is not as wanted. `make bench ARGS=--long` adds
what takes an hour; `make bench ARGS="refreshing latency"` runs some of it, and writes no file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

from benchmarks import footprint, growth, latency, protected, refreshing, results, signing_in, verification
from benchmarks.figures import Figure

Measure = Callable[[], list[Figure]]


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description="Every benchmark in one run.")
    parser.add_argument("--long", action="store_true", help="ten million sessions and refreshes as well: an hour")
    parser.add_argument("only", nargs="*", help="some of the benchmarks; no file is written")
    chosen = parser.parse_args()
    benchmarks: dict[str, Measure] = {
        "refreshing": refreshing.measure,
        "protected": protected.measure,
        "latency": latency.measure,
        "growth": partial(growth.measure, long=chosen.long),
        "footprint": footprint.measure,
        "signing_in": signing_in.measure,
        "verification": verification.measure,
    }
    figures = []
    for name in chosen.only or benchmarks:
        for figure in benchmarks[name]():
            print(figure.row, flush=True)
            figures.append(figure)
    if not chosen.only:
        results.write(figures, "make bench ARGS=--long" if chosen.long else "make bench")
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
