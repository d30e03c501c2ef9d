"""Refreshes a second, Keyturn's beside those of what people use today: 64 connections, every token rotated at every use."""

from __future__ import annotations

from functools import partial

from benchmarks import keyturn_servers
from benchmarks.contestants import Measured, Starting, compare
from benchmarks.figures import Figure
from benchmarks.peers import express

SQLITE, SQLITE_ES256 = "refresh, Keyturn, SQLite, HS256", "refresh, Keyturn, SQLite, ES256"
CONTESTANTS: dict[str, Starting] = {
    SQLITE: partial(keyturn_servers.sqlite, "HS256"),
    SQLITE_ES256: partial(keyturn_servers.sqlite, "ES256"),
    "refresh, Express and jsonwebtoken, tokens in an array in memory": partial(express.refreshing, "array"),
    "refresh, the same with a KeyObject and a Set": partial(express.refreshing, "set"),
}
WANTED = {SQLITE: 12_000, SQLITE_ES256: 8_000}
TIMES = dict(zip([name for name in CONTESTANTS if name not in WANTED], (3.5, 1.3), strict=True))
_BUSY = 0.9


def measure() -> list[Figure]:
    """The figures."""
    measured = compare(CONTESTANTS)
    figures = [_rate(name, one) for name, one in measured.items()]
    ours = measured[SQLITE]
    for name, factor in TIMES.items():
        theirs = measured[name]
        ratio = 0.0 if theirs.missing else ours.rate / theirs.rate
        what = f"Keyturn on SQLite, times {name.removeprefix('refresh, ')}"
        figures.append(Figure(what, ratio, "{:.2f}", "at least", factor, theirs.missing))
    return figures


def _rate(name: str, measured: Measured) -> Figure:
    if measured.missing:
        return Figure(name, 0.0, missing=measured.missing)
    assert measured.load_core < _BUSY, f"{name}: the load took {measured.load_core:.0%} of its core"
    bound = ("at least", WANTED[name]) if name in WANTED else ()
    return Figure(f"{name} (load core {measured.load_core:.0%} busy)", measured.rate, "{:,.0f}/s", *bound)
