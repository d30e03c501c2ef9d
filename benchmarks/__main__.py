"""`make bench`: every benchmark in one run, as a table on standard output and in benchmarks/results.md.

The server has one core, whatever loads it has the other. Exits with 1 if a figure is not as wanted.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from benchmarks import footprint, growth, latency, protected, refreshing, signing_in, verification
from benchmarks.figures import table

RESULTS = Path(__file__).with_name("results.md")


def main() -> int:
    figures = []
    for benchmark in (refreshing, protected, latency, growth, footprint, signing_in, verification):
        for figure in benchmark.measure():
            print(figure.row, flush=True)
            figures.append(figure)
    about = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; one run, `make bench`."
    RESULTS.write_text(f"# Benchmarks\n\n{about}\n\n{table(figures)}\n")
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
