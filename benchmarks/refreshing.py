"""Refreshes a second, Keyturn's beside those of what people use today: 64 connections, every token rotated at every use."""

from __future__ import annotations

from functools import partial

from benchmarks import keyturn_servers
from benchmarks.contestants import Measured, Running, Starting, compare
from benchmarks.figures import Figure
from benchmarks.peers import better_auth, express, simplejwt

SQLITE = "refresh, Keyturn on SQLite, HS256"
OURS: dict[str, tuple[Starting[Running], float]] = {
    SQLITE: (partial(keyturn_servers.sqlite, "HS256"), 12_000),
    "refresh, Keyturn on SQLite, ES256": (partial(keyturn_servers.sqlite, "ES256"), 8_000),
    "refresh, Keyturn on PostgreSQL, HS256": (partial(keyturn_servers.postgresql, "HS256"), 9_000),
}
LOGGED: dict[str, tuple[Starting[Running], float]] = {
    "refresh, Keyturn on SQLite, HS256, every request logged": (partial(keyturn_servers.sqlite, "HS256", "info"), 0),
}
THEIRS: dict[str, tuple[Starting[Running], float]] = {
    "refresh, Express, jsonwebtoken and an array in memory": (partial(express.refreshing, "array"), 3.5),
    "refresh, Express, jsonwebtoken with a KeyObject and a Set in memory": (partial(express.refreshing, "set"), 1.3),
    "refresh, Django, simplejwt and its blacklist on PostgreSQL": (partial(simplejwt.refreshing, "documented"), 50),
    "refresh, Django, simplejwt and its blacklist, ATOMIC_REQUESTS": (partial(simplejwt.refreshing, "atomic"), 50),
    "refresh, Better Auth on SQLite, durable": (partial(better_auth.refreshing, ""), 25),
    "refresh, Better Auth on SQLite in WAL mode, not durable": (
        partial(better_auth.refreshing, "journal_mode=WAL"),
        25,
    ),
}
_BUSY = 0.9


def measure() -> list[Figure]:
    """The figures."""
    measured = compare({name: starting for name, (starting, _) in (OURS | LOGGED | THEIRS).items()})
    rates = [rate(name, one, *(("at least", OURS[name][1]) if name in OURS else ())) for name, one in measured.items()]
    ours = measured[SQLITE]
    return [*rates, *(times("Keyturn on SQLite", ours, name, measured[name], f) for name, (_, f) in THEIRS.items())]


def rate(name: str, measured: Measured, bound: str = "", wanted: float = 0.0) -> Figure:
    """Answers a second, and how busy the load was with it."""
    if measured.missing:
        return Figure(name, 0.0, "{:,.0f}/s", bound, wanted, measured.missing)
    assert measured.load_core < _BUSY, f"{name}: the load took {measured.load_core:.0%} of its core"
    note = f"load core {measured.load_core:.0%} busy"
    return Figure(name, measured.rate, "{:,.0f}/s", bound, wanted, note=note)


def times(ours: str, our: Measured, theirs: str, their: Measured, wanted: float | None) -> Figure:
    """How many times as fast ours is as theirs."""
    missing = our.missing or their.missing
    ratio = 0.0 if missing else our.rate / their.rate
    return Figure(
        f"{ours}, times: {theirs.partition(', ')[2]}",
        ratio,
        "{:.2f}",
        "at least" if wanted else "",
        wanted or 0.0,
        missing,
    )
